"""What LLaMA-Factory's own parser and converters make of exports; runs where it is installed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.formats.batches import DATA
from tests.jobs.converts import run
from tests.jobs.runs import rows_of

PARSER = "llamafactory.data.parser"
parser: Any = pytest.importorskip(PARSER, reason="no LLaMA-Factory", exc_type=ImportError)
converter: Any = pytest.importorskip("llamafactory.data.converter", exc_type=ImportError)
DEMOS = DATA / "llamafactory_demos"
CASES = {
    "llamafactory-alpaca": "alpaca_en_demo",
    "llamafactory-sharegpt": "glaive_toolcall_en_demo",
    "llamafactory-messages": "v1_sft_demo",
    "llamafactory-dpo": "dpo_en_demo",
    "llamafactory-dpo-alpaca": "dpo_zh_demo",
    "llamafactory-kto": "kto_en_demo",
    "llamafactory-kto-alpaca": "kto_en_demo",
    "llamafactory-pretrain": "c4_demo",
}


@pytest.mark.parametrize("name", CASES)
def test_every_row_is_understood(tmp_path: Path, name: str) -> None:
    source = DEMOS / f"{CASES[name]}.jsonl"
    if not source.exists():
        pytest.skip("the sample data sets are not here")
    report = run(source, tmp_path / "out", to=name)
    (entry,) = parser.get_dataset_list(["thresher"], str(tmp_path / "out"))
    convert = converter.get_dataset_converter(entry.formatting, entry, None)
    made = [convert(row) for row in rows_of(tmp_path / "out", "data")]
    assert len(made) == report["rows_kept"] > 0
    for row in made:
        assert row["_prompt"]
        assert row["_response"] or name == "llamafactory-pretrain"
    if "dpo" in name or "kto" in name:
        assert all(len(row["_response"]) == 2 for row in made)
    if name == "llamafactory-sharegpt":
        assert all(row["_tools"] for row in made)
        assert {m["role"] for row in made for m in row["_prompt"]} >= {"function", "observation"}
