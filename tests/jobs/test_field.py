"""What other tools lose or remove by mistake: each test is an input that ordinary users have."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.sentences import BASE, CLOSE, WORDS, sentence
from thresher.errors import InputError, Stopped
from thresher.run import Event
from thresher.testing.corpus import templates


def kept(tmp_path: Path, values: list[str], **how: Any) -> list[str]:
    """Run the job on a list of texts and return those that stay."""
    runs.run(runs.texts(tmp_path / "in.parquet", values), tmp_path / "out", **how)
    return runs.kept_texts(tmp_path / "out")


def test_short_answers_are_not_copies_of_each_other(tmp_path: Path) -> None:
    answers = ["Yes", "No", "Maybe", "I think so", "Not really", "42", "Paris", "Blue, I guess"]
    assert kept(tmp_path, answers) == answers


def test_short_and_unspaced_texts_do_not_vanish(tmp_path: Path) -> None:
    values = [
        "ok",
        "今天天气很好，我们去公园散步。",
        "今天天气很好，我们去公园跑步。",
        "昨天下雨了。",
        "สวัสดีครับ",
    ]
    assert kept(tmp_path, values) == values


def test_unspaced_near_copies_are_found(tmp_path: Path) -> None:
    characters = "".join(chr(0x4E00 + n * 7) for n in range(80))
    assert len(kept(tmp_path, [characters, characters[:-3] + "完了吧"])) == 1


def test_problems_that_differ_in_their_numbers_stay(tmp_path: Path) -> None:
    problems = [
        f"A train leaves at {n} and travels {n * 3 + 1} km at {n + 40} km per hour. "
        f"How long does it take if it stops for {n * 7 % 60} minutes after {n * 2} km?"
        for n in range(500)
    ]
    assert len(kept(tmp_path, problems)) == 500


def test_numbers_alone_stay(tmp_path: Path) -> None:
    assert len(kept(tmp_path, [str(n) for n in range(1000)])) == 1000


@pytest.mark.slow
def test_a_template_does_not_swallow_its_rows(tmp_path: Path) -> None:
    table = pa.Table.from_batches(templates(1000, 3, duplicate_share=0, exact_share=0))
    report = runs.run(runs.parquet(tmp_path / "in.parquet", table), tmp_path / "out")
    assert report["rows_kept"] == 1000
    assert report["plan"]["buckets"] > 100  # they do meet; the comparison tells them apart


def test_ids_that_repeat_across_files_are_refused_not_deleted(tmp_path: Path) -> None:
    for name in "ab":
        rows = [{"id": n, "text": f"{name} {n}"} for n in range(3)]
        runs.parquet(tmp_path / "in" / f"{name}.parquet", rows)
    with pytest.raises(InputError, match=r"'id' is not unique: 3 rows repeat an id .*a\.parquet:0"):
        runs.run(tmp_path / "in", tmp_path / "out", id_column="id")
    assert runs.run(tmp_path / "in", tmp_path / "out2")["rows_kept"] == 6


def test_a_missing_id_column_is_an_error_that_lists_the_columns(tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", [{"document_id": 1, "text": "a"}])
    with pytest.raises(InputError, match="did you mean 'document_id'"):
        runs.run(file, tmp_path / "out", id_column="documentid")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["add", "reorder", "reshard"])
def test_removal_goes_by_row_not_by_position(change: str, tmp_path: Path) -> None:
    rows = [{"id": n, "text": BASE if n % 4 == 0 else sentence(n)} for n in range(40)]
    runs.parquet(tmp_path / "one" / "b.parquet", rows)
    runs.run(tmp_path / "one", tmp_path / "out1", id_column="id")
    if change == "add":
        more = [{"id": 100 + n, "text": sentence(50 + n)} for n in range(5)]
        runs.parquet(tmp_path / "two" / "a.parquet", more)
        runs.parquet(tmp_path / "two" / "b.parquet", rows)
    elif change == "reorder":
        runs.parquet(tmp_path / "two" / "b.parquet", random.Random(1).sample(rows, len(rows)))
    else:
        for n in range(4):
            runs.parquet(tmp_path / "two" / f"{n}.parquet", rows[n::4])
    runs.run(tmp_path / "two", tmp_path / "out2", id_column="id")
    texts = [sorted(runs.kept_texts(tmp_path / out)) for out in ("out1", "out2")]
    new = [sentence(50 + n) for n in range(5)] if change == "add" else []
    assert texts[1] == sorted(texts[0] + new)
    for row in runs.rows_of(tmp_path / "out2", "removed"):
        assert row["text"] == BASE
        assert row["_row_id"] == str(row["id"])


@pytest.mark.parametrize("size", [1024, 1000, 3000, 99_999])
def test_a_filter_of_any_size_keeps_unique_rows(size: int, tmp_path: Path) -> None:
    values = [f"document number {n}" for n in range(2000)]
    assert len(kept(tmp_path, values, method="bloom", filter_bytes=max(size, 1024))) == 2000


def test_one_of_each_cluster_stays(tmp_path: Path) -> None:
    rows = [
        {"id": f"{c}-{n}", "text": f"{sentence(c)} {WORDS[20000 + c * 10 + n]}"}
        for c in range(20)
        for n in range(4)
    ]
    for clusters in ("greedy", "transitive"):
        out = tmp_path / clusters
        runs.run(runs.parquet(tmp_path / "in.parquet", rows), out, clusters=clusters)
        assert sorted(i.partition("-")[0] for i in runs.kept_texts(out, "id")) == sorted(
            str(c) for c in range(20)
        )


@pytest.mark.parametrize("position", ["front", "end"])
def test_one_added_word_does_not_hide_a_copy(position: str, tmp_path: Path) -> None:
    values = []
    for n in range(50):
        text = sentence(n, 80)
        values += [text, f"Indeed {text}" if position == "front" else f"{text} indeed"]
    assert len(kept(tmp_path, values)) == 50


def test_exact_means_exact(tmp_path: Path) -> None:
    values = [
        "2-1",
        "21",
        "x = -1",
        "x = 1",
        "None",
        "null",
        "",
        " ",
        "a\n",
        "a",
        "A",
        "é",
        "e\u0301",
    ]
    file = runs.texts(tmp_path / "in.parquet", [*values, None])
    for method in ("exact", "bloom"):
        report = runs.run(
            file, tmp_path / method, method=method, null_text="keep", filter_bytes=4096
        )
        assert report["rows_kept"] == len(values) + 1
        assert runs.kept_texts(tmp_path / method) == [*values, None]


def test_one_invalid_byte_costs_one_row(tmp_path: Path) -> None:
    lines: list[runs.Row | bytes] = [{"text": f"row {n}"} for n in range(100)]
    lines[37] = b'{"text": "caf\xe9"}'
    report = runs.run(runs.jsonl(tmp_path / "in.jsonl", lines), tmp_path / "out")
    assert (report["rows_in"], report["rows_kept"], report["rows_quarantined"]) == (100, 99, 1)
    (row,) = runs.rows_of(tmp_path / "out", "quarantine")
    assert (row["row"], row["_row_id"]) == (37, "in.jsonl:37")
    assert b"caf\xe9" in row["raw"]


def test_an_invalid_byte_in_parquet_costs_one_row(tmp_path: Path) -> None:
    data = pa.array([b"good", b"caf\xe9", b"fine"], pa.binary())
    text = pa.Array.from_buffers(pa.string(), 3, data.buffers())
    pq.write_table(pa.table({"text": text}), tmp_path / "in.parquet")
    report = runs.run(tmp_path / "in.parquet", tmp_path / "out")
    assert runs.kept_texts(tmp_path / "out") == ["good", "fine"]
    assert report["rows_quarantined"] == 1


def test_null_rows_and_broken_lines_are_counted(tmp_path: Path) -> None:
    lines: list[runs.Row | bytes] = [
        {"text": "a"},
        {"text": None},
        b'{"text": "cut',
        b"[1]",
        {"text": "b"},
    ]
    file = runs.jsonl(tmp_path / "in.jsonl", lines)
    report = runs.run(file, tmp_path / "out", max_quarantined_fraction=1)
    assert (report["rows_in"], report["rows_kept"], report["rows_quarantined"]) == (5, 2, 3)
    assert sum(r["rows"] for r in report["quarantine"]) == 3


def test_a_corrupt_file_is_no_success(tmp_path: Path) -> None:
    file = runs.texts(tmp_path / "in.parquet", [BASE])
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data[:-20])
    with pytest.raises(InputError, match=r"in\.parquet"):
        runs.run(file, tmp_path / "out")
    assert runs.status(tmp_path / "out")["exit_code"] == 3


class StopAfterSelect:
    """Stops when so many tasks have written their rows."""

    def __init__(self, tasks: int) -> None:
        self.tasks = tasks

    def __call__(self, event: Event) -> None:
        if event.kind == "progress" and event.stage == "select" and event.done == self.tasks:
            raise Stopped(15)


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["data", pytest.param("ledger", marks=pytest.mark.slow)])
def test_a_truncated_output_does_not_count_as_done(folder: str, tmp_path: Path) -> None:
    rows = [{"text": sentence(n % 30)} for n in range(60)]
    file = runs.parquet(tmp_path / "in.parquet", rows, 10)
    how: dict[str, Any] = {"split_bytes": 2048}
    with pytest.raises(Stopped):
        runs.run(file, tmp_path / "out", listener=StopAfterSelect(4), **how)
    victim = sorted((tmp_path / "out" / folder).glob("*.parquet"))[1]
    victim.write_bytes(victim.read_bytes()[:-9])
    report = runs.run(file, tmp_path / "out", **how)
    assert runs.resumed(report)["select"] == 3
    runs.run(file, tmp_path / "whole", **how)
    assert runs.tree(tmp_path / "out") == runs.tree(tmp_path / "whole")


def test_a_truncated_stage_file_does_not_count_as_done(tmp_path: Path) -> None:
    rows = [{"text": sentence(n % 30)} for n in range(60)]
    file = runs.parquet(tmp_path / "in.parquet", rows, 10)
    with pytest.raises(Stopped):
        runs.run(file, tmp_path / "out", listener=StopAfterSelect(1), split_bytes=2048)
    (victim,) = (tmp_path / "out" / ".thresher").glob("attributes-*/attributes/part-00002.arrow")
    victim.write_bytes(b"")
    report = runs.run(file, tmp_path / "out", split_bytes=2048)
    assert runs.resumed(report)["attributes"] == report["plan"]["tasks"] - 1
    assert report["rows_kept"] == 30


def test_columns_missing_from_the_first_row_are_kept(tmp_path: Path) -> None:
    rows: list[runs.Row] = [{"text": "a"}, {"text": "b", "late": 7}, {"text": "c", "other": "x"}]
    runs.run(runs.jsonl(tmp_path / "in.jsonl", rows), tmp_path / "out")
    assert runs.rows_of(tmp_path / "out", "data") == [
        {"text": "a", "late": None, "other": None},
        {"text": "b", "late": 7, "other": None},
        {"text": "c", "late": None, "other": "x"},
    ]


@pytest.mark.slow
def test_one_big_file_feeds_many_tasks(tmp_path: Path) -> None:
    rows = [{"text": sentence(n)} for n in range(120)]
    for file in (
        runs.parquet(tmp_path / "in.parquet", rows, 10),
        runs.jsonl(tmp_path / "in.jsonl", rows),
    ):
        report = runs.run(file, tmp_path / file.suffix, split_bytes=8 << 10, audit_rows=0)
        assert report["plan"]["tasks"] >= 5
        assert report["rows_kept"] == 120


def test_a_near_copy_names_the_row_that_stayed(tmp_path: Path) -> None:
    runs.texts(tmp_path / "old.parquet", [sentence(3), BASE])
    runs.texts(tmp_path / "new.parquet", [CLOSE, sentence(4), BASE, sentence(3)])
    runs.run([tmp_path / "old.parquet", tmp_path / "new.parquet"], tmp_path / "out")
    assert runs.partners(tmp_path / "out") == {
        "new.parquet:0": "old.parquet:1",
        "new.parquet:2": "old.parquet:1",
        "new.parquet:3": "old.parquet:0",
    }


@pytest.mark.slow
def test_a_million_case_variants_of_one_text_cost_a_million_rows(tmp_path: Path) -> None:
    letters = np.frombuffer(b"the quick brown fox jumps over a lazy dog again", np.uint8)
    number = np.arange(1_000_000, dtype=np.uint32)
    places = np.flatnonzero(letters != ord(" "))[:20]
    table = np.tile(letters, (len(number), 1))
    for bit, place in enumerate(places.tolist()):
        table[:, place] -= (number >> bit & 1).astype(np.uint8) * 32
    offsets = pa.array(np.arange(len(number) + 1, dtype=np.int32) * len(letters))
    flat = pa.py_buffer(np.ascontiguousarray(table))
    text = pa.Array.from_buffers(pa.string(), len(number), [None, offsets.buffers()[1], flat])
    pq.write_table(pa.table({"text": text}), tmp_path / "in.parquet", row_group_size=100_000)
    report = runs.run(tmp_path / "in.parquet", tmp_path / "out", split_bytes=8 << 20)
    assert report["rows_kept"] == 1
    assert report["removed_by"] == {"exact_copy": 0, "same_words": 999_999, "near_copy": 0}
    assert report["plan"]["exact_looked_at"] == 1_000_000
    assert report["plan"]["pairs_compared"] == 0
    assert report["cluster_sizes"] == [{"size": 1_000_000, "clusters": 1}]
