"""Phrase lists over rows: how many answers, prompts or turns of a row a list matches.

Shapes: R rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.arrays import nulls
from thresher.formats.format import with_system
from thresher.formats.rows import Kind as RowKind
from thresher.formats.rows import Rows
from thresher.formats.turns import USER, Turns, join
from thresher.signals.dialogue import Dialogue, dialogue
from thresher.signals.phrases import PhraseList, match_all
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import counted, total

Column = np.ndarray[Any, Any]
Texts = tuple[pa.Array, Column]  # texts, and their offsets by row


def phrase_catalogue(lists: Iterable[PhraseList]) -> tuple[Signal, ...]:
    """Return the signals that lists make; several lists may add up to one."""
    found = {each.signal: Signal(each.signal, Kind.COUNT, "phrases", each.about) for each in lists}
    return tuple(found.values())


def phrase_signals(rows: Rows, lists: Iterable[PhraseList]) -> dict[str, pa.Array]:
    """Count the texts of each row that lists match; null where a row has no such text.

    Args:
        rows: Rows of any kind. Plain text is matched as it is, whatever the list is for.
        lists: A list is matched with the answers, with the user's turns (`prompt`), or with all
            turns, as its scope says.
    """
    talk = None if rows.kind is RowKind.TEXT else dialogue(rows)
    by_scope: dict[str, list[PhraseList]] = {}
    for each in lists:
        by_scope.setdefault(_seen(each, talk), []).append(each)
    counts: dict[str, Column] = {}
    found: dict[str, pa.Array] = {}
    for scope, mine in by_scope.items():
        told, offsets = _plain(rows) if talk is None else _turns(rows, talk, scope)
        none = total(~nulls(told), offsets) == 0
        matched = match_all(mine, told)
        for each in mine:
            count = total(matched[each.name], offsets)
            counts[each.signal] = counts.get(each.signal, 0) + count
            found[each.signal] = counted(counts[each.signal], none)
    return found


def _seen(each: PhraseList, talk: Dialogue | None) -> str:
    """Name the texts that a list is matched with: answers, prompts, or all there are."""
    return each.scope if talk is not None and each.scope in ("answer", "prompt") else "turn"


def _plain(rows: Rows) -> Texts:
    return rows.column("text"), np.arange(len(rows) + 1)


def _turns(rows: Rows, talk: Dialogue, scope: str) -> Texts:
    """Return the texts of a scope: those of the answers, of the user, or of everyone."""
    if scope == "answer":
        return talk.answers.field("content"), talk.answers.offsets
    turns = _everyone(rows, talk)
    if scope == "prompt":
        asking = turns.roles == USER
        offsets = np.concatenate([[0], np.cumsum(asking)])[turns.offsets].astype(np.int64)
        return turns.field("content").filter(pa.array(asking)), offsets
    return turns.field("content"), turns.offsets


def _everyone(rows: Rows, talk: Dialogue) -> Turns:
    """Return all turns of the rows, each once; of a preference both sides."""
    if "prompt" not in rows.turns:
        return talk.turns
    prompt = with_system(rows, "prompt", {}).turns["prompt"]
    if rows.kind is RowKind.PREFERENCE:
        return join([prompt, rows.turns["chosen"], rows.turns["rejected"]])
    return join([prompt, talk.answers])
