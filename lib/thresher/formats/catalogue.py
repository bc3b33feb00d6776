"""All formats by name, more specific ones first.

Where two formats have the same columns, the one whose rows must look a certain way stands before
the one that takes anything.
"""

from __future__ import annotations

import difflib

from thresher.errors import ConfigError
from thresher.formats.flat import FlatSpec, flat
from thresher.formats.format import Format
from thresher.formats.lists import ListSpec, listed
from thresher.formats.others import ALIKE, HH, NECTAR, RANKED, STEPS, TEXT
from thresher.formats.rows import Kind

_C, _P, _U = Kind.CHAT, Kind.PREFERENCE, Kind.UNPAIRED

_SFT = (
    flat(
        "alpaca",
        "instruction, input, output, [system], [history]",
        FlatSpec(_C, "instruction", "output", input="input", system="system", history="history"),
    ),
    flat(
        "alpaca-response",
        "instruction, [input], response (GPTeacher)",
        FlatSpec(_C, "instruction", "response", input="input"),
    ),
    flat("dolly", "instruction, context, response",
         FlatSpec(_C, "instruction", "response", input="context"), input_required=True),
    flat("open-orca", "[system_prompt], question, response",
         FlatSpec(_C, "question", "response", system="system_prompt")),
    flat("problem-solution", "problem, solution (NuminaMath, OpenR1)",
         FlatSpec(_C, "problem", "solution")),
    flat("question-solution", "question, solution", FlatSpec(_C, "question", "solution")),
    flat("context-answer", "question, context, answer (sql-create-context)",
         FlatSpec(_C, "question", "answer", input="context"), input_required=True),
    flat("question-answer", "question, answer", FlatSpec(_C, "question", "answer")),
    flat("metharme", "prompt, generation", FlatSpec(_C, "prompt", "generation")),
    flat("oasst", "INSTRUCTION, RESPONSE", FlatSpec(_C, "INSTRUCTION", "RESPONSE")),
    flat("tldr", "article, summary", FlatSpec(_C, "article", "summary")),
    flat("prompt-completion", "prompt, completion: strings",
         FlatSpec(_C, "prompt", "completion")),
    flat("prompt-response", "prompt, response: strings", FlatSpec(_C, "prompt", "response")),
    listed("prompt-completion-chat", "prompt, completion: message lists, [tools]",
           ListSpec(_C, prompt="prompt", completion="completion")),
    listed("sharegpt", "conversations[from, value], [system], [tools]",
           ListSpec(_C, "from", messages="conversations", system="system")),
    listed("messages", "messages[role, content, ...], [tools] (OpenAI)",
           ListSpec(_C, messages="messages")),
    listed("messages-parts", "messages[role, content[type, text]], [tools] (OpenAI)",
           ListSpec(_C, "text", messages="messages")),
    listed("llamafactory-v1", "messages[role, content[type, value], loss_weight], [tools]",
           ListSpec(_C, "value", messages="messages")),
)  # fmt: skip
_PREFERENCE = (
    flat("argilla", "[system], instruction, chosen_response, rejected_response",
         FlatSpec(_P, "instruction", chosen="chosen_response", rejected="rejected_response",
                  system="system")),
    flat("alpaca-preference", "[system], instruction, input, chosen, rejected",
         FlatSpec(_P, "instruction", chosen="chosen", rejected="rejected", input="input",
                  system="system")),
    flat("intel", "[system], question, chosen, rejected",
         FlatSpec(_P, "question", chosen="chosen", rejected="rejected", system="system")),
    flat("icr", "[system], input, chosen, rejected",
         FlatSpec(_P, "input", chosen="chosen", rejected="rejected", system="system")),
    flat("preference", "[system], prompt, chosen, rejected: strings",
         FlatSpec(_P, "prompt", chosen="chosen", rejected="rejected", system="system")),
    listed("preference-chat", "prompt, chosen, rejected: message lists, [tools]",
           ListSpec(_P, prompt="prompt", chosen="chosen", rejected="rejected")),
    listed("preference-messages", "messages, chosen{role, content}, rejected{...} (axolotl)",
           ListSpec(_P, messages="messages", chosen="chosen", rejected="rejected", single=True)),
    listed("sharegpt-preference", "conversations, chosen{from, value}, rejected{...}, [tools]",
           ListSpec(_P, "from", messages="conversations", chosen="chosen", rejected="rejected",
                    single=True, system="system")),
    listed("ultra", "prompt: text; chosen, rejected: whole conversations",
           ListSpec(_P, chosen="chosen", rejected="rejected", implicit=True,
                    prompt_text="prompt", system="system", tools=False)),
    listed("preference-whole", "chosen, rejected: whole conversations as message lists",
           ListSpec(_P, chosen="chosen", rejected="rejected", implicit=True, beside="prompt",
                    system="system")),
    HH,
    ALIKE,
)  # fmt: skip
_UNPAIRED = (
    flat("alpaca-kto", "[system], instruction, input, output, kto_tag",
         FlatSpec(_U, "instruction", "output", input="input", label="kto_tag", system="system")),
    flat("argilla-kto", "[system], instruction, completion, label",
         FlatSpec(_U, "instruction", "completion", label="label", system="system")),
    flat("intel-kto", "[system], question, completion, label",
         FlatSpec(_U, "question", "completion", label="label", system="system")),
    flat("kto", "[system], prompt, completion, label: strings and a boolean",
         FlatSpec(_U, "prompt", "completion", label="label", system="system")),
    flat("kto-response", "prompt, response, label",
         FlatSpec(_U, "prompt", "response", label="label")),
    listed("kto-chat", "prompt, completion: message lists; label",
           ListSpec(_U, prompt="prompt", completion="completion", label="label")),
    listed("kto-messages", "messages[role, content], label (LLaMA-Factory)",
           ListSpec(_U, messages="messages", label="label")),
    listed("kto-sharegpt", "conversations[from, value], label, [system], [tools]",
           ListSpec(_U, "from", messages="conversations", label="label", system="system")),
)  # fmt: skip
_OTHER = (
    STEPS,
    NECTAR,
    RANKED,
    TEXT,
    flat("prompt", "prompt: text", FlatSpec(Kind.PROMPT, "prompt")),
    listed("prompt-chat", "prompt: message list, [tools]", ListSpec(Kind.PROMPT, prompt="prompt")),
)
FORMATS: dict[str, Format] = {f.name: f for f in (*_PREFERENCE, *_UNPAIRED, *_SFT, *_OTHER)}


def find_format(name: str, flag: str = "--format") -> Format:
    """Return a format by its name.

    Raises:
        ConfigError: There is none; the nearest one is named.
    """
    if name in FORMATS:
        return FORMATS[name]
    near = difflib.get_close_matches(name, FORMATS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"{flag} {name}: no such format", remedy=f"{hint}`thresher convert --help` lists them"
    )
