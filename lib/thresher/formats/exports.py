"""Exports: what each trainer wants to read, and the configuration with which it reads it.

An export is a format, what the trainer takes of it, and a file beside the data. Trainers get the
columns they need and no others: an extra column changes what TRL takes a data set for, and breaks
its preference collator.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from thresher.errors import ConfigError
from thresher.formats.catalogue import FORMATS
from thresher.formats.format import Writing

Consumer = Literal["trl", "axolotl", "llamafactory", "openinstruct", "none"]
_TRL_FIELDS = frozenset({"tool_calls", "tool_call_id", "name", "reasoning"})
_AXOLOTL_FIELDS = _TRL_FIELDS | {"train"}
_NOTHING: frozenset[str] = frozenset()
_SYSTEM = frozenset({"system"})


@dataclass(frozen=True)
class Export:
    """One thing that `--to` may name.

    Args:
        name: Its name.
        format: The format that is written.
        consumer: Whose configuration is written beside the data.
        setting: What the configuration says: TRL's trainer, axolotl's keys, LLaMA-Factory's entry.
        fields: Message fields the consumer takes; all if None.
        alternating: Whether it skips rows whose turns do not alternate.
        extra: Whether other columns may stay.
        system_column: Whether it wants the system prompt beside the messages.
        omitted: Optional columns that it does not look at.
    """

    name: str
    format: str
    consumer: Consumer = "none"
    setting: Mapping[str, Any] = field(default_factory=dict)
    fields: frozenset[str] | None = None
    alternating: bool = False
    extra: bool = False
    system_column: bool = False
    omitted: frozenset[str] = frozenset()

    def writing(self, present: frozenset[str], reasoning: str) -> Writing:
        """Return how rows are written, given what there is."""
        return Writing(
            present, self.fields, reasoning, self.alternating, self.system_column, self.omitted
        )

    @property
    def about(self) -> str:
        """One line for the help."""
        return FORMATS[self.format].about

    def snippet(self, columns: list[str], message_fields: list[str]) -> tuple[str, str] | None:
        """Return the name and text of the configuration file, or None.

        Args:
            columns: The columns written.
            message_fields: The fields of the messages written.
        """
        if self.consumer == "axolotl":
            return "axolotl.yaml", _axolotl(self.setting, message_fields)
        if self.consumer == "llamafactory":
            return "dataset_info.json", _llamafactory(self.setting, columns)
        if self.consumer == "trl":
            return "trl_example.py", _trl(self.setting)
        if self.consumer == "openinstruct":
            return "open_instruct.txt", _openinstruct(self.setting)
        return None


def _trl(setting: Mapping[str, Any]) -> str:
    trainer = setting["trainer"]
    lines = [
        f'"""Train with TRL\'s {trainer} on this data; run it in this folder."""',
        "",
        "from datasets import load_dataset",
        f"from trl import {trainer.removesuffix('Trainer')}Config, {trainer}",
        "",
        'dataset = load_dataset("parquet", data_files="data/*.parquet", split="train")',
        f"trainer = {trainer}(",
        '    model="MODEL",',
        f"    args={trainer.removesuffix('Trainer')}Config({setting.get('args', '')}),",
        "    train_dataset=dataset,",
        *setting.get("more", ()),
        ")",
        "trainer.train()",
    ]
    return "\n".join(lines) + "\n"


def _axolotl(setting: Mapping[str, Any], message_fields: list[str]) -> str:
    """Write YAML by hand: the order of keys is for a person."""
    top = {k: v for k, v in setting.items() if k != "dataset"}
    dataset = dict(setting["dataset"])
    if "train" in message_fields and dataset["type"] == "chat_template":
        dataset["message_field_training"] = "train"
    lines = ["# Merge into the axolotl configuration; `path` is this folder."]
    lines += [f"{key}: {_yaml(value)}" for key, value in top.items()]
    lines += ["datasets:", "  - path: .", "    split: train"]
    for key, value in dataset.items():
        if isinstance(value, dict):
            lines.append(f"    {key}:")
            lines += [f"      {k}: {_yaml(v)}" for k, v in value.items()]
        else:
            lines.append(f"    {key}: {_yaml(value)}")
    return "\n".join(lines) + "\n"


def _yaml(value: Any) -> str:
    plain = isinstance(value, str) and value.replace("_", "").replace(".", "").isalnum()
    return str(value) if plain else json.dumps(value)


def _llamafactory(setting: Mapping[str, Any], columns: list[str]) -> str:
    """Write the entry; columns that were not written are not named."""
    named = {slot: name for slot, name in setting["columns"].items() if name in columns}
    entry = {"file_name": "data", **{k: v for k, v in setting.items() if k != "columns"}}
    entry["columns"] = named
    if "tags" in entry:
        entry["tags"] = entry.pop("tags")  # after the columns, as in the trainer's own examples
    return json.dumps({"thresher": entry}, indent=2) + "\n"


def _openinstruct(setting: Mapping[str, Any]) -> str:
    return (
        "Arguments for open-instruct, run in this folder:\n"
        f"{setting['script']} --dataset_mixer_list data/part-00000.parquet 1.0\n"
        "Name every part under data/, or push the folder to a hub and name that.\n"
    )


_ROLE_TAGS = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user",
    "assistant_tag": "assistant", "system_tag": "system", "observation_tag": "tool",
}  # fmt: skip
_OURS = {"role": "role", "content": "content"}
_THEIRS = {"role": "from", "content": "value"}


def _trainer(name: str, args: str = "", *more: str) -> dict[str, Any]:
    return {"trainer": name, "args": args, "more": more}


def _chat(messages: str, mapping: dict[str, str], **more: Any) -> dict[str, Any]:
    return {
        "chat_template": "tokenizer_default",
        "dataset": {
            "type": "chat_template",
            "field_messages": messages,
            "message_property_mappings": mapping,
            **more,
        },
    }


def _rl(method: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"rl": method, "dataset": {"type": kind, **more}}


def _entry(formatting: str = "alpaca", tags: Any = None, **columns: str) -> dict[str, Any]:
    made: dict[str, Any] = {"formatting": formatting, "columns": columns}
    return made | ({"tags": tags} if tags else {})


_ALPACA = {"prompt": "instruction", "query": "input", "system": "system"}
_SHARE = {"messages": "conversations", "system": "system", "tools": "tools"}
_LF_SHARE: dict[str, Any] = {"consumer": "llamafactory", "alternating": True}

_EXPORTS = (
    Export("trl-sft", "messages", "trl", _trainer("SFTTrainer"), _TRL_FIELDS),
    Export("trl-prompt-completion", "prompt-completion-chat", "trl", _trainer("SFTTrainer"),
           _TRL_FIELDS),
    Export("trl-sft-text", "text", "trl", _trainer("SFTTrainer", 'dataset_text_field="text"')),
    Export("trl-prompt-only", "prompt-chat", "trl",
           _trainer("GRPOTrainer", "", "    reward_funcs=REWARD,"), _TRL_FIELDS),
    Export("trl-dpo", "preference-chat", "trl", _trainer("DPOTrainer"), _TRL_FIELDS),
    Export("trl-reward", "preference-whole", "trl", _trainer("RewardTrainer"), _TRL_FIELDS,
           omitted=_SYSTEM),
    Export("trl-kto", "kto-chat", "trl", _trainer("KTOTrainer"), _TRL_FIELDS),
    Export("trl-prm", "stepwise", "trl", _trainer("PRMTrainer")),
    Export("axolotl-chat_template", "messages", "axolotl", _chat("messages", _OURS),
           _AXOLOTL_FIELDS),
    Export("axolotl-sharegpt", "sharegpt", "axolotl", _chat("conversations", _THEIRS),
           omitted=_SYSTEM),
    Export("axolotl-alpaca", "alpaca", "axolotl", {"dataset": {"type": "alpaca"}},
           omitted=frozenset({"system", "history"})),
    Export("axolotl-completion", "text", "axolotl",
           {"dataset": {"type": "completion", "field": "text"}}),
    Export("axolotl-dpo", "preference-messages", "axolotl",
           _rl("dpo", "chat_template.default", field_messages="messages", field_chosen="chosen",
               field_rejected="rejected", message_property_mappings=_OURS), _NOTHING),
    Export("axolotl-dpo-argilla", "argilla", "axolotl", _rl("dpo", "chatml.default")),
    Export("axolotl-dpo-intel", "intel", "axolotl", _rl("dpo", "chatml.intel")),
    Export("axolotl-dpo-icr", "icr", "axolotl", _rl("dpo", "chatml.icr")),
    Export("axolotl-dpo-prompt_pairs", "preference", "axolotl", _rl("dpo", "chatml.prompt_pairs")),
    Export("axolotl-dpo-ultra", "ultra", "axolotl", _rl("dpo", "chatml.ultra"), _NOTHING,
           system_column=True),
    Export("axolotl-orpo", "preference-whole", "axolotl",
           _rl("orpo", "chat_template.argilla"), _NOTHING, system_column=True),
    Export("axolotl-kto", "kto", "axolotl", _rl("kto", "chatml.prompt_pairs")),
    Export("axolotl-kto-argilla", "argilla-kto", "axolotl", _rl("kto", "chatml.argilla")),
    Export("axolotl-kto-intel", "intel-kto", "axolotl", _rl("kto", "chatml.intel")),
    Export("axolotl-stepwise_supervised", "stepwise", "axolotl",
           {"dataset": {"type": "stepwise_supervised"}}),
    Export("llamafactory-alpaca", "alpaca", "llamafactory",
           _entry(**_ALPACA, response="output", history="history")),
    Export("llamafactory-sharegpt", "sharegpt", setting=_entry("sharegpt", **_SHARE), **_LF_SHARE),
    Export("llamafactory-messages", "messages",
           setting=_entry("sharegpt", _ROLE_TAGS, messages="messages", tools="tools"),
           fields=_NOTHING, **_LF_SHARE),
    Export("llamafactory-dpo", "sharegpt-preference",
           setting={"ranking": True,
                    **_entry("sharegpt", **_SHARE, chosen="chosen", rejected="rejected")},
           **_LF_SHARE),
    Export("llamafactory-dpo-alpaca", "alpaca-preference", "llamafactory",
           {"ranking": True, **_entry(**_ALPACA, chosen="chosen", rejected="rejected")}),
    Export("llamafactory-kto", "kto-sharegpt",
           setting=_entry("sharegpt", **_SHARE, kto_tag="label"), **_LF_SHARE),
    Export("llamafactory-kto-alpaca", "alpaca-kto", "llamafactory",
           _entry(**_ALPACA, response="output", kto_tag="kto_tag")),
    Export("llamafactory-pretrain", "text", "llamafactory", _entry(prompt="text")),
    Export("openinstruct-sft", "messages", "openinstruct",
           {"script": "open_instruct/finetune.py"}, _NOTHING),
    Export("openinstruct-dpo", "preference-whole", "openinstruct",
           {"script": "open_instruct/dpo_tune_cache.py"}, _NOTHING, omitted=_SYSTEM),
)  # fmt: skip
_SYNONYMS = {"openai": "messages", "dpo": "trl-dpo", "chat": "messages", "prm": "trl-prm"}
EXPORTS: dict[str, Export] = {
    **{export.name: export for export in _EXPORTS},
    **{name: Export(name, name, extra=True) for name in FORMATS},
}


def find_export(name: str) -> Export:
    """Return what `--to` names: an export, or a bare format.

    Raises:
        ConfigError: There is none; the nearest one is named.
    """
    name = _SYNONYMS.get(name, name)
    if name in EXPORTS:
        return EXPORTS[name]
    near = difflib.get_close_matches(name, EXPORTS, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ConfigError(
        f"--to {name}: no such format or trainer",
        remedy=f"{hint}`thresher convert --help` lists them",
    )
