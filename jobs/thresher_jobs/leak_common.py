"""N-grams that many training rows share: counted over all tasks, and left out of weak matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.leaks.discount import COUNTS, add_counts, common_of, discounts
from thresher.leaks.indexed import Indexed, Part
from thresher.leaks.tokens import tokenise
from thresher.planning import Plan
from thresher.run import Run
from thresher.stage import WORK, MapStage, Receipt, stage_key
from thresher.steps.attributes import Alive
from thresher.steps.leak_searching import SearchStep
from thresher.steps.leak_settling import (
    SettleStep,
    count_task,
    counts_name,
    items_name,
    keep_common,
    settle_task,
)
from thresher.steps.spread import read_table

Column = np.ndarray[Any, Any]
SHOWN = 50
_AT_ONCE = 1 << 22  # counts that are held before they are added up


@dataclass(frozen=True)
class Settled:
    """Matches after n-grams that many rows share were left out.

    Args:
        folder: Where the matches lie that count.
        common: The n-grams, those of most rows first: benchmark, text, items and rows of the first
            fifty.
        num_common: How many there are.
    """

    folder: str
    common: tuple[dict[str, Any], ...] = ()
    num_common: int = 0


def settle(
    run: Run,
    plan: Plan,
    step: SearchStep,
    folder: str,
    key: str,
    matches: int,
    indexed: Indexed,
    alive: tuple[Alive, ...] = (),
) -> Settled:
    """Judge the matches of a search again, where a rule asks for it and an n-gram is common.

    Args:
        run: Where to run.
        plan: What was read.
        step: How it was searched.
        folder: Of what was found.
        key: Content name of the search, and of what earlier steps of a recipe decided.
        matches: How many there are.
        indexed: What was searched for.
        alive: Those earlier steps.
    """
    if not discounts(step.presets) or not matches:
        return Settled(folder)
    count = MapStage(
        "count", stage_key(key, "count"), partial(count_task, step, folder, alive), plan.tasks
    )
    counts, whole = _added(run, count.folder, run.execute(count), indexed)
    common = common_of(indexed, counts, step.presets)
    if not len(common):
        return Settled(folder)
    held = f"{WORK}/common-{stage_key(key)}"
    keep_common(run.store, held, common, whole)
    how = SettleStep(step, folder, held)
    again = MapStage("settle", stage_key(key, "settle"), partial(settle_task, how), plan.tasks)
    run.execute(again)
    return Settled(again.folder, tuple(_shown(indexed, common)), len(common))


def _added(
    run: Run, folder: str, counted: Sequence[Receipt], indexed: Indexed
) -> tuple[pa.Table, Column]:
    """Return the rows of each n-gram, and the items found whole, over all tasks."""
    held: list[pa.Table] = []
    whole: list[Column] = []
    for receipt in counted:
        held.append(read_table(run.store, counts_name(folder, receipt.task)))
        whole.append(read_table(run.store, items_name(folder, receipt.task))["uid"].to_numpy())
        if sum(map(len, held)) > _AT_ONCE:
            held = [add_counts(indexed, held)]
    return add_counts(indexed, held), np.unique(np.concatenate(whole))


def _shown(indexed: Indexed, common: pa.Table) -> list[dict[str, Any]]:
    """Return the n-grams of most rows, in words."""
    number, n, position, rows = (np.asarray(common[name]) for name in COUNTS.names)
    order = np.lexsort((position, number, n, -rows))[:SHOWN]
    return [
        _said(indexed, indexed.parts[number[at]], int(n[at]), int(position[at]))
        | {"rows": int(rows[at])}
        for at in order
    ]


def _said(indexed: Indexed, part: Part, n: int, position: int) -> dict[str, Any]:
    """Return an n-gram in the words of the first item that has it."""
    index = part.index
    item = int(np.searchsorted(index["offsets"], position, "right")) - 1
    text = part.texts[item]
    tokens = tokenise(pa.array([text.as_py()], part.texts.type), code=part.code)
    first = position - int(index["offsets"][item])
    data = text.as_buffer()
    said = bytes(data[int(tokens.starts[first]) : int(tokens.stops[first + n - 1])])
    bench = int(index["bench"][item])
    return {
        "benchmark": indexed.names[bench],
        "text": " ".join(said.decode("utf-8", "replace").split()),
        "items": _items_with(part, n, position),
    }


def _items_with(part: Part, n: int, position: int) -> int:
    """Count the items of the benchmark that have an n-gram."""
    index = part.index
    terms = index["terms"]
    places = np.flatnonzero(terms[: len(terms) - n + 1] == terms[position])
    for k in range(1, n):
        places = places[terms[places + k] == terms[position + k]]
    items = np.searchsorted(index["offsets"], places, "right") - 1
    inside = places + n <= index["offsets"][items + 1]
    return len(np.unique(index["uid"][items[inside]]))
