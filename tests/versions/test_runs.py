"""Runs on a base read as what a dictionary would hold, after any history and any compaction."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.versions.stores import at, store
from thresher.errors import ConfigError, InputError
from thresher.versions.history import History
from thresher.versions.manifest import FILES
from thresher.versions.merging import Layout, cut
from thresher.versions.runs import Runs
from thresher.versions.writing import Writer

BANDS = Layout(
    "bands",
    pa.schema([("key", pa.uint64()), ("doc", pa.uint64()), ("note", pa.string())]),
    ("key", "doc"),
    ("doc",),
    3,
)
LEDGER = Layout(
    "ledger",
    pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("seen", pa.list_(pa.uint32()))]),
    ("high", "low"),
    ("high", "low"),
    2,
)
SMALL = st.integers(0, 5)
LARGE = st.sampled_from([0, 1, 255, 256, 2**63, 2**64 - 1])
Row = tuple[Any, ...]
Night = tuple[dict[tuple[int, int], Any], list[tuple[int, ...]], float]


def nights(layout: Layout, value: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Night]]:
    """Histories: what each night brings by key, what it deletes, and when it compacts."""
    first = LARGE if layout is LEDGER else SMALL
    keys = st.tuples(first, LARGE)
    gone = keys if layout is LEDGER else st.tuples(LARGE)
    share = st.sampled_from([0.0, 0.3, 1.0, 1e9])
    night = st.tuples(st.dictionaries(keys, value, max_size=6), st.lists(gone, max_size=3), share)
    return st.lists(night, min_size=1, max_size=6)


def table(layout: Layout, rows: dict[tuple[int, int], Any]) -> pa.Table:
    lines = [(*key, value) for key, value in rows.items()]
    columns = list(zip(*lines, strict=True)) if lines else [(), (), ()]
    return pa.table([list(c) for c in columns], schema=layout.schema)


def gone(layout: Layout, deleted: list[tuple[int, ...]]) -> pa.Table:
    columns = list(zip(*deleted, strict=True)) if deleted else [() for _ in layout.by]
    return pa.table([list(c) for c in columns], schema=layout.deletion_schema)


def run(history: History, layout: Layout, night: Night) -> Runs:
    brought, deleted, share = night
    with Writer(history, at()) as writer:
        runs = Runs.open(layout, writer.base)
        pieces = cut(layout, table(layout, brought))
        runs.update(writer, pieces.items(), gone(layout, deleted), share=share)
        writer.commit()
    return runs


def held(history: History, layout: Layout, number: int) -> dict[tuple[int, int], Any]:
    """Return what a version holds, having looked that it is sorted and each key stands once."""
    found: dict[tuple[int, int], Any] = {}
    for partition, rows in Runs.open(layout, history.resolve(number)).scan():
        lines = [tuple(line.values()) for line in rows.to_pylist()]
        assert [x[:2] for x in lines] == sorted({x[:2] for x in lines})
        assert set(cut(layout, rows)) <= {partition}
        found |= {x[:2]: x[2] for x in lines}
    return found


def follow(layout: Layout, history: list[Night]) -> None:
    oracle: dict[tuple[int, int], Any] = {}
    snapshots = []
    with tempfile.TemporaryDirectory() as folder:
        kept = store(Path(folder, "store"))
        for night in history:
            brought, deleted, _ = night
            by = [layout.schema.names.index(name) for name in layout.by]
            for key in list(oracle):
                if tuple(key[place] for place in by) in deleted:
                    del oracle[key]
            oracle |= brought
            run(kept, layout, night)
            snapshots.append(dict(oracle))
        for number, snapshot in enumerate(snapshots, 1):
            assert held(kept, layout, number) == snapshot


BAND_NIGHTS = nights(BANDS, st.text(max_size=2))
LEDGER_NIGHTS = nights(LEDGER, st.lists(SMALL, max_size=3))


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(BAND_NIGHTS)
def test_rows_of_two_keys_deleted_by_one_of_them_read_as_a_dictionary(history: list[Night]) -> None:
    follow(BANDS, history)


@pytest.mark.slow
@settings(max_examples=10, deadline=None)
@given(LEDGER_NIGHTS)
def test_rows_deleted_by_a_wide_key_read_as_a_dictionary(history: list[Night]) -> None:
    follow(LEDGER, history)


@pytest.mark.slow
@pytest.mark.soak
@pytest.mark.parametrize(("layout", "made"), [(BANDS, BAND_NIGHTS), (LEDGER, LEDGER_NIGHTS)])
def test_hundreds_of_histories_read_as_a_dictionary(
    layout: Layout, made: st.SearchStrategy[list[Night]]
) -> None:
    @settings(max_examples=200, deadline=None)
    @given(made)
    def check(history: list[Night]) -> None:
        follow(layout, history)

    check()


def many(layout: Layout, keys: range, note: str = "x") -> Night:
    return {(key * 0x9E3779B97F4A7C15 % 2**64, key): note for key in keys}, [], 0.25


@pytest.fixture
def history(tmp_path: Path) -> History:
    return store(tmp_path / "store")


def test_a_night_writes_its_runs_and_not_the_base(history: History) -> None:
    base = run(history, BANDS, many(BANDS, range(20_000))).moved
    night = run(history, BANDS, many(BANDS, range(20_000, 20_200))).moved
    assert night.bytes_written < 0.05 * base.bytes_written
    assert night.bytes_read < 2000  # the list of runs alone
    assert (night.files_written, night.files_read) == (BANDS.partitions + 1, 1)
    last = history.resolve()
    assert base.bytes_written + night.bytes_written == sum(
        entry.bytes for entry in history.objects.entries(FILES)
    )
    assert len(last.names("index/bands/")) == 2 * BANDS.partitions + 1


def test_runs_that_outgrow_a_share_of_the_base_are_merged_with_it(history: History) -> None:
    for n in range(12):
        run(history, BANDS, many(BANDS, range(n * 100, n * 100 + 100)))
    runs = Runs.open(BANDS, history.resolve())
    for parts in runs.parts:
        assert [part.base for part in parts] == [True] + [False] * (len(parts) - 1)
        assert sum(x.bytes for x in parts[1:]) <= 0.25 * parts[0].bytes
    assert held(history, BANDS, 12) == many(BANDS, range(1200))[0]


def test_deletions_are_forgotten_when_all_is_merged(history: History) -> None:
    run(history, BANDS, many(BANDS, range(1000)))
    few = run(history, BANDS, ({}, [(n,) for n in range(10)], 0.25))
    assert (len(few.deleted), few.moved.files_read) == (1, 1)
    most = run(history, BANDS, ({}, [(n,) for n in range(500)], 0.25))
    assert most.deleted == []
    assert held(history, BANDS, 3) == many(BANDS, range(500, 1000))[0]


def test_only_the_partitions_that_are_asked_for_are_read(history: History) -> None:
    run(history, BANDS, ({(n, n): "x" for n in range(1000)}, [], 0.25))
    runs = Runs.open(BANDS, history.resolve())
    runs.moved.files_read = 0
    assert runs.find(np.array([7], np.uint64), ["doc"]).to_pydict() == {"doc": [7]}
    assert runs.moved.files_read == 1
    assert runs.find(np.array([], np.uint64)).num_rows == 0
    assert sorted(runs.find(np.arange(990, 1010, dtype=np.uint64))["key"].to_pylist()) == list(
        range(990, 1000)
    )


def test_equal_runs_are_equal_bytes(tmp_path: Path) -> None:
    one, other = store(tmp_path / "one"), store(tmp_path / "other")
    brought = {(n, n): str(n) for n in range(50)}
    run(one, BANDS, (brought, [], 0.25))
    run(other, BANDS, (dict(reversed(brought.items())), [], 0.25))
    hashes = [[f.sha256 for f in h.resolve().manifest.files] for h in (one, other)]
    assert hashes[0] == hashes[1]


def test_the_files_are_plain_parquet(history: History) -> None:
    run(history, BANDS, ({(n, n): "x" for n in range(10)}, [], 0.25))
    version = history.resolve()
    rows = [
        row
        for name in version.names("index/bands/0")
        for row in pq.read_table(version.address_of(name)).to_pylist()
    ]
    assert sorted(row["key"] for row in rows) == list(range(10))


def test_a_damaged_run_is_refused_and_named(history: History) -> None:
    run(history, BANDS, many(BANDS, range(100)))
    version = history.resolve()
    name = version.names("index/bands/0")[0]
    path = Path(version.address_of(name))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{name} of version 1 is damaged"):
        held(history, BANDS, 1)


def test_another_layout_is_refused_with_both(history: History) -> None:
    run(history, BANDS, many(BANDS, range(10)))
    other = Layout("bands", BANDS.schema, ("key", "doc"), ("doc",), 4)
    with pytest.raises(ConfigError, match="partitions was 3, is 4"):
        Runs.open(other, history.resolve())


def test_a_key_that_stands_twice_in_a_run_is_refused() -> None:
    rows = pa.table([[1, 1], [2, 2], ["a", "b"]], schema=BANDS.schema)
    with pytest.raises(ValueError, match="stands twice"):
        cut(BANDS, rows)


def test_keys_are_unsigned_integers() -> None:
    with pytest.raises(ValueError, match="unsigned"):
        Layout("x", pa.schema([("key", pa.int64())]), ("key",), ("key",), 1)
