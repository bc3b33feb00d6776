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
from thresher.steps.leak_searching import SearchStep, counts_name, whole_name
from thresher.steps.leak_settling import SettleStep, keep_common, settle_task
from thresher.steps.spread import read_table

Column = np.ndarray[Any, Any]
SHOWN = 50
_AT_ONCE = 1 << 22  # counts that are held before they are added up


@dataclass(frozen=True)
class Settled:
    """Matches after n-grams that many rows share were left out.

    Args:
        stage: Whose matches count.
        common: The n-grams, those of most rows first: benchmark, text, items and rows of the first
            fifty.
        num_common: How many there are.
    """

    stage: MapStage
    common: tuple[dict[str, Any], ...] = ()
    num_common: int = 0


def settle(
    run: Run, plan: Plan, step: SearchStep, stage: MapStage, read: Sequence[Receipt],
    indexed: Indexed,
) -> Settled:  # fmt: skip
    """Judge the matches of a search again, where a rule asks for it and an n-gram is common."""
    if not discounts(step.presets) or not any(receipt.facts["matches"] for receipt in read):
        return Settled(stage)
    counts, whole = _added(run, stage, read, indexed)
    common = common_of(indexed, counts, step.presets)
    if not len(common):
        return Settled(stage)
    folder = f"{WORK}/common-{stage.key}"
    keep_common(run.store, folder, common, whole)
    how = SettleStep(step, stage.folder, folder)
    again = MapStage("settle", stage_key(stage.key), partial(settle_task, how), plan.tasks)
    run.execute(again)
    return Settled(again, tuple(_shown(indexed, common)), len(common))


def _added(
    run: Run, stage: MapStage, read: Sequence[Receipt], indexed: Indexed
) -> tuple[pa.Table, Column]:
    """Return the rows of each n-gram, and the items found whole, over all tasks."""
    held: list[pa.Table] = []
    whole: list[Column] = []
    for receipt in read:
        held.append(read_table(run.store, counts_name(stage.folder, receipt.task)))
        found = read_table(run.store, whole_name(stage.folder, receipt.task))
        whole.append(found["uid"].to_numpy())
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
