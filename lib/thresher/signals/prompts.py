"""Signals that need all rows of one prompt: which answer comes first, which answers contradict each
other.

Rows meet by a 128-bit hash of the prompt. Everything is decided by keys, never by text, and ties
fall by the answer's hash, so that neither order nor arrival matters.

Shapes: R rows of any number of prompts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, InputError
from thresher.formats.rows import Kind as RowKind
from thresher.formats.rows import Rows
from thresher.signals.keys import answer_keys, prompt_keys
from thresher.signals.signal import Kind, Signal
from thresher.transforms.order import largest_first

Column = np.ndarray[Any, Any]
KEYS = (
    pa.field("prompt_key", pa.binary(16)),
    pa.field("answer_key", pa.binary(16)),
    pa.field("rejected_key", pa.binary(16)),
    pa.field("liked", pa.bool_()),
    pa.field("order", pa.uint64()),
)


def _signal(name: str, kind: Kind, about: str) -> Signal:
    return Signal(name, kind, "prompts", about)


SIGNALS = (
    _signal("prompt_rows", Kind.COUNT, "rows with the same prompt that no other rule removes"),
    _signal("answer_rank", Kind.COUNT, "place among them, 0 is the preferred one"),
    _signal("repeated_answer", Kind.FLAG, "an earlier row has the same prompt and answers"),
    _signal("conflicting_label", Kind.FLAG, "the same answer is liked here and disliked there"),
    _signal("conflicting_pair", Kind.FLAG, "the preference lies on a cycle: A over B, B over A"),
)
FOUND = pa.schema([("id", pa.uint64()), *((s.name, s.kind.type) for s in SIGNALS)])


@dataclass(frozen=True)
class Preference:
    """Which of several answers to a prompt comes first.

    Args:
        text: `first` (of an earlier INPUT, then by content), `longest`, `shortest`, `best:NAME`,
            `worst:NAME` (a signal or a column of numbers), or `order:COLUMN=A,B,C` (a column's
            values, the best first; others come last).
    """

    text: str

    def __post_init__(self) -> None:
        how, _, rest = self.text.partition(":")
        named = how in ("best", "worst") and rest
        ordered = how == "order" and rest.partition("=")[0] and rest.partition("=")[2]
        if not (named or ordered or (how in ("first", "longest", "shortest") and not rest)):
            raise ConfigError(
                f"prefer: {self.text!r} is no order",
                remedy="first, longest, shortest, best:NAME, worst:NAME or order:COLUMN=A,B,C",
            )

    def keys(self, batch: pa.RecordBatch, signals: Mapping[str, pa.Array], path: str) -> Column:
        """(R,) uint64, smaller is preferred; rows without a figure come last.

        Raises:
            InputError: The column is missing or of the wrong type.
        """
        how, _, rest = self.text.partition(":")
        if how == "first":
            return np.zeros(len(batch), np.uint64)
        if how == "order":
            name, _, values = rest.partition("=")
            column = _column(batch, {}, name, path)
            listed = pa.array([value.strip() for value in values.split(",")])
            try:
                place = pc.index_in(column.cast(pa.string()), value_set=listed)
            except pa.ArrowInvalid as error:
                raise InputError(
                    f"column '{name}' cannot order answers ({error})", path=path
                ) from error
            places: Column = pc.fill_null(place, len(listed)).to_numpy(zero_copy_only=False)
            return places.astype(np.uint64)
        name = rest or "response_characters"
        values = _column(batch, signals, name, path)
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int64())
        if not (pa.types.is_integer(values.type) or pa.types.is_floating(values.type)):
            raise InputError(
                f"'{name}' is {values.type}, which cannot order answers",
                path=path,
                remedy="prefer takes a signal or a column of numbers",
            )
        values = values.cast(pa.float64(), safe=False)
        if how in ("shortest", "worst"):
            values = pc.negate(values)
        return largest_first(values)


def _column(
    batch: pa.RecordBatch, signals: Mapping[str, pa.Array], name: str, path: str
) -> pa.Array:
    if name in signals:
        return signals[name]
    index = batch.schema.get_field_index(name)
    if index < 0:
        raise InputError(
            f"no column or signal '{name}' to prefer by",
            path=path,
            remedy=f"columns: {', '.join(batch.schema.names)}",
        )
    return batch.column(index)


def keys_of(rows: Rows, order: Column) -> dict[str, pa.Array]:
    """Return the columns of `KEYS` for rows of one kind.

    Args:
        rows: R rows.
        order: (R,) as `Preference.keys` gives it.
    """
    pairs = rows.kind is RowKind.PREFERENCE
    liked = pa.nulls(len(rows), pa.bool_())
    if rows.kind is RowKind.UNPAIRED:
        liked = rows.column("label")
    return {
        "prompt_key": _packed(prompt_keys(rows)),
        "answer_key": _packed(answer_keys(rows, "chosen" if pairs else None)),
        "rejected_key": _packed(answer_keys(rows, "rejected"))
        if pairs
        else pa.nulls(len(rows), pa.binary(16)),
        "liked": liked,
        "order": pa.array(order, pa.uint64()),
    }


def _packed(keys: Column) -> pa.Array:
    """Return (R, 2) uint64 as fixed bytes."""
    flat = np.ascontiguousarray(keys, dtype=np.uint64)
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(flat), [None, pa.py_buffer(flat)]
    )


def unpacked(array: pa.Array) -> Column:
    """(R, 2) uint64 of what `keys_of` packed; zeros where it is null."""
    filled = pc.fill_null(array, b"\0" * 16)
    data = np.frombuffer(filled.buffers()[1], np.uint64)
    return data.reshape(-1, 2)[filled.offset : filled.offset + len(filled)]


def compare(lines: Mapping[str, Column]) -> pa.Table:
    """Return the signals of rows that met by prompt.

    Args:
        lines: Columns (R,): p0, p1, a0, a1, r0, r1 (halves of the keys), liked (1 yes, 0 no, 2
            unknown), order, source and id.

    Returns:
        Columns of `FOUND`, sorted by id.
    """
    count = len(lines["id"])
    prompt = _groups(lines["p0"], lines["p1"])
    by_rank = np.lexsort(
        (lines["id"], lines["r1"], lines["r0"], lines["a1"], lines["a0"], lines["source"],
         lines["order"], prompt)
    )  # fmt: skip
    sizes = np.bincount(prompt)
    firsts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    rank = np.empty(count, np.int64)
    rank[by_rank] = np.arange(count) - firsts[prompt[by_rank]]
    answer = _groups(prompt, lines["a0"], lines["a1"])
    whole = _groups(answer, lines["r0"], lines["r1"], lines["liked"])
    best = np.full(whole.max(initial=-1) + 1, count, np.int64)
    np.minimum.at(best, whole, rank)
    liked, disliked = lines["liked"] == 1, lines["liked"] == 0
    both = np.isin(answer, answer[liked]) & np.isin(answer, answer[disliked])
    columns = {
        "id": lines["id"],
        "prompt_rows": sizes[prompt].astype(np.int64),
        "answer_rank": rank,
        "repeated_answer": rank > best[whole],
        "conflicting_label": both & (liked | disliked),
        "conflicting_pair": _on_cycles(lines, prompt),
    }
    table = pa.table([pa.array(columns[field.name]) for field in FOUND], schema=FOUND)
    return table.take(pa.array(np.argsort(lines["id"])))


def _groups(*keys: Column) -> Column:
    """(R,) number of each row's group of equal keys, from 0 on."""
    order = np.lexsort(keys[::-1])
    new = np.zeros(len(order), bool)
    for key in keys:
        sorted_key = key[order]
        new[1:] |= sorted_key[1:] != sorted_key[:-1]
    groups = np.empty(len(order), np.int64)
    groups[order] = np.cumsum(new)
    return groups


def _on_cycles(lines: Mapping[str, Column], prompt: Column) -> Column:
    """(R,) preferences that lie on a cycle of preferences among the answers to one prompt.

    Pairs whose winner never loses, or whose loser never wins, lie on none; they are taken away
    until nothing changes, then what is left is walked.
    """
    count = len(prompt)
    pairs = (lines["r0"] != 0) | (lines["r1"] != 0)
    nodes = _groups(
        np.concatenate([prompt, prompt]),
        np.concatenate([lines["a0"], lines["r0"]]),
        np.concatenate([lines["a1"], lines["r1"]]),
    )
    winner, loser = nodes[:count], nodes[count:]
    alive = pairs & (winner != loser)
    while True:
        loses = np.zeros(nodes.max(initial=-1) + 1, bool)
        wins = loses.copy()
        loses[loser[alive]] = True
        wins[winner[alive]] = True
        stays = alive & loses[winner] & wins[loser]
        if (stays == alive).all():
            break
        alive = stays
    found = np.zeros(count, bool)
    rows = np.flatnonzero(alive)
    if len(rows):
        component = _components(winner[rows].tolist(), loser[rows].tolist())
        same = [
            component[w] == component[x] for w, x in zip(winner[rows], loser[rows], strict=True)
        ]
        found[rows[np.array(same)]] = True
    return found


def _components(starts: list[int], ends: list[int]) -> dict[int, int]:
    """Return the strongly connected component of each node: Tarjan's walk, without recursion."""
    follow: dict[int, list[int]] = {}
    for start, end in zip(starts, ends, strict=True):
        follow.setdefault(start, []).append(end)
        follow.setdefault(end, [])
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    component: dict[int, int] = {}
    stack: list[int] = []
    for root in follow:
        if root in index:
            continue
        walk = [(root, iter(follow[root]))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while walk:
            node, rest = walk[-1]
            for other in rest:
                if other not in index:
                    index[other] = low[other] = len(index)
                    stack.append(other)
                    walk.append((other, iter(follow[other])))
                    break
                if other not in component:
                    low[node] = min(low[node], index[other])
            else:
                walk.pop()
                if walk:
                    low[walk[-1][0]] = min(low[walk[-1][0]], low[node])
                if low[node] == index[node]:
                    while True:
                        member = stack.pop()
                        component[member] = node
                        if member == node:
                            break
    return component
