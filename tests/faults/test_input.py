"""Input that cannot be trusted: one line names the file or column, and no good row is lost."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.runs import Command
from tests.jobs.sentences import BASE, sentence
from thresher.errors import InputError
from thresher.run import Event

ROWS = [{"id": n, "text": sentence(n)} for n in range(20)]


def whole(folder: Path) -> Path:
    """Write a good file, so that there is something to lose."""
    return runs.parquet(folder / "good.parquet", ROWS)


def truncated_parquet(folder: Path) -> Path:
    file = runs.parquet(folder / "bad.parquet", ROWS)
    file.write_bytes(file.read_bytes()[:-100])
    return file


def zero_bytes(folder: Path) -> Path:
    file = folder / "bad.parquet"
    file.write_bytes(b"")
    return file


def flipped_bit(folder: Path) -> Path:
    """Change a byte inside the text: only the checksum of the page can tell."""
    file = folder / "bad.parquet"
    table = pa.Table.from_pylist(ROWS)
    pq.write_table(table, file, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(file.read_bytes())
    at = data.index(ROWS[7]["text"].encode()[:40])  # type: ignore[attr-defined]
    data[at + 3] ^= 1
    file.write_bytes(data)
    return file


def truncated_gzip(folder: Path) -> Path:
    file = folder / "bad.jsonl.gz"
    data = gzip.compress("\n".join(json.dumps(row) for row in ROWS).encode())
    file.write_bytes(data[: len(data) // 2])
    return file


def not_json(folder: Path) -> Path:
    file = folder / "bad.json"
    file.write_text('{"rows": [\n {"id": 1}\n]}\n')
    return file


DAMAGE = [truncated_parquet, zero_bytes, flipped_bit, truncated_gzip, not_json]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_exit_3_and_named(
    damage: Callable[[Path], Path], tmp_path: Path, thresher: Command
) -> None:
    (tmp_path / "in").mkdir()
    whole(tmp_path / "in")
    file = damage(tmp_path / "in")
    code, out, err = thresher("dedup", tmp_path / "in", "--out", tmp_path / "out", "--quiet")
    assert (code, out) == (3, "")
    assert err.startswith(f"InputError: {file}: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "manifest.json").exists()


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_can_be_left_out_and_is_listed(
    damage: Callable[[Path], Path], tmp_path: Path, thresher: Command
) -> None:
    (tmp_path / "in").mkdir()
    whole(tmp_path / "in")
    file = damage(tmp_path / "in")
    out = tmp_path / "out"
    code, printed, _ = thresher("dedup", tmp_path / "in", "--out", out, "--skip-unreadable")
    assert code == 0
    assert f"left out     {file}: " in printed
    report = json.loads((out / "report.json").read_bytes())
    assert [f["path"] for f in report["unreadable_files"]] == [str(file)]
    assert [f["name"] for f in report["files"]] == ["good.parquet"]
    assert len(runs.kept_texts(out)) == 20
    assert thresher("verify", out).code == 0


def test_nothing_readable_at_all_is_exit_3(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    zero_bytes(tmp_path / "in")
    with pytest.raises(InputError, match=r"no readable input: .*bad\.parquet"):
        runs.run(tmp_path / "in", tmp_path / "out", skip_unreadable=True)


def test_broken_lines_are_quarantined_with_their_bytes(tmp_path: Path, thresher: Command) -> None:
    broken = [
        b'{"text": "cut in the mid',
        b'{"text": "caf\xe9"}',
        b"not json",
        b'["a list"]',
        b"42",
    ]
    lines: list[runs.Row | bytes] = [{"text": t["text"]} for t in ROWS]
    for place, line in zip((0, 5, 9, 13, 24), broken, strict=True):
        lines.insert(place, line)
    file = runs.jsonl(tmp_path / "in.jsonl", lines)
    out = tmp_path / "out"
    assert thresher("dedup", file, "--out", out).code == 0
    rows = runs.rows_of(out, "quarantine")
    assert [(row["row"], row["raw"]) for row in rows] == list(
        zip((0, 5, 9, 13, 24), broken, strict=True)
    )
    assert all(row["error"] for row in rows)
    assert [{"text": t} for t in runs.kept_texts(out)] == [{"text": t["text"]} for t in ROWS]


def test_a_cut_last_line_costs_one_row(tmp_path: Path) -> None:
    file = runs.jsonl(tmp_path / "in.jsonl", ROWS)
    file.write_bytes(file.read_bytes()[:-20])
    report = runs.run(file, tmp_path / "out")
    assert (report["rows_kept"], report["rows_quarantined"]) == (19, 1)


def test_null_empty_nul_and_blank_texts_are_told_apart(tmp_path: Path) -> None:
    values = ["", None, "\0", " ", "a\0b", "", None, "\0", "ab"]
    rows = [{"id": n, "text": value} for n, value in enumerate(values)]
    for name, file in (
        ("parquet", runs.parquet(tmp_path / "in.parquet", rows)),
        ("jsonl", runs.jsonl(tmp_path / "in.jsonl", rows)),
    ):
        report = runs.run(file, tmp_path / name)
        assert runs.kept_texts(tmp_path / name) == ["", "\0", " ", "a\0b", "ab"]
        assert (report["rows_removed"], report["rows_quarantined"]) == (2, 2)


def test_ten_thousand_short_texts_are_no_near_copies(tmp_path: Path) -> None:
    words = sentence(1, 100).split()
    values = [f"{a} {b}" for a in words for b in words]
    report = runs.run(runs.texts(tmp_path / "in.parquet", values), tmp_path / "out")
    assert report["rows_kept"] == 10_000


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ({"id": 1, "content": "b"}, r"b\.parquet"),
        ({"id": "one", "text": "b"}, r"b\.parquet.*'id'"),
        ({"id": 1, "text": b"b"}, r"b\.parquet: column 'text' is binary, expected string"),
        ({"id": 1, "text": "b", "more": 1}, "'more'"),
    ],
    ids=["renamed", "retyped", "binary", "extra"],
)
def test_schema_drift_is_refused(second: runs.Row, message: str, tmp_path: Path) -> None:
    runs.parquet(tmp_path / "in" / "a.parquet", [{"id": 0, "text": "a"}])
    runs.parquet(tmp_path / "in" / "b.parquet", [second])
    with pytest.raises(InputError, match=message):
        runs.run(tmp_path / "in", tmp_path / "out")


def test_safe_widening_is_no_drift(tmp_path: Path) -> None:
    for name, kind, text in (("a", pa.int32(), pa.string()), ("b", pa.int64(), pa.large_string())):
        table = pa.table({"id": pa.array([1], kind), "text": pa.array([name], text)})
        runs.parquet(tmp_path / "in" / f"{name}.parquet", table)
    runs.run(tmp_path / "in", tmp_path / "out")
    assert runs.rows_of(tmp_path / "out", "data") == [
        {"id": 1, "text": "a"},
        {"id": 1, "text": "b"},
    ]


def test_a_file_without_rows_is_recorded(tmp_path: Path, thresher: Command) -> None:
    none = pa.table({"text": pa.array([], pa.string())})
    runs.parquet(tmp_path / "in" / "none.parquet", none)
    assert thresher("dedup", tmp_path / "in", "--out", tmp_path / "none").code == 0
    report = json.loads((tmp_path / "none" / "report.json").read_bytes())
    assert (report["rows_in"], report["files"][0]["name"]) == (0, "none.parquet")
    assert thresher("verify", tmp_path / "none").code == 0
    runs.parquet(tmp_path / "in" / "some.parquet", [{"text": "a"}])
    report = runs.run(tmp_path / "in", tmp_path / "both")
    assert [f["rows_in"] for f in report["files"]] == [0, 1]


@pytest.mark.parametrize("how", ["empty", "absent", "other"])
def test_no_input_files_are_exit_3(how: str, tmp_path: Path, thresher: Command) -> None:
    if how != "absent":
        (tmp_path / "in").mkdir()
    if how == "other":
        (tmp_path / "in" / "notes.txt").write_text("hello")
    code, _, err = thresher("dedup", tmp_path / "in", "--out", tmp_path / "out")
    assert code == 3
    assert str(tmp_path / "in") in err
    assert ("notes.txt" in err) == (how == "other")


def test_hidden_files_are_listed_as_ignored(tmp_path: Path, thresher: Command) -> None:
    whole(tmp_path / "in")
    for name in ("_x.parquet", ".x.parquet"):
        runs.texts(tmp_path / "in" / name, ["ignored"])
    code, printed, _ = thresher("dedup", tmp_path / "in", "--out", tmp_path / "out")
    assert code == 0
    assert "ignored      2 files, listed in report.json" in printed
    report = json.loads((tmp_path / "out" / "report.json").read_bytes())
    assert sorted(Path(f["path"]).name for f in report["ignored_files"]) == [
        ".x.parquet",
        "_x.parquet",
    ]


class ChangeFile:
    """Changes the input as a stage ends."""

    def __init__(self, stage: str, change: Callable[[], object]) -> None:
        self.stage, self.change = stage, change

    def __call__(self, event: Event) -> None:
        if event.kind == "end" and event.stage == self.stage:
            self.change()


@pytest.mark.parametrize("stage", ["attributes", "collapse", "select"])
@pytest.mark.parametrize("change", ["append", "replace", "remove"])
def test_an_input_that_changes_during_the_run_is_exit_3(
    stage: str, change: str, tmp_path: Path
) -> None:
    file = runs.jsonl(tmp_path / "in.jsonl", ROWS)

    def act() -> None:
        if change == "append":
            with open(file, "ab") as stream:
                stream.write(b'{"id": 99, "text": "late"}\n')
        elif change == "replace":
            other = runs.jsonl(tmp_path / "other.jsonl", ROWS[::-1])
            os.replace(other, file)
        else:
            file.unlink()

    with pytest.raises(InputError, match=r"in\.jsonl: .* during the run") as caught:
        runs.run(file, tmp_path / "out", listener=ChangeFile(stage, act))
    assert caught.value.exit_code == 3
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_changed_file_is_never_left_out_as_unreadable(tmp_path: Path) -> None:
    changed = runs.jsonl(tmp_path / "in" / "changed.jsonl", ROWS)
    runs.jsonl(tmp_path / "in" / "still.jsonl", ROWS)
    act = changed.unlink
    with pytest.raises(InputError, match=r"changed\.jsonl: was removed during the run"):
        runs.run(
            tmp_path / "in",
            tmp_path / "out",
            listener=ChangeFile("attributes", act),
            skip_unreadable=True,
        )


def test_a_change_that_keeps_size_and_time_is_found_by_the_text(tmp_path: Path) -> None:
    file = runs.jsonl(tmp_path / "in.jsonl", ROWS)
    before = file.stat()

    def act() -> None:
        with open(file, "r+b") as stream:
            stream.seek(30)
            stream.write(b"X")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))

    with pytest.raises(InputError, match=r"in\.jsonl: the text changed during the run"):
        runs.run(file, tmp_path / "out", listener=ChangeFile("attributes", act))


def test_a_dictionary_of_one_large_value_is_quarantined(tmp_path: Path) -> None:
    large = pa.array(["x" * (1 << 20)])
    coded = pa.DictionaryArray.from_arrays(pa.array([0] * 1024, pa.int32()), large)
    small = pa.array([*(sentence(n) for n in range(8)), BASE]).dictionary_encode()
    table = pa.concat_tables([pa.table({"text": coded}), pa.table({"text": small})])
    pq.write_table(table.unify_dictionaries(), tmp_path / "bomb.parquet")
    assert (tmp_path / "bomb.parquet").stat().st_size < 200_000
    before = pa.total_allocated_bytes()
    report = runs.run(
        tmp_path / "bomb.parquet",
        tmp_path / "out",
        max_doc_bytes=1 << 16,
        max_quarantined_fraction=1,
    )
    assert (report["rows_quarantined"], report["rows_kept"]) == (1024, 9)
    assert pa.total_allocated_bytes() - before < 64 << 20
    raw = pq.read_table(tmp_path / "out" / "quarantine", columns=["raw"])
    assert raw.nbytes < 2 << 20
