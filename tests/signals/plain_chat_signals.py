"""The figures of answers in plain Python, to compare the kernels with."""

from __future__ import annotations

import re
from collections import Counter

from thresher.signals import echoes as e
from thresher.signals import sentences as s
from thresher.text import tables as t
from thresher.text.tables import load_tables

_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})(.*)", re.DOTALL)
_SPACE = " \t\n\v\f\r"
_MATHS = set("=+-*/^()[]{}<>|&~!@#$%\\")


def fences(text: str) -> tuple[int, int, bool]:
    """Return code blocks, empty ones among them, and whether one is open at the end."""
    blocks = empty = 0
    mark, named, hollow = "", False, False
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    for line in lines:
        found = _FENCE.fullmatch(line)
        info = found[2] if found else ""
        if not mark:
            if found and not (found[1][0] == "`" and "`" in info):
                mark, named, hollow = found[1], bool(info.strip(" \t\r")), True
        elif (
            found
            and found[1][0] == mark[0]
            and len(found[1]) >= len(mark)
            and not info.strip(" \t\r")
        ):
            blocks += 1
            empty += named and hollow
            mark = ""
        elif line.strip(" \t\r"):
            hollow = False
    odd = mark[:1] == "~" or _ticks(lines) % 2 == 1
    return blocks, empty, bool(mark) and odd and not (hollow and not named)


def _ticks(lines: list[str]) -> int:
    return sum(len(re.findall("`{3,}", line)) for line in lines)


def digit_run(text: str) -> int:
    """Return the longest run of one digit."""
    return max((len(found[0]) for found in re.finditer(r"([0-9])\1*", text)), default=0)


def chinese(text: str) -> int:
    """Return the number of Chinese characters."""
    return sum("\u4e00" <= char <= "\u9fff" for char in text)


def lower_words(text: str) -> list[str]:
    """Return the words of a text in lower case, not composed."""
    tables = load_tables()
    found: list[str] = []
    kind = t.CLASS_SEP
    for char in text:
        char_class = int(tables.info[ord(char)]) & t.CLASS_MASK
        if char_class == t.CLASS_SEP:
            kind = t.CLASS_SEP
            continue
        starts = char_class == t.CLASS_UNSPACED or kind == t.CLASS_SEP
        if starts or (char_class == t.CLASS_RUN and kind == t.CLASS_UNSPACED):
            kind = t.CLASS_UNSPACED if char_class == t.CLASS_UNSPACED else t.CLASS_RUN
            found.append("")
        found[-1] += chr(int(tables.lower[ord(char)]))
    return found


def ngram_runs(text: str) -> tuple[int, int]:
    """Return the most copies of one n-gram in a row, and the words of the longest such run."""
    words = lower_words(text)
    most, widest = min(len(words), 1), 0
    for n in range(1, e.MAX_PERIOD + 1):
        for start in range(len(words) - 2 * n + 1):
            end = start + n
            while end < len(words) and words[end] == words[end - n]:
                end += 1
            if end - start >= 2 * n:
                most = max(most, (end - start) // n)
                widest = max(widest, end - start)
    return most, widest


def copies(text: str) -> tuple[int, int]:
    """Return the cost after references to earlier stretches, and the longest such stretch."""
    data = text.encode()
    table: dict[int, int] = {}

    def slot(at: int) -> int:
        word = int.from_bytes(data[at : at + 4], "little")
        return (word * e.COPY_FACTOR) >> (32 - e.TABLE_BITS) & ((1 << e.TABLE_BITS) - 1)

    cost = longest = at = 0
    while at < len(data):
        length = 0
        if at + e.MIN_COPY <= len(data):
            source = table.get(slot(at))
            table[slot(at)] = at
            while (
                source is not None
                and at + length < len(data)
                and data[source + length] == data[at + length]
            ):
                length += 1
        if length < e.MIN_COPY:
            cost, at = cost + 1, at + 1
            continue
        cost += e.COPY_COST + length // e.COPY_STEP
        longest = max(longest, length)
        for place in range(at + 1, min(at + length, len(data) - e.MIN_COPY + 1)):
            table[slot(place)] = place
        at += length
    return min(cost, len(data)), longest


def repeats(text: str) -> tuple[int, int, int]:
    """Return the weighed copies of a paragraph, of a sentence in a row, of a sentence anywhere."""
    lines = [line.strip(_SPACE) for line in text.split("\n")]
    numbers = sum(bool(re.match(r"[0-9]{1,4}\. ", line)) for line in lines)
    bullets = sum(len(line.encode()) >= 3 and bool(re.match(r"[-*] |•", line)) for line in lines)
    listed = numbers >= 2 or bullets >= 2
    visible: list[str | None] = []
    fenced = False
    for line in lines:
        fence = line.startswith(("```", "~~~"))
        visible.append(None if fenced or fence else line)
        fenced ^= fence
    return _paragraphs(visible, listed), *_sentences(visible, listed)


def _weight(unit: str, listed: bool) -> int:
    return s.LISTED if listed else s.SYMBOLS if _MATHS & set(unit) else 1


def _paragraphs(lines: list[str | None], listed: bool) -> int:
    most, last = 0, None
    counts: Counter[str] = Counter()
    group: list[str] = []
    for line in [*lines, None]:
        if line:
            group.append(line)
            continue
        if not group:
            continue
        unit, several, group = "\n".join(group), len(group) > 1, []
        follows, last = unit == last, unit
        if len(unit.encode()) < s.MIN_PARAGRAPH:
            continue
        counts[unit] += 1
        weight = s.LINED if several else _weight(unit, listed)
        if not follows:
            weight = max(weight, min(weight * s.APART, s.MOST_APART))
        most = max(most, counts[unit] // weight, 1)
    return most


def _sentences(lines: list[str | None], listed: bool) -> tuple[int, int]:
    longest = most = run = 0
    counts: Counter[str] = Counter()
    last = None
    for line in lines:
        for piece in re.split(r"(?<=[.!?])(?=[ \t\v\f\r])|(?<=[。！？])", line or ""):
            unit = piece.strip(_SPACE)
            if not unit:
                continue
            run = run + 1 if unit == last else 1
            last = unit
            words = len(re.split(r"[ \t\v\f\r]+", unit))
            size = len(unit.encode())
            if size < s.MIN_SENTENCE or (words < 2 and unit.isascii()):
                continue
            short = words < 3 and size < s.MIN_COUNTED
            counts[unit] += 1
            weight = _weight(unit, listed) if counts[unit] > 1 else 1
            longest = max(longest, run // (weight * (2 if short else 1)), 1)
            most = max(most, 1 if short else counts[unit] // weight)
    return longest, most
