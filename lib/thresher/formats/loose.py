"""Records whose columns hold values of several types, sorted into groups that Arrow can hold.

Arrow columns have one type, JSON has none: content may be text in one row and parts in the next, a
label true here and "true" there. Records are grouped by the types of their values, and each group
becomes a batch of its own. Tools and arguments of tool calls, whose fields differ from row to row,
and nested values that no format knows become JSON text, letter by letter what `json.dumps` makes of
them.
"""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from thresher.formats.arrays import dump
from thresher.formats.messages import REASONING_FIELDS

LISTS = ("messages", "conversations", "prompt", "completion", "chosen", "rejected")
_NESTED = {*LISTS, "answers", "completions", "labels", "history"}
_TEXTS = {"from", "value", "role", "name", "tool_call_id", *REASONING_FIELDS}


def is_open(schema: pa.Schema) -> bool:
    """Tell whether a schema has objects whose fields are the data's own: tools, arguments."""
    for field in schema:
        if field.name == "tools" and pa.types.is_nested(field.type):
            return True
        if field.name in LISTS and _has_open_calls(field.type):
            return True
    return False


def _has_open_calls(kind: pa.DataType) -> bool:
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _has_open_calls(kind.value_type)
    if not pa.types.is_struct(kind):
        return False
    for i in range(kind.num_fields):
        field = kind.field(i)
        if field.name in ("arguments", "parameters") and pa.types.is_nested(field.type):
            return True
        if field.name in ("tool_calls", "function") and _has_open_calls(field.type):
            return True
    return False


def loosen(record: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return the types of a record's values by column, and the record as Arrow can hold it."""
    made: dict[str, Any] = {}
    types: dict[str, str] = {}
    for name, value in record.items():
        if isinstance(value, list | dict) and name not in _NESTED:
            value = dump(value)
        elif name in LISTS and isinstance(value, list | dict):
            value = _messages(value)
        made[name] = value
        if value is not None:
            types[name] = _type(value)
    return types, made


def _messages(value: Any) -> Any:
    messages = value if isinstance(value, list) else [value]
    if not all(isinstance(message, dict) for message in messages):
        return value
    parts = any(isinstance(m.get("content"), list) for m in messages)
    made = [_message(message, parts) for message in messages]
    return made if isinstance(value, list) else made[0]


def _message(message: dict[str, Any], parts: bool) -> dict[str, Any]:
    made = dict(message)
    content = made.get("content")
    if parts and isinstance(content, str):
        made["content"] = [{"type": "text", "text": content}]
    elif isinstance(content, dict):
        made["content"] = dump(content)
    if isinstance(made.get("tool_calls"), list):
        made["tool_calls"] = dump(made["tool_calls"])
    for name in _TEXTS:
        value = made.get(name)
        if value is not None and not isinstance(value, str):
            made[name] = dump(value)
    return made


def _type(value: Any) -> str:
    """Name the type of a value, as far as it decides which values share a column."""
    if isinstance(value, bool):
        return "b"
    if isinstance(value, int | float):
        return "n"
    if isinstance(value, str):
        return "s"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{_type(v)}" for k, v in sorted(value.items()) if v) + "}"
    kinds = sorted({_shape(item) for item in value if item is not None})
    return f"[{'|'.join(kinds)}]"


def _shape(item: Any) -> str:
    """Name the type of a list's item; fields of objects only where they are no plain text."""
    if not isinstance(item, dict):
        return _type(item)
    odd = [
        f"{k}:{_type(v)}" for k, v in sorted(item.items()) if not (v is None or isinstance(v, str))
    ]
    return "{" + ",".join(odd) + "}"


def parse_record(data: bytes) -> dict[str, Any] | None:
    """Parse one record; None unless it is an object."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
