"""Words, lines and repetition in plain Python: what the text signals count."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

import unicodedata2

from thresher.signals import characters as c
from thresher.signals.text_options import Flavor
from thresher.text.tables import CLASS_MASK, load_tables

KINDS = c.kinds(whitespace=False)


def category(char: str) -> str:
    """Return the general category of a character."""
    return str(unicodedata2.category(char))


def is_terminal(char: str) -> bool:
    """Tell whether a character ends sentences."""
    return bool(KINDS[ord(char)] & c.TERMINAL)


def is_punctuation(char: str) -> bool:
    """Tell whether a character is punctuation."""
    return category(char)[0] == "P" or char in string.punctuation


def lower(text: str) -> str:
    """Return a text in lower case, code point by code point."""
    table = load_tables().lower
    return "".join(chr(table[ord(char)]) for char in text)


def own_words(text: str) -> list[str]:
    """Return runs of word characters; letters of unspaced scripts are words of their own."""
    info = load_tables().info
    marks = [int(info[ord(char)]) & CLASS_MASK for char in text]  # 0 none, 1 run, 2 lone, 3 mark
    found: list[str] = []
    state = "out"
    for at, char in enumerate(text):
        mark = marks[at]
        if char in "'’" and state == "run" and at + 1 < len(text) and marks[at + 1] in (1, 3):
            found[-1] += char
        elif mark == 0:
            state = "out"
        elif mark == 2 or state == "out" or (mark == 1 and state == "lone"):
            state = "lone" if mark == 2 else "run"
            found.append(char)
        else:
            found[-1] += char
    return found


def split_words(text: str, flavor: Flavor) -> list[str]:
    """Return the words of a text as a flavor has them."""
    return text.split() if flavor.whitespace else own_words(text)


def ratio(part: float, whole: float) -> float | None:
    """Divide; None by nothing."""
    return part / whole if whole else None


def grams(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    """Return the n-grams of words."""
    return [tuple(words[at : at + size]) for at in range(len(words) - size + 1)]


def size_of(words: Sequence[str]) -> int:
    """Return the characters of words."""
    return sum(map(len, words))


def top_share(text: str, words: list[str], size: int, flavor: Flavor) -> float | None:
    """Return the top n-gram's share of characters, by flavor."""
    found = grams(words, size)
    counts = Counter(found)
    if flavor is Flavor.NEMO:
        if not text:
            return None
        if not found:
            return 1.0
        best = " ".join(counts.most_common(1)[0][0])
        return (len(text) - len(text.replace(best, ""))) / len(text)
    whole = len(text) if flavor is Flavor.DATATROVE else size_of(words)
    if not found:
        return ratio(0, whole)
    best_gram, count = counts.most_common(1)[0]
    if flavor is Flavor.DATATROVE:
        return ratio(len(" ".join(best_gram)) * count, whole)
    if flavor is Flavor.DOLMA:
        return ratio(size_of(best_gram) * count, whole)
    if count == 1:
        return ratio(0, whole)
    chars = size_of(best_gram)
    if flavor is Flavor.DCLM:
        chars = max(size_of(gram) for gram, times in counts.items() if times == count)
    return ratio(chars * count, whole)


def repeated_share(text: str, words: list[str], size: int, flavor: Flavor) -> float | None:
    """Return the repeated n-grams' share of characters, by flavor."""
    found = grams(words, size)
    counts = Counter(found)
    if flavor is Flavor.DATATROVE:
        seen, at, chars = set(), 0, 0
        while at < len(found):
            if found[at] in seen:
                chars += size_of(found[at])
                at += size
            else:
                seen.add(found[at])
                at += 1
        return ratio(chars, len(text))
    if flavor is Flavor.DOLMA:
        if not words:
            return None
        repeated = sum(n * size_of(gram) for gram, n in counts.items() if n > 1)
        return repeated / max(sum(n * size_of(gram) for gram, n in counts.items()), 1)
    if flavor is Flavor.NEMO:
        return _nemo_repeated(text, found, size)
    inside = {
        place for at, gram in enumerate(found) if counts[gram] > 1 for place in range(at, at + size)
    }
    return ratio(size_of([words[place] for place in inside]), size_of(words))


def _nemo_repeated(text: str, found: list[tuple[str, ...]], size: int) -> float | None:
    if not text:
        return None
    if not found:
        return 1.0
    counts: Counter[tuple[str, ...]] = Counter()
    chars = overlapping = 0
    for gram in found:
        counts[gram] += 1
        if counts[gram] > 1:
            chars += size_of(gram[overlapping:]) + min(size - overlapping, size - 1)
            overlapping = size
        overlapping = max(overlapping - 1, 0)
    return chars / len(text)


def duplicates(pieces: Sequence[str], all_copies: bool) -> tuple[int, int]:
    """Return how many pieces are repeated, and their characters."""
    counts = Counter(pieces)
    if all_copies:
        again = [(n, len(piece)) for piece, n in counts.items() if n > 1]
    else:
        again = [(n - 1, len(piece)) for piece, n in counts.items()]
    return sum(n for n, _ in again), sum(n * size for n, size in again)


def lines_of(text: str, flavor: Flavor) -> tuple[list[str], list[str]]:
    """Return the lines that count, and those looked through for repeated ones."""
    pieces = text.split("\n")
    if not text:
        return [], []
    if flavor is Flavor.DOLMA:
        return pieces, pieces
    if flavor is Flavor.DATATROVE:
        return pieces[:-1] if pieces[-1] == "" else pieces, re.split(r"\n+", text)
    stripped = [piece.strip() for piece in pieces if piece.strip()]
    return stripped, stripped
