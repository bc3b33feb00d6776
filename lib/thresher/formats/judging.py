"""What a well-formed row is, beyond being readable: turns that say something, in order, with an
answer at the end; two answers that differ."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.formats.lists import same_turns
from thresher.formats.rows import Faults, Kind, Rows
from thresher.formats.turns import Turns, in_order, is_answered, join

Column = np.ndarray[Any, Any]
Order = Literal["strict", "any"]

DISORDER = "roles are out of order: user and assistant must take turns"
UNANSWERED = "the last turn is not the assistant's"
UNASKED = "a prompt may not end with the assistant's turn"
EQUAL = "chosen and rejected are equal"
TEXTLESS = "a turn holds nothing but content parts that are not text"


def judge(rows: Rows, faults: Faults, order: Order) -> None:
    """Mark rows that are not well formed.

    Args:
        rows: As they were read.
        faults: Marked by row.
        order: `any` lets roles follow each other as they like; answers must still differ.
    """
    for turns in rows.turns.values():
        if "parts" in turns.fields:
            silent = pc.equal(pc.binary_length(turns.field("content")), 0)
            faults.add(turns.any(truth(silent) & ~nulls(turns.field("parts"))), TEXTLESS)
    if rows.kind is Kind.PREFERENCE:
        prompt, chosen, rejected = (rows.turns[n] for n in ("prompt", "chosen", "rejected"))
        faults.add(same_turns(chosen, rejected), EQUAL)
        if order == "strict":
            for answer in (chosen, rejected):
                _judge_answered(join([prompt, answer]), faults)
    elif order == "strict":
        if rows.kind in (Kind.CHAT, Kind.UNPAIRED):
            _judge_answered(rows.turns["messages"], faults)
        elif rows.kind is not Kind.TEXT:
            name = "messages" if rows.kind is Kind.PROMPT else "prompt"
            faults.add(~in_order(rows.turns[name]), DISORDER)
            faults.add(is_answered(rows.turns[name]), UNASKED)


def _judge_answered(turns: Turns, faults: Faults) -> None:
    faults.add(~in_order(turns), DISORDER)
    faults.add(~is_answered(turns), UNANSWERED)
