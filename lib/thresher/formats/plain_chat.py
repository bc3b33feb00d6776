"""The built-in templates on whole columns, for conversations of nothing but text.

What comes out equals what the template makes of each row, letter by letter; rows with tool calls or
reasoning go through the template itself.

Shapes: R rows, M messages.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls
from thresher.formats.turns import ASSISTANT, ROLES, STRING, TOOL, Turns

Column = np.ndarray[Any, Any]


@cache
def _spaces() -> str:
    """Return what Python's `str.strip` takes away."""
    return "".join(c for c in map(chr, range(sys.maxunicode + 1)) if c.isspace())


@dataclass(frozen=True)
class Layout:
    """How a template lays out a turn: `before`, the role, `between`, the text, `end`, `after`."""

    begin: str
    before: str
    between: str
    end: str
    after: str
    tool: str
    trims: bool


CHATML_LAYOUT = Layout("", "<|im_start|>", "\n", "<|im_end|>", "\n", "tool", False)
LLAMA3_LAYOUT = Layout(
    "<|begin_of_text|>",
    "<|start_header_id|>",
    "<|end_header_id|>\n\n",
    "<|eot_id|>",
    "",
    "ipython",
    True,
)


def is_plain(turns: Turns) -> bool:
    """Tell whether the messages hold nothing but text."""
    return not ({"tool_calls", "reasoning"} & set(turns.fields)) and not (
        nulls(turns.field("content")).any()
    )


def render_plain(layout: Layout, turns: Turns) -> tuple[pa.Array, Column, Column]:
    """Return the text of each row, and where each message's part that is learned lies in it.

    Returns:
        (R,) texts; (M,) first and last characters of text and end mark, counted in the row's text.
    """
    names = [layout.tool if role == TOOL else name for role, name in enumerate(ROLES)]
    heads = [f"{layout.before}{name}{layout.between}" for name in names]
    content = turns.field("content")
    if layout.trims:
        content = pc.utf8_trim(content, _spaces())
    head = pa.array(heads, STRING).take(pa.array(turns.roles))
    tail = pa.scalar(layout.end + layout.after, STRING)
    pieces = pc.binary_join_element_wise(head, content, tail, pa.scalar("", STRING))
    lists = pa.LargeListArray.from_arrays(pa.array(turns.offsets), pieces)
    joined = pc.binary_join(lists.cast(pa.list_(STRING)), pa.scalar("", STRING))
    texts = pc.binary_join_element_wise(
        pa.scalar(layout.begin, STRING), joined, pa.scalar("", STRING)
    )
    said = pc.utf8_length(content).to_numpy(zero_copy_only=False).astype(np.int64)
    opening = np.array([len(text) for text in heads])[turns.roles]
    whole = opening + said + len(layout.end) + len(layout.after)
    ends = np.cumsum(whole)
    row_start = np.concatenate([[0], ends])[turns.offsets[:-1]]
    starts = ends - whole - np.repeat(row_start, turns.lengths) + opening + len(layout.begin)
    return texts, starts, starts + said + len(layout.end)


def learned_spans(turns: Turns, starts: Column, ends: Column, kind: pa.DataType) -> pa.Array:
    """Return the spans of the assistant's turns by row."""
    mine = turns.roles == ASSISTANT
    total = np.concatenate([[0], np.cumsum(mine)])
    flat = pa.StructArray.from_arrays(
        [pa.array(starts[mine]), pa.array(ends[mine])], ["start", "end"]
    )
    return pa.LargeListArray.from_arrays(pa.array(total[turns.offsets]), flat).cast(kind)
