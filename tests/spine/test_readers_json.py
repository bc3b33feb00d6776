"""JSON lines and arrays: every row is kept with its values or put aside with its bytes."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.spine.reading import Rows, read_file
from thresher.errors import InputError
from thresher.inputs import list_inputs
from thresher.readers import read_split
from thresher.splits import cut


def _read(tmp_path: Path, data: bytes, name: str = "x.jsonl", **options: Any) -> Rows:
    (tmp_path / name).write_bytes(data)
    return read_file(tmp_path / name, **options)


def test_one_invalid_byte_costs_one_row(tmp_path: Path) -> None:
    lines = [b'{"text": "row %d"}' % i for i in range(100)]
    lines[7] = b'{"text": "ro\xffw"}'
    rows = _read(tmp_path, b"\n".join(lines))
    assert rows.numbers == [i for i in range(100) if i != 7]
    (bad,) = rows.bad
    assert (bad.row, bad.raw) == (7, lines[7])
    assert "invalid UTF-8" in bad.error


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b'{"a": 1', "broken JSON"),
        (b'{"a": "cut', "broken JSON"),
        (b"[1, 2]", "a JSON list, not an object"),
        (b"null", "a JSON NoneType, not an object"),
        (b'"text"', "a JSON str, not an object"),
        (b'{"a": 1}{"a": 2}', "broken JSON"),
        (b'{"a": 1, "a": 2}', "specified twice"),
        (b'{"a": "x\ty"}', "broken JSON"),
        (b'{"a": 01}', "broken JSON"),
        (b'{"a": 1e999}', "broken JSON"),
        (b'{"a": "\\ud800"}', "broken JSON"),
        (b'{"a": 1}\0', "broken JSON"),
        (b'{"l": [1, "x"]}', "a list of two types"),
        (b'{"a": 18446744073709551616}', "beyond 64 bits"),
        (b'{"d": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "nested deeper"),
        (b'{"d": ' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper"),
    ],
)
def test_a_broken_line_is_put_aside_and_the_others_are_kept(
    tmp_path: Path, line: bytes, error: str
) -> None:
    rows = _read(tmp_path, b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    assert [row["a"] for row in rows.values] == [1, 3]
    assert rows.schema.field("a").type == pa.int64()
    assert [(bad.row, bad.raw) for bad in rows.bad] == [(1, line)]
    assert error in rows.bad[0].error


def test_line_ends_byte_order_mark_and_blank_lines_are_no_part_of_rows(tmp_path: Path) -> None:
    rows = _read(tmp_path, b'\xef\xbb\xbf{"a": 1}\r\n\r\n \t\n{"a": 2}\n\n  {"a": 3} ')
    assert rows.values == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert rows.numbers == [0, 1, 2]


def test_strings_stay_strings_even_if_they_look_like_times(tmp_path: Path) -> None:
    data = b'{"t": "2020-01-01", "n": {"u": ["2020-01-01T00:00:00Z"]}}\n'
    rows = _read(tmp_path, data)
    assert rows.values == [{"t": "2020-01-01", "n": {"u": ["2020-01-01T00:00:00Z"]}}]


def test_a_column_that_the_first_rows_lack_survives(tmp_path: Path) -> None:
    lines = [b'{"a": "x"}'] * 50 + [b'{"a": null, "late": {"k": [1]}}']
    for split_bytes in (1 << 20, 64):
        rows = _read(tmp_path, b"\n".join(lines), split_bytes=split_bytes, batch_bytes=32)
        assert rows.values[-1] == {"a": None, "late": {"k": [1]}}
        assert rows.values[0] == {"a": "x", "late": None}


def test_empty_and_null_values_agree_with_any_type(tmp_path: Path) -> None:
    lines = [
        b'{"m": [], "o": {}, "n": null}',
        b'{"m": [{"role": "user", "content": null}], "o": {"k": "v"}, "n": 1.5}',
        b'{"m": null, "o": null, "n": 2}',
        b'{"m": [{"content": "hi", "tools": [{}]}], "o": {"j": []}}',
    ]
    expected = _read(tmp_path, b"\n".join(lines))
    assert expected.values[1]["m"] == [{"role": "user", "content": None, "tools": None}]
    assert expected.values[2]["n"] == 2.0
    assert not expected.bad
    for size in (1, 40, 100):
        assert _read(tmp_path, b"\n".join(lines), batch_bytes=size, split_bytes=size) == expected


def test_two_types_in_one_column_name_line_column_types_and_remedy(tmp_path: Path) -> None:
    data = b'{"a": 1}\n\n{"a": 2}\n{"a": "x"}\n'
    message = r"x\.jsonl: line 4: column 'a' is string, but int64 before \(write the column"
    for size in (1 << 20, 4):
        with pytest.raises(InputError, match=message):
            _read(tmp_path, data, batch_bytes=size)


def test_an_integer_that_a_double_would_round_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"line 2: column 'a' .*9007199254740993"):
        _read(tmp_path, b'{"a": 1.5}\n{"a": 9007199254740993}\n')
    rows = _read(tmp_path, b'{"a": 9007199254740993}\n{"b": 1.5}\n')
    assert rows.values[0]["a"] == 9007199254740993


def test_a_line_beyond_the_limit_is_put_aside_with_its_head(tmp_path: Path) -> None:
    long = b'{"a": "' + b"x" * 5000 + b'"}'
    data = b'{"a": "s"}\n' + long + b'\n{"a": "t"}\n' + long
    for size in (1 << 20, 100, 1):
        rows = _read(tmp_path, data, max_doc_bytes=2000, batch_bytes=size)
        assert [row["a"] for row in rows.values] == ["s", "t"]
        assert [bad.row for bad in rows.bad] == [1, 3]
        assert {bad.error for bad in rows.bad} == {
            f"row of {len(long)} bytes is above max_doc_bytes (2000)"
        }
        assert all(long.startswith(bad.raw) and len(bad.raw) <= 1024 for bad in rows.bad)


@pytest.mark.parametrize(
    "row",
    [
        {"l": [None, 1]},
        {"l": [None, None]},
        {"l": [None, {"a": [None, "x"]}]},
        {"l": [[None, None, True]], "o": {"l": [None, None]}},
    ],
)
def test_nulls_before_the_first_item_of_a_list_stay(tmp_path: Path, row: dict[str, Any]) -> None:
    assert _read(tmp_path, json.dumps(row).encode()).values == [row]


@pytest.mark.parametrize("name", ["x.jsonl.gz", "x.jsonl.zst"])
def test_a_compressed_file_that_is_cut_short_is_refused_by_name(tmp_path: Path, name: str) -> None:
    plain = b"".join(b'{"a": "%d"}\n' % (i * 7919) for i in range(20_000))
    whole = (
        gzip.compress(plain) if name.endswith("gz") else pa.compress(plain, "zstd", asbytes=True)
    )
    assert len(_read(tmp_path, whole, name).values) == 20_000
    for length in (len(whole) - 1, len(whole) // 2):
        with pytest.raises(InputError, match=rf"{name}: .*damaged or cut short.*skip-unreadable"):
            _read(tmp_path, whole[:length], name)


def test_several_gzip_members_are_one_stream(tmp_path: Path) -> None:
    data = gzip.compress(b'{"a": 1}\n{"a"') + gzip.compress(b": 2}\n")
    assert [row["a"] for row in _read(tmp_path, data, "x.jsonl.gz").values] == [1, 2]


def test_with_a_schema_the_second_pass_finds_the_same_rows(tmp_path: Path) -> None:
    data = b'{"a": 1}\nbad\n{"b": "2020-01-01"}\n{"a": 2.5, "b": null}\n\xff\n'
    first = _read(tmp_path, data)
    second = _read(tmp_path, data, schema=first.schema)
    assert second == first
    narrow = _read(tmp_path, data, schema=first.schema, columns=["b"])
    assert narrow.values == [{"b": row["b"]} for row in first.values]
    assert (narrow.numbers, narrow.bad) == (first.numbers, first.bad)


def test_rows_that_came_after_the_schema_was_read_are_a_changed_file(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_bytes(b'{"a": "now text"}\n')
    inputs = list_inputs([str(tmp_path)])
    (split,) = cut(inputs).splits
    with pytest.raises(InputError, match=r"line 1: column 'a'"):
        list(read_split(inputs.files[0], split, schema=pa.schema([("a", pa.int64())])))


ARRAY = b"""\xef\xbb\xbf [
  {"a": 1, "s": "br]ck,et \\" \\\\"},
  {
    "a": 2,
    "s": [1, 2]
  }, 5, {"a": 3}
]
"""


def test_an_array_over_many_lines_is_read_element_by_element(tmp_path: Path) -> None:
    data = ARRAY.replace(b"[1, 2]", b'"x"')
    for size in (1 << 20, 16, 1):
        rows = _read(tmp_path, data, "x.json", batch_bytes=size)
        assert [row["a"] for row in rows.values] == [1, 2, 3]
        assert rows.values[0]["s"] == 'br]ck,et " \\'
        assert [(bad.row, bad.raw) for bad in rows.bad] == [(2, b"5")]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'[{"a": 1}, {"a": 2', "cut short"),
        (b'[{"a": 1}', "cut short"),
        (b'[{"a": "', "cut short"),
        (b'[{"a": 1}] {"a": 2}', "outside its brackets"),
        (b"[}", "outside its brackets"),
    ],
)
def test_an_array_that_does_not_end_is_refused(tmp_path: Path, data: bytes, error: str) -> None:
    for size in (1 << 20, 1):
        with pytest.raises(InputError, match=error):
            _read(tmp_path, data, "x.json", batch_bytes=size)


def test_an_element_beyond_the_limit_is_put_aside(tmp_path: Path) -> None:
    long = b'{"a": "' + b"[" * 9000 + b'"}'
    data = b'[{"a": "s"},' + long + b',{"a": "t"}]'
    for size in (1 << 20, 100, 1):
        rows = _read(tmp_path, data, "x.json", max_doc_bytes=3000, batch_bytes=size)
        assert [row["a"] for row in rows.values] == ["s", "t"]
        assert str(len(long)) in rows.bad[0].error
        assert long.startswith(rows.bad[0].raw)


def test_an_empty_array_has_no_rows(tmp_path: Path) -> None:
    assert not _read(tmp_path, b" [ ]\n", "x.json").values


_LEAF = st.none() | st.booleans() | st.text(max_size=6)
_LINE = st.one_of(
    st.fixed_dictionaries(
        {},
        optional={
            "s": st.none() | st.text(max_size=8) | st.just("2020-01-01"),
            "n": st.none() | st.integers(-(2**40), 2**40),
            "f": st.floats(-1e6, 1e6) | st.integers(-9, 9),
            "l": st.none() | st.lists(st.none() | st.text(max_size=3), max_size=3),
            "o": st.none() | st.fixed_dictionaries({}, optional={"k": st.text(max_size=3)}),
        },
    ).map(lambda row: json.dumps(row).encode()),
    st.binary(max_size=12).filter(lambda raw: b"\n" not in raw),
    st.sampled_from([b"", b" ", b'{"s": "cut', b"[]", b"7", b"{}", b'{"s": "\xff"}', b"\r"]),
)


@pytest.mark.slow
@examples(25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(_LINE, min_size=1, max_size=12),
    end=st.sampled_from([b"", b"\n", b"\r\n"]),
    split_bytes=st.integers(1, 80),
    batch_bytes=st.integers(1, 80),
    limit=st.sampled_from([20, 1 << 20]),
)
def test_any_lines_cut_anywhere_give_the_same_rows(
    tmp_path: Path, lines: list[bytes], end: bytes, split_bytes: int, batch_bytes: int, limit: int
) -> None:
    data = (end or b"\n").join(lines) + end
    if not data:
        return
    whole = _read(tmp_path, data, max_doc_bytes=limit)
    pieces = _read(
        tmp_path, data, max_doc_bytes=limit, split_bytes=split_bytes, batch_bytes=batch_bytes
    )
    assert pieces == whole
    packed = _read(
        tmp_path, gzip.compress(data), "x.jsonl.gz", max_doc_bytes=limit, batch_bytes=batch_bytes
    )
    assert packed == whole
    if whole.schema.names:
        assert _read(tmp_path, data, max_doc_bytes=limit, schema=whole.schema) == whole
