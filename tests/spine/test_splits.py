"""Cuts depend on the files alone, and what cannot be counted is refused by name."""

from __future__ import annotations

import gzip
import pickle
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresher.errors import ConfigError, InputError
from thresher.inputs import InputFile, Inputs, list_inputs
from thresher.readers import read_split
from thresher.splits import Split, cut, pack

Packed = tuple[tuple[str, int, int], ...]


def _inputs(tmp_path: Path, name: str, data: bytes) -> Inputs:
    (tmp_path / name).write_bytes(data)
    return list_inputs([str(tmp_path / name)])


def test_one_big_parquet_file_is_cut_at_row_groups(tmp_path: Path) -> None:
    table = pa.table({"text": [f"{i:0100d}" for i in range(10_000)]})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1000, use_dictionary=False)
    inputs = list_inputs([str(tmp_path)])
    result = cut(inputs, split_bytes=250_000)
    assert [(s.start, s.stop, s.rows) for s in result.splits] == [
        (at, at + 2, 2000) for at in range(0, 10, 2)
    ]
    assert result.schemas[0] == pa.schema([("text", pa.string())])
    rows = [
        text
        for split in result.splits
        for block in read_split(inputs.files[0], split)
        for text in block.batch.column(0).to_pylist()
    ]
    assert rows == table.column(0).to_pylist()
    assert pickle.loads(pickle.dumps(result.splits)) == result.splits


def test_plain_lines_are_cut_at_bytes_and_gzip_is_not_and_the_plan_says_so(tmp_path: Path) -> None:
    lines = b'{"text": "0123456789"}\n' * 100
    (tmp_path / "a.jsonl").write_bytes(lines)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(lines))
    result = cut(list_inputs([str(tmp_path)]), split_bytes=100)
    assert [(s.start, s.stop) for s in result.splits if s.file == 0] == [
        (at, min(at + 100, len(lines))) for at in range(0, len(lines), 100)
    ]
    assert len([s for s in result.splits if s.file == 1]) == 1
    assert any("b.jsonl.gz cannot be cut (gzip)" in note for note in result.notes)


def test_a_row_group_that_is_too_large_is_noted(tmp_path: Path) -> None:
    table = pa.table({"text": ["x" * 1000 + str(i) for i in range(2000)]})
    pq.write_table(table, tmp_path / "x.parquet", use_dictionary=False)
    result = cut(list_inputs([str(tmp_path)]), split_bytes=100_000)
    assert len(result.splits) == 1
    assert any("x.parquet: row group 0" in note for note in result.notes)


def _parquet_bytes(tmp_path: Path) -> bytes:
    pq.write_table(pa.table({"text": ["a", "b"] * 1000}), tmp_path / "good")
    return (tmp_path / "good").read_bytes()


@pytest.mark.parametrize("name", ["x.parquet", "x.jsonl", "x.json", "x.csv", "x.jsonl.gz"])
def test_a_file_of_no_bytes_is_refused_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=rf"{name}: is empty .*--skip-unreadable"):
        cut(_inputs(tmp_path, name, b""))


@pytest.mark.parametrize("damage", ["cut", "text", "footer"])
def test_damaged_parquet_is_refused_by_name_or_listed(tmp_path: Path, damage: str) -> None:
    good = _parquet_bytes(tmp_path)
    data = {
        "cut": good[: len(good) // 2],
        "text": b"not a Parquet file at all",
        "footer": good[:-40] + b"\xff" * 32 + good[-8:],
    }[damage]
    inputs = _inputs(tmp_path, "x.parquet", data)
    with pytest.raises(InputError, match=r"x\.parquet: .*--skip-unreadable"):
        cut(inputs)
    result = cut(inputs, skip_unreadable=True)
    assert not result.splits
    assert result.unreadable[0].path.endswith("x.parquet")


def test_a_parquet_file_of_no_rows_is_a_split_of_no_rows(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "x.parquet")
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    assert split.rows == 0
    assert sum(block.batch.num_rows for block in read_split(inputs.files[0], split)) == 0


def test_one_object_over_many_lines_is_not_mistaken_for_rows(tmp_path: Path) -> None:
    inputs = _inputs(tmp_path, "x.json", b'{\n "version": 1,\n "data": []\n}\n')
    with pytest.raises(InputError, match="one JSON object"):
        cut(inputs)


def test_a_result_given_as_input_is_told_apart_from_its_kept_rows(tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "data").mkdir(parents=True)
    (out / "data" / "part.jsonl").write_text('{"text": "kept"}\n')
    (out / "manifest.json").write_text('{\n  "format": 1,\n  "thresher_version": "0.1.0"\n}\n')
    for skip in (False, True):
        with pytest.raises(ConfigError, match=f"result of Thresher.*give {out}/data"):
            cut(list_inputs([str(out)]), skip_unreadable=skip)
    assert len(cut(list_inputs([str(out / "data")])).splits) == 1


def test_a_csv_parted_by_something_else_than_commas_is_hinted_at(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, data in (
        ("a.csv", b"\xef\xbb\xbfquestion;answer\r\n1;2\r\n"),
        ("b.csv", b"question\tanswer\n1\t2\n"),
        ("c.csv.gz", gzip.compress(b"question;answer\n1;2\n")),
    ):
        caplog.clear()
        cut(_inputs(tmp_path, name, data))
        told = "tabs" if name == "b.csv" else "semicolons"
        assert name in caplog.text and f"if {told} part its columns" in caplog.text
        assert "'question;answer'" in caplog.text or told == "tabs"
    caplog.clear()
    cut(_inputs(tmp_path, "d.csv", b"text\na;b\n"))
    cut(_inputs(tmp_path, "e.csv", b"text,a;b\n1,2\n"))
    assert not caplog.text


def test_tasks_hold_neighbouring_splits_of_one_source(tmp_path: Path) -> None:
    for name in ("a/x.jsonl", "a/y.jsonl", "b/z.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'{"a": 1}\n' * 10)
    inputs = list_inputs([str(tmp_path / "a"), str(tmp_path / "b")])
    splits = cut(inputs, split_bytes=45).splits
    tasks = pack(splits, inputs, 135)
    assert [split for task in tasks for split in task] == list(splits)
    assert all(len({inputs.files[split.file].source for split in task}) == 1 for task in tasks)
    assert all(sum(split.bytes for split in task) <= 135 for task in tasks)
    assert [[split.file for split in task] for task in pack(splits, inputs, 180)] == [
        [0, 0, 1, 1],
        [2, 2],
    ]


def _packed(sizes: dict[str, int], split_bytes: int, target: int) -> list[Packed]:
    """Return what tasks read, by the names of files."""
    files = [
        InputFile(0, name, name, "jsonl", None, size, "") for name, size in sorted(sizes.items())
    ]
    splits = [
        Split(number, start, stop, stop - start, None)
        for number, file in enumerate(files)
        for start in range(0, file.bytes, split_bytes)
        for stop in [min(start + split_bytes, file.bytes)]
    ]
    tasks = pack(splits, Inputs((), tuple(files), ()), target)
    assert [split for task in tasks for split in task] == splits
    return [tuple((files[s.file].name, s.start, s.bytes) for s in task) for task in tasks]


def _bytes_of(tasks: Iterable[Packed]) -> int:
    return sum(size for task in tasks for _, _, size in task)


@given(
    sizes=st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(1, 90), min_size=2),
    target=st.integers(20, 100),
    data=st.data(),
)
def test_a_file_that_comes_or_goes_alters_only_tasks_around_it(
    sizes: dict[str, int], target: int, data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(sorted(sizes)))
    with_it = _packed(sizes, target, target)
    without = _packed({n: s for n, s in sizes.items() if n != gone}, target, target)
    assert all(len(task) == 1 or _bytes_of([task]) <= target for task in with_it)
    altered = set(without) - set(with_it)
    assert _bytes_of(altered) <= 3 * target
    places = [place for place, task in enumerate(without) if task in altered]
    assert places == list(range(places[0], places[-1] + 1)) if places else True


def test_files_as_large_as_a_task_are_tasks_of_their_own_whatever_comes_beside_them() -> None:
    sizes = {**dict.fromkeys("bdfhj", 101), "a": 3, "g": 7, "k": 1}
    found = _packed(sizes, 200, 100)
    assert found == [((name, 0, size),) for name, size in sorted(sizes.items())]


def test_most_tasks_are_well_filled_and_most_new_files_alter_one() -> None:
    sizes = {f"{number:04d}": 1 for number in range(0, 4000, 2)}
    before = set(_packed(sizes, 20, 20))
    assert len(before) <= 2.1 * len(sizes) / 20
    altered = [
        len(before - set(_packed({**sizes, f"{number:04d}": 1}, 20, 20)))
        for number in range(1, 4000, 400)
    ]
    assert sum(altered) <= 1.5 * len(altered)
