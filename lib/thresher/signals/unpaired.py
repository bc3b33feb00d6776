"""Signals of single judged answers (KTO): the label, and whether prompt and completion are there.

Shapes: R rows.
"""

from __future__ import annotations

import pyarrow as pa

from thresher.formats.arrays import nulls
from thresher.formats.format import with_system
from thresher.formats.rows import Kind as RowKind
from thresher.formats.rows import Rows, prompt_lengths
from thresher.formats.turns import ASSISTANT, CALL, USER
from thresher.signals.dialogue import dialogue
from thresher.signals.preference import said, silent
from thresher.signals.prefixes import begins_with
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import flagged
from thresher.signals.structure import blank

SIGNALS = tuple(
    Signal(name, kind, "unpaired", about)
    for name, kind, about in (
        ("desirable", Kind.FLAG, "the label: the answer is a good one"),
        ("label_missing", Kind.FLAG, "the label is neither true nor false"),
        ("completion_empty", Kind.FLAG, "the completion says nothing"),
        (
            "completion_without_assistant",
            Kind.FLAG,
            "the completion does not end with the assistant",
        ),
        ("completion_with_user_turns", Kind.FLAG, "the user speaks in the completion"),
        ("completion_without_prompt", Kind.FLAG, "nobody asks anything before the completion"),
        ("prompt_in_completion", Kind.FLAG, "the completion begins with the prompt"),
    )
)


def unpaired_signals(rows: Rows) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS` for each row; null where rows are no judged answers."""
    if rows.kind is not RowKind.UNPAIRED:
        return {signal.name: pa.nulls(len(rows), signal.kind.type) for signal in SIGNALS}
    label = rows.column("label")
    whole = with_system(rows, "messages", {})
    prompt, completion = whole.turns["messages"].split(prompt_lengths(whole))
    found = {
        "desirable": label,
        "label_missing": flagged(nulls(label)),
        "completion_empty": flagged(silent(completion)),
        "completion_without_assistant": flagged(~completion.last((ASSISTANT, CALL))),
        "completion_with_user_turns": flagged(completion.any(completion.roles == USER)),
        "completion_without_prompt": flagged(~prompt.any(~blank(prompt.field("content")))),
        "prompt_in_completion": flagged(begins_with(said(completion), dialogue(rows).prompt)),
    }
    return {signal.name: found[signal.name] for signal in SIGNALS}
