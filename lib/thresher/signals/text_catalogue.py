"""The text signals by name, and how each comes from what was counted.

A share or ratio is taken once, from two whole numbers, in float64; it is null where it would be
divided by nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from thresher.signals.counters import INDEX
from thresher.signals.signal import Kind, Signal
from thresher.signals.text_options import Flavor
from thresher.signals.words import ENTROPY_UNIT

Column = npt.NDArray[np.int64]
Figure = tuple[Column, Column]  # numerator, denominator
RUN_LINE_WORDS = (5, 6, 7, 8, 9, 10)


class Counted(NamedTuple):
    """The counters of all rows, by name.

    Args:
        table: (R, NUM_COUNTERS) int64.
        flavor: Whose definitions.
    """

    table: npt.NDArray[np.int64]
    flavor: Flavor

    def __getattr__(self, name: str) -> Column:
        """Return the column of a counter, whose name is written small here."""
        if name.upper() not in INDEX:
            raise AttributeError(name)
        return self.at(name.upper())

    def at(self, name: str, offset: int = 0) -> Column:
        """Return the column of a counter, or one after it."""
        column: Column = self.table[:, INDEX[name] + offset]
        return column


class TextSignal(NamedTuple):
    """A signal and what it is computed from."""

    signal: Signal
    compute: Callable[[Counted], Column | Figure]


def _one_of(*names: str) -> Callable[[Counted], Column]:
    return lambda c: np.asarray(sum(getattr(c, name) for name in names))


def _by(part: str, whole: str) -> Callable[[Counted], Figure]:
    return lambda c: (getattr(c, part), getattr(c, whole))


def _ones(column: Column) -> Column:
    return np.ones_like(column)


def _text_words(c: Counted) -> Column:
    return c.wordy if c.flavor is Flavor.DATATROVE else c.words


def _mean_word_length(c: Counted) -> Figure:
    if c.flavor is Flavor.DATATROVE:
        return c.wordy_chars, c.wordy
    return c.word_chars, c.words


def _hash_ratio(c: Counted) -> Figure:
    found = c.hash_words if c.flavor in (Flavor.DOLMA, Flavor.NEMO) else c.hashes
    return found, c.words


def _ellipsis_ratio(c: Counted) -> Figure:
    found = c.ellipsis_words if c.flavor in (Flavor.DOLMA, Flavor.NEMO) else c.ellipses
    return found, c.words


def _symbol_ratio(c: Counted) -> Figure:
    if c.flavor in (Flavor.DOLMA, Flavor.NEMO):
        return c.symbol_words, c.words
    return c.hashes + c.ellipses, c.words


def _stop_words(c: Counted) -> Column:
    return c.distinct_stops if c.flavor is Flavor.DATATROVE else c.stops


def _line_share(c: Counted) -> Figure:
    return c.duplicate_lines, c.set_lines


def _over(c: Counted, pieces: str) -> Column:
    """Return what duplicate characters are divided by."""
    if c.flavor is Flavor.DATATROVE:
        return c.characters
    return c.word_chars if c.flavor is Flavor.DOLMA else c.at(pieces)


def _top(size: int) -> Callable[[Counted], Figure]:
    def compute(c: Counted) -> Figure:
        found = c.at("TOP", size - 2)
        if c.flavor is Flavor.NEMO:
            whole = np.where(found < 0, 1, c.characters)
            return np.abs(found), np.where(c.characters > 0, whole, 0)
        return found, c.characters if c.flavor is Flavor.DATATROVE else c.word_chars

    return compute


def _repeated(size: int) -> Callable[[Counted], Figure]:
    def compute(c: Counted) -> Figure:
        found = c.at("REPEATED", size - 5)
        if c.flavor is Flavor.NEMO:
            whole = np.where(found < 0, 1, c.characters)
            return np.abs(found), np.where(c.characters > 0, whole, 0)
        if c.flavor is Flavor.DATATROVE:
            return found, c.characters
        if c.flavor is Flavor.DOLMA:
            return found, np.where(c.words > 0, np.maximum(c.at("GRAMS", size - 5), 1), 0)
        return found, c.word_chars

    return compute


def _fineweb_chars(c: Counted) -> Figure:
    if c.flavor is Flavor.DATATROVE:
        return c.repeated_chars, c.characters - c.newlines
    return c.repeated_chars, c.line_chars


def _word_repetition(c: Counted) -> Figure:
    return c.repeated_words, np.maximum(c.words - 9, 0)


def _alphanumeric(c: Counted) -> Figure:
    return c.letters + c.numbers, c.characters


def _non_alphanumeric(c: Counted) -> Figure:
    return c.characters - c.letters - c.numbers, c.characters


def _special(c: Counted) -> Figure:
    return c.characters - c.letters - c.marks, c.characters


def _text(
    name: str, kind: Kind, about: str, compute: Callable[[Counted], Column | Figure]
) -> TextSignal:
    return TextSignal(Signal(name, kind, "text", about), compute)


def _count(name: str, about: str, compute: Callable[[Counted], Column | Figure]) -> TextSignal:
    return _text(name, Kind.COUNT, about, compute)


def _share(name: str, about: str, compute: Callable[[Counted], Column | Figure]) -> TextSignal:
    return _text(name, Kind.SHARE, about, compute)


def _number(name: str, about: str, compute: Callable[[Counted], Column | Figure]) -> TextSignal:
    return _text(name, Kind.NUMBER, about, compute)


def _flag(name: str, about: str, compute: Callable[[Counted], Column | Figure]) -> TextSignal:
    return _text(name, Kind.FLAG, about, compute)


TEXT_SIGNALS: tuple[TextSignal, ...] = (
    _count("characters", "Characters (code points).", _one_of("characters")),
    _count("words", "Words.", _text_words),
    _count(
        "sentences",
        "Stretches with a letter or number between . ! ? and their like.",
        _one_of("sentences"),
    ),
    _count("lines", "Lines.", _one_of("lines")),
    _count("paragraphs", "Paragraphs: two or more line breaks part them.", _one_of("paragraphs")),
    _number("mean_word_length", "Characters a word, on average.", _mean_word_length),
    _number(
        "median_word_length",
        "Characters of the median word.",
        lambda c: (c.median_twice, 2 * (c.words > 0)),
    ),
    _count("longest_word", "Characters of the longest word.", _one_of("longest_word")),
    _number("hash_word_ratio", "# signs a word.", _hash_ratio),
    _number("ellipsis_word_ratio", "Ellipses a word.", _ellipsis_ratio),
    _number("symbol_word_ratio", "# signs and ellipses a word.", _symbol_ratio),
    _share("bullet_line_share", "Lines that start with a bullet / lines.", _by("bullets", "lines")),
    _share(
        "ellipsis_line_share",
        "Lines that end in an ellipsis / lines.",
        _by("ellipsis_ends", "lines"),
    ),
    _share("alphabetic_word_share", "Words with a letter / words.", _by("alphabetic", "words")),
    _count("stop_words", "Stop words.", _stop_words),
    _share("stop_word_share", "Stop words / words.", _by("stops", "words")),
    _share("duplicate_line_share", "Lines that are repeated / lines.", _line_share),
    _share(
        "duplicate_line_character_share",
        "Characters of repeated lines / characters.",
        lambda c: (c.duplicate_chars, _over(c, "SET_CHARS")),
    ),
    _share(
        "duplicate_paragraph_share",
        "Paragraphs that are repeated / paragraphs.",
        _by("duplicate_paragraphs", "paragraphs"),
    ),
    _share(
        "duplicate_paragraph_character_share",
        "Characters of repeated paragraphs / characters.",
        lambda c: (c.duplicate_paragraph_chars, _over(c, "PARAGRAPH_CHARS")),
    ),
    *(
        _text(
            f"top_{size}gram_character_share",
            Kind.NUMBER,
            f"Characters in the most frequent {size}-gram of words / characters.",
            _top(size),
        )
        for size in (2, 3, 4)
    ),
    *(
        _text(
            f"duplicate_{size}gram_character_share",
            Kind.NUMBER,
            f"Characters in repeated {size}-grams of words / characters.",
            _repeated(size),
        )
        for size in RUN_LINE_WORDS
    ),
    _count("c4_lines", "Lines that the line rules of C4 keep.", _one_of("c4_lines")),
    _share(
        "c4_line_share",
        "Lines that the line rules of C4 keep / lines that are not blank.",
        _by("c4_lines", "filled"),
    ),
    _count("c4_sentences", "Sentences in the lines that C4 keeps.", _one_of("c4_sentences")),
    _flag("lorem_ipsum", "Whether the text says lorem ipsum.", _one_of("lorem")),
    _flag("curly_bracket", "Whether there is a {.", _one_of("open_curly")),
    _count(
        "bad_words", "Bad words or phrases, from the list that was given.", _one_of("bad_words")
    ),
    _count("javascript_lines", "Lines that name JavaScript.", _one_of("javascript_lines")),
    _count(
        "policy_lines",
        "Lines about cookies, terms of use or privacy policies.",
        _one_of("policy_lines"),
    ),
    _count(
        "long_lines", "Lines of 200 characters or more: paragraphs to mC4.", _one_of("long_lines")
    ),
    _share(
        "terminal_punctuation_line_share",
        "Lines that end in . ! ? or their like / lines that are not blank.",
        _by("terminal_ends", "filled"),
    ),
    _share(
        "short_line_share",
        "Lines of up to 30 characters / lines that are not blank.",
        _by("short_lines", "filled"),
    ),
    _share(
        "repeated_line_character_share",
        "Characters of lines met before / characters of all lines.",
        _fineweb_chars,
    ),
    _number("newline_word_ratio", "Line breaks a word.", _by("newlines", "words")),
    _share(
        "bad_line_word_share",
        "Words in lines that RefinedWeb's line rules drop / words.",
        _by("bad_line_words", "words"),
    ),
    _share("unique_word_share", "Distinct words / words.", _by("distinct", "words")),
    _share("capitals_word_share", "Words all in capitals / words.", _by("capitals", "words")),
    _share("upper_case_share", "Capital letters / characters.", _by("upper", "characters")),
    _share("digit_share", "Decimal digits / characters.", _by("digits", "characters")),
    _share("whitespace_share", "White space / characters.", _by("spaces", "characters")),
    _share("punctuation_share", "Punctuation / characters.", _by("punctuation", "characters")),
    _share("alphabetic_share", "Letters / characters.", _by("letters", "characters")),
    _share("alphanumeric_share", "Letters and numbers / characters.", _alphanumeric),
    _share(
        "non_alphanumeric_share", "All but letters and numbers / characters.", _non_alphanumeric
    ),
    _share("special_character_share", "All but letters and their marks / characters.", _special),
    _share(
        "non_ascii_share", "Characters beyond ASCII / characters.", _by("foreign", "characters")
    ),
    _share(
        "cjk_share",
        "Chinese, Japanese and Korean characters / characters.",
        _by("cjk", "characters"),
    ),
    _share(
        "url_share",
        "Characters of http:// and https:// addresses / characters.",
        _by("url_chars", "characters"),
    ),
    _share(
        "bracket_share",
        "Round, square and curly brackets / characters.",
        lambda c: (c.round + c.square + c.curly, c.characters),
    ),
    _share("curly_bracket_share", "Curly brackets / characters.", _by("curly", "characters")),
    _number("mean_line_length", "Characters a line, on average.", _by("line_chars", "lines")),
    _count("longest_line", "Characters of the longest line.", _one_of("longest_line")),
    _count("longest_character_run", "Times one character follows itself, at most.", _one_of("run")),
    _share(
        "character_repetition",
        "Places of the most frequent character 10-grams / all, as Data-Juicer has it.",
        _by("repeated_characters", "character_grams"),
    ),
    _share(
        "word_repetition",
        "Places of repeated word 10-grams / all, as Data-Juicer has it.",
        _word_repetition,
    ),
    _number(
        "unigram_entropy",
        "Entropy of the distribution of words, in nats.",
        lambda c: (c.entropy, c.words),
    ),
)


def values_of(signal: TextSignal, counted: Counted) -> tuple[npt.NDArray[np.generic], Column]:
    """Return a signal's values and where it has none (a mask), before rows without text."""
    found = signal.compute(counted)
    if not isinstance(found, tuple):
        return found, np.zeros(len(found), np.int64)
    part, whole = found
    missing = whole == 0
    with np.errstate(all="ignore"):
        if signal.signal.name == "unigram_entropy":
            whole_float = np.where(missing, 1, whole).astype(np.float64)
            values = np.log(whole_float) - part / float(ENTROPY_UNIT) / whole_float
            return np.maximum(values, 0.0), missing.astype(np.int64)
        return part / np.where(missing, 1, whole), missing.astype(np.int64)
