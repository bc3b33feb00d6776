"""What TRL's own data functions make of the exports; runs where TRL is installed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.formats.batches import Row, batch, present, rows, sample, to
from thresher.formats.conversion import Conversion, convert
from thresher.formats.exports import find_export

trl: Any = pytest.importorskip(
    "trl.data_utils", reason="TRL is not installed", exc_type=ImportError
)
datasets: Any = pytest.importorskip("datasets")
PREFERRED = "llamafactory_demos/dpo_en_demo.jsonl"


def exported(data: Any, source: str, name: str) -> list[Row]:
    """Return what an export makes of rows of a format."""
    export = find_export(name)
    held = frozenset(key for key in present(data, source) if not key.startswith("extra:"))
    how = Conversion((source,), export.format, export.writing(held, "reasoning_content"))
    return rows(convert(data, how).batch)


@pytest.mark.parametrize("name", ["trl-sft", "trl-prompt-completion", "trl-dpo", "trl-kto"])
def test_trl_takes_rows_for_conversations(name: str) -> None:
    for row in exported(sample(PREFERRED, 50), "sharegpt-preference", name):
        assert trl.is_conversational(row)
        assert trl.maybe_convert_to_chatml(row) == row


def test_trl_finds_the_prompt_that_we_took_out() -> None:
    data = sample("hh_harmless/test.jsonl", 300)
    whole = exported(data, "hh", "trl-reward")
    split = exported(data, "hh", "trl-dpo")
    assert [trl.extract_prompt(row) for row in whole] == split


def test_trl_unpairs_preferences_as_we_do() -> None:
    data = sample(PREFERRED, 50)
    paired = datasets.Dataset.from_list(exported(data, "sharegpt-preference", "trl-dpo"))
    theirs = trl.unpair_preference_dataset(paired).to_list()
    ours = exported(data, "sharegpt-preference", "trl-kto")
    assert sorted(map(repr, map(_ordered, theirs))) == sorted(map(repr, map(_ordered, ours)))


def _ordered(row: Row) -> list[Any]:
    return [row["prompt"], row["completion"], row["label"]]


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [("Why? Because", "Why? So"), ("a b c d", "a b x"), ("Wié 👋? Yes", "Wié 👋! No")],
)
def test_trl_cuts_texts_where_we_do(chosen: str, rejected: str) -> None:
    row = {"chosen": chosen, "rejected": rejected}
    ours = to(batch(row), "preference-text", "preference").batch.to_pylist()[0]
    assert trl.extract_prompt(row) == ours
