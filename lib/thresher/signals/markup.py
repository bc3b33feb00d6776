r"""Marks inside an answer: code fences, formulas, runs of a digit, Chinese characters.

One pass over the bytes of each text. A code fence is a line that begins with three or more
backticks or tildes, behind blanks and `>`; what lies inside is no markup. A fence counts as
unclosed only if the number of backtick runs is odd too, so that sloppy but complete fences pass. A
formula is displayed, and begins a line: elsewhere `$$` is money and `\[` a pattern.

Shapes: T texts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.signals.spans import Spans
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
_NEWLINE, _RETURN, _TAB, _SPACE = 10, 13, 9, 32
_TICK, _TILDE, _BACKSLASH, _DOLLAR, _QUOTED = 96, 126, 92, 36, 62
_FENCE = 3  # marks that make a fence
(_OPEN_FENCE, _BLOCKS, _EMPTY_BLOCKS, _OPEN_MATH, _DIGITS, _CHINESE, _LISTS, _HEADINGS,
 _BOLD) = range(9)  # fmt: skip
_WIDTH = 9


class Markup(NamedTuple):
    """(T,) figures of each text.

    Args:
        open_fence: A code block does not end.
        blocks: Code blocks that end.
        empty_blocks: Those that name a language and hold nothing.
        open_math: A formula does not end.
        digit_run: The longest run of one digit.
        chinese: Characters from U+4E00 to U+9FFF.
        list_lines: Lines that begin with a bullet or a number.
        headings: Lines that begin with `#` and a space.
        bold: Marks of bold type, `**`.
    """

    open_fence: Column
    blocks: Column
    empty_blocks: Column
    open_math: Column
    digit_run: Column
    chinese: Column
    list_lines: Column
    headings: Column
    bold: Column


def read_markup(texts: Spans) -> Markup:
    """Find the marks of each text."""
    found = np.zeros((len(texts.starts), _WIDTH), np.int64)
    _scan(texts.data, texts.starts, texts.ends, found)
    return Markup(*found.T)


@inlined
def _line_start(data: Any, at: Any, end: Any) -> Any:
    """Skip blanks and quotation marks at the beginning of a line."""
    while at < end and (data[at] == _SPACE or data[at] == _TAB or data[at] == _QUOTED):
        at += 1
    return at


@inlined
def _run(data: Any, at: Any, end: Any) -> Any:
    """Return the number of bytes equal to the one at `at`."""
    stop = at
    while stop < end and data[stop] == data[at]:
        stop += 1
    return stop - at


@inlined
def _blank(data: Any, at: Any, end: Any) -> Any:
    """Tell whether the rest of a line is blank."""
    while at < end and (data[at] == _SPACE or data[at] == _TAB or data[at] == _RETURN):
        at += 1
    return at >= end


@inlined
def _list_line(data: Any, at: Any, end: Any) -> Any:
    """Tell whether a line begins with a bullet or a number and a dot or parenthesis."""
    if at >= end:
        return False
    first = data[at]
    if (first == 45 or first == 42 or first == 43) and at + 1 < end and data[at + 1] == _SPACE:
        return True
    if first == 0xE2 and at + 2 < end and data[at + 1] == 0x80 and data[at + 2] == 0xA2:
        return True
    digits = at
    while digits < end and digits - at < 4 and 48 <= data[digits] <= 57:
        digits += 1
    dotted = digits > at and digits + 1 < end and (data[digits] == 46 or data[digits] == 41)
    return dotted and data[digits + 1] == _SPACE


@kernel
def _scan(data: Any, starts: Any, ends: Any, found: Any) -> None:
    for text in range(len(starts)):
        at, stop = starts[text], ends[text]
        mark, width, named, hollow, ticks = 0, 0, False, False, 0
        display, dollars = False, False
        run, digit = 0, -1
        while at < stop:
            end = at
            while end < stop and data[end] != _NEWLINE:
                end += 1
            begin = _line_start(data, at, end)
            length = 0
            if begin < end and (data[begin] == _TICK or data[begin] == _TILDE):
                length = _run(data, begin, end)
            fence = length >= _FENCE
            if fence and mark == 0 and data[begin] == _TICK:
                for place in range(begin + length, end):
                    fence = fence and data[place] != _TICK
            if fence and mark == 0:
                mark, width, hollow = data[begin], length, True
                named = not _blank(data, begin + length, end)
            elif (
                fence
                and mark == data[begin]
                and length >= width
                and _blank(data, begin + length, end)
            ):
                mark = 0
                found[text, _BLOCKS] += 1
                if named and hollow:
                    found[text, _EMPTY_BLOCKS] += 1
            elif mark and not _blank(data, at, end):
                hollow = False
            plain = mark == 0 and not fence
            if plain and _list_line(data, begin, end):
                found[text, _LISTS] += 1
            if plain and begin < end and data[begin] == 35:
                hashes = _run(data, begin, end)
                if hashes <= 6 and begin + hashes < end and data[begin + hashes] == _SPACE:
                    found[text, _HEADINGS] += 1
            code = False  # between single or double backticks, to the end of the line at most
            place = at
            while place < end:
                byte = data[place]
                if 48 <= byte <= 57:
                    run = run + 1 if byte == digit else 1
                    digit = byte
                    found[text, _DIGITS] = max(found[text, _DIGITS], run)
                else:
                    digit = -1
                    if 0xE4 <= byte <= 0xE9 and place + 1 < end:
                        if byte > 0xE4 or data[place + 1] >= 0xB8:
                            found[text, _CHINESE] += 1
                    elif byte == _TICK:
                        length = _run(data, place, end)
                        if length >= _FENCE:
                            ticks += 1
                        else:
                            code = not code
                        place += length
                        continue
                    elif plain and not code:
                        if byte == _BACKSLASH and place + 1 < end:
                            after = data[place + 1]
                            display = (display or (after == 91 and place == begin)) and after != 93
                            if after < 128 and not 48 <= after <= 57:  # these count as well
                                place += 1
                        elif byte == _DOLLAR:
                            length = _run(data, place, end)
                            if length == 2 and (dollars or place == begin):
                                dollars = not dollars
                            place += length
                            continue
                        elif byte == 42:
                            length = _run(data, place, end)
                            if length == 2:
                                found[text, _BOLD] += 1
                            place += length
                            continue
                place += 1
            digit = -1
            at = end + 1
        stray = hollow and not named  # a mark too many at the end, not a block that was cut off
        odd = mark == _TILDE or ticks % 2 == 1
        found[text, _OPEN_FENCE] = mark != 0 and odd and not stray
        found[text, _OPEN_MATH] = display or dollars
