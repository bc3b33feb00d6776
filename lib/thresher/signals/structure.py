"""Structure of conversations: who speaks in which order, how much, and what is empty.

Shapes: R rows, M messages.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.formats.rows import Rows
from thresher.formats.turns import ASSISTANT, CALL, DEVELOPER, ROLES, SYSTEM, TOOL, USER, in_order
from thresher.signals.dialogue import Dialogue, calling
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import counted, flagged, total
from thresher.text.sketch import sketch

Column = np.ndarray[Any, Any]
_ROLE_COUNTS = {
    "system_turns": (SYSTEM, DEVELOPER),
    "user_turns": (USER,),
    "assistant_turns": (ASSISTANT, CALL),
    "tool_turns": (TOOL,),
    "unknown_roles": (-1,),
}


def _signal(name: str, kind: Kind, about: str) -> Signal:
    return Signal(name, kind, "chat", about)


SIGNALS = (
    _signal("turns", Kind.COUNT, "messages of the conversation, the response included"),
    _signal("system_turns", Kind.COUNT, "messages of the system or the developer"),
    _signal("user_turns", Kind.COUNT, "messages of the user"),
    _signal("assistant_turns", Kind.COUNT, "messages of the assistant, tool calls included"),
    _signal("tool_turns", Kind.COUNT, "messages with a tool's result"),
    _signal("unknown_roles", Kind.COUNT, "messages of a role that no trainer knows"),
    _signal("empty_turns", Kind.COUNT, "messages without text, parts or calls; blanks are none"),
    _signal(
        "repeated_roles", Kind.COUNT, "messages of the role that spoke before: user, assistant"
    ),
    _signal("no_assistant_turn", Kind.FLAG, "the assistant never speaks"),
    _signal("roles_out_of_order", Kind.FLAG, "user and assistant do not take turns"),
    _signal("starts_with_assistant", Kind.FLAG, "the assistant speaks first, after the system"),
    _signal("ends_with_user", Kind.FLAG, "the last message is the user's"),
    _signal("last_role", Kind.LABEL, "whose the last message is"),
    _signal("prompt_words", Kind.COUNT, "words of the user's turn that the response answers"),
    _signal("prompt_characters", Kind.COUNT, "characters of that turn"),
    _signal(
        "instruction_words", Kind.COUNT, "words of the column `instruction`, else of the prompt"
    ),
    _signal("context_words", Kind.COUNT, "words of all messages before the response"),
    _signal("context_characters", Kind.COUNT, "characters of all messages before the response"),
    _signal("response_words", Kind.COUNT, "words of the assistant's last turn"),
    _signal("response_characters", Kind.COUNT, "characters of the assistant's last turn"),
    _signal("empty_response", Kind.FLAG, "the assistant's last turn is blank"),
    _signal("shortest_answer_words", Kind.COUNT, "words of the shortest answer to be learned"),
    _signal("longest_answer_words", Kind.COUNT, "words of the longest answer to be learned"),
)


def structure_signals(rows: Rows, talk: Dialogue) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS`."""
    turns = talk.turns
    found = {
        name: counted(total(np.isin(turns.roles, codes), turns.offsets))
        for name, codes in _ROLE_COUNTS.items()
    }
    found["turns"] = counted(turns.lengths)
    found["empty_turns"] = counted(total(_empty(talk), turns.offsets))
    found["repeated_roles"] = counted(total(_repeated(talk), turns.offsets))
    unasked = np.full(len(talk), talk.asks_only)
    silent = ~turns.any(np.isin(turns.roles, (ASSISTANT, CALL)))
    found["no_assistant_turn"] = flagged(silent, unasked)
    found["roles_out_of_order"] = flagged(~in_order(turns) | turns.any(turns.roles < 0))
    found["starts_with_assistant"] = flagged(_starts_with_assistant(talk))
    found["ends_with_user"] = flagged(turns.last((USER,)), unasked)
    found["last_role"] = _last_role(talk)
    return found | _lengths(rows, talk)


def _empty(talk: Dialogue) -> Column:
    """(M,) messages that say nothing; one that only reasons, and answers nothing, is empty."""
    turns = talk.turns
    empty = blank(turns.field("content")) & ~calling(turns)
    if "parts" in turns.fields:
        empty &= nulls(turns.fields["parts"])
    found: Column = empty
    return found


def blank(texts: pa.Array) -> Column:
    """Mark texts that are null or hold nothing but white space."""
    return truth(pc.fill_null(pc.equal(pc.binary_length(pc.utf8_trim_whitespace(texts)), 0), True))


def _repeated(talk: Dialogue) -> Column:
    roles = talk.turns.roles
    again = np.zeros(len(roles), bool)
    again[1:] = (roles[1:] == roles[:-1]) & np.isin(roles[1:], (USER, ASSISTANT, SYSTEM))
    starts = talk.turns.offsets[:-1][talk.turns.lengths > 0]
    again[starts] = False
    return again


def _starts_with_assistant(talk: Dialogue) -> Column:
    """(R,) whether the first message that is not the system's is the assistant's."""
    turns = talk.turns
    speaking = ~np.isin(turns.roles, (SYSTEM, DEVELOPER))
    offsets = np.concatenate([[0], np.cumsum(speaking)])[turns.offsets]
    roles = turns.roles[speaking]
    found = np.zeros(len(talk), bool)
    filled = np.diff(offsets) > 0
    found[filled] = np.isin(roles[offsets[:-1][filled]], (ASSISTANT, CALL))
    return found


def _last_role(talk: Dialogue) -> pa.Array:
    names = pa.array([*ROLES, "unknown"], pa.string())
    filled = talk.turns.lengths > 0
    codes = np.full(len(talk), -1, np.int64)
    codes[filled] = talk.turns.roles[talk.turns.offsets[1:][filled] - 1]
    codes[codes < 0] = len(ROLES)
    return names.take(pa.array(codes, mask=~filled))


def word_counts(texts: pa.Array) -> Column:
    """(T,) words of each text, as `thresher.text` counts them; 0 for null."""
    counts: Column = sketch(texts).num_words.astype(np.int64)
    return counts


def character_counts(texts: pa.Array) -> Column:
    """(T,) characters (code points) of each text; 0 for null."""
    counts: Column = pc.fill_null(pc.utf8_length(texts), 0).to_numpy(zero_copy_only=False)
    return counts.astype(np.int64)


def _lengths(rows: Rows, talk: Dialogue) -> dict[str, pa.Array]:
    turns = talk.turns
    content = turns.field("content")
    place = np.arange(len(turns.roles)) - np.repeat(turns.offsets[:-1], turns.lengths)
    before = place < np.repeat(talk.heads, turns.lengths)
    unasked, unsaid = nulls(talk.prompt), nulls(talk.response)
    found = {}
    for unit, count in (("words", word_counts), ("characters", character_counts)):
        of_messages = count(content)
        found[f"context_{unit}"] = counted(total(of_messages * before, turns.offsets))
        found[f"prompt_{unit}"] = counted(_at(of_messages, talk.asked), unasked)
        found[f"response_{unit}"] = counted(_at(of_messages, talk.last), unsaid)
    found["empty_response"] = flagged(blank(talk.response), unsaid)
    instruction = rows.columns.get("instruction")
    found["instruction_words"] = found["prompt_words"]
    if instruction is not None:
        known = counted(word_counts(instruction), nulls(instruction))
        found["instruction_words"] = pc.coalesce(known, found["prompt_words"])
    answers = talk.answers
    texts = answers.field("content")
    speaking = ~nulls(texts)
    offsets = np.concatenate([[0], np.cumsum(speaking)])[answers.offsets]
    words = word_counts(texts)[speaking]
    filled = np.diff(offsets) > 0
    for name, extreme in (("shortest", np.minimum), ("longest", np.maximum)):
        found[f"{name}_answer_words"] = _extreme(extreme, words, offsets, filled)
    return found


def _at(values: Column, places: Column) -> Column:
    """(R,) the figures of the named messages; 0 where no message is named."""
    if not len(values):
        return np.zeros(len(places), np.int64)
    return np.where(places >= 0, values[np.maximum(places, 0)], 0)


def _extreme(extreme: Any, values: Column, offsets: Column, filled: Column) -> pa.Array:
    found = np.zeros(len(filled), np.int64)
    if filled.any():
        found[filled] = extreme.reduceat(values, offsets[:-1][filled])
    return counted(found, ~filled)
