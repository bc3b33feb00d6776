"""Tool calls in two spellings: a turn whose text is JSON, and fields of an assistant's turn.

ShareGPT writes `{"name": ..., "arguments": {...}}` (or a list of them) as the text of a
`function_call` turn; OpenAI's messages carry `tool_calls`, whose arguments are JSON text. The text
of the arguments is carried over letter by letter, so that a way there and back changes nothing.
Only turns that hold calls are touched one by one.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, dump, nulls, parts_of, strings, without_nulls
from thresher.formats.turns import ASSISTANT, CALL, MESSAGE_FIELDS, STRING, TOOL_CALL, Turns

Column = np.ndarray[Any, Any]
Call = dict[str, str | None]
CALLS = MESSAGE_FIELDS["tool_calls"]


def call_text(calls: list[Call]) -> str:
    """Write calls as the text of a `function_call` turn; ids are not part of it."""
    written = [
        f'{{"name": {dump(call["name"])}, "arguments": {_embedded(call["arguments"])}}}'
        for call in calls
    ]
    return written[0] if len(written) == 1 else f"[{', '.join(written)}]"


def _embedded(arguments: str | None) -> str:
    """Return the arguments as a JSON value: as they are, or as a string if they are none."""
    if arguments is None:
        return "null"
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return dump(arguments)
    return dump(arguments) if isinstance(value, str) or value is None else arguments


def parse_calls(text: str) -> list[Call] | None:
    """Read the text of a `function_call` turn; None when it is not a call."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    entries = value if isinstance(value, list) else [value]
    if not entries or not all(_is_call(entry) for entry in entries):
        return None
    if len(entries) == 1 and value is entries[0]:
        return [_call(entries[0], text)]
    return [_call(entry, None) for entry in entries]


def _is_call(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("name"), str)
        and set(entry) <= {"name", "arguments"}
    )


def _call(entry: dict[str, Any], text: str | None) -> Call:
    arguments = entry.get("arguments")
    head = f'{{"name": {dump(entry["name"])}, "arguments": '
    if arguments is None or isinstance(arguments, str):
        written = arguments
    elif text is not None and text.startswith(head) and text.endswith("}"):
        written = text[len(head) : -1]
    else:
        written = dump(arguments)
    return {"id": None, "type": "function", "name": entry["name"], "arguments": written}


def read_tool_calls(array: pa.Array) -> tuple[pa.Array, Column]:
    """Read the field `tool_calls` of messages: structs, or JSON text.

    Returns:
        Lists of `TOOL_CALL`, null where there is no call, and the mask of unreadable ones.
    """
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), CALLS), np.zeros(len(array), bool)
    if not pa.types.is_string(array.type) and not pa.types.is_large_string(array.type):
        return _from_structs(array)
    calls: list[Any] = []
    bad = np.zeros(len(array), bool)
    for place, text in enumerate(array.to_pylist()):
        try:
            entries = json.loads(text) if text else []
            calls.append([_from_object(entry) for entry in entries or []] or None)
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
            calls.append(None)
            bad[place] = True
    return pa.array(calls, CALLS), bad


def _from_object(entry: dict[str, Any]) -> Call:
    function = entry.get("function", entry)
    arguments = function.get("arguments")
    written = arguments if arguments is None or isinstance(arguments, str) else dump(arguments)
    return {
        "id": entry.get("id"),
        "type": entry.get("type", "function"),
        "name": function["name"],
        "arguments": written,
    }


def _from_structs(array: pa.Array) -> tuple[pa.Array, Column]:
    offsets, flat = parts_of(array)
    outer = children(flat)
    inner = children(outer["function"]) if "function" in outer else outer
    missing = pa.nulls(len(flat), STRING)
    if "name" not in inner:
        return pa.nulls(len(array), CALLS), np.diff(offsets) > 0
    kind = outer.get("type", missing)
    columns = [
        strings(outer.get("id", missing)),
        strings(pc.fill_null(strings(kind), "function")),
        strings(inner["name"]),
        _argument_text(inner.get("arguments", missing)),
    ]
    calls = pa.StructArray.from_arrays(columns, fields=list(TOOL_CALL))
    found = _lists(offsets, calls, np.diff(offsets) == 0)
    unnamed = nulls(columns[2])
    row = np.repeat(np.arange(len(array)), np.diff(offsets))
    return found, np.bincount(row[unnamed], minlength=len(array)) > 0


def _argument_text(array: pa.Array) -> pa.Array:
    if pa.types.is_struct(array.type) or pa.types.is_map(array.type):
        values = array.to_pylist()
        return pa.array([None if v is None else dump(without_nulls(v)) for v in values], STRING)
    return strings(array)


def _lists(offsets: Column, values: pa.Array, empty: Column) -> pa.Array:
    mask = pa.array(empty) if empty.any() else None
    return pa.LargeListArray.from_arrays(pa.array(offsets), values, type=CALLS, mask=mask)


def make_lists(counts: Column, calls: list[Call]) -> pa.Array:
    """Make the field from (M,) counts of calls and all calls in order; no call is null."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return _lists(offsets, pa.array(calls, TOOL_CALL), counts == 0)


def holds_calls(turns: Turns) -> Column:
    """(M,) messages with the field `tool_calls`."""
    if "tool_calls" not in turns.fields:
        return np.zeros(len(turns.roles), bool)
    return ~nulls(turns.fields["tool_calls"])


def as_fields(turns: Turns) -> tuple[Turns, Column]:
    """Turn `function_call` turns into assistant's turns with `tool_calls`.

    Returns:
        The turns, and the (M,) mask of those whose text is no call.
    """
    here = np.flatnonzero(turns.roles == CALL)
    bad = np.zeros(len(turns.roles), bool)
    if not len(here):
        return turns, bad
    index = pa.array(here)
    parsed = [parse_calls(text or "") for text in turns.field("content").take(index).to_pylist()]
    bad[here] = [calls is None for calls in parsed]
    mine: list[Any] = [None] * len(turns.roles)
    if holds_calls(turns).any():
        mine = turns.field("tool_calls").to_pylist()
    for place, calls in zip(here.tolist(), parsed, strict=True):
        mine[place] = calls
    roles = turns.roles.copy()
    roles[here] = ASSISTANT
    gone = pa.array(turns.roles == CALL)
    content = pc.if_else(gone, pa.scalar(None, STRING), turns.field("content"))
    fields = {**turns.fields, "content": content, "tool_calls": pa.array(mine, CALLS)}
    return Turns(turns.offsets, roles, fields), bad


def as_turns(turns: Turns) -> tuple[Turns, Column, Column]:
    """Turn assistant's turns with `tool_calls` into `function_call` turns.

    Returns:
        The turns, the (M,) mask of those that also had text, which is gone, and the mask of those
        whose calls had ids, which are gone too.
    """
    calling = holds_calls(turns)
    nothing = np.zeros(len(turns.roles), bool)
    here = np.flatnonzero(calling)
    if not len(here):
        return turns, nothing, nothing
    calls = turns.field("tool_calls").take(pa.array(here)).to_pylist()
    texts: list[str | None] = [None] * len(turns.roles)
    named = nothing.copy()
    for place, mine in zip(here.tolist(), calls, strict=True):
        texts[place] = call_text(mine)
        named[place] = any(call["id"] is not None for call in mine)
    had = calling & ~nulls(turns.field("content"))
    had[had] = np.asarray(pc.binary_length(turns.field("content").filter(pa.array(had)))) > 0
    content = pc.if_else(pa.array(calling), pa.array(texts, STRING), turns.field("content"))
    fields = {k: v for k, v in turns.fields.items() if k != "tool_calls"}
    roles = np.where(calling, np.int8(CALL), turns.roles)
    return Turns(turns.offsets, roles, {**fields, "content": content}), had, named
