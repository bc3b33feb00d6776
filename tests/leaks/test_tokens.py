"""Tokens: the kernels equal the reference on every input, and the rules do what they are for."""

from __future__ import annotations

import codecs
import gzip
import json
import time
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import unicodedata2
from hypothesis import example, given
from hypothesis import strategies as st

from tests.examples import examples
from tests.text.samples import SAMPLES, broken_bytes, characters
from thresher.leaks import folding as f
from thresher.leaks import reference
from thresher.leaks.tokens import Tokens, token_hash, tokenise
from thresher.text import tables as t

DATA = Path(__file__).parents[3] / "shared" / "data"
Rows = list[str | None]

_FOLDED = np.flatnonzero(f.load_folding().actions != np.arange(t.NUM_CODE_POINTS))
_SCALARS = [int(c) for c in _FOLDED if not 0xD800 <= c < 0xE000]
pieces = st.one_of(
    characters,
    st.sampled_from(_SCALARS).map(chr),
    st.sampled_from(["'", "’", "ʼ", "_", "__", "\\", "{", "}", ",", "$", "**", "`", "!", "\u00ad"]),
    st.sampled_from(["1,000", "1{,}000", "1,\\!000", "1\\,000", ",123", "12", "٣", "０００", "＼"]),
    st.sampled_from(sorted(reference.COMMANDS)).map(lambda name: f"\\{name}"),
    st.sampled_from(["don't", "l'été", "O’Neil", "\u0301", "x_1", "<\u0338", "ﷺ", "½", "́'a"]),
    st.sampled_from([" ", "\n", " ", "\u00a0", "\x1f"]),
    st.integers(50, 70).map(lambda count: "a" * count),
)
texts = st.lists(pieces, max_size=50).map("".join)
MODES = [
    {"code": code, "fold_digits": fold_digits}
    for code in (False, True)
    for fold_digits in (False, True)
]


def expected(text: str, *, code: bool, fold_digits: bool) -> list[tuple[int, int, int]]:
    found = reference.tokens(text, code=code)
    normal = reference.templated if fold_digits else str
    return [(token_hash(normal(token)), start, stop) for token, start, stop in found]


def by_row(tokens: Tokens) -> list[list[tuple[int, int, int]]]:
    columns = (tokens.hashes.tolist(), tokens.starts.tolist(), tokens.stops.tolist())
    flat = list(zip(*columns, strict=True))
    offsets = tokens.offsets.tolist()
    assert offsets[0] == 0 and offsets[-1] == len(flat)
    return [flat[begin:end] for begin, end in pairwise(offsets)]


def assert_equal(rows: Rows, array: Any = None, modes: Any = MODES) -> None:
    array = pa.array(rows, pa.string()) if array is None else array
    for mode in modes:
        wanted = [[] if row is None else expected(row, **mode) for row in rows]
        assert by_row(tokenise(array, **mode)) == wanted, mode


def words(text: str, **mode: bool) -> list[str]:
    return [token for token, _, _ in reference.tokens(text, **mode)]


# Kernels and reference


@examples(25)
@given(st.lists(st.none() | texts, max_size=4))
def test_tokens_equal_the_reference_on_any_text(rows: Rows) -> None:
    assert_equal(rows)


@pytest.mark.slow
@examples(6)
@given(texts, st.integers(0, 70), st.sampled_from(["x", " ", "é", "1", "a "]))
def test_tokens_do_not_depend_on_where_a_text_lies_in_its_blocks(
    text: str, shift: int, filler: str
) -> None:
    assert_equal([filler * shift + text, filler * (4096 // len(filler.encode()) - shift) + text])


@pytest.mark.slow
@given(st.lists(broken_bytes(), max_size=5))
@example([b"\x80", b"a'\xff", b"1,\xf0\x9f000", b"\xed\xa0\x80x", b"ok \xe2\x82", b"don\xe2\x80"])
def test_bytes_that_are_not_utf8_part_words(rows: list[bytes]) -> None:
    codecs.register_error("spaced", lambda error: (" ", error.start + 1))  # type: ignore[attr-defined]
    array = pa.array(rows, pa.binary()).view(pa.string())
    assert_equal([row.decode(errors="spaced") for row in rows], array)


@pytest.mark.slow
def test_samples_of_many_scripts_equal_the_reference() -> None:
    assert_equal([*SAMPLES, "".join(SAMPLES), " ".join(SAMPLES) * 12, "\u00a0".join(SAMPLES) * 12])


def _each_character(code_points: Any, modes: Any = MODES) -> None:
    scalars = [chr(c) for c in code_points if not 0xD800 <= c < 0xE000]
    parts = [scalars[start : start + 64] for start in range(0, len(scalars), 64)]
    assert_equal(
        ["".join(f" {c}x{c}'{c}中{c}1,{c}000" for c in part) for part in parts], None, modes
    )


@pytest.mark.slow
def test_characters_at_the_edges_of_the_tables_equal_the_reference() -> None:
    edges = np.flatnonzero(np.diff(t.load_tables().info))
    _each_character(np.unique([*edges, *(edges + 1), *_FOLDED[::5]])[::5])


@pytest.mark.slow
@pytest.mark.soak
def test_every_assigned_character_equals_the_reference() -> None:
    _each_character(
        [*range(0x40000), *range(0xE0000, 0xE0200), *range(0x40000, 0x110000, 61)], MODES[:1]
    )


def _outputs(path: Path, count: int) -> Rows:
    if not path.exists():
        pytest.skip(f"{path} is not there")
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8") as lines:
        return [" ".join(map(str, json.loads(line).values())) for line in islice(lines, count)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "alpaca52k/alpaca_en-00000.jsonl.gz",
        "contamination/llm_adapters_six_tests.jsonl",
        "contamination/web_contamination_matches.jsonl.gz",
        "contamination/codealpaca_vs_humaneval_labelled.jsonl",
    ],
)
def test_real_texts_equal_the_reference(name: str) -> None:
    assert_equal(_outputs(DATA / name, 60))


@given(st.lists(st.characters(max_codepoint=127), max_size=120).map("".join))
@example("Don't pay 1,\\!000 {x_1} \\left(a\\right) __b__")
def test_the_fast_path_of_ascii_and_the_slow_path_find_the_same_tokens(text: str) -> None:
    """White space that is not ASCII, and a mark, send the same words through the other path."""
    slow = "".join("\u00a0" if char <= " " else char for char in text) + "\u00a0\u0301"
    for mode in MODES:
        fast = tokenise(pa.array([text]), **mode).hashes
        assert fast.tolist() == tokenise(pa.array([slow]), **mode).hashes[:-1].tolist()


# Batches


def test_tokens_do_not_depend_on_batches_types_or_slices() -> None:
    rows: Rows = [None if index % 5 == 2 else text for index, text in enumerate(SAMPLES)]
    for kind in (pa.string(), pa.large_string()):
        for start, length in ((0, 21), (1, 7), (2, 1), (5, 0), (20, 1), (3, 18)):
            assert_equal(rows[start : start + length], pa.array(rows, kind).slice(start, length))


def test_rows_without_text_have_no_tokens() -> None:
    for empty in (pa.array([], pa.string()), pa.nulls(3), pa.array([None, ""], pa.string())):
        assert tokenise(empty).offsets.tolist() == [0] * (len(empty) + 1)


def test_a_null_slot_that_hides_bytes_has_no_tokens() -> None:
    offsets, data = np.array([0, 6, 9], np.int32), b"hidden row"
    buffers = [pa.py_buffer(bytes([0b10])), pa.py_buffer(offsets), pa.py_buffer(data)]
    assert_equal([None, " ro"], pa.Array.from_buffers(pa.string(), 2, buffers))


def test_nothing_after_the_last_byte_is_read() -> None:
    text = ("word é中 1,000's __x__ " * 12).encode()
    for length in (*range(90), 127, 128, 129, 200):
        row = text[:length].decode(errors="ignore").encode()
        for behind in (b"", b"'s", b",000", b"\xcc\x81", b"x"):
            offsets = pa.py_buffer(np.array([0, len(row)], np.int32))
            data = pa.py_buffer(row + behind)
            array = pa.Array.from_buffers(pa.string(), 1, [None, offsets, data])
            assert by_row(tokenise(array)) == by_row(tokenise(pa.array([row.decode()])))


# Long texts

LONG = {
    "words": "some words of text ",
    "no white space": "abcdefg-",
    "one word": "abcdefgh",
    "simple characters": "слово",
    "Chinese": "深度学习",
    "accents in words": "e\u0323\u0301a ",
    "marks": "\u0301\u0323",
    "apostrophes": "a'",
    "thousands": "1,000,",
    "underscores": "_",
    "expansions": "ﷺ",
    "fractions": "½",
    "commands": "\\text{a}\u00a0",
}


_QUICK = ("words", "no white space", "Chinese", "simple characters")


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    [
        kind if kind in _QUICK else pytest.param(kind, marks=(pytest.mark.slow, pytest.mark.soak))
        for kind in LONG
    ],
)
def test_time_is_linear_in_a_text_on_one_line(kind: str) -> None:
    def seconds(num_bytes: int) -> float:
        array = pa.array([LONG[kind] * (num_bytes // len(LONG[kind].encode()))])
        times = []
        for _ in range(3):
            start = time.perf_counter()
            tokenise(array)
            times.append(time.perf_counter() - start)
        return min(times)

    seconds(1000)
    assert seconds(10_000_000) < 40 * seconds(1_000_000) + 0.1


@pytest.mark.slow
@pytest.mark.parametrize("kind", LONG)
def test_long_texts_equal_the_reference(kind: str) -> None:
    assert_equal([LONG[kind] * (10_000 // len(LONG[kind].encode())), LONG[kind], "end"])


# Normal form


@given(texts)
def test_tokens_are_normalised_already(text: str) -> None:
    for code in (False, True):
        found = words(text, code=code)
        assert words(" ".join(found), code=code) == found
        assert all(found)


@given(st.lists(characters, max_size=30).map("".join))
def test_folding_is_nfkc_and_lower_case_and_nfkc_again(text: str) -> None:
    further = {*f.APOSTROPHES}
    kept = "".join(char for char in text if char not in further and not _folds_further(char))
    lower = t.load_tables().lower
    composed = unicodedata2.normalize("NFKC", kept)
    lowered = "".join("i\u0307" if c == "İ" else chr(lower[ord(c)]) for c in composed)
    folded = "".join(char.char for char in reference.fold(kept))
    assert folded == unicodedata2.normalize("NFKC", lowered)


def _folds_further(char: str) -> bool:
    parts = unicodedata2.normalize("NFKD", char)
    digits = any(unicodedata2.decimal(part, -1) >= 0 and not part.isascii() for part in parts)
    spaced = " " in parts or "\u2044" in parts or any(part in f.APOSTROPHES for part in parts)
    hidden = not "".join(folded.char for folded in reference.fold(char))
    return digits or spaced or hidden or len(reference.fold(char)) < len(reference.fold(parts))


@given(texts)
def test_a_token_is_placed_at_whole_characters_of_the_original(text: str) -> None:
    data = text.encode()
    for token, start, stop in reference.tokens(text):
        assert 0 <= start < stop <= len(data)
        part = data[start:stop].decode()
        assert token in words(part) or not part.isascii()


# What the rules are for

ITEM = "If a + b = 7 and a - b = 3 , then what's 1,000 * a_1?"
PLAIN = ["if", "a", "b", "7", "and", "a", "b", "3", "then", "whats", "1000", "a_1"]


@pytest.mark.parametrize(
    "text",
    [
        ITEM,
        ITEM.upper(),  # case, curly quotes, markdown, LaTeX
        ITEM.replace("'", "’").replace("a + b", "“a + b”"),
        f"**{ITEM}**",
        f"__{ITEM}__",
        f"`{ITEM}`",
        f"> *{ITEM}*",
        ITEM.replace("a + b = 7", "$a + b = 7$").replace("a - b = 3", "\\(a - b = 3\\)"),
        ITEM.replace("a + b = 7", "\\[\\left( a+b \\right) = \\boxed{7}\\]"),
        ITEM.replace("then", "\\text{then}").replace("7", "\\$7"),
        ITEM.replace("a - b", "a\\;-\\!b").replace("1,000", "1{,}000"),
        ITEM.replace("-", "−").replace("+", "＋").replace("=", "–"),
        ITEM.replace(" + ", "+").replace(" ,", ","),  # operators spaced or not
        ITEM.replace(" ", "\n"),  # wrapped anew
        ITEM.replace(" ", " \r\n\t\u00a0\u3000"),
        ITEM.replace("what", "wh\u00adat").replace("then", "\ufeffth\u200ben\u2060"),
        ITEM.replace("and", "ａｎｄ").replace("then", "𝐭𝐡𝐞𝐧").replace("7", "７"),
    ],
)
def test_the_same_item_in_other_clothes_has_the_same_tokens(text: str) -> None:
    assert words(text) == PLAIN
    assert tokenise(pa.array([text])).hashes.tolist() == [token_hash(word) for word in PLAIN]


@pytest.mark.parametrize(
    "number", ["1,000", "1000", "1{,}000", "1,\\!000", "1\\,000", "１，０００", "१,०००"]
)
def test_thousands_are_one_token_however_they_are_parted(number: str) -> None:
    assert words(f"costs ${number} or more") == ["costs", "1000", "or", "more"]
    assert words(f"{number},000.50") == ["1000000", "50"]


def test_a_comma_that_parts_no_thousands_parts_words() -> None:
    assert words("1, 000 and 1,00 and a,000") == ["1", "000", "and", "1", "00", "and", "a", "000"]


def test_only_apostrophes_before_letters_are_deleted() -> None:
    assert words("don't DON’T donʼt don´t O'Neil's l'été 1990's") == [
        *["dont"] * 4,
        *["oneils", "lété", "1990s"],
    ]
    assert words("5'10 dogs' 'tis f'(x)") == ["5", "10", "dogs", "tis", "f", "x"]


def test_scripts_without_spaces_have_a_token_a_character() -> None:
    assert words("小明有3个苹果。") == ["小", "明", "有", "3", "个", "苹", "果"]
    assert words("ค่ะ") == ["ค่", "ะ"]
    assert words("काठमाडौँ नेपाल") == ["काठमाडौँ", "नेपाल"]


def test_code_is_read_with_its_operators_as_separators() -> None:
    code = "def __init__(self, max_len=1,000): return f'{x}'+s['a_b']"
    assert " ".join(words(code, code=True)) == "def init self max len 1 000 return f x s a b"
    assert words("__init__ max_len ____ _x") == ["init", "max_len", "x"]


def test_digits_fold_only_where_that_is_asked() -> None:
    rows = pa.array(["bought 12 of 1,300 x2y33", "bought 7 of 400 x5y6"])
    left, right = by_row(tokenise(rows, fold_digits=True))
    assert [token[0] for token in left] == [token[0] for token in right]
    plain_left, plain_right = by_row(tokenise(rows))
    assert sum(a[0] == b[0] for a, b in zip(plain_left, plain_right, strict=True)) == 2


def test_tokens_carry_the_bytes_they_came_from() -> None:
    text = "« Don’t » pay 1,\\!000 for 2½ ﬁsh…"
    found = [(token, text.encode()[a:b].decode()) for token, a, b in reference.tokens(text)]
    assert found == [
        *[("dont", "Don’t"), ("pay", "pay"), ("1000", "1,\\!000"), ("for", "for")],
        *[("2", "2"), ("1", "½"), ("2", "½"), ("fish", "ﬁsh")],
    ]
