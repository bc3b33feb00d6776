"""Tool calls and the tools they name: is the JSON sound, does a result follow.

Only calls are touched one by one; the JSON of tools is read once a batch for each
different text.

Shapes: R rows, M messages.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls
from thresher.formats.rows import Rows
from thresher.formats.toolcalls import Call, parse_calls
from thresher.formats.turns import CALL, TOOL, Turns
from thresher.signals.dialogue import Dialogue, calling
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import counted, flagged, total

Column = np.ndarray[Any, Any]
SIGNALS = tuple(
    Signal(name, kind, "chat", about)
    for name, kind, about in (
        ("tool_calls", Kind.COUNT, "messages that call tools"),
        ("invalid_tool_calls", Kind.COUNT, "messages with a call that is no JSON or names no tool"),
        ("undeclared_tool_calls", Kind.COUNT, "messages that call what the row's tools lack"),
        ("unanswered_tool_calls", Kind.COUNT, "calls followed by no result; a last one needs none"),
        ("declared_tools", Kind.COUNT, "tools that the row names; 0 without any"),
        ("invalid_tools", Kind.FLAG, "the row's tools are no JSON list of named functions"),
    )
)
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


def tool_signals(rows: Rows, talk: Dialogue) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS`."""
    turns = talk.turns
    calls = calling(turns)
    row_of = turns.row_of
    declared = _declared(rows)
    broken, foreign = np.zeros(len(calls), bool), np.zeros(len(calls), bool)
    here = np.flatnonzero(calls)
    for place, made in zip(here.tolist(), _read_calls(turns, here), strict=True):
        names = declared[row_of[place]]
        broken[place] = made is None or not all(_is_sound(call) for call in made)
        if made and names:
            foreign[place] = any(call["name"] not in names for call in made)
    followed = np.zeros(len(calls), bool)
    followed[:-1] = (turns.roles[1:] == TOOL) | (turns.roles[1:] == CALL)
    ends = turns.offsets[1:][turns.lengths > 0] - 1
    followed[ends] = True
    tools = rows.columns.get("tools")
    untold = np.ones(len(rows), bool) if tools is None else nulls(tools)
    unsound = np.array([names is None for names in declared], bool)
    told = np.array([len(names or ()) for names in declared], np.int64)
    return {
        "declared_tools": counted(told, unsound),
        "tool_calls": counted(total(calls, turns.offsets)),
        "invalid_tool_calls": counted(total(broken, turns.offsets)),
        "undeclared_tool_calls": counted(total(foreign, turns.offsets)),
        "unanswered_tool_calls": counted(total(calls & ~followed, turns.offsets)),
        "invalid_tools": flagged(unsound, untold),
    }


def _read_calls(turns: Turns, here: Column) -> list[list[Call] | None]:
    """Return the calls of each named message: of its fields, else of its text."""
    index = pa.array(here)
    texts = turns.field("content").take(index).to_pylist()
    fields: list[Any] = [None] * len(here)
    if "tool_calls" in turns.fields:
        fields = turns.fields["tool_calls"].take(index).to_pylist()
    pairs = zip(fields, texts, strict=True)
    return [made if made is not None else parse_calls(text or "") for made, text in pairs]


def _is_sound(call: Call) -> bool:
    """Tell whether a call names a tool and its arguments, where there are any, are JSON."""
    arguments = call["arguments"]
    if not call["name"] or not call["name"].strip():
        return False
    return not arguments or not arguments.strip() or read_json(arguments)[0]


def _declared(rows: Rows) -> list[frozenset[str] | None]:
    """(R,) names of each row's tools; none where it has no tools, None where they are unsound."""
    nothing: frozenset[str] = frozenset()
    tools = rows.columns.get("tools")
    if tools is None or tools.null_count == len(tools):
        return [nothing] * len(rows)
    coded = pc.dictionary_encode(tools)
    known = [_tool_names(text) for text in coded.dictionary.to_pylist()]
    return [nothing if code is None else known[code] for code in coded.indices.to_pylist()]


def _tool_names(text: str) -> frozenset[str] | None:
    if not text.strip():
        return frozenset()
    good, value = read_json(text)
    if isinstance(value, dict):
        value = [value]
    if not good or not isinstance(value, list):
        return None
    names: list[str] = []
    for entry in value:
        inner = entry.get("function", entry) if isinstance(entry, dict) else None
        name = inner.get("name") if isinstance(inner, dict) else None
        if not isinstance(name, str):
            return None
        names.append(name)
    return frozenset(names)


def read_json(text: str) -> tuple[bool, Any]:
    """Read JSON; numbers stay text, so that no number is too long."""
    try:
        return True, _DECODER.decode(text)
    except (ValueError, RecursionError):
        return False, None


def begins_with_json(text: str) -> bool:
    """Tell whether a text begins with a JSON value, whatever follows it."""
    try:
        _DECODER.raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return False
    return True
