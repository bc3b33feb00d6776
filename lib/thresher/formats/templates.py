"""Chat templates: conversations become text with special tokens, and the characters that the loss
falls on.

A template that marks its assistant turns with `{% generation %}` says itself what is learned; for
any other, the turns are what the text gains when an answer is added after the prompt that asks for
it. Spans count characters (code points) of the text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jinja2.exceptions import SecurityError
from jinja2.exceptions import TemplateError as JinjaError

from thresher.formats.arrays import nulls, truth
from thresher.formats.format import Written, with_system
from thresher.formats.messages import Dropped
from thresher.formats.plain_chat import (
    CHATML_LAYOUT,
    LLAMA3_LAYOUT,
    Layout,
    is_plain,
    learned_spans,
    render_plain,
)
from thresher.formats.rows import Faults, Rows
from thresher.formats.sandbox import (
    BEGIN,
    END,
    MAX_CHARACTERS,
    Budget,
    ChatSandbox,
    Spent,
    TemplateError,
    TemplateRefused,
    TrustedChat,
)
from thresher.formats.toolcalls import as_fields
from thresher.formats.turns import ROLES, STRING, Turns

Column = np.ndarray[Any, Any]
SPANS = pa.large_list(pa.struct([("start", pa.int64()), ("end", pa.int64())]))

CHATML = """\
{%- for message in messages -%}
{{- '<|im_start|>' ~ message.role ~ '\\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}
{%- if message.reasoning_content -%}
{{- '<think>\\n' ~ message.reasoning_content ~ '\\n</think>\\n\\n' -}}
{%- endif -%}
{{- message.content or '' -}}
{%- for call in message.tool_calls or [] -%}
{{- '\\n<tool_call>\\n{"name": ' ~ (call.function.name | tojson) ~ ', "arguments": ' -}}
{{- call.function.arguments ~ '}\\n</tool_call>' -}}
{%- endfor -%}
{{- '<|im_end|>' -}}
{%- endgeneration -%}
{{- '\\n' -}}
{%- else -%}
{{- message.content ~ '<|im_end|>\\n' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
"""

LLAMA3 = """\
{{- '<|begin_of_text|>' -}}
{%- for message in messages -%}
{%- set role = 'ipython' if message.role == 'tool' else message.role -%}
{{- '<|start_header_id|>' ~ role ~ '<|end_header_id|>\\n\\n' -}}
{%- if message.role == 'assistant' -%}
{%- generation -%}
{{- (message.content or '') | trim -}}
{%- for call in message.tool_calls or [] -%}
{{- '{"name": ' ~ (call.function.name | tojson) ~ ', "parameters": ' -}}
{{- call.function.arguments ~ '}' -}}
{%- endfor -%}
{{- '<|eot_id|>' -}}
{%- endgeneration -%}
{%- else -%}
{{- message.content | trim ~ '<|eot_id|>' -}}
{%- endif -%}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' -}}
{%- endif -%}
"""
BUILT_IN = {"chatml": CHATML, "llama3": LLAMA3}
_LAYOUTS = {CHATML: CHATML_LAYOUT, LLAMA3: LLAMA3_LAYOUT}


@dataclass(frozen=True)
class Rendering:
    """How conversations become text.

    Args:
        source: The template.
        spans: Whether to write the characters that the loss falls on, as `loss_spans`.
    """

    source: str
    spans: bool = False


class Renderer:
    """Renders conversations one after the other; not shared between threads."""

    def __init__(self, rendering: Rendering) -> None:
        ours = rendering.source in BUILT_IN.values()
        self._sandbox = TrustedChat() if ours else ChatSandbox()
        self._template = self._sandbox.compile_chat(rendering.source)
        self._spans = rendering.spans

    def render(
        self, messages: list[dict[str, Any]], tools: Any
    ) -> tuple[str, list[dict[str, int]] | None]:
        """Return the text, and the spans where they are wanted.

        Raises:
            TemplateError: The template refuses the row or fails on it.
            Spent: It takes too much work.
        """
        self._sandbox.budget = Budget()
        marked = self._run(messages, tools)
        text, spans = _unmarked(marked)
        if not self._spans:
            return text, None
        if spans is None:
            spans = self._gained(messages, tools, text)
        return text, spans

    def _run(self, messages: list[dict[str, Any]], tools: Any, *, ask: bool = False) -> str:
        names = {
            "messages": messages,
            "tools": tools,
            "add_generation_prompt": ask,
            "bos_token": "",
            "eos_token": "",
        }
        if isinstance(self._sandbox, TrustedChat):
            return self._template.render(names)
        pieces: list[str] = []
        size = 0
        for piece in self._template.generate(names):
            size += len(piece)
            self._sandbox.budget.measure(piece)
            if size > MAX_CHARACTERS:
                raise Spent("the template makes too much text")
            pieces.append(piece)
        return "".join(pieces)

    def _gained(
        self, messages: list[dict[str, Any]], tools: Any, text: str
    ) -> list[dict[str, int]]:
        """Find what each answer adds to the text of the turns before it."""
        spans = []
        for place, message in enumerate(messages):
            if message["role"] != "assistant":
                continue
            before = self._run(messages[:place], tools, ask=True)
            after = self._run(messages[: place + 1], tools)
            if not (text.startswith(after) and after.startswith(before)):
                raise TemplateError(
                    "the template does not add turn to turn: mark them with generation blocks"
                )
            spans.append({"start": len(before), "end": len(after)})
        return spans


def _unmarked(text: str) -> tuple[str, list[dict[str, int]] | None]:
    """Take the marks of generation blocks out; None where the template has none."""
    if BEGIN not in text:
        return text, None
    pieces: list[str] = []
    spans = []
    first, *marked = text.split(BEGIN)
    pieces.append(first)
    place = len(first)
    for piece in marked:
        learned, _, rest = piece.partition(END)
        spans.append({"start": place, "end": place + len(learned)})
        pieces += [learned, rest]
        place += len(learned) + len(rest)
    return "".join(pieces), spans


def check_template(rendering: Rendering) -> str | None:
    """Try a template on a small conversation; return what is wrong, or None.

    Only what concerns the template as a whole counts: a row that it refuses is the row's matter.
    """
    try:
        renderer = Renderer(rendering)
        renderer.render(
            [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"}], None
        )
    except TemplateRefused as error:
        return str(error)
    except SecurityError as error:
        return f"it tries to leave its sandbox ({error})"
    except Spent as error:
        return str(error)
    except (TemplateError, JinjaError, TypeError, ValueError) as error:
        return f"it fails on a greeting and its answer: {error}"
    return None


def render_rows(rendering: Rendering, rows: Rows) -> Written:
    """Write conversations as a column `text`, and `loss_spans` where they are wanted."""
    faults = Faults(len(rows))
    lost: Dropped = {}
    rows = with_system(rows, "messages", lost)
    turns, bad = as_fields(rows.turns["messages"])
    faults.add(turns.any(bad), "a function_call turn is not a tool call in JSON")
    _lose(rendering, rows, turns, lost)
    faults.add(turns.any(_marked(turns)), "template: the text holds U+FDD0 or U+FDD1")
    layout = _LAYOUTS.get(rendering.source)
    if layout is not None and is_plain(turns):
        return Written(_plain(layout, rendering, turns, faults), faults, lost)
    renderer = Renderer(rendering)
    texts: list[str] = []
    spans: list[Any] = []
    messages = _messages(turns)
    tools = rows.column("tools").to_pylist()
    for row in range(len(rows)):
        if not faults.good[row]:
            continue
        start, stop = int(turns.offsets[row]), int(turns.offsets[row + 1])
        mine = messages[start:stop]
        try:
            text, found = renderer.render(mine, json.loads(tools[row]) if tools[row] else None)
        except (Spent, TemplateError) as error:
            faults.add(np.array([row]), f"template: {error}")
        except (JinjaError, TypeError, ValueError, RecursionError, OverflowError) as error:
            faults.add(np.array([row]), f"template: {type(error).__name__}: {str(error)[:200]}")
        else:
            texts.append(text)
            spans.append(found)
    columns = {"text": pa.array(texts, STRING)}
    if rendering.spans:
        columns["loss_spans"] = pa.array(spans, SPANS)
    return Written(columns, faults, lost)


def _plain(
    layout: Layout, rendering: Rendering, turns: Turns, faults: Faults
) -> dict[str, pa.Array]:
    texts, starts, ends = render_plain(layout, turns)
    columns = {"text": texts}
    if rendering.spans:
        columns["loss_spans"] = learned_spans(turns, starts, ends, SPANS)
    good = pa.array(faults.good)
    return {name: column.filter(good) for name, column in columns.items()}


def _lose(rendering: Rendering, rows: Rows, turns: Turns, lost: Dropped) -> None:
    told = rows.column("tools")
    if "tools" not in rendering.source and told.null_count < len(told):
        lost["tools"] = ~nulls(told)
    parts = turns.fields.get("parts")
    if parts is not None:
        lost["content parts that are not text"] = turns.any(~nulls(parts))


def _marked(turns: Turns) -> Column:
    """(M,) messages whose text holds what marks are made of."""
    found = np.zeros(len(turns.roles), bool)
    for name in ("content", "reasoning"):
        if name in turns.fields:
            for mark in (BEGIN, END):
                found |= truth(pc.match_substring(turns.fields[name], mark))
    return found


def _messages(turns: Turns) -> list[dict[str, Any]]:
    """Return all messages as templates see them: without what they do not have."""
    names = {"reasoning": "reasoning_content", "tool_call_id": "tool_call_id", "name": "name"}
    made: list[dict[str, Any]] = [
        {"role": ROLES[role], "content": content}
        for role, content in zip(
            turns.roles.tolist(), turns.field("content").to_pylist(), strict=True
        )
    ]
    for field, name in names.items():
        if field in turns.fields:
            for message, value in zip(made, turns.fields[field].to_pylist(), strict=True):
                if value is not None:
                    message[name] = value
    if "tool_calls" in turns.fields:
        for message, calls in zip(made, turns.fields["tool_calls"].to_pylist(), strict=True):
            if calls is not None:
                message["tool_calls"] = [_call(call) for call in calls]
    return made


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = {"name": call["name"], "arguments": call["arguments"]}
    made = {"type": call["type"], "function": function}
    return made if call["id"] is None else {"id": call["id"], **made}
