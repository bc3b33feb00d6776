"""Content that is a list of parts: OpenAI's `{type, text}` and LLaMA-Factory's `{type, value}`.

A message of one text part is its text. LLaMA-Factory's parts also hold reasoning and tool calls, in
that order around the text, which become fields. Any other list of parts is kept as JSON beside the
text in it: formats without parts lose what is not text, and say so.

Shapes: M messages, P parts.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, dump, nulls, parts_of, strings, without_nulls
from thresher.formats.toolcalls import Call, call_text, holds_calls, make_lists, parse_calls
from thresher.formats.turns import STRING, Turns

Column = np.ndarray[Any, Any]
REASONING, TEXT, CALLING, OTHER = range(4)
_CODES = {"reasoning": REASONING, "text": TEXT, "tool_call": CALLING}


class Content(NamedTuple):
    """What a list of parts says, as message fields, and the (M,) mask of unreadable ones."""

    fields: dict[str, pa.Array]
    bad: Column


def read_parts(array: pa.Array, key: str) -> Content:
    """Read the content of messages.

    Args:
        array: (M,) lists of structs.
        key: The field that holds a part's text: `text` or `value`.
    """
    offsets, flat = parts_of(array)
    found = children(flat)
    values = strings(found.get(key, pa.nulls(len(flat))))
    codes = _codes(found.get("type", pa.nulls(len(flat))), key)
    counts = np.diff(offsets)
    message = np.repeat(np.arange(len(array)), counts)
    bad = np.zeros(len(array), bool)
    bad[message[nulls(values) & (codes != OTHER)]] = True
    odd = np.zeros(len(array), bool)
    odd[message[codes == OTHER]] = True
    odd |= _unordered(codes, message, len(array))
    plain = ~odd[message]
    fields = {"content": _at(values, np.flatnonzero(plain & (codes == TEXT)), message, len(array))}
    if key == "value":
        thought = np.flatnonzero(plain & (codes == REASONING))
        if len(thought):
            fields["reasoning"] = _at(values, thought, message, len(array))
        calling = plain & (codes == CALLING)
        if calling.any():
            fields["tool_calls"] = _calls(values, calling, message, bad)
    if odd.any():
        kept = array.filter(pa.array(odd)).to_pylist()
        texts = [_joined(parts, key) for parts in kept]
        fields["content"] = _scatter(fields["content"], odd, texts)
        written = [dump(without_nulls(parts)) for parts in kept]
        fields["parts"] = _scatter(pa.nulls(len(array), STRING), odd, written)
    return Content(fields, bad)


def _codes(types: pa.Array, key: str) -> Column:
    names = ["text"] if key == "text" else list(_CODES)
    places = pc.index_in(strings(types), pa.array(names, STRING))
    codes = np.array([*(_CODES[name] for name in names), OTHER])
    found: Column = codes[pc.fill_null(places, len(names)).to_numpy(zero_copy_only=False)]
    return found


def _unordered(codes: Column, message: Column, count: int) -> Column:
    """Mark messages whose parts are not: reasoning or none, text or none, then calls."""
    same = message[1:] == message[:-1]
    wrong = same & ((codes[1:] < codes[:-1]) | ((codes[1:] == codes[:-1]) & (codes[1:] != CALLING)))
    marked = np.zeros(count, bool)
    marked[message[1:][wrong]] = True
    return marked


def _at(values: pa.Array, places: Column, message: Column, count: int) -> pa.Array:
    index = np.full(count, -1)
    index[message[places]] = places
    return values.take(pa.array(index, mask=index < 0))


def _calls(values: pa.Array, calling: Column, message: Column, bad: Column) -> pa.Array:
    calls: list[Call] = []
    counts = np.zeros(len(bad), np.int64)
    texts = values.filter(pa.array(calling)).to_pylist()
    for place, text in zip(message[calling].tolist(), texts, strict=True):
        parsed = parse_calls(text or "")
        if parsed is None or len(parsed) != 1:
            bad[place] = True
        else:
            calls += parsed
            counts[place] += 1
    return make_lists(counts, calls)


def _joined(parts: list[dict[str, Any] | None], key: str) -> str:
    texts = [p.get(key) for p in parts if p is not None and p.get("type") == "text"]
    return "".join(text for text in texts if text is not None)


def _scatter(array: pa.Array, mask: Column, values: list[str]) -> pa.Array:
    return pc.replace_with_mask(array, pa.array(mask), pa.array(values, STRING))


def write_parts(turns: Turns, key: str) -> tuple[pa.Array, Column]:
    """Write messages' content as parts.

    Args:
        turns: The messages.
        key: `value` also takes reasoning and tool calls; `text` takes text alone.

    Returns:
        (M,) lists of structs, and the mask of messages with parts that are lost.
    """
    count = len(turns.roles)
    odd = ~nulls(turns.field("parts"))
    names = ["reasoning", "content"] if key == "value" else ["content"]
    types: list[str] = []
    texts: list[pa.Array] = []
    owners: list[Column] = []
    for name in names:
        here = ~nulls(turns.field(name)) & ~odd
        texts.append(turns.field(name).filter(pa.array(here)))
        owners.append(np.flatnonzero(here))
        types += ["text" if name == "content" else name] * len(owners[-1])
    single, owner, lost = _singles(turns, odd, key)
    types += [kind for kind, _ in single]
    texts.append(pa.array([text for _, text in single], STRING))
    owners.append(np.array(owner, np.int64))
    all_owners = np.concatenate(owners)
    order = np.argsort(all_owners, kind="stable")
    index = pa.array(order)
    columns = [pa.array(types, STRING).take(index), pa.concat_arrays(texts).take(index)]
    flat = pa.StructArray.from_arrays(columns, ["type", key])
    sizes = np.bincount(all_owners, minlength=count)
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    empty = pa.array(sizes == 0) if (sizes == 0).any() else None
    return pa.LargeListArray.from_arrays(pa.array(offsets), flat, mask=empty), lost


def _singles(
    turns: Turns, odd: Column, key: str
) -> tuple[list[tuple[str, str]], list[int], Column]:
    """Return the parts that are written one by one: tool calls, and lists kept as JSON."""
    parts: list[tuple[str, str]] = []
    owner: list[int] = []
    lost = np.zeros(len(odd), bool)
    for place in np.flatnonzero(odd).tolist():
        entries = json.loads(turns.field("parts")[place].as_py())
        mine = [(p["type"], _text(p)) for p in entries if p and p.get("type") in _WRITTEN[key]]
        held = [(kind, text) for kind, text in mine if text is not None]
        lost[place] = len(held) < len(entries)
        parts += held
        owner += [place] * len(held)
    if key == "value":
        for place in np.flatnonzero(holds_calls(turns) & ~odd).tolist():
            calls = turns.field("tool_calls")[place].as_py()
            parts += [("tool_call", call_text([call])) for call in calls]
            owner += [place] * len(calls)
    return parts, owner, lost


_WRITTEN = {"text": ("text",), "value": tuple(_CODES)}


def _text(part: dict[str, Any]) -> str | None:
    found = part.get("value", part.get("text"))
    return found if isinstance(found, str) else None
