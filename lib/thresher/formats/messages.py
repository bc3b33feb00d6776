"""Lists of messages: from any spelling into turns, and out again.

Spellings: `from`/`value` (ShareGPT), `role`/`content` with text (OpenAI), with `{type, text}` parts
(OpenAI), with `{type, value}` parts (LLaMA-Factory). Role *values* are mapped too: a trainer that
renames the keys alone leaves `human` and `gpt` behind.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import (
    children,
    is_list,
    is_string,
    json_text,
    nulls,
    parts_of,
    strings,
)
from thresher.formats.parts import read_parts, write_parts
from thresher.formats.rows import Faults
from thresher.formats.toolcalls import as_fields, as_turns, read_tool_calls
from thresher.formats.turns import (
    ASSISTANT,
    CALL,
    DEVELOPER,
    ROLES,
    STRING,
    SYSTEM,
    TOOL,
    USER,
    Turns,
)

Column = np.ndarray[Any, Any]
Dropped = dict[str, Column]

ROLE_CODES = {
    **{name: code for code, name in enumerate(ROLES) if name != "call"},
    "human": USER,
    "prompter": USER,
    "gpt": ASSISTANT,
    "model": ASSISTANT,
    "bot": ASSISTANT,
    "chatgpt": ASSISTANT,
    "ai": ASSISTANT,
    "chatbot": ASSISTANT,
    "function_call": CALL,
    "observation": TOOL,
    "function": TOOL,
    "function_response": TOOL,
    "ipython": TOOL,
}
FROM_NAMES = ("system", "system", "human", "gpt", "function_call", "observation")
ROLE_NAMES = ("system", "developer", "user", "assistant", "assistant", "tool")
REASONING_FIELDS = ("reasoning_content", "reasoning", "thinking")
_KNOWN = {
    "from", "value", "role", "content", "name", "tool_calls", "tool_call_id", "train", "training",
    "weight", "loss_weight", *REASONING_FIELDS,
}  # fmt: skip
_NAMES = pa.array(list(ROLE_CODES), STRING)
_CODES = np.array([*ROLE_CODES.values(), -1], np.int8)


def spelling(kind: pa.DataType, *, single: bool = False) -> str | None:
    """Return how the messages of a column are spelled: `from`, `role`, `text` or `value` parts.

    Args:
        kind: The column's type.
        single: Whether the column holds one message, not a list of them.
    """
    if not single:
        if not is_list(kind):
            return None
        kind = kind.value_type
    if not pa.types.is_struct(kind):
        return None
    fields = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
    if "from" in fields and "value" in fields:
        return "from" if is_string(fields["from"]) and is_string(fields["value"]) else None
    if "role" not in fields or not is_string(fields["role"]):
        return None
    content = fields.get("content", pa.null())
    if is_string(content):
        return "role"
    if is_list(content) and pa.types.is_struct(content.value_type):
        names = {content.value_type.field(i).name for i in range(content.value_type.num_fields)}
        if "type" in names:
            return "value" if "value" in names else "text"
    return None


def read_messages(array: pa.Array, what: str, faults: Faults, dropped: Dropped) -> Turns:
    """Read a column of message lists, or of single messages.

    Args:
        array: (R,) lists of structs, structs, or nothing but nulls.
        what: The column's name, for messages.
        faults: Marked where a row cannot be read.
        dropped: Marked where something is left out.
    """
    faults.add(nulls(array), f"column '{what}' is null")
    if pa.types.is_struct(array.type):
        valid = ~nulls(array)
        offsets = np.concatenate([[0], np.cumsum(valid)]).astype(np.int64)
        flat = array.filter(pa.array(valid))
    else:
        offsets, flat = parts_of(array)
    faults.add(np.diff(offsets) == 0, f"column '{what}' has no messages")
    found = children(flat)
    row = np.repeat(np.arange(len(array)), np.diff(offsets))

    def fault(messages: Column, message: str) -> None:
        if messages.any():
            faults.add(np.unique(row[messages]), f"{message} in '{what}'")

    fault(nulls(flat), "a message is null")
    roles = read_roles(found.get("role", found.get("from", pa.nulls(len(flat)))))
    fault(roles < 0, "a role is missing or unknown")
    fields: dict[str, pa.Array] = {}
    content = found.get("content", found.get("value", pa.nulls(len(flat))))
    if is_list(content.type):
        read = read_parts(content, "value" if "value" in children_of(content) else "text")
        fields |= read.fields
        fault(read.bad, "a content part cannot be read")
    else:
        fields["content"] = strings(content)
    fields |= _optional(found, fault)
    calling = ~nulls(fields["tool_calls"]) if "tool_calls" in fields else np.zeros(len(flat), bool)
    kept = ~nulls(fields["parts"]) if "parts" in fields else np.zeros(len(flat), bool)
    fault(nulls(fields["content"]) & ~calling & ~kept, "a message has no content")
    for name, child in found.items():
        if name not in _KNOWN and child.null_count < len(child):
            mask = np.zeros(len(array), bool)
            mask[row[~nulls(child)]] = True
            key = f"message field '{name}'"
            dropped[key] = dropped.get(key, np.zeros(len(array), bool)) | mask
    return Turns(offsets, roles, fields)


def children_of(array: pa.Array) -> list[str]:
    """Return the field names of the structs in a list column."""
    kind = array.type.value_type
    return [kind.field(i).name for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []


def read_roles(names: pa.Array) -> Column:
    """Return the codes of role names, in any case of letters; -1 is unknown."""
    found = _codes_of(strings(names))
    odd = np.flatnonzero(found < 0)
    if len(odd):
        found[odd] = _codes_of(pc.utf8_lower(strings(names.take(pa.array(odd)))))
    return found


def _codes_of(names: pa.Array) -> Column:
    places = pc.index_in(names, value_set=_NAMES)
    found: Column = _CODES[pc.fill_null(places, -1).to_numpy(zero_copy_only=False)]
    return found


def _optional(found: dict[str, pa.Array], fault: Any) -> dict[str, pa.Array]:
    """Read the fields that only some messages have."""
    fields: dict[str, pa.Array] = {}
    for name in ("name", "tool_call_id"):
        if name in found and found[name].null_count < len(found[name]):
            fields[name] = json_text(found[name])
    thoughts = [json_text(found[name]) for name in REASONING_FIELDS if name in found]
    thoughts = [text for text in thoughts if text.null_count < len(text)]
    if thoughts:
        fields["reasoning"] = thoughts[0] if len(thoughts) == 1 else pc.coalesce(*thoughts)
    for name in ("train", "training"):
        if name in found and found[name].null_count < len(found[name]):
            flag = found[name]
            if pa.types.is_boolean(flag.type):
                fields["train"] = flag
            elif pa.types.is_integer(flag.type):
                fields["train"] = flag.cast(pa.bool_())
            else:
                fault(~nulls(flag), f"'{name}' is {flag.type}, neither true nor false,")
    for name in ("weight", "loss_weight"):
        if name in found and found[name].null_count < len(found[name]):
            number = found[name]
            if pa.types.is_floating(number.type) or pa.types.is_integer(number.type):
                fields["weight"] = number.cast(pa.float64())
            else:
                fault(~nulls(number), f"'{name}' is {number.type}, not a number,")
    if "tool_calls" in found:
        calls, bad = read_tool_calls(found["tool_calls"])
        fault(bad, "tool calls cannot be read")
        if calls.null_count < len(calls):
            fields["tool_calls"] = calls
    return fields


def write_messages(
    turns: Turns, spelled: str, fields: Collection[str], faults: Faults, lost: Dropped
) -> pa.Array:
    """Write turns as lists of messages.

    Args:
        turns: The messages.
        spelled: `from`, `role`, `text` or `value`.
        fields: Optional fields to write: names of `MESSAGE_FIELDS`; reasoning and weights under the
            name they shall have, as `reasoning:thinking`; calls with their ids as `tool_calls:id`.
        faults: Marked where a row cannot be written.
        lost: Marked where something is left out.
    """
    chosen = dict(field.partition(":")[::2] for field in fields)

    def lose(messages: Column, what: str) -> None:
        if messages.any():
            lost[what] = lost.get(what, np.zeros(len(turns), bool)) | turns.any(messages)

    if spelled == "from":
        turns, texts, ids = as_turns(turns)
        lose(texts, "text beside tool calls")
        lose(ids, "tool call ids")
        names = FROM_NAMES
        columns = {"from": None, "value": turns.field("content")}
        lose(turns.roles == DEVELOPER, "developer role")
    else:
        turns, bad = as_fields(turns)
        if bad.any():
            faults.add(turns.any(bad), "a function_call turn is not a tool call in JSON")
        names = ROLE_NAMES
        columns = {"role": None, "content": turns.field("content")}
    if spelled in ("text", "value"):
        columns["content"], gone = write_parts(turns, spelled)
        lose(gone, "content parts that are not text")
    else:
        lose(~nulls(turns.field("parts")), "content parts that are not text")
    held = {"from": (), "value": ("reasoning", "tool_calls")}.get(spelled, ())
    for name in ("reasoning", "tool_calls", "tool_call_id", "name", "train", "weight"):
        values = turns.fields.get(name)
        if name in held:
            continue
        if name == "tool_calls" and name in chosen and spelled != "from":
            columns[name] = _written_calls(turns, with_ids=chosen[name] == "id")
        elif name in chosen and spelled != "from":
            own = "loss_weight" if (name, spelled) == ("weight", "value") else name
            columns[chosen[name] or own] = turns.field(name)
        elif values is not None:
            lose(~nulls(values), LOST_FIELDS[name])
            if name == "tool_calls":
                mute = ~nulls(values) & nulls(turns.field("content"))
                faults.add(turns.any(mute), "a turn that only calls tools does not fit")
    return _lists(turns, names, columns)


LOST_FIELDS = {
    "reasoning": "reasoning",
    "tool_calls": "tool calls",
    "tool_call_id": "tool call ids",
    "name": "speaker names",
    "train": "per-message weights",
    "weight": "per-message weights",
}


def _written_calls(turns: Turns, *, with_ids: bool) -> pa.Array:
    values = turns.field("tool_calls")
    offsets, flat = parts_of(values)
    inner = children(flat)
    function = pa.StructArray.from_arrays(
        [inner["name"], inner["arguments"]], ["name", "arguments"]
    )
    fields = {"id": inner["id"]} if with_ids else {}
    fields |= {"type": inner["type"], "function": function}
    calls = pa.StructArray.from_arrays(list(fields.values()), list(fields))
    mask = pa.array(nulls(values)) if values.null_count else None
    return pa.LargeListArray.from_arrays(pa.array(offsets), calls, mask=mask)


def _lists(turns: Turns, names: tuple[str, ...], columns: dict[str, pa.Array | None]) -> pa.Array:
    role = pa.array(names, STRING).take(pa.array(turns.roles, mask=turns.roles < 0))
    arrays = [role if column is None else column for column in columns.values()]
    flat = pa.StructArray.from_arrays(arrays, list(columns))
    return pa.LargeListArray.from_arrays(pa.array(turns.offsets), flat)


def system_of(turns: Turns) -> tuple[pa.Array, Turns]:
    """Take a leading system prompt out of the messages.

    Returns:
        (R,) system prompts, null where there is none, and the other messages.
    """
    led = turns.first((SYSTEM, DEVELOPER))
    if not led.any():
        return pa.nulls(len(turns), STRING), turns
    head, rest = turns.split(led.astype(np.int64))
    return one_text(head), rest


def one_text(turns: Turns) -> pa.Array:
    """Return the content of each row's first message; null for a row without one."""
    filled = turns.lengths > 0
    if filled.all() and len(turns.roles) == len(turns):
        return turns.field("content")
    index = np.where(filled, turns.offsets[:-1], 0)
    return turns.field("content").take(pa.array(index, mask=~filled))
