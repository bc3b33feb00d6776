"""Exports write what the trainer loads: the columns it needs, and a configuration it can read."""

from __future__ import annotations

import ast
import json

import pytest
import yaml

from tests.formats.batches import Row, batch, present
from thresher.errors import ConfigError
from thresher.formats.catalogue import FORMATS
from thresher.formats.conversion import Conversion, convert
from thresher.formats.exports import EXPORTS, find_export
from thresher.formats.format import Writing
from thresher.formats.names import FORMAT_NAMES, TRAINERS

CHAT: Row = {
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "a", "weight": 0, "train": False, "mood": "good"},
        {"role": "assistant", "content": "b", "weight": 1, "train": True, "thinking": "hm"},
    ],
    "id": 7,
}
TRAINERS_FOUND = [export for export in EXPORTS.values() if export.consumer != "none"]


def exported(name: str) -> tuple[list[Row], list[str], dict[str, int]]:
    """Return the rows that an export makes of one conversation, their columns, what is lost."""
    data = batch(CHAT)
    export = find_export(name)
    held = frozenset(k for k in present(data, "messages") if not k.startswith("extra:"))
    how = Conversion(("messages",), export.format, export.writing(held, "reasoning_content"))
    made = convert(data, how)
    return made.batch.to_pylist(), made.batch.schema.names, dict(made.losses)


def test_trl_gets_messages_with_roles_it_knows_and_nothing_else() -> None:
    rows, columns, losses = exported("trl-sft")
    assert columns == ["messages"]
    assert rows[0]["messages"][2] == {
        "role": "assistant",
        "content": "b",
        "reasoning_content": "hm",
    }
    assert set(losses) == {"per-message weights", "message field 'mood'", "extra column 'id'"}


def test_axolotl_gets_the_flag_it_trains_by() -> None:
    rows, _, _ = exported("axolotl-chat_template")
    assert [m["train"] for m in rows[0]["messages"]] == [None, False, True]
    snippet = find_export("axolotl-chat_template").snippet(["messages"], ["train"])
    assert snippet is not None
    entry = yaml.safe_load(snippet[1])["datasets"][0]
    assert entry["message_field_training"] == "train"
    assert entry["field_messages"] == "messages"


def test_llamafactory_gets_its_own_role_names_and_an_entry_for_its_columns() -> None:
    rows, columns, losses = exported("llamafactory-sharegpt")
    assert columns == ["conversations"]
    assert [m["from"] for m in rows[0]["conversations"]] == ["system", "human", "gpt"]
    assert losses["reasoning"] == 1
    snippet = find_export("llamafactory-sharegpt").snippet(columns, [])
    assert snippet is not None and snippet[0] == "dataset_info.json"
    assert json.loads(snippet[1])["thresher"]["columns"] == {"messages": "conversations"}


def test_axolotl_alpaca_says_that_it_drops_the_system_prompt() -> None:
    _, columns, losses = exported("axolotl-alpaca")
    assert columns == ["instruction", "input", "output"]
    assert losses["system prompt"] == 1
    assert "system" in exported("llamafactory-alpaca")[1]


def test_rows_that_llamafactory_would_skip_are_refused() -> None:
    turns = [("human", "a"), ("function_call", '{"name": "f", "arguments": {}}'),
             ("observation", "b"), ("observation", "c"), ("gpt", "d")]  # fmt: skip
    data = batch({"conversations": [{"from": who, "value": what} for who, what in turns]})
    for name, refused in (("llamafactory-sharegpt", 1), ("axolotl-sharegpt", 0)):
        export = find_export(name)
        how = Conversion(("sharegpt",), export.format, export.writing(frozenset(), "reasoning"))
        assert int((~convert(data, how).faults.good).sum()) == refused


@pytest.mark.parametrize("export", TRAINERS_FOUND, ids=lambda export: export.name)
def test_every_configuration_can_be_read(export: object) -> None:
    from thresher.formats.exports import Export

    assert isinstance(export, Export)
    columns = Conversion((), export.format, export.writing(frozenset(), "x")).schema.names
    snippet = export.snippet(columns, [])
    assert snippet is not None
    name, text = snippet
    if name.endswith(".yaml"):
        dataset = yaml.safe_load(text)["datasets"][0]
        named = [v for k, v in dataset.items() if k.startswith("field")]
        assert set(named) <= set(columns)
        assert dataset["type"] != "sharegpt"
    elif name.endswith(".json"):
        assert set(json.loads(text)["thresher"]["columns"].values()) <= set(columns)
    elif name.endswith(".py"):
        ast.parse(text)


def test_a_misspelt_export_is_told_the_right_one() -> None:
    with pytest.raises(ConfigError, match="did you mean 'trl-sft'"):
        find_export("trl-stf")
    assert find_export("openai").format == "messages"


def test_the_help_names_every_export_and_format() -> None:
    assert tuple(export.name for export in TRAINERS_FOUND) == TRAINERS
    assert tuple(FORMATS) == FORMAT_NAMES


def test_a_system_prompt_in_a_column_becomes_a_turn_where_trainers_look_for_one() -> None:
    turns = [{"from": "human", "value": "a"}]
    answers = [{"from": "gpt", "value": value} for value in "bc"]
    row = {"conversations": turns, "chosen": answers[0], "rejected": answers[1], "system": "s"}
    data = batch(row)
    held = present(data, "sharegpt-preference")
    for name, column in (("trl-reward", "chosen"), ("trl-dpo", "prompt"), ("axolotl-sharegpt", "")):
        export = find_export(name)
        how = Conversion(("sharegpt-preference",), export.format, export.writing(held, "x"))
        made = convert(data, how).batch
        assert "system" not in made.schema.names
        first = made.to_pylist()[0][column or "conversations"][0]
        assert "s" in first.values() and "system" in first.values()
    kept = convert(data, Conversion(("sharegpt-preference",), "preference-whole", Writing(held)))
    assert kept.batch.to_pylist()[0]["system"] == "s"
