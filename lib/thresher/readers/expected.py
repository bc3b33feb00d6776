"""Columns that must hold text, or lists of messages: what makes a JSON record one of another type.

JSON gives every value a type of its own. Where a job knows which columns are its texts, a record
that holds something else there is put aside and the others go on; the rule looks at one record
only. Lists and objects of other columns, and their types, are no business of this module.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

# Column, and what it holds: `text`, or `messages` or one `message` with the spelling, as
# `messages:from`, where messages say `from` and `value`; `role` and `content` in `messages:role`,
# whose content is text, and in `messages:text` and `messages:value`, where it is a list of parts.
Expected = tuple[tuple[str, str], ...]
LIST_FOR_TEXT = "is a list, not text"  # what 'convert' may read nevertheless
_PARTS = ("text", "value")


def stranger(record: bytes, expected: Expected) -> str | None:
    """Say what stands where a record should hold something else; None if nothing does.

    Args:
        record: One JSON record; one that is broken is no stranger.
        expected: What columns hold; null always fits.
    """
    try:
        row = json.loads(record)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict):
        return None
    faults = (_fault(name, row.get(name), what) for name, what in expected)
    return next(filter(None, faults), None)


def may_be_strange(schema: pa.Schema, expected: Expected) -> bool:
    """Tell whether columns of these types may hold what they should not."""
    return any(
        not _fits(schema.field(name).type, what)
        for name, what in expected
        if schema.get_field_index(name) >= 0
    )


def _fault(name: str, value: Any, expected: str) -> str | None:
    if value is None:
        return None
    what, _, spelling = expected.partition(":")
    if what == "text":
        return None if isinstance(value, str) else f"column {name!r} is {_kind(value)}, not text"
    messages = [value] if what == "message" else value
    if not isinstance(messages, list):
        return f"column {name!r} is {_kind(value)}, not a list of messages"
    faults = (_message_fault(message, spelling) for message in messages)
    for number, fault in enumerate(faults):
        if fault:
            where = "" if what == "message" else f"message {number} of "
            return fault.format(f"{where}column {name!r}")
    return None


def _message_fault(message: Any, spelling: str) -> str | None:
    """Say what is wrong with a message; `{}` stands where it is."""
    if message is None:
        return None
    if not isinstance(message, dict):
        return f"{{}} is {_kind(message)}, not a message"
    label, content = _fields(spelling)
    for field, wanted in ((label, str), (content, list if spelling in _PARTS else str)):
        value = message.get(field)
        if value is not None and not isinstance(value, wanted):
            told = "text" if wanted is str else "a list of parts"
            return f"{field!r} in {{}} is {_kind(value)}, not {told}"
    return None


def _fields(spelling: str) -> tuple[str, str]:
    return ("from", "value") if spelling == "from" else ("role", "content")


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"


def _fits(kind: pa.DataType, expected: str) -> bool:
    what, _, spelling = expected.partition(":")
    if pa.types.is_null(kind):
        return True
    if what == "text":
        return _is_text(kind)
    if what == "messages":
        if not _is_list(kind):
            return False
        kind = kind.value_type
    if pa.types.is_null(kind):
        return True
    if not pa.types.is_struct(kind):
        return False
    types = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    label, content = (types.get(field, pa.null()) for field in _fields(spelling))
    fits = _is_list if spelling in _PARTS else _is_text
    return all(
        pa.types.is_null(found) or fit(found) for found, fit in ((label, _is_text), (content, fits))
    )


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def texts(columns: Sequence[str]) -> Expected:
    """Return that these columns hold text."""
    return tuple((name, "text") for name in columns)


def merged(left: Expected, right: Expected) -> Expected:
    """Return what both say; the right one where they differ."""
    return tuple(sorted({**dict(left), **dict(right)}.items()))
