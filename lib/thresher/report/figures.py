"""Numbers and texts as a person reads them."""

from __future__ import annotations

import re

_PLACES = ("B", "kB", "MB", "GB", "TB", "PB")

# What a reader cannot see or what turns the line around: controls, bidirectional marks, zero-width
# spaces, line separators, lone surrogates, non-characters, invisible tags. The joiners U+200C and
# U+200D stay: Persian, Hindi and emoji need them.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    "\ufff9-\ufffb\ufffe\uffff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """Replace characters that cannot be seen by ones that can: ␀ for NUL, ⟨U+202E⟩ for others."""
    return _UNSEEN.sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)
    return "␡" if code == 0x7F else f"⟨U+{code:04X}⟩"


def cut(text: str, max_chars: int) -> str:
    """Shorten a text, saying how much is missing."""
    if len(text) <= max_chars:
        return text
    return f"{text[:max_chars]} … ({len(text) - max_chars:,} more characters)"


def one_line(text: str, max_chars: int = 120) -> str:
    """Show the beginning of a text on one line."""
    line = " ".join(text[: 4 * max_chars].split())
    return line if len(line) <= max_chars else line[:max_chars].rstrip() + " …"


def count(value: int) -> str:
    """Write an integer with thousands marked: 859,092."""
    return f"{value:,}"


def size(num_bytes: float) -> str:
    """Write bytes with three digits and a decimal unit: 1.23 GB."""
    place = 0
    while num_bytes >= 999.5 and place < len(_PLACES) - 1:
        num_bytes /= 1000
        place += 1
    if place == 0:
        return f"{num_bytes:.0f} B"
    digits = 0 if num_bytes >= 99.95 else 1 if num_bytes >= 9.995 else 2
    return f"{num_bytes:.{digits}f} {_PLACES[place]}"


def duration(seconds: float) -> str:
    """Write a time: 0.42 s, 12.3 s, 4 min 05 s, 2 h 03 min."""
    if seconds < 59.95:
        return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def share(part: float, whole: float = 1.0, digits: int = 1) -> str:
    """Write a share in per cent; never 0 % for something or 100 % for less than all."""
    if whole == 0:
        return "–"
    percent, step = 100 * part / whole, 10.0**-digits
    if 0 < percent < step / 2:
        return f"< {step:.{digits}f} %"
    if 100 - step / 2 <= percent < 100:
        return f"> {100 - step:.{digits}f} %"
    return f"{percent:.{digits}f} %" if 0 < percent < 100 else f"{percent:.0f} %"


def rate(amount: float, seconds: float) -> str:
    """Write an amount a second with thousands marked, or a dash when no time was measured."""
    if seconds <= 0 or amount <= 0:
        return "–"
    value = amount / seconds
    return f"{value:,.0f}" if value >= 9.95 else f"{value:.1f}"
