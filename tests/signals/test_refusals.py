"""Refusals are found, also those that no list quotes, and helpful answers are left alone.

How we know. Answers of the real sets whose opening has a first person or an apology near a word of
inability, unwillingness or judgement (and some without) were drawn at random and labelled by
reading: 1 refuses, 0 does not, 2 could be called either (it declines and then does half of it, or
lacks something it asks for); the last, of which about 4 in 10 are flagged, are left out of the
figures. One reader labelled, who also wrote the patterns. Only row numbers and labels are
kept, in `refusal_labels.json`. Patterns were written from the first sample; each later sample was
labelled and measured before anything in it was used, and its misses were used afterwards.

    sample         labelled  refuse  else  either   when first measured         now
    tuning              542      70   419      53   (written from it)           67/70, 67/67
    held_out_1          349      47   247      55   recall 27/47, prec. 27/28   44/47, 44/44
    held_out_2          202      25   135      42   recall 19/25, prec. 19/19   24/25, 24/24
    held_out_3          180      28   120      32   recall 19/28, prec. 19/19   28/28, 28/28

So of refusals that nobody has read before, about 7 of 10 are found (57 of 100 at first, 38 of 53
after the second round), many of the others being vague ("I'd really rather not."), and next to
nothing else is flagged (65 of 66). Three patterns of the kind usually quoted (an apology or "I"
with "cannot", and "As an AI") find 36, 32, 44 and 36 % of the four samples' refusals, with a
precision of 76, 65, 85 and 59 %.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.signals.refusal_probes import HELPFUL, REFUSALS
from thresher.signals.phrases import match

DATA = Path(__file__).parents[2].parent / "shared" / "data"
LABELS = Path(__file__).with_name("refusal_labels.json")
needs_data = pytest.mark.skipif(not DATA.exists(), reason="the real data sets are not here")


@cache
def _rows(name: str) -> list[dict[str, Any]]:
    path = DATA / name
    if path.suffix == ".parquet":
        rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
        return rows
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.decode().split("\n") if line]


def _answer(name: str, row: int, field: str) -> str:
    """One answer: a column, a side of a pair, or the turn with that number."""
    record = _rows(name)[row]
    if name.startswith("hh_harmless"):
        return str(record[field].rsplit("\n\nAssistant:", 1)[1].strip())
    if not field.isdigit():
        value = record.get(field) or ""
        return str(value["value"] if isinstance(value, dict) else value)
    turn = (record.get("messages") or record["conversations"])[int(field)]
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        return "\n".join(part["value"] for part in content if part["type"] == "text")
    return str(content)


def _flagged(texts: list[str]) -> list[bool]:
    return [bool(flag) for flag in match("refusals", pa.array(texts, pa.string()))]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_found(text: str) -> None:
    assert _flagged([text]) == [True]


@pytest.mark.parametrize("text", HELPFUL)
def test_a_helpful_answer_that_looks_like_a_refusal_is_left_alone(text: str) -> None:
    assert _flagged([text]) == [False]


def test_probes_differ() -> None:
    assert len({*REFUSALS, *HELPFUL}) == len(REFUSALS) + len(HELPFUL) >= 70


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    ("sample", "recall", "precision"),
    [
        ("tuning", 0.93, 0.97),
        ("held_out_1", 0.90, 0.96),
        ("held_out_2", 0.90, 0.96),
        ("held_out_3", 0.94, 0.96),
    ],
)
def test_labelled_answers(sample: str, recall: float, precision: float) -> None:
    labelled = [
        (_answer(name, row, field), label)
        for name, entries in json.loads(LABELS.read_text())[sample].items()
        for row, field, label in entries
        if label != 2
    ]
    flagged = np.array(_flagged([text for text, _ in labelled]))
    refuses = np.array([label == 1 for _, label in labelled])
    assert (flagged & refuses).sum() / refuses.sum() >= recall
    assert (flagged & refuses).sum() / flagged.sum() >= precision


@needs_data
def test_few_answers_of_good_sets_are_flagged() -> None:
    """Measured: 2.3 % of the Alpaca demo, 0.7 % of the chosen sides.

    All were read: each opens by declining, and about one in three of them then helps after all,
    which a rule tells apart by length.
    """
    outputs = [row["output"] for row in _rows("llamafactory_demos/alpaca_en_demo.jsonl")]
    chosen = [row["chosen"]["value"] for row in _rows("llamafactory_demos/dpo_en_demo.jsonl")]
    assert np.mean(_flagged(outputs)) <= 0.03
    assert np.mean(_flagged(chosen)) <= 0.02


@needs_data
def test_worked_solutions_and_code_are_never_refusals() -> None:
    solutions = [row["solution"] for row in _rows("gsm8k_model_solutions/solutions.jsonl")]
    code = [row["output"] for row in _rows("codealpaca/code_alpaca_2k.jsonl")]
    roles = [
        row.get("response") or row["output"] for row in _rows("gpteacher_roleplay/roleplay.jsonl")
    ]
    assert not any(_flagged(solutions + code + roles))
