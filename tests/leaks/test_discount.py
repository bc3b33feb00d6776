"""N-grams of many rows are left out of weak matches, and of nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.jobs.leaks import run
from tests.jobs.runs import jsonl, rows_of, texts, tree
from thresher.leaks.discount import add_counts, common_of, count_rows, joined, judge_again
from thresher.leaks.presets import find_preset, needed_ngrams
from thresher.leaks.search import find
from thresher.leaks.segments import Segments
from thresher_jobs.leak_index import build_index, count_tokens
from thresher_jobs.leak_items import read_benchmarks

PHRASE = (
    "read the following extract from the harbour master's journal with care and then answer the "
    "question that stands below it"
)
ITEM = f"{PHRASE}: which vessel lost her anchor twice during that stormy week of October near Cork?"
OTHER = "Which of these four alloys keeps its shape when cooled slowly from nine hundred degrees?"
CLEAN = "The harvest began early that year, and the barns were full before the first rain came."


@pytest.fixture
def benchmark(tmp_path: Path) -> str:
    """One item that shares a phrase with everyone, and another."""
    rows: list[Any] = [{"question": ITEM, "answer": "Brig"}, {"question": OTHER, "answer": "Tin"}]
    return f"mine={jsonl(tmp_path / 'mine.jsonl', rows)}"


def said(count: int) -> list[str]:
    """Return rows that share the phrase only."""
    return [f"Number {n}. {PHRASE}. {CLEAN}" for n in range(count)]


def verdicts(out: Path) -> dict[str, str]:
    """Return the verdict of each row that has a match."""
    return {m["_row_id"].split(":")[1]: m["verdict"] for m in rows_of(out, "matches")}


@pytest.mark.slow
def test_a_phrase_of_many_rows_is_no_leak_and_is_listed(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [*said(12), OTHER])
    off = run(tmp_path / "in.parquet", tmp_path / "off", benchmark, common_rows=0)
    on = run(tmp_path / "in.parquet", tmp_path / "on", benchmark)
    assert len(verdicts(tmp_path / "off")) == 13 and set(verdicts(tmp_path / "on")) == {"12"}
    assert off["rows_removed"] == 13 and on["rows_removed"] == 1
    common = on["plan"]["leaks"]["common"]
    assert off["plan"]["leaks"]["num_common"] == 0 and on["plan"]["leaks"]["num_common"] > 10
    assert {one["rows"] for one in common} == {12} and {one["items"] for one in common} == {1}
    assert any("harbour master's journal" in one["text"] for one in common)


def test_a_phrase_of_few_rows_counts(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", said(10))
    assert run(tmp_path / "in.parquet", tmp_path / "out", benchmark)["rows_removed"] == 10


def test_a_leak_that_is_repeated_is_no_phrase(benchmark: str, tmp_path: Path) -> None:
    texts(tmp_path / "in.parquet", [f"{n}. {ITEM}" for n in range(20)] + said(12))
    found = run(tmp_path / "in.parquet", tmp_path / "out", benchmark)
    # The item is in a row as a whole, so parts of it may be leaks as well.
    assert found["rows_removed"] == 32


@pytest.mark.slow
def test_how_rows_are_cut_into_tasks_makes_no_difference(benchmark: str, tmp_path: Path) -> None:
    jsonl(tmp_path / "in.jsonl", [{"text": text} for text in [*said(14), OTHER, CLEAN]])
    found = []
    for split_bytes in (1 << 20, 600):
        out = tmp_path / f"out-{split_bytes}"
        report = run(tmp_path / "in.jsonl", out, benchmark, split_bytes=split_bytes)
        leaks = report["plan"]["leaks"]
        found.append((verdicts(out), leaks["common"], leaks["num_common"], leaks["rows"]))
    assert found[0] == found[1] and found[0][2] > 0
    assert tree(tmp_path / "out-600", "matches") != {}


def searched(names: list[str], rows: list[str]) -> tuple[Any, ...]:
    """Return an index, rules, matches and doubts."""
    read = read_benchmarks(names, count_tokens)
    presets = (find_preset("default"),) * len(read)
    index = build_index(read, needed_ngrams(*presets), presets=presets)
    numbers = np.arange(len(rows))
    nothing = np.zeros(len(rows), np.int32), np.zeros(len(rows), np.int8)
    found = find(index, presets, Segments(pa.array(rows, pa.large_string()), numbers, *nothing))
    return index, presets, pa.Table.from_batches([found.lines]), joined(found.doubts)


def test_nothing_changes_where_no_ngram_of_a_match_is_common(benchmark: str) -> None:
    index, presets, matches, doubts = searched([benchmark], [*said(4), ITEM, OTHER])
    counts = count_rows(index, doubts)
    assert not len(common_of(index, counts, presets))
    position = int(index.parts[0].index["offsets"][1])  # where the other item begins
    other = counts.slice(0, 1).set_column(2, "position", pa.array([position]))
    nobody = np.zeros(0, np.int64)
    assert judge_again(index, presets, matches, doubts, other, nobody).equals(matches)


def test_rows_are_counted_once_and_in_any_order(benchmark: str) -> None:
    twice = f"{PHRASE}. {PHRASE}."
    index, _, _, doubts = searched([benchmark], [*said(3), twice])
    counts = count_rows(index, doubts)
    assert set(counts["rows"].to_pylist()) == {4}
    alone = [count_rows(index, searched([benchmark], [row])[3]) for row in [*said(3), twice]]
    assert add_counts(index, alone).equals(add_counts(index, alone[::-1]))
    assert add_counts(index, alone).equals(counts)
