"""From one kind of row to another: what each kind can become, and what is lost on the way.

A preference becomes two judged answers (a row is added), or its chosen answer; ranked answers
become preferences; a judged answer becomes a conversation if it is judged good, and is removed
otherwise. What was never in a row (a rejected answer, a judgement) is never made up.

Shapes: R rows in, N rows out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, parts_of, truth
from thresher.formats.messages import Dropped
from thresher.formats.rows import ANSWERS, Faults, Kind, Rows, prompt_lengths, stack_rows
from thresher.formats.turns import ASSISTANT, join, turns_of

Column = np.ndarray[Any, Any]
Pairs = Literal["best-worst", "best-rest", "all"]
UNDESIRABLE = "undesirable"


@dataclass(frozen=True)
class Reshaped:
    """Rows of another kind.

    Args:
        rows: N rows, those of one row in after each other.
        source: (N,) the row in that each comes from, ascending.
        removed: (R,) rows that are left out by rule.
        lost: (R,) masks by what is lost.
        faults: (R,) rows that cannot become the kind.
    """

    rows: Rows
    source: Column
    removed: Column
    lost: Dropped
    faults: Faults


def can_become(kind: Kind, target: Kind) -> bool:
    """Tell whether rows of a kind can become rows of another without making anything up."""
    return kind is target or (kind, target) in _WAYS


def reshape(rows: Rows, target: Kind, pairs: Pairs = "best-rest") -> Reshaped:
    """Turn rows into rows of another kind.

    Args:
        rows: Of one kind.
        target: A kind that they can become.
        pairs: Which pairs of ranked answers become preferences.
    """
    here = np.arange(len(rows))
    keep = Reshaped(rows, here, np.zeros(len(rows), bool), {}, Faults(len(rows)))
    if rows.kind is target:
        return keep
    if (rows.kind, target) == (Kind.RANKED, Kind.PREFERENCE):
        return _ranked_pairs(keep, pairs)
    return _WAYS[rows.kind, target](keep)


def _all(keep: Reshaped) -> Column:
    return np.ones(len(keep.rows), bool)


def _chat_to_prompt(keep: Reshaped) -> Reshaped:
    rows = keep.rows
    prompt, _ = rows.turns["messages"].split(prompt_lengths(rows))
    columns = {k: v for k, v in rows.columns.items() if k not in ("num_prompt", "label")}
    made = rows.replaced(kind=Kind.PROMPT, turns={"messages": prompt}, columns=columns)
    lost = {"answer": _all(keep)}
    if rows.kind is Kind.UNPAIRED:
        lost["label"] = _all(keep)
    return Reshaped(made, keep.source, keep.removed, lost, keep.faults)


def _judged_to_chat(keep: Reshaped) -> Reshaped:
    rows = keep.rows
    good = truth(rows.column("label"))
    columns = {k: v for k, v in rows.columns.items() if k != "label"}
    made = rows.replaced(kind=Kind.CHAT, columns=columns).take(np.flatnonzero(good))
    return Reshaped(made, np.flatnonzero(good), ~good, {"label": good}, keep.faults)


def _preference_to_chat(keep: Reshaped) -> Reshaped:
    made = _answered(keep.rows, "chosen", Kind.CHAT)
    return Reshaped(made, keep.source, keep.removed, {"rejected answer": _all(keep)}, keep.faults)


def _answered(rows: Rows, side: str, kind: Kind) -> Rows:
    prompt = rows.turns["prompt"]
    counts = pa.array(prompt.lengths, pa.int32())
    return rows.replaced(
        kind=kind,
        turns={"messages": join([prompt, rows.turns[side]])},
        columns={**rows.columns, "num_prompt": counts},
    )


def _preference_to_judged(keep: Reshaped) -> Reshaped:
    count = len(keep.rows)
    sides = []
    for side, label in (("chosen", True), ("rejected", False)):
        made = _answered(keep.rows, side, Kind.UNPAIRED)
        labels = pa.array(np.full(count, label))
        sides.append(made.replaced(columns={**made.columns, "label": labels}))
    order = np.arange(2 * count).reshape(2, count).T.reshape(-1)
    rows = stack_rows(sides).take(order)
    return Reshaped(rows, np.repeat(keep.source, 2), keep.removed, {}, keep.faults)


def _to_prompt(keep: Reshaped) -> Reshaped:
    """Keep the prompt of preferences, ranked answers or judged steps."""
    drop = ("answers", "steps", "step_labels")
    columns = {k: v for k, v in keep.rows.columns.items() if k not in drop}
    turns = {"messages": keep.rows.turns["prompt"]}
    made = keep.rows.replaced(kind=Kind.PROMPT, turns=turns, columns=columns)
    return Reshaped(made, keep.source, keep.removed, {"answers": _all(keep)}, keep.faults)


def _preference_to_ranked(keep: Reshaped) -> Reshaped:
    rows, faults = keep.rows, keep.faults
    sides = [rows.turns[side] for side in ("chosen", "rejected")]
    for turns in sides:
        plain = (turns.lengths == 1) & turns.first((ASSISTANT,))
        faults.add(~plain, "the answer is not one turn of the assistant")
    good = np.flatnonzero(faults.good)
    texts = [turns.take(good).field("content") for turns in sides]
    order = np.arange(2 * len(good)).reshape(2, len(good)).T.reshape(-1)
    ranks = np.tile(np.array([1, 2], np.int64), len(good))
    columns = [pa.concat_arrays(texts).take(pa.array(order)), pa.array(ranks)]
    flat = pa.StructArray.from_arrays(columns, fields=list(ANSWERS.value_type))
    answers = pa.LargeListArray.from_arrays(pa.array(np.arange(0, len(order) + 1, 2)), flat)
    kept = rows.take(good)
    made = kept.replaced(
        kind=Kind.RANKED,
        turns={"prompt": kept.turns["prompt"]},
        columns={**kept.columns, "answers": answers},
    )
    return Reshaped(made, good, keep.removed, {}, faults)


def _ranked_pairs(keep: Reshaped, pairs: Pairs = "best-rest") -> Reshaped:
    """Pair ranked answers: the best with the worst or with each other one, or all of different
    rank; two equal answers are no pair."""
    rows, faults = keep.rows, keep.faults
    texts, ranks, offsets = _answers(rows)
    source, left, right = _choose_pairs(offsets, ranks, pairs)
    differ = truth(pc.not_equal(texts.take(pa.array(left)), texts.take(pa.array(right))))
    source, left, right = source[differ], left[differ], right[differ]
    counts = np.bincount(source, minlength=len(rows))
    faults.add(counts == 0, "no two different answers of different rank")
    kept = rows.take(source)
    columns = {k: v for k, v in kept.columns.items() if k != "answers"}
    turns = {
        "prompt": kept.turns["prompt"],
        "chosen": turns_of(texts.take(pa.array(left)), ASSISTANT),
        "rejected": turns_of(texts.take(pa.array(right)), ASSISTANT),
    }
    made = kept.replaced(kind=Kind.PREFERENCE, turns=turns, columns=columns)
    more = (np.diff(offsets) > 2) & (counts > 0)
    lost = {}
    if pairs == "best-worst" and more.any():
        lost["answers between the best and the worst"] = more
    elif pairs == "best-rest" and more.any():
        lost["order among the answers after the best"] = more
    return Reshaped(made, source, keep.removed, lost, faults)


def _answers(rows: Rows) -> tuple[pa.Array, Column, Column]:
    offsets, flat = parts_of(rows.column("answers"))
    inner = children(flat)
    return inner["answer"], inner["rank"].to_numpy(zero_copy_only=False), offsets


def _choose_pairs(offsets: Column, ranks: Column, pairs: Pairs) -> tuple[Column, Column, Column]:
    """Return the row and the two answers of each pair, rows ascending, better answer first."""
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((np.arange(len(ranks)), ranks, row))
    if pairs == "all":
        return _every_pair(offsets, ranks, order)
    filled = np.flatnonzero(np.diff(offsets) > 0)
    best = np.zeros(len(offsets) - 1, np.int64)
    best[filled] = order[offsets[:-1][filled]]
    if pairs == "best-worst":
        source = filled
        right = order[offsets[1:][filled] - 1]
    else:
        source, right = row, order
    left = best[source]
    worse = ranks[right] > ranks[left]
    return source[worse], left[worse], right[worse]


def _every_pair(offsets: Column, ranks: Column, order: Column) -> tuple[Column, Column, Column]:
    found: list[tuple[int, int, int]] = []
    for row, (start, stop) in enumerate(pairwise(offsets.tolist())):
        for left, right in combinations(order[start:stop].tolist(), 2):
            if ranks[right] > ranks[left]:
                found.append((row, left, right))
    table = np.array(found, np.int64).reshape(-1, 3)
    return table[:, 0], table[:, 1], table[:, 2]


def _ranked_to_chat(keep: Reshaped) -> Reshaped:
    texts, ranks, offsets = _answers(keep.rows)
    row = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((np.arange(len(ranks)), ranks, row))
    best = order[offsets[:-1]]  # readers refuse empty lists
    rows = keep.rows
    answer = turns_of(texts.take(pa.array(best)), ASSISTANT)
    columns = {k: v for k, v in rows.columns.items() if k != "answers"}
    turns = {"messages": join([rows.turns["prompt"], answer])}
    made = rows.replaced(kind=Kind.CHAT, turns=turns, columns=columns)
    return Reshaped(made, keep.source, keep.removed, {"other answers": _all(keep)}, keep.faults)


_WAYS: dict[tuple[Kind, Kind], Callable[[Reshaped], Reshaped]] = {
    (Kind.CHAT, Kind.PROMPT): _chat_to_prompt,
    (Kind.UNPAIRED, Kind.PROMPT): _chat_to_prompt,
    (Kind.UNPAIRED, Kind.CHAT): _judged_to_chat,
    (Kind.PREFERENCE, Kind.CHAT): _preference_to_chat,
    (Kind.PREFERENCE, Kind.UNPAIRED): _preference_to_judged,
    (Kind.PREFERENCE, Kind.PROMPT): _to_prompt,
    (Kind.PREFERENCE, Kind.RANKED): _preference_to_ranked,
    (Kind.RANKED, Kind.PREFERENCE): _ranked_pairs,
    (Kind.RANKED, Kind.CHAT): _ranked_to_chat,
    (Kind.RANKED, Kind.PROMPT): _to_prompt,
    (Kind.STEPS, Kind.PROMPT): _to_prompt,
}
