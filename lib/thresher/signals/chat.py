"""Signals of conversations: structure, answers, reasoning, tools, and what prompt and answer share.

They are made for rows of every kind; plain text has none of them. A preference is seen with the
chosen answer as its response, ranked answers with the best one; counts are of all answers.
"""

from __future__ import annotations

import pyarrow as pa

from thresher.formats.rows import Kind, Rows
from thresher.signals import answers, overlap, reasoning, structure, tools
from thresher.signals.dialogue import dialogue

SIGNALS = (
    *structure.SIGNALS,
    *answers.SIGNALS,
    *reasoning.SIGNALS,
    *overlap.SIGNALS,
    *tools.SIGNALS,
)


def chat_signals(rows: Rows) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS` for each row; null where a row has no such figure."""
    if rows.kind is Kind.TEXT:
        return {signal.name: pa.nulls(len(rows), signal.kind.type) for signal in SIGNALS}
    talk = dialogue(rows)
    found = {
        **structure.structure_signals(rows, talk),
        **answers.answer_signals(talk),
        **reasoning.reasoning_signals(talk),
        **overlap.overlap_signals(rows, talk),
        **tools.tool_signals(rows, talk),
    }
    return {signal.name: found[signal.name] for signal in SIGNALS}
