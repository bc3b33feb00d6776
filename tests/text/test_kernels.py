"""The kernels equal the reference on every input."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.text.judging import PERMUTATIONS, assert_kernels_equal_reference
from tests.text.samples import SAMPLES, broken_bytes, texts
from thresher.text import reference
from thresher.text import tables as t
from thresher.text.sketch import fingerprint, shingles, sketch

DATA = Path(__file__).parents[3] / "shared" / "data"
ILL_FORMED = [
    b"\x80",
    b"\xc0\xaf",
    b"\xc1\xbf",
    b"\xc3",
    b"ok \xe2\x82",
    b"\xe0\x80\xaf",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\xaf",
    b"\xf0\x9f\x92",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xff",
    b"\xe4\xb8\xad\xe4\xb8",
    b"e\xcc\x81 then \xfe",
]


@pytest.mark.slow
@given(st.lists(texts, max_size=4), st.integers(1, 7))
def test_kernels_equal_the_reference_on_any_text(rows: list[str], n: int) -> None:
    assert_kernels_equal_reference([row.encode() for row in rows], n)


@given(st.lists(st.none() | broken_bytes(), max_size=6))
@example(ILL_FORMED)
def test_kernels_equal_the_reference_on_any_bytes(rows: list[bytes | None]) -> None:
    assert_kernels_equal_reference(rows)


@given(st.lists(st.binary(max_size=80), max_size=6))
def test_kernels_equal_the_reference_on_noise(rows: list[bytes]) -> None:
    assert_kernels_equal_reference(rows)


@pytest.mark.slow
@pytest.mark.parametrize("n", [1, 2, 5, 70])
def test_kernels_equal_the_reference_on_samples(n: int) -> None:
    rows = [text.encode() for text in SAMPLES]
    assert_kernels_equal_reference([*rows, b" ".join(rows), b" ".join(rows) * 12], n)


@pytest.mark.slow
def test_code_points_at_the_edges_of_the_tables_are_read_as_the_reference_reads_them() -> None:
    info = t.load_tables().info
    edges = np.flatnonzero(np.diff(info))
    lowered = np.flatnonzero(info & t.HAS_LOWER)
    chosen = np.unique(np.concatenate([edges, edges + 1, lowered, np.arange(0, len(info), 997)]))
    rows = ["".join(f" {c}x{c}y中{c}" for c in part) for part in _scalars(chosen)]
    assert_kernels_equal_reference([row.encode() for row in rows], 2)


@pytest.mark.slow
@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.soak)])
def test_every_assigned_code_point_is_read_as_the_reference_reads_it(every: int) -> None:
    assigned = [np.arange(0x40000), np.arange(0xE0000, 0xE0200)]  # beyond: empty planes, sampled
    chosen = np.unique(np.concatenate([*assigned, np.arange(0x40000, 0x110000, 61)]))
    rows = ["".join(f" {c}x{c}" for c in part) for part in _scalars(chosen[::every])]
    assert_kernels_equal_reference([row.encode() for row in rows], 1)


def _scalars(code_points: npt.NDArray[np.int64]) -> list[list[str]]:
    scalars = [chr(c) for c in code_points if not 0xD800 <= c < 0xE000]
    return [scalars[start : start + 64] for start in range(0, len(scalars), 64)]


def test_every_ill_formed_sequence_is_refused_wherever_it_stands() -> None:
    for broken in ILL_FORMED:
        rows = [
            prefix + broken + suffix
            for prefix in (b"", b"a" * 63, b"a " * 40, "é".encode())
            for suffix in (b"", b" z")
        ]
        found = sketch(pa.array(rows, pa.binary()))
        assert not found.ok.any()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary(), pa.large_binary()])
def test_types_slices_and_nulls_do_not_matter(kind: pa.DataType) -> None:
    rows = [None if index % 5 == 2 else text.encode() for index, text in enumerate(SAMPLES)]
    array = pa.array([row if row is None else row.decode() for row in rows]).cast(kind)
    for start, length in ((0, 21), (1, 7), (2, 1), (5, 0), (20, 1), (3, 18)):
        part = array.slice(start, length)
        assert_kernels_equal_reference(rows[start : start + length], array=part)


def test_a_null_slot_that_hides_bytes_counts_as_empty() -> None:
    hidden = pa.Array.from_buffers(
        pa.string(),
        2,
        [
            pa.py_buffer(bytes([0b10])),
            pa.py_buffer(np.array([0, 6, 9], np.int32)),
            pa.py_buffer(b"hidden row"),
        ],
    )
    assert_kernels_equal_reference([None, b" ro"], array=hidden)


@pytest.mark.slow
def test_nothing_after_the_last_byte_is_read() -> None:
    """Poisoned bytes behind a row change nothing, nor does the end of the buffer."""
    for length in (*range(70), 127, 128, 129, 200):
        row = ("word é中 " * 40).encode()[:length].decode(errors="ignore").encode()
        tight = pa.Array.from_buffers(
            pa.binary(),
            1,
            [None, pa.py_buffer(np.array([0, len(row)], np.int32)), pa.py_buffer(row)],
        )
        poisoned = pa.Array.from_buffers(
            pa.binary(),
            1,
            [
                None,
                pa.py_buffer(np.array([0, len(row)], np.int32)),
                pa.py_buffer(row + b"\xffZ" * 99),
            ],
        )
        assert_kernels_equal_reference([row], array=tight)
        assert_kernels_equal_reference([row], array=poisoned)


@pytest.mark.parametrize("length", [1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 5000])
def test_words_of_any_length_hash_as_the_reference_hashes_them(length: int) -> None:
    rows = [
        ("X" * length).encode(),
        ("é" * length).encode(),
        ("ab " + "y" * length + " z").encode(),
    ]
    assert_kernels_equal_reference(rows)


@pytest.mark.slow
@pytest.mark.parametrize("odd", ["é", "É", "न", "中", "😀", "\u0301", "Ⱥ", "İ", "ー", "K", "—"])
def test_a_character_across_the_edge_of_a_step_is_whole(odd: str) -> None:
    rows = [
        before * at + odd * count + after
        for at in range(58, 67)
        for before in ("a", " ")
        for count in (1, 2, 30)
        for after in ("", " z", "b中c")
    ]
    assert_kernels_equal_reference([row.encode() for row in rows], 2)


@pytest.mark.slow
def test_a_million_words_in_one_text() -> None:
    words = [f"w{index % 977}" for index in range(1_000_000)]
    found = sketch(pa.array([" ".join(words)]), permutations=PERMUTATIONS)
    _, values = shingles(pa.array([" ".join(words)]))
    assert found.num_words.tolist() == [1_000_000]
    start = " ".join(words[: 977 + 4])
    assert values.tolist() == sorted(reference.shingle_hashes(start))
    assert np.array_equal(
        found.signatures, sketch(pa.array([start]), permutations=PERMUTATIONS).signatures
    )


def test_long_runs_of_marks_are_sorted_in_linear_time() -> None:
    marks = "\u0301\u0316\u0345\u0327" * 30_000
    found = sketch(pa.array([f"a{marks} b", f"a{marks} b"]))
    assert found.num_words.tolist() == [2, 2]
    assert_kernels_equal_reference([("q" + marks[:400] + " z").encode()])


def test_the_chosen_rows_come_in_the_chosen_order() -> None:
    array = pa.array([*SAMPLES, None])
    offsets, values = shingles(array)
    chosen = np.array([20, 4, 4, 21, 0, 7])
    part_offsets, part_values = shingles(array, rows=chosen)
    expected = [values[offsets[row] : offsets[row + 1]] for row in chosen]
    assert np.array_equal(part_values, np.concatenate(expected))
    assert np.diff(part_offsets).tolist() == [len(part) for part in expected]


def test_empty_arrays_give_empty_results() -> None:
    for array in (
        pa.array([], pa.string()),
        pa.array(["a"]).slice(1),
        pa.array([], pa.large_binary()),
    ):
        found = sketch(array, permutations=PERMUTATIONS)
        assert found.signatures.shape == (0, 20)
        offsets, values = shingles(array)
        assert (offsets.tolist(), len(values)) == ([0], 0)
    offsets, _ = shingles(pa.array(["a"]), rows=np.zeros(0, np.int64))
    assert offsets.tolist() == [0]


def test_a_fingerprint_does_not_depend_on_how_rows_are_cut() -> None:
    rows = [*SAMPLES, None, ""]
    whole = fingerprint(pa.array(rows))
    state = fingerprint(pa.array([], pa.string()))
    for start in range(0, len(rows), 4):
        state = fingerprint(pa.array(rows[start : start + 4], pa.large_string()), state)
    assert state == whole
    assert (
        len(
            {whole, fingerprint(pa.array(rows[:-1])), fingerprint(pa.array([*rows[:-2], "", None]))}
        )
        == 3
    )


def test_threads_share_nothing() -> None:
    array = pa.array(SAMPLES * 40)
    expected = sketch(array, permutations=PERMUTATIONS)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: sketch(array, permutations=PERMUTATIONS), range(8)):
            assert np.array_equal(found.signatures, expected.signatures)
            assert np.array_equal(found.sequence_hash, expected.sequence_hash)


def test_misuse_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="strings or binaries, not int64"):
        sketch(pa.array([1]))
    with pytest.raises(ValueError, match="at least one word"):
        shingles(pa.array(["a"]), n=0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "llamafactory_demos/alpaca_zh_demo.jsonl",
        "llamafactory_demos/c4_demo.jsonl",
        "evals/cmmlu.jsonl.gz",
    ],
)
def test_kernels_equal_the_reference_on_real_text(name: str) -> None:
    path = DATA / name
    if not path.exists():
        pytest.skip("the real data sets are not here")
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [json.loads(line) for line in data.decode().splitlines()[:25]]
    assert_kernels_equal_reference([json.dumps(row, ensure_ascii=False).encode() for row in rows])
