"""The plain reference against independent definitions: unicodedata2, fontTools, an expression."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import example, given

from tests.text.samples import SAMPLES, texts
from thresher.text import reference
from thresher.text import tables as t

unicodedata2 = pytest.importorskip("unicodedata2")
font_unicode = pytest.importorskip("fontTools.unicodedata")
if unicodedata2.unidata_version != t.UNICODE_VERSION:
    pytest.skip(f"unicodedata2 is not of Unicode {t.UNICODE_VERSION}", allow_module_level=True)

WORD = 0x5545B1FEBEE314E7
BYTES = (0x894B7CFDC14EBE99, 0x7711468C518DECD0)
SEQUENCE = (0xBB6A5FF8E5627E24, 0x21E84C8CAC9CC804)
SHINGLE = 0xE03A1167FB397375
FINGERPRINT = 0x788B4E0E7C98606D
_UNSPACED = {"Hani", "Hira", "Kana", "Thai", "Laoo", "Khmr", "Mymr"}
_WORD = re.compile("UE*|[RE]+")
_SCALARS = [c for c in range(t.NUM_CODE_POINTS) if not 0xD800 <= c < 0xE000]


def letter_of(char: str) -> str:
    """Return the class of a character as one letter, straight from the definition."""
    category = unicodedata2.category(char)
    if category[0] == "M" or category == "Lm":
        return "E"
    if category == "Lo" and font_unicode.script(char) in _UNSPACED:
        return "U"
    return "R" if category[0] in "LN" or char == "_" else "S"


def words_by_expression(text: str) -> list[str]:
    normal = reference.normalise(text)
    found = _WORD.finditer("".join(map(letter_of, normal)))
    return [normal[match.start() : match.end()] for match in found]


@pytest.mark.slow
def test_every_code_point_has_the_class_that_its_category_and_script_give() -> None:
    letters = "SRUE"
    info = t.load_tables().info
    assert all(letters[info[c] & t.CLASS_MASK] == letter_of(chr(c)) for c in _SCALARS)


@pytest.mark.slow
def test_every_special_code_point_composes_as_unicode_says() -> None:
    info = t.load_tables().info
    chosen = [c for c in _SCALARS if info[c] & t.NFC_MASK or (info[c] & t.COMPOSITE and c % 7 == 0)]
    assert all(reference.nfc(chr(c)) == unicodedata2.normalize("NFC", chr(c)) for c in chosen)


@pytest.mark.slow
def test_every_code_point_composes_as_unicode_says() -> None:
    assert all(reference.nfc(chr(c)) == unicodedata2.normalize("NFC", chr(c)) for c in _SCALARS)


@pytest.mark.slow
def test_lower_case_is_pythons_wherever_python_knows_the_character() -> None:
    import unicodedata

    lower = t.load_tables().lower
    for c in _SCALARS:
        if unicodedata.category(chr(c)) != "Cn" and c != t.DOTTED_CAPITAL_I:
            mapped = chr(c).lower()
            newer = unicodedata.category(chr(lower[c])) == "Cn"
            assert chr(lower[c]) == mapped or newer, hex(c)


def test_capitals_that_came_after_python_311_have_their_small_letter() -> None:
    pairs = {0x1C89: 0x1C8A, 0xA7CB: 0x264, 0xA7DC: 0x19B, 0x10D50: 0x10D70, 0x16EA0: 0x16EBB}
    lower = t.load_tables().lower
    assert {upper: int(lower[upper]) for upper in pairs} == pairs


@given(texts)
@example("\U000113c2\U000113c2\U000113b8 \U00016d67\U00016d67\U00016d67")
@example("a\u0316\u0301\u0300" + "\u0301\u0316" * 40)
def test_composition_is_unicodes_on_any_text(text: str) -> None:
    assert reference.nfc(text) == unicodedata2.normalize("NFC", text)


@given(texts)
def test_words_are_those_of_the_regular_expression(text: str) -> None:
    assert reference.words(text) == words_by_expression(text)


@pytest.mark.parametrize("text", SAMPLES)
def test_sample_words_are_those_of_the_regular_expression(text: str) -> None:
    assert reference.words(text) == words_by_expression(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Hello, World_1!", ["hello", "world_1"]),
        ("नेपाली भाषा", ["नेपाली", "भाषा"]),
        ("हिन्दी की", ["हिन्दी", "की"]),
        ("中文a字", ["中", "文", "a", "字"]),
        ("コーヒー", ["コー", "ヒー"]),
        ("人々", ["人々"]),
        ("ที่นี่", ["ที่", "นี่"]),
        ("İ", ["i\u0307"]),
        ("ΣΑΣ", ["σασ"]),
        ("cafe\u0301", ["caf\u00e9"]),
        ("1,000", ["1", "000"]),
        ("_ -- 🙂", ["_"]),
    ],
)
def test_words_of_known_texts(text: str, words: list[str]) -> None:
    assert reference.words(text) == words


def test_short_texts_are_one_shingle_and_order_counts() -> None:
    assert reference.shingle_hashes("") == set()
    assert len(reference.shingle_hashes("one two")) == 1
    assert len(reference.shingle_hashes("a b c d e f")) == 2
    assert reference.shingle_hashes("one two") != reference.shingle_hashes("two one")
    assert reference.shingle_hashes("a a") != reference.shingle_hashes("a a a")


def test_jaccard_is_exact_and_wordless_texts_have_none() -> None:
    assert reference.jaccard({1, 2, 3}, {2, 3, 4}) == Fraction(1, 2)
    assert reference.jaccard(set(), set()) == 0


def test_hashes_do_not_change_between_releases() -> None:
    """Stored ledgers, filters and sketches hold these; a change needs a new HASH_VERSION."""
    assert reference.word_hash("thresher") == WORD
    assert reference.bytes_hash(b"thresher") == BYTES
    assert reference.sequence_hash("separates the grain from the chaff") == SEQUENCE
    assert reference.shingle_hashes("separates the grain") == {SHINGLE}
    assert reference.fingerprint([b"a", None, b""]) == FINGERPRINT
