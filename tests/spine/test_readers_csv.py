"""CSV: values exactly as written, records across lines, bad records put aside."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.spine.reading import Rows, read_file
from thresher.errors import InputError


def _read(tmp_path: Path, data: bytes, name: str = "x.csv", **options: Any) -> Rows:
    (tmp_path / name).write_bytes(data)
    return read_file(tmp_path / name, **options)


def test_values_are_strings_exactly_as_written(tmp_path: Path) -> None:
    rows = _read(tmp_path, b'\xef\xbb\xbfid,text\n007,NULL\n1e3,\n2020-01-01,"a ""b""\nc"\n')
    assert rows.schema == pa.schema([("id", pa.string()), ("text", pa.string())])
    assert [tuple(row.values()) for row in rows.values] == [
        ("007", "NULL"),
        ("1e3", ""),
        ("2020-01-01", 'a "b"\nc'),
    ]


BAD = b'a,b\n1,2\n3\n4,5,6\n\n7,\xff\n8,"x\ny"\n9,"open\n'


def test_bad_records_are_put_aside_with_their_bytes(tmp_path: Path) -> None:
    for size in (1 << 20, 7, 1):
        rows = _read(tmp_path, BAD, batch_bytes=size)
        assert [row["a"] for row in rows.values] == ["1", "8"]
        assert [(bad.row, bad.raw) for bad in rows.bad] == [
            (1, b"3"),
            (2, b"4,5,6"),
            (3, b"7,\xff"),
            (5, b'9,"open\n'),
        ]
        assert [bad.error for bad in rows.bad] == [
            "1 fields, the header has 2",
            "3 fields, the header has 2",
            "invalid UTF-8",
            "a quote is never closed",
        ]


def test_a_record_beyond_the_limit_is_put_aside(tmp_path: Path) -> None:
    long = b'"' + b"x," * 3000 + b'"'
    data = b"a\ns\n" + long + b"\nt\n"
    for size in (1 << 20, 100, 3):
        rows = _read(tmp_path, data, max_doc_bytes=2500, batch_bytes=size)
        assert [row["a"] for row in rows.values] == ["s", "t"]
        assert str(len(long)) in rows.bad[0].error
        assert long.startswith(rows.bad[0].raw)


def test_a_column_that_occurs_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"x\.csv: column 'a' occurs twice"):
        _read(tmp_path, b"a,b,a\n1,2,3\n")


def test_a_header_alone_tells_the_columns(tmp_path: Path) -> None:
    rows = _read(tmp_path, b"a,b\n")
    assert (rows.values, rows.schema.names) == ([], ["a", "b"])


def test_a_cut_gzip_is_refused_by_name(tmp_path: Path) -> None:
    data = gzip.compress(b"a\n" + b"".join(b"%d\n" % (i * 31) for i in range(9999)))
    with pytest.raises(InputError, match=r"x\.csv\.gz: .*cut short"):
        _read(tmp_path, data[:-9], "x.csv.gz")


def test_with_a_schema_columns_are_chosen_and_added(tmp_path: Path) -> None:
    schema = pa.schema([("b", pa.large_string()), ("c", pa.string()), ("a", pa.string())])
    rows = _read(tmp_path, b"a,b\n1,2\n", schema=schema, columns=["b", "c"])
    assert rows.values == [{"b": "2", "c": None}]


_FIELD = st.text(
    st.characters(codec="utf-8", exclude_characters="\0"), max_size=6
) | st.sampled_from(['"', ",", "\n", "\r\n", '""', " ", "\r", 'a"b'])


@pytest.mark.slow
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(_FIELD, _FIELD, _FIELD), min_size=1, max_size=6),
    end=st.sampled_from(["\n", "\r\n"]),
    batch_bytes=st.integers(1, 60),
)
def test_what_a_csv_writer_writes_comes_back(
    tmp_path: Path, rows: list[tuple[str, str, str]], end: str, batch_bytes: int
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerows([("a", "b", "c"), *rows])
    found = _read(tmp_path, stream.getvalue().encode(), batch_bytes=batch_bytes)
    assert [tuple(row.values()) for row in found.values] == rows
    assert not found.bad
