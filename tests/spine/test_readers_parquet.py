"""Parquet: any layout reads the same, damage is named, and nothing decodes without bound."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.spine.reading import read_file
from thresher.errors import InputError
from thresher.inputs import list_inputs
from thresher.readers import read_split
from thresher.readers.pages import Leaf
from thresher.splits import cut

MESSAGES = pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())]))


def _table(rows: int = 3000) -> pa.Table:
    random = np.random.default_rng(1)
    words = ["grain", "chaff", "", "Ähre", "麦", "stalk" * 40]
    texts = [" ".join(random.choice(words, 20)) for _ in range(rows)]
    chats = [[{"role": "user", "content": t}, {"role": None, "content": ""}] for t in texts]
    return pa.table(
        {
            "id": pa.array(range(rows), pa.int32()),
            "text": pa.array([None if i % 97 == 0 else t for i, t in enumerate(texts)]),
            "messages": pa.array([c if i % 3 else None for i, c in enumerate(chats)], MESSAGES),
            "tag": pa.array([f"t{i % 7}" for i in range(rows)]).dictionary_encode(),
            "score": random.random(rows),
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("coded", [True, False])
def test_every_codec_and_encoding_reads_the_same(tmp_path: Path, codec: str, coded: bool) -> None:
    table = _table(1000)
    pq.write_table(
        table,
        tmp_path / "x.parquet",
        compression=codec,
        use_dictionary=coded,
        row_group_size=300,
        data_page_size=4000,
        data_page_version="2.0" if coded else "1.0",
    )
    rows = read_file(tmp_path / "x.parquet", batch_bytes=20_000)
    assert rows.values == table.to_pylist()
    assert rows.schema.field("tag").type == pa.string()
    assert rows.numbers == list(range(1000))


def test_delta_encoded_strings_read_the_same(tmp_path: Path) -> None:
    table = _table(1000).select(["id", "text"])
    pq.write_table(
        table,
        tmp_path / "x.parquet",
        use_dictionary=False,
        column_encoding={"text": "DELTA_BYTE_ARRAY", "id": "DELTA_BINARY_PACKED"},
    )
    assert read_file(tmp_path / "x.parquet").values == table.to_pylist()


def test_columns_are_read_in_the_order_asked(tmp_path: Path) -> None:
    pq.write_table(_table(10), tmp_path / "x.parquet")
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    (block,) = read_split(inputs.files[0], split, columns=["score", "id"])
    assert block.batch.schema.names == ["score", "id"]
    schema = pa.schema([("id", pa.int64()), ("new", pa.string())])
    (block,) = read_split(inputs.files[0], split, schema=schema, columns=["new", "id"])
    assert block.batch.schema == pa.schema([("new", pa.string()), ("id", pa.int64())])


def test_no_columns_still_counts_the_rows(tmp_path: Path) -> None:
    pq.write_table(_table(10), tmp_path / "x.parquet")
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    blocks = list(read_split(inputs.files[0], split, columns=[]))
    assert sum(len(block.rows) for block in blocks) == 10


def test_a_flipped_bit_is_found_and_the_row_group_named(tmp_path: Path) -> None:
    table = pa.table({"text": [f"row {i} " * 20 for i in range(2000)]})
    options: dict[str, Any] = {"use_dictionary": False, "write_page_checksum": True}
    pq.write_table(
        table, tmp_path / "x.parquet", compression="none", row_group_size=1000, **options
    )
    data = bytearray((tmp_path / "x.parquet").read_bytes())
    data[len(data) * 3 // 4] ^= 4
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"x\.parquet: row group 1 is damaged .*skip-unreadable"):
        read_file(tmp_path / "x.parquet")


def test_invalid_utf8_in_a_judged_column_is_put_aside(tmp_path: Path) -> None:
    raw = pa.array([b"good", b"b\xffd", None, b"fine"])
    table = pa.table(
        {"text": raw.cast(pa.binary()).view(pa.string()), "other": ["a", "b", "c", "d"]}
    )
    pq.write_table(table, tmp_path / "x.parquet")
    rows = read_file(tmp_path / "x.parquet")
    assert [row["text"] for row in rows.values] == ["good", None, "fine"]
    (bad,) = rows.bad
    assert (bad.row, bad.raw) == (1, b"b\xffd")
    assert "'text' is not valid UTF-8" in bad.error
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    (block,) = read_split(inputs.files[0], split, checked=["other"])
    assert not block.bad


def test_a_value_beyond_the_limit_is_put_aside_with_its_head(tmp_path: Path) -> None:
    texts = ["a", "x" * 5000, None, "b"]
    chats = [[], [], [{"role": "r", "content": "y" * 3000}] * 2, None]
    table = pa.table({"text": texts, "messages": pa.array(chats, MESSAGES)})
    pq.write_table(table, tmp_path / "x.parquet")
    rows = read_file(tmp_path / "x.parquet", max_doc_bytes=4000)
    assert [row["text"] for row in rows.values] == ["a", "b"]
    assert [(bad.row, bad.raw) for bad in rows.bad] == [(1, b"x" * 1024), (2, b"y" * 1024)]
    assert "5000 bytes" in rows.bad[0].error
    with pytest.raises(InputError, match="max_doc_bytes"):
        read_file(tmp_path / "x.parquet", max_doc_bytes=4000, checked=["text"])


def _bomb(path: Path, values: list[str], codes: list[int], nested: bool = False) -> None:
    coded = pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(values))
    if nested:
        ends = pa.array([0, len(codes) - 1, len(codes)], pa.int32())
        coded = pa.ListArray.from_arrays(ends, coded)
    pq.write_table(
        pa.table({"text": coded}),
        path,
        compression="zstd",
        store_schema=False,
        write_statistics=False,
    )


MIB = "x" * (1 << 20)


@pytest.mark.slow
def test_a_small_file_that_decodes_to_a_gigabyte_is_read_in_bounded_pieces(tmp_path: Path) -> None:
    _bomb(tmp_path / "x.parquet", [MIB], [0] * 1024)
    assert (tmp_path / "x.parquet").stat().st_size < 500
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    before = pa.default_memory_pool().max_memory()
    count = 0
    for block in read_split(inputs.files[0], split):
        assert block.batch.nbytes < 40 << 20
        count += block.batch.num_rows
    assert count == 1024
    assert pa.default_memory_pool().max_memory() - before < 400 << 20


def test_dictionary_values_beyond_the_limit_are_never_decoded(tmp_path: Path) -> None:
    _bomb(tmp_path / "x.parquet", [MIB * 4, "small"], [0] * 1000 + [1] + [0] * 9)
    rows = read_file(tmp_path / "x.parquet", max_doc_bytes=1 << 20)
    assert rows.values == [{"text": "small"}]
    assert rows.numbers == [1000]
    assert len(rows.bad) == 1009
    assert {(len(bad.raw), bad.raw[:1]) for bad in rows.bad} == {(1024, b"x")}


def test_a_list_that_repeats_one_value_is_measured_before_it_is_decoded(tmp_path: Path) -> None:
    _bomb(tmp_path / "x.parquet", [MIB, "small"], [0] * 400_000 + [1], nested=True)
    rows = read_file(tmp_path / "x.parquet")
    assert rows.values == [{"text": ["small"]}]
    assert f"{400_000 << 20} bytes" in rows.bad[0].error


def test_the_widest_window_counts_all_pages_it_can_meet() -> None:
    counts, sizes = np.array([10, 2, 10]), np.array([100, 900, 100])
    leaf = Leaf("text", True, counts, sizes, sizes)
    assert leaf.window(1) == 900
    assert leaf.window(2) == 1000
    assert leaf.window(4) == 1100
    repeated = Leaf("text", True, np.array([1000]), np.array([50]), np.array([50_000]))
    assert repeated.window(10) == 500


READ = """
import sys
from thresher.inputs import list_inputs
from thresher.readers import read_split
from thresher.splits import cut
inputs = list_inputs([sys.argv[1]])
bad = rows = 0
for split in cut(inputs).splits:
    for block in read_split(inputs.files[0], split):
        bad, rows = bad + len(block.bad), rows + block.batch.num_rows
status = open("/proc/self/status").read()
print(rows, bad, int(status.split("VmHWM:")[1].split()[0]) >> 10)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
@pytest.mark.parametrize("name", [pytest.param("x.parquet", marks=pytest.mark.soak), "x.jsonl"])
def test_a_row_of_a_gigabyte_is_put_aside_in_bounded_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name == "x.parquet":
        pq.write_table(pa.table({"text": ["a", "x" * (1 << 30), "b"]}), path, compression="zstd")
    else:
        with path.open("wb") as stream:
            stream.write(b'{"text": "a"}\n{"text": "')
            for _ in range(1024):
                stream.write(MIB.encode())
            stream.write(b'"}\n{"text": "b"}\n')
    out = subprocess.run(
        [sys.executable, "-c", READ, str(path)], check=True, capture_output=True, text=True
    )
    rows, bad, peak_mb = map(int, out.stdout.split())
    assert (rows, bad) == (2, 1)
    assert peak_mb < (6500 if name == "x.parquet" else 1200)
