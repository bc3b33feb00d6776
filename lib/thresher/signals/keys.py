"""Keys of prompts and answers: 128 bits that are equal where the texts are.

Texts are compared with every run of white space as one space and none around them; case and
punctuation matter, since an answer may differ from another in nothing but a sign. Roles are part of
a key, and so are tools and the system's prompt.

Shapes: R rows, M messages, T texts.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa

from thresher.formats.arrays import children, nulls, parts_of
from thresher.formats.format import with_system
from thresher.formats.rows import Kind, Rows, prompt_lengths
from thresher.formats.toolcalls import as_turns
from thresher.formats.turns import ASSISTANT, SYSTEM, Turns, join, turns_of
from thresher.signals.spans import Spans, spans
from thresher.text.digests import fmix64
from thresher.text.kernel import allocating, inlined, kernel
from thresher.text.machine import rotl, set_u8, u8_at
from thresher.text.scratch import address
from thresher.text.sketch import sketch

Column = np.ndarray[Any, Any]
Side = Literal["chosen", "rejected"]
_U = np.uint64
_STEP_A, _STEP_B, _ROLE = (
    _U(0x9E3779B97F4A7C15),
    _U(0xC2B2AE3D27D4EB4F),
    _U(0xD6E8FEB86659FD93),
)


def prompt_keys(rows: Rows) -> Column:
    """(R, 2) uint64 keys of what is asked: all turns before the answer, and the tools.

    Raises:
        ValueError: The rows are plain text, which asks nothing.
    """
    first = "messages" if "messages" in rows.turns else "prompt"
    if first not in rows.turns:
        raise ValueError(f"rows of kind '{rows.kind}' have no prompt")
    rows = with_system(rows, first, {})
    turns = rows.turns[first]
    if rows.kind in (Kind.CHAT, Kind.UNPAIRED):
        turns, _ = turns.split(prompt_lengths(rows))
    tools = rows.columns.get("tools")
    if tools is not None and tools.null_count < len(tools):
        turns = join([turns_of(tools, SYSTEM, ~nulls(tools)), turns])
    return turn_keys(turns)


def answer_keys(rows: Rows, side: Side | None = None) -> Column:
    """(R, 2) uint64 keys of the answer; of all answers or steps, in order, where there are several.

    Args:
        rows: Rows of any kind with answers.
        side: Which answer of a preference.

    Raises:
        ValueError: The rows have no answers, or `side` is not given for a preference.
    """
    if rows.kind is Kind.PREFERENCE:
        if side is None:
            raise ValueError("a preference has two answers: name the side")
        return turn_keys(rows.turns[side])
    if rows.kind in (Kind.CHAT, Kind.UNPAIRED):
        whole = with_system(rows, "messages", {})
        return turn_keys(whole.turns["messages"].split(prompt_lengths(whole))[1])
    if rows.kind is Kind.RANKED:
        offsets, flat = parts_of(rows.column("answers"))
        texts = children(flat)["answer"]
    elif rows.kind is Kind.STEPS:
        offsets, texts = parts_of(rows.column("steps"))
    else:
        raise ValueError(f"rows of kind '{rows.kind}' have no answer")
    roles = np.full(len(texts), ASSISTANT, np.int8)
    return turn_keys(Turns(offsets, roles, {"content": texts}))


def turn_keys(turns: Turns) -> Column:
    """(R, 2) uint64 keys of the turns of each row: their roles, texts, reasoning and calls."""
    turns, _, _ = as_turns(turns)
    hashed = text_keys(turns.field("content"))
    if "reasoning" in turns.fields:
        thought = text_keys(turns.fields["reasoning"])
        hashed = np.where(nulls(turns.fields["reasoning"])[:, None], hashed, hashed ^ ~thought)
    keys: Column = _fold(
        turns.offsets.astype(np.int64), turns.roles.astype(np.int64), np.ascontiguousarray(hashed)
    )
    return keys


def text_keys(texts: pa.Array) -> Column:
    """(T, 2) uint64 keys of texts; null is as empty."""
    return sketch(collapsed(texts), with_words=False).bytes_hash


def collapsed(texts: pa.Array) -> pa.Array:
    """Return texts with runs of white space as one space and none around; null is empty."""
    held: Spans = spans(texts)
    room = np.empty(int(held.lengths.sum()) + 1, np.uint8)
    offsets = np.zeros(len(texts) + 1, np.int64)
    _collapse(address(held.data), held.starts, held.ends, address(room), offsets)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(room[: offsets[-1]])]
    return pa.Array.from_buffers(pa.large_string(), len(texts), buffers)


@inlined
def _space(data: Any, at: Any, end: Any) -> Any:
    """Return the bytes of the white space here; 0 for none."""
    byte = u8_at(data, at)
    if byte <= 32:
        return 1 if byte == 32 or (9 <= byte <= 13) or (28 <= byte <= 31) else 0
    if byte == 0xC2 and at + 1 < end:
        after = u8_at(data, at + 1)
        return 2 if after == 0xA0 or after == 0x85 else 0
    if (byte == 0xE2 or byte == 0xE3) and at + 2 < end:
        second, third = u8_at(data, at + 1), u8_at(data, at + 2)
        if byte == 0xE3:
            return 3 if second == 0x80 and third == 0x80 else 0
        if second == 0x80 and (third <= 0x8A or third == 0xA8 or third == 0xA9 or third == 0xAF):
            return 3
    return 0


@kernel
def _collapse(data: Any, starts: Any, ends: Any, room: Any, offsets: Any) -> None:
    put = np.int64(0)
    for text in range(len(starts)):
        at, end = starts[text], ends[text]
        first, gap = put, False
        while at < end:
            width = _space(data, at, end)
            if width:
                gap = True
                at += width
                continue
            if gap and put > first:
                set_u8(room, put, 32)
                put += 1
            gap = False
            set_u8(room, put, u8_at(data, at))
            put += 1
            at += 1
        offsets[text + 1] = put


@allocating
def _fold(offsets: Any, roles: Any, hashed: Any) -> Any:
    keys = np.zeros((len(offsets) - 1, 2), np.uint64)
    for row in range(len(keys)):
        a, b = _U(offsets[row + 1] - offsets[row]), _U(0)
        for place in range(offsets[row], offsets[row + 1]):
            role = _U(roles[place] + 2) * _ROLE
            a = fmix64(rotl(a, 27) ^ hashed[place, 0] ^ role) * _STEP_A
            b = fmix64(rotl(b, 31) + hashed[place, 1] + role) * _STEP_B
        keys[row, 0], keys[row, 1] = a, b
    return keys
