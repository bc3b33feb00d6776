"""The one writer: the same rows are the same bytes, whatever way they come."""

from __future__ import annotations

import hashlib
import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from thresher import parquet
from thresher.parquet import PartWriter, read_table, row_bytes, write_part

PAIR = pa.struct([("role", pa.string()), ("content", pa.large_string())])
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("text", pa.string()),
        ("messages", pa.list_(PAIR)),
        ("tag", pa.string()),
        ("flag", pa.bool_()),
        ("nothing", pa.null()),
        ("score", pa.float32()),
    ]
)


def _table(rows: int = 500) -> pa.Table:
    random = np.random.default_rng(2)
    return pa.Table.from_pylist(
        [
            {
                "id": i,
                "text": None if i % 11 == 0 else "grain " * int(random.integers(0, 40)),
                "messages": None
                if i % 5 == 0
                else [{"role": "user", "content": f"c{i}" * (i % 4)}, None][: i % 3],
                "tag": f"t{i % 3}",
                "flag": bool(i % 2) if i % 7 else None,
                "score": i / 8,
            }
            for i in range(rows)
        ],
        schema=SCHEMA,
    )


def _bytes(batches: list[pa.RecordBatch | pa.Table]) -> bytes:
    sink = io.BytesIO()
    written = write_part(sink, SCHEMA, batches, ["text", "messages"])
    data = sink.getvalue()
    assert written.bytes == len(data)
    assert written.sha256 == hashlib.sha256(data).hexdigest()
    return data


def test_what_is_written_reads_back(tmp_path: Path) -> None:
    table = _table()
    written = write_part(str(tmp_path / "p.parquet"), SCHEMA, [table], ["text"])
    assert written.rows == 500
    assert read_table(str(tmp_path / "p.parquet")).to_pylist() == table.to_pylist()
    assert read_table(str(tmp_path / "p.parquet"), ["tag"]).column_names == ["tag"]


@pytest.mark.slow
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 500), max_size=12))
def test_any_chunking_gives_the_same_bytes(
    cuts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 9000)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 90)
    table = _table()
    edges = [0, *sorted(cuts), 500]
    pieces = [table.slice(a, b - a) for a, b in pairwise(edges)]
    assert _bytes(list(pieces)) == _bytes([table])


def test_layouts_of_the_same_values_give_the_same_bytes() -> None:
    table = _table()
    expected = _bytes([table])
    coded = table.set_column(3, "tag", table.column("tag").dictionary_encode())
    large = table.cast(
        pa.schema([f.with_type(pa.large_string()) if f.name == "tag" else f for f in SCHEMA])
    )
    shifted = pa.concat_tables([table.slice(7), table]).slice(493)
    taken = table.take(pa.array(range(500)))
    for layout in (coded, large, shifted, taken, table.combine_chunks()):
        assert _bytes([layout]) == expected


def test_bytes_under_nulls_do_not_show() -> None:
    schema = pa.schema([("text", pa.string())])
    offsets, data = pa.py_buffer(np.array([0, 3, 6], np.int32)), pa.py_buffer(b"abcdef")
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x01"), offsets, data])
    plain = pa.array(["abc", None])
    assert hidden.equals(plain)
    results = []
    for array in (hidden, plain):
        sink = io.BytesIO()
        batch = pa.record_batch([array], schema=schema)
        assert row_bytes(batch).tolist() == [3, 0]
        results.append(write_part(sink, schema, [batch]).sha256)
    assert results[0] == results[1]


def test_row_groups_are_cut_by_bytes_and_by_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 100)
    monkeypatch.setattr(parquet, "GROUP_ROWS", 4)
    schema = pa.schema([("text", pa.string())])
    sizes = [40, 40, 40, 500, 0, 0, 0, 0, 0, 100]
    sink = io.BytesIO()
    write_part(sink, schema, [pa.table({"text": ["x" * size for size in sizes]})], ["text"])
    metadata = pq.ParquetFile(sink).metadata
    groups = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    assert groups == [2, 1, 1, 4, 2]


def test_an_empty_part_has_its_schema(tmp_path: Path) -> None:
    path = str(tmp_path / "p.parquet")
    assert write_part(path, SCHEMA, []).rows == 0
    assert write_part(path, SCHEMA, [SCHEMA.empty_table()]).rows == 0
    assert read_table(path).schema.names == SCHEMA.names


def test_pages_carry_checksums_and_text_no_dictionary() -> None:
    data = _bytes([_table()])
    file = pq.ParquetFile(io.BytesIO(data), page_checksum_verification=True)
    chunks = {
        file.metadata.row_group(0).column(i).path_in_schema: file.metadata.row_group(0).column(i)
        for i in range(file.metadata.num_columns)
    }
    assert not chunks["text"].has_dictionary_page
    assert not chunks["messages.list.element.content"].has_dictionary_page
    assert chunks["tag"].has_dictionary_page
    assert {chunk.compression for chunk in chunks.values()} == {"ZSTD"}
    assert file.metadata.metadata is None
    at = data.index(b"grain") if b"grain" in data else chunks["text"].data_page_offset + 60
    damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    with pytest.raises(OSError, match=r"(?i)crc|corrupt|decompress"):
        pq.ParquetFile(io.BytesIO(damaged), page_checksum_verification=True).read()


def test_a_failed_part_is_left_without_a_footer(tmp_path: Path) -> None:
    path = tmp_path / "p.parquet"
    with pytest.raises(KeyError), PartWriter(str(path), SCHEMA) as writer:
        writer.write(pa.table({"other": [1]}))
    with pytest.raises(pa.ArrowInvalid):
        pq.ParquetFile(path)
