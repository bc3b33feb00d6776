"""What the columns of a file hold, by the formats that were found in it."""

from __future__ import annotations

from collections.abc import Iterable

from thresher.formats.catalogue import FORMATS


def expected_of(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return columns that hold text or messages in all formats that know them.

    Columns of which formats differ, and those that may hold anything, are left out: whether a
    row's value fits is then for its format to say.

    Args:
        names: The formats of a file.
    """
    shapes: dict[str, set[str]] = {}
    for name in names:
        for column, shape in (*FORMATS[name].required.items(), *FORMATS[name].optional.items()):
            shapes.setdefault(column, set()).add(_held(shape.name))
    return tuple(
        (column, found)
        for column, held in sorted(shapes.items())
        for found in held
        if len(held) == 1 and found
    )


def _held(shape: str) -> str:
    """Name what a shape holds as readers of JSON know it; nothing where they do not."""
    what, _, spelling = shape.partition(":")
    known = what == "text" or (what in ("messages", "message") and spelling)
    return shape if known else ""
