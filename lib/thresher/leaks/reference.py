"""The reference for tokens in plain Python: what is compared when test items are looked for.

Nothing here is fast, and `thresher.leaks.tokens` equals it on every input. The text is folded
(`thresher.leaks.folding`: NFKC and lower case, and a little more) and composed. Then

* an apostrophe after a letter, mark or number and before a letter is deleted: `don't` is `dont`;
* what parts thousands, between a digit and three digits, is deleted: a comma, and `,\\!`, `{,}` and
  `\\,` as LaTeX writes it: `1,000` is `1000`;
* a word is what it is for `thresher.text`: a run of letters, marks, numbers and underscores, or one
  letter of a script written without spaces and its marks; all else parts words, so that `$`, `\\(`,
  `**`, backticks and braces leave what they wrap;
* underscores at the ends of a word are not part of it: `__word__` is `word`, `____` is nothing;
* a LaTeX command that only sets type or space (`COMMANDS`) is no word: `\\text{a}` is `a`.

Of code, operators part words: `_`, `'` and `,` are no different from the rest.
A token is placed by the bytes of the original text that its characters came from.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

from thresher.leaks.folding import load_folding
from thresher.text import tables as t
from thresher.text.reference import word_hash

COMMANDS = {"left", "right", "text", "boxed", "fbox", "mbox", "textbf", "textit", "textrm", "quad"}
COMMANDS |= {"qquad", "mathrm", "mathbf", "mathit", "big", "bigl", "bigr"}  # at most 8 letters
THOUSANDS = re.compile(r"(?:,|,\\!|\{,\}|\\,)(?=[0-9]{3})")
_HANGUL, _NUM_HANGUL = 0xAC00, 11172


class Char(NamedTuple):
    """A folded character and the bytes of the original text that it came from."""

    char: str
    start: int
    stop: int

    @property
    def info(self) -> int:
        """Its class and flags, see `thresher.text.tables`."""
        return int(t.load_tables().info[ord(self.char)])

    @property
    def combining(self) -> int:
        """Its canonical combining class."""
        return int(t.load_tables().combining[ord(self.char)])


def tokens(text: str, *, code: bool = False) -> list[tuple[str, int, int]]:
    """Return the tokens of a text: normalised, first and one-past-last byte in the original.

    Args:
        text: Any text.
        code: Whether to read it as source code.
    """
    chars = fold(text)
    folded = "".join(char.char for char in chars)
    found: list[list[int]] = []  # positions of each word's characters in `chars`
    kind = t.CLASS_SEP
    index = 0
    while index < len(chars):
        deleted = 0 if code or kind != t.CLASS_RUN else _deleted(chars, folded, index)
        if deleted:
            index += deleted
            continue
        char_class = chars[index].info & t.CLASS_MASK
        if code and folded[index] == "_":
            char_class = t.CLASS_SEP
        if char_class == t.CLASS_SEP:
            kind = t.CLASS_SEP
        elif char_class == t.CLASS_EXTEND and kind != t.CLASS_SEP:
            found[-1].append(index)
        elif char_class == t.CLASS_UNSPACED or kind != t.CLASS_RUN:
            kind = t.CLASS_UNSPACED if char_class == t.CLASS_UNSPACED else t.CLASS_RUN
            found.append([index])
        else:
            found[-1].append(index)
        index += 1
    return [token for word in found for token in _token(chars, word)]


def templated(token: str) -> str:
    """Return a token with each run of digits as one 0."""
    return re.sub("[0-9]+", "0", token)


def token_hash(token: str) -> int:
    """Return the 64-bit hash of a token."""
    return word_hash(token)


def _deleted(chars: list[Char], folded: str, index: int) -> int:
    """Return how many characters at `index`, right after part of a word, are deleted."""
    if "0" <= folded[index - 1] <= "9" and (parting := THOUSANDS.match(folded, index)):
        return len(parting.group())
    if folded[index] != "'" or folded[index - 1] == "_" or index + 1 == len(chars):
        return 0
    following = chars[index + 1]
    starts = following.info & t.CLASS_MASK == t.CLASS_RUN and following.char not in "_0123456789"
    return int(starts and not following.info & t.JOINS_BACK)


def _token(chars: list[Char], word: list[int]) -> list[tuple[str, int, int]]:
    """Return the token that a word is, or nothing."""
    while word and chars[word[0]].char == "_":
        word = word[1:]
    while word and chars[word[-1]].char == "_":
        word = word[:-1]
    if not word:
        return []
    token = "".join(chars[index].char for index in word)
    if word[0] and chars[word[0] - 1].char == "\\" and token in COMMANDS:
        return []
    start = min(chars[index].start for index in word)
    return [(token, start, max(chars[index].stop for index in word))]


def fold(text: str) -> list[Char]:
    """Fold and compose a text, character by character."""
    ordered: list[Char] = []
    marks: list[Char] = []
    start = 0
    for original in text:
        stop = start + len(original.encode())
        for part in _parts(ord(original)):
            char = Char(chr(part), start, stop)
            if char.combining == 0:
                ordered += [*sorted(marks, key=lambda mark: mark.combining), char]
                marks = []
            else:
                marks.append(char)
        start = stop
    return _composed(ordered + sorted(marks, key=lambda mark: mark.combining))


def _parts(code_point: int) -> list[int]:
    if _HANGUL <= code_point < _HANGUL + _NUM_HANGUL:
        lead, rest = divmod(code_point - _HANGUL, 588)
        vowel, tail = divmod(rest, 28)
        return [0x1100 + lead, 0x1161 + vowel] + ([0x11A7 + tail] if tail else [])
    folding = load_folding()
    entry = int(folding.entries[code_point])
    if entry == 0:
        return [code_point]
    begin, end = folding.parts_start[entry], folding.parts_start[entry + 1]
    return [int(part) for part in folding.parts[begin:end]]


def _composed(ordered: list[Char]) -> list[Char]:
    """Compose canonically; what is joined spans the bytes of both."""
    composed: list[Char] = []
    starter = -1
    last_class = 0
    for char in ordered:
        blocked = starter < 0 or (last_class >= char.combining and starter != len(composed) - 1)
        pair = None if blocked else (composed[starter].char, char.char)
        if pair in _pairs():
            _, start, stop = composed[starter]
            joined = Char(_pairs()[pair], min(start, char.start), max(stop, char.stop))
            composed[starter] = joined
            continue
        if char.combining == 0:
            starter = len(composed)
        last_class = char.combining
        composed.append(char)
    return composed


@cache
def _pairs() -> dict[tuple[str, str] | None, str]:
    """Return what each pair of characters composes to."""
    tables = t.load_tables()
    pairs: dict[tuple[str, str] | None, str] = {
        (chr(int(key) >> 21), chr(int(key) & 0x1FFFFF)): chr(int(value))
        for key, value in zip(tables.pair_keys, tables.pair_values, strict=True)
    }
    for index in range(_NUM_HANGUL):
        lead, vowel, *tail = map(chr, _parts(_HANGUL + index))
        first = chr(_HANGUL + index - index % 28)
        pairs[(first, tail[0]) if tail else (lead, vowel)] = chr(_HANGUL + index)
    return pairs
