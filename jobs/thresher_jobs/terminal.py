"""Texts of the data on a terminal: they can be long, and must not steer it."""

from __future__ import annotations

SHOWN_CHARACTERS = 2000


def one_line(text: str) -> str:
    """Return a text on one line."""
    return visible(text).replace("\n", "\\n")


def visible(text: str) -> str:
    """Return a text with control characters written out, so that it cannot steer a terminal."""
    return "".join(c if c in "\n\t" or c.isprintable() else repr(c)[1:-1] for c in text)


def cut(text: str) -> str:
    """Return the beginning of a text."""
    text = visible(text)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + " [...]"
