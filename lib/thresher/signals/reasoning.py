"""Reasoning traces: `<think>` blocks in answers, or a field of their own, and what follows them.

Shapes: R rows, A answers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.formats.turns import STRING, Turns
from thresher.signals.dialogue import Dialogue, calling
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import counted, cut, flagged, shared, spans, total
from thresher.signals.structure import blank, character_counts, word_counts

Column = np.ndarray[Any, Any]
OPEN, CLOSE = "<think>", "</think>"
TAG_END, TAGS = "think>", "</?think>"  # one sweep that finds what may hold tags
BOXED = "\\boxed"
SIGNALS = tuple(
    Signal(name, kind, "chat", about)
    for name, kind, about in (
        ("reasoning_words", Kind.COUNT, "words of the response's reasoning; 0 without any"),
        (
            "reasoning_share",
            Kind.SHARE,
            "reasoning of the response's characters, reasoning included",
        ),
        ("unclosed_reasoning", Kind.COUNT, "answers with <think> and no </think> after it"),
        ("malformed_reasoning", Kind.COUNT, "answers whose think tags are not one pair, first"),
        ("empty_reasoning", Kind.COUNT, "answers with a think block that says nothing"),
        ("unanswered_reasoning", Kind.COUNT, "answers that reason and then say nothing"),
        (
            "unbalanced_answer_tags",
            Kind.COUNT,
            "answers with more <answer> than </answer>, or fewer",
        ),
        ("boxed_missing", Kind.FLAG, r"the prompt asks for \boxed and the response has none"),
    )
)


def reasoning_signals(talk: Dialogue) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS`."""
    answers = talk.answers
    content, offsets = answers.field("content"), answers.offsets
    none = answers.lengths == 0
    unclosed, malformed, empty, mute, unbalanced = np.zeros((5, len(content)), bool)
    tagged = np.flatnonzero(truth(pc.match_substring(content, TAG_END)))
    if len(tagged):
        told = content.take(pa.array(tagged))
        opens, closes = (_count(told, tag) for tag in (OPEN, CLOSE))
        first, last = _find(told, OPEN), _find(told, CLOSE)
        led, thought, rest = _split(told, first, last)
        paired = (opens == 1) & (closes == 1) & (first < last) & blank(led)
        unclosed[tagged] = opens > closes
        malformed[tagged] = (opens + closes > 0) & ~paired
        empty[tagged] = blank(thought) & (opens > 0) & (first < last)
        mute[tagged] = blank(rest) & (closes > 0)
    if "reasoning" in answers.fields:
        mute |= ~blank(answers.fields["reasoning"]) & blank(content)
    mute &= ~calling(answers)
    marked = np.flatnonzero(truth(pc.match_substring(content, "answer>")))
    if len(marked):
        told = content.take(pa.array(marked))
        unbalanced[marked] = _count(told, "<answer>") != _count(told, "</answer>")
    counts = {
        "unclosed_reasoning": unclosed,
        "malformed_reasoning": malformed,
        "empty_reasoning": empty,
        "unanswered_reasoning": mute,
        "unbalanced_answer_tags": unbalanced,
    }
    found = {name: counted(total(marks, offsets), none) for name, marks in counts.items()}
    return found | _response(talk)


def _count(texts: pa.Array, tag: str) -> Column:
    counts = pc.fill_null(pc.count_substring(texts, tag), 0)
    found: Column = counts.to_numpy(zero_copy_only=False)
    return found


def _find(texts: pa.Array, tag: str) -> Column:
    """(T,) byte at which a tag stands first; -1 for none."""
    places = pc.fill_null(pc.find_substring(texts, tag), -1)
    found: Column = places.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def _split(texts: pa.Array, opened: Column, closed: Column) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Cut texts at the places of the tags: what is before the reasoning, the reasoning, the rest.

    A text without `<think>` begins with its reasoning; one without `</think>` is all reasoning.
    """
    held = spans(texts)
    starts, ends = held.starts, held.ends
    begin = np.where(opened >= 0, starts + opened, starts)
    inner = np.where(opened >= 0, begin + len(OPEN), starts)
    after = closed >= 0
    finish = np.where(after, np.maximum(starts + closed, inner), ends)
    rest = np.where(after, np.minimum(starts + closed + len(CLOSE), ends), ends)
    return cut(held, starts, begin), cut(held, inner, finish), cut(held, rest, ends)


def _response(talk: Dialogue) -> dict[str, pa.Array]:
    """Measure the reasoning of each row's response, by its tags and its field."""
    response = talk.response
    missing = ~talk.answered
    words, letters = np.zeros((2, len(talk)), np.int64)
    tagged = np.flatnonzero(truth(pc.match_substring_regex(response, TAGS)))
    if len(tagged):
        told = response.take(pa.array(tagged))
        _, thought, _ = _split(told, _find(told, OPEN), _find(told, CLOSE))
        words[tagged], letters[tagged] = word_counts(thought), character_counts(thought)
    whole = character_counts(response)
    field = _field(talk)
    if field is not None:
        words += word_counts(field)
        letters += character_counts(field)
        whole = whole + character_counts(field)
    asked = truth(pc.match_substring(talk.prompt, BOXED))
    told = asked.copy()
    if asked.any():
        told[asked] = truth(pc.match_substring(response.filter(pa.array(asked)), BOXED))
    return {
        "reasoning_words": counted(words, missing),
        "reasoning_share": shared(letters, whole, missing),
        "boxed_missing": flagged(asked & ~told, nulls(talk.prompt) | nulls(response)),
    }


def _field(talk: Dialogue) -> pa.Array | None:
    """(R,) the field `reasoning` of each response; None where no message has one."""
    turns: Turns = talk.turns
    if "reasoning" not in turns.fields or not len(turns.roles):
        return None
    places = np.where(talk.answered, turns.offsets[:-1] + talk.heads, 0)
    return turns.fields["reasoning"].take(pa.array(places, mask=~talk.answered)).cast(STRING)
