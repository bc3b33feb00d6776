"""What axolotl's own prompt strategies make of the exports; runs where it is installed."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import yaml

from tests.formats.batches import Row, batch, present
from thresher.formats.conversion import Conversion, convert
from thresher.formats.exports import EXPORTS, find_export

STRATEGIES = "axolotl.prompt_strategies"
pytest.importorskip(f"{STRATEGIES}.dpo.chatml", reason="no axolotl", exc_type=ImportError)
TURN = "<|im_start|>{}\n{}<|im_end|>\n"
ASKED = TURN.format("system", "s") + TURN.format("user", "a") + "<|im_start|>assistant\n"
PREFERENCE: Row = {"system": "s", "question": "a", "chosen": "b", "rejected": "c"}


def strategy(name: str) -> tuple[Any, str]:
    """Return axolotl's function for an export, and what kind of training it is for."""
    snippet = find_export(name).snippet([], [])
    assert snippet is not None
    setting = yaml.safe_load(snippet[1])
    module, _, function = setting["datasets"][0]["type"].rpartition(".")
    found = importlib.import_module(f"{STRATEGIES}.{setting['rl']}.{module}")
    return getattr(found, function)({}), setting["rl"]


@pytest.mark.parametrize(
    "name",
    [n for n, e in EXPORTS.items() if e.consumer == "axolotl" and "chatml." in str(e.setting)],
)
def test_its_prompt_is_the_prompt(name: str) -> None:
    data = batch(PREFERENCE)
    export = find_export(name)
    how = export.writing(present(data, "intel"), "reasoning_content")
    rows = convert(data, Conversion(("intel",), export.format, how)).batch.to_pylist()
    transform, method = strategy(name)
    made = [transform(dict(row)) for row in rows]
    assert [row["prompt"] for row in made] == [ASKED] * len(rows)
    if method == "kto":
        answers = [(row["completion"], row["label"]) for row in made]
        assert answers == [("b<|im_end|>", True), ("c<|im_end|>", False)]
    else:
        assert [(r["chosen"], r["rejected"]) for r in made] == [("b<|im_end|>", "c<|im_end|>")]


def test_orpo_gets_the_system_prompt_beside_an_even_number_of_turns() -> None:
    data = batch(PREFERENCE)
    export = find_export("axolotl-orpo")
    how = export.writing(present(data, "intel"), "reasoning_content")
    (row,) = convert(data, Conversion(("intel",), export.format, how)).batch.to_pylist()
    assert row["system"] == "s"
    assert [m["role"] for m in row["chosen"]] == ["user", "assistant"]
