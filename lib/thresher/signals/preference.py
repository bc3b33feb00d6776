"""Signals of preferences: is there a difference, and is it one of quality or of something else.

Shapes: R rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.formats.format import with_system
from thresher.formats.rows import Kind as RowKind
from thresher.formats.rows import Rows
from thresher.formats.turns import ASSISTANT, CALL, STRING, USER, Turns
from thresher.signals.dialogue import dialogue
from thresher.signals.finals import same_finals
from thresher.signals.keys import turn_keys
from thresher.signals.markup import read_markup
from thresher.signals.overlap import jaccard
from thresher.signals.phrases import match
from thresher.signals.prefixes import begins_with
from thresher.signals.scores import score_signals
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import counted, flagged, spans
from thresher.signals.structure import blank, character_counts, word_counts

Column = np.ndarray[Any, Any]
SIDES = ("chosen", "rejected")
# The judge's words, not the assistant's: which of two responses is better.
LEAK = (
    r"(?i)\b(?:response|assistant|completion)\s+(?:A|B|1|2)(?:'s\s+\w+)?\s+(?:is|was|seems|appears"
    r"|provides|gives|does)\b[^.!?\n]{0,80}\b(?:better|worse|preferred|preferable|superior|inferior"
    r"|more\s+\w+\s+than|less\s+\w+\s+than)\b"
    r"|\b(?:chosen|rejected|preferred)\s+(?:response|completion)\b|\[\[[AB]\]\]"
)
MIN_LIST_LINES, MIN_BOLD = 2, 2  # below, a dash or a star is no formatting

SIGNALS = tuple(
    Signal(name, kind, "preference", about)
    for name, kind, about in (
        ("chosen_equals_rejected", Kind.FLAG, "both answers are equal but for white space"),
        ("answers_jaccard", Kind.SHARE, "distinct words that both answers have, of all they have"),
        ("empty_answers", Kind.COUNT, "answers that say nothing"),
        ("answers_without_assistant", Kind.COUNT, "answers that do not end with the assistant"),
        ("answers_with_user_turns", Kind.COUNT, "answers in which the user speaks"),
        ("missing_prompt", Kind.FLAG, "nobody asks anything before the answers"),
        ("prompt_in_answers", Kind.COUNT, "answers that begin with the prompt"),
        ("identity_leaks", Kind.COUNT, "answers that say which of two responses is better"),
        ("chosen_words", Kind.COUNT, "words of the chosen answer"),
        ("rejected_words", Kind.COUNT, "words of the rejected answer"),
        ("length_log_ratio", Kind.NUMBER, "ln of chosen characters over rejected characters"),
        ("refusing_side", Kind.LABEL, "which answer refuses: none, chosen, rejected or both"),
        ("formatted_side", Kind.LABEL, "which answer has markdown: none, chosen, rejected or both"),
        ("same_final_answer", Kind.FLAG, "both answers mark a final answer, and it is the same"),
        ("chosen_score", Kind.NUMBER, "the set's own score of the chosen answer"),
        ("rejected_score", Kind.NUMBER, "the set's own score of the rejected answer"),
        ("score_margin", Kind.NUMBER, "chosen score minus rejected score"),
    )
)


def preference_signals(rows: Rows) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS` for each row; null where rows are no preferences."""
    if rows.kind is not RowKind.PREFERENCE:
        return {signal.name: pa.nulls(len(rows), signal.kind.type) for signal in SIGNALS}
    sides = [rows.turns[name] for name in SIDES]
    texts = [said(turns) for turns in sides]
    prompt = with_system(rows, "prompt", {}).turns["prompt"]
    asked = dialogue(rows).prompt
    words = [word_counts(text) for text in texts]
    lacking = [nulls(text) for text in texts]
    found = {
        "chosen_equals_rejected": flagged(equal_sides(rows)),
        "answers_jaccard": jaccard(*texts),
        "empty_answers": _sides(*(silent(turns) for turns in sides)),
        "answers_without_assistant": _sides(*(~turns.last((ASSISTANT, CALL)) for turns in sides)),
        "answers_with_user_turns": _sides(*(turns.any(turns.roles == USER) for turns in sides)),
        "missing_prompt": flagged(~prompt.any(~blank(prompt.field("content")))),
        "prompt_in_answers": _sides(*(begins_with(text, asked) for text in texts)),
        "identity_leaks": _sides(*(_matched(text, LEAK) for text in texts)),
        "chosen_words": counted(words[0], lacking[0]),
        "rejected_words": counted(words[1], lacking[1]),
        "length_log_ratio": _log_ratio(*texts),
        "refusing_side": side_label(*(match("refusals", text) for text in texts)),
        "formatted_side": side_label(*(formatted(text) for text in texts)),
        "same_final_answer": same_finals(*texts),
        **score_signals(rows),
    }
    return {signal.name: found[signal.name] for signal in SIGNALS}


def _sides(chosen: Column, rejected: Column) -> pa.Array:
    """Count the sides that are marked."""
    return counted(chosen.astype(np.int64) + rejected.astype(np.int64))


def said(turns: Turns) -> pa.Array:
    """Return what the assistant says in the turns of each row, joined by newlines; null where it
    says nothing that is text."""
    content = turns.field("content")
    speaking = np.isin(turns.roles, (ASSISTANT,)) & ~nulls(content)
    if len(content) == len(turns) and (turns.lengths == 1).all() and speaking.all():
        return content
    offsets = np.concatenate([[0], np.cumsum(speaking)])[turns.offsets]
    lists = pa.ListArray.from_arrays(
        pa.array(offsets.astype(np.int32)),
        content.filter(pa.array(speaking)),
        mask=pa.array(np.diff(offsets) == 0),
    )
    return pc.binary_join(lists, pa.scalar("\n", STRING))


def silent(turns: Turns) -> Column:
    """(R,) answers without any text or call of the assistant."""
    calls = turns.roles == CALL
    if "tool_calls" in turns.fields:
        calls = calls | ~nulls(turns.fields["tool_calls"])
    spoken = (turns.roles == ASSISTANT) & ~blank(turns.field("content"))
    found: Column = ~turns.any(spoken | calls)
    return found


def equal_sides(rows: Rows) -> Column:
    """(R,) whether both answers have the same turns, but for white space."""
    left, right = (turn_keys(rows.turns[name]) for name in SIDES)
    found: Column = (left == right).all(axis=1)
    return found


def formatted(texts: pa.Array) -> Column:
    """Mark texts with code blocks, headings, lists or bold type."""
    marks = read_markup(spans(texts))
    lists = marks.list_lines >= MIN_LIST_LINES
    found: Column = (marks.blocks > 0) | (marks.headings > 0) | lists | (marks.bold >= MIN_BOLD)
    return found


def side_label(chosen: Column, rejected: Column) -> pa.Array:
    """Name the sides that are marked: none, chosen, rejected or both."""
    names = pa.array(["none", "chosen", "rejected", "both"], pa.string())
    return names.take(pa.array(chosen.astype(np.int64) + 2 * rejected.astype(np.int64)))


def _matched(texts: pa.Array, pattern: str) -> Column:
    return truth(pc.match_substring_regex(texts, pattern))


def _log_ratio(chosen: pa.Array, rejected: pa.Array) -> pa.Array:
    mine, theirs = character_counts(chosen), character_counts(rejected)
    none = (mine == 0) | (theirs == 0)
    ratio = np.log(np.where(none, 1, mine)) - np.log(np.where(none, 1, theirs))
    return pa.array(ratio, pa.float64(), mask=none)
