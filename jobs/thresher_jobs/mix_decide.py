"""What a mixture decides between the passes: how much each source gives, and where its draw ends.

count     exchange  rows and tokens by source, category and first digit of the drawing keys
refine    exchange  the same by further digits, where a draw ends among many rows (seldom)
border    exchange  the rows among which draws end meet; each draw's exact end
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

import thresher
from thresher.errors import ConfigError, LimitError
from thresher.mixing.options import MixOptions, SourceShare, Unit
from thresher.mixing.targets import (
    NOTHING,
    Found,
    Part,
    Supply,
    Targets,
    check_short,
    parts_of,
    set_targets,
)
from thresher.mixing.weights import left_out
from thresher.planning import Plan
from thresher.run import Run
from thresher.stage import ExchangeStage, stage_key
from thresher.steps.mix_counting import (
    COUNTED,
    MOST_CATEGORIES,
    Leaves,
    MixSource,
    emit_counts,
    reduce_counts,
)
from thresher.steps.mix_drawing import Draws
from thresher.steps.spread import read_table
from thresher_jobs.dedup_state import partitions_of
from thresher_jobs.mix_search import Histogram, Search, histogram

logger = logging.getLogger(__name__)
CODE_VERSION = "mix-2"  # raised when the same rows and parameters give another draw
Column = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Mixture:
    """What was decided.

    Args:
        draws: How often every row is written.
        targets: The plan.
        parts: What shares were asked of.
        found: What there is, by source and category.
        given: By leaf, what it gives in fact.
    """

    draws: Draws
    targets: Targets
    parts: tuple[Part, ...]
    found: Mapping[Found, Supply]
    given: tuple[Supply, ...]


@dataclass(frozen=True)
class Planned:
    """A plan, before any draw.

    Args:
        targets: What each leaf is to give.
        parts: What shares are asked of.
        found: What there is, by source and category.
        leaves: Which leaf a row belongs to.
        search: Finds where draws end.
    """

    targets: Targets
    parts: tuple[Part, ...]
    found: Mapping[Found, Supply]
    leaves: Leaves
    search: Search


def plan_mixture(
    run: Run,
    plan: Plan,
    source: MixSource,
    options: MixOptions,
    shares: Sequence[SourceShare],
    names: Sequence[str],
    key: str,
    name: str = "mix",
) -> Planned:
    """Count what there is and set the targets.

    Args:
        run: Where stages run.
        plan: What was read.
        source: Where the lines are, and in which order rows are drawn.
        options: How to mix.
        shares: What is asked of each source.
        names: What the sources are called.
        key: Content name of the lines and of what earlier steps decided.
        name: Of the step.

    Raises:
        ConfigError: The shares contradict each other.
        LimitError: There is nothing of a source with a share.
    """
    key = stage_key(CODE_VERSION, thresher.__version__, key, str(source.seed), name)
    counted = _count(run, plan, source, key, name)
    found = {
        group: Supply(int(counts.rows.sum()), int(counts.tokens.sum()))
        for group, counts in counted.items()
    }
    for told in left_out(options, shares, names, found):
        logger.warning("%s", told)
    parts = parts_of(options, shares, names, found)
    if sum(len(part.leaves) for part in parts) > MOST_CATEGORIES:
        raise LimitError(
            f"more than {MOST_CATEGORIES} categories",
            remedy="name a column of few values with --category-column",
        )
    leaves = _leaves(parts, len(names))
    search = Search(run, plan, source, key, counted)
    parts = _with_caps(search, name, options, parts, leaves)
    return Planned(set_targets(options, parts), tuple(parts), found, leaves, search)


def decide(
    run: Run,
    plan: Plan,
    source: MixSource,
    options: MixOptions,
    shares: Sequence[SourceShare],
    names: Sequence[str],
    key: str,
    name: str = "mix",
) -> Mixture:
    """Decide how often every row is written; arguments as for `plan_mixture`.

    Raises:
        ConfigError: The shares contradict each other.
        LimitError: A source cannot give its share.
    """
    planned = plan_mixture(run, plan, source, options, shares, names, key, name)
    targets = planned.targets
    check_short(options, targets)
    wanted = {n: (options.by, target.rest) for n, target in enumerate(targets.leaves)}
    ends = planned.search.ends(name, planned.leaves, wanted)
    given = []
    for number, target in enumerate(targets.leaves):
        end = ends.get(number)
        there = target.leaf.supply
        given.append(
            Supply(
                target.full * there.rows + (end.rows if end else 0),
                target.full * there.tokens + (end.tokens if end else 0),
            )
        )
    draws = Draws(
        source,
        planned.leaves,
        tuple(target.full for target in targets.leaves),
        {number: end.bound for number, end in ends.items()},
        tuple(task.payload.source for task in plan.tasks),
        name,
    )
    return Mixture(draws, targets, planned.parts, planned.found, tuple(given))


def _count(run: Run, plan: Plan, source: MixSource, key: str, name: str) -> dict[Found, Histogram]:
    partitions = partitions_of(len(plan.tasks), 256)
    stage = ExchangeStage(
        f"count-{name}",
        stage_key(key, "count", str(partitions)),
        partial(emit_counts, source, partitions),
        partial(reduce_counts, COUNTED),
        plan.tasks,
        partitions,
    )
    receipts = run.execute(stage)
    table = pa.concat_tables([read_table(run.store, r.files[0].name) for r in receipts])
    groups: dict[Found, list[int]] = {}
    pairs = zip(
        table.column("source").to_pylist(), table.column("category").to_pylist(), strict=True
    )
    for row, group in enumerate(pairs):
        groups.setdefault(group, []).append(row)
    return {group: histogram(table.take(pa.array(rows))) for group, rows in groups.items()}


def _leaves(parts: Sequence[Part], num_sources: int) -> Leaves:
    """Number the leaves of all parts in order."""
    known: list[dict[str | None, int]] = [{} for _ in range(num_sources)]
    number = 0
    for part in parts:
        for leaf in part.leaves:
            for source in range(num_sources) if part.source is None else [part.source]:
                known[source][leaf.category] = number
            number += 1
    return Leaves(tuple(known))


def _with_caps(
    search: Search, name: str, options: MixOptions, parts: Sequence[Part], leaves: Leaves
) -> list[Part]:
    """Return the parts with their caps in the unit of the mixture.

    A cap in the other unit is as much as the first rows in the order of drawing that keep to it.
    """
    unit: Unit = options.by
    other: Unit = "tokens" if unit == "rows" else "rows"
    limits = {"rows": "max_rows", "tokens": "max_tokens"}
    first = np.cumsum([0, *(len(part.leaves) for part in parts)]).tolist()
    sought: dict[int, tuple[Unit, int]] = {}
    full: dict[int, int] = {}
    for number, part in enumerate(parts):
        limit = getattr(part.share, limits[other])
        there = part.supply.of(other)
        if limit is None or limit >= there * part.max_repeats:
            continue
        if len(part.leaves) > 1:
            raise ConfigError(
                f"'{part.name}' has {limits[other]} and categories, and the mixture counts {unit}",
                remedy=f"cap it by {limits[unit]}",
            )
        full[number], rest = divmod(limit, there)
        sought[first[number]] = (other, rest)
    ends = search.ends(f"{name}-caps", leaves, sought)
    capped = []
    for number, part in enumerate(parts):
        caps = [c for c in [getattr(part.share, limits[unit])] if c is not None]
        if number in full:
            end = ends.get(first[number])
            drawn = Supply(end.rows, end.tokens) if end else NOTHING
            caps.append(full[number] * part.supply.of(unit) + drawn.of(unit))
        capped.append(replace(part, cap=min(caps)) if caps else part)
    return capped
