"""What a mixture decides between the passes: how much each source gives, and where its draw ends.

count     exchange  rows and tokens by source, category and first digit of the drawing keys
refine    exchange  the same by further digits, where a draw ends among many rows (seldom)
border    exchange  the rows among which draws end meet; each draw's exact end
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import thresher
from thresher.errors import ConfigError, LimitError
from thresher.mixing.drawing import Drawn, Prefix, find_border
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
from thresher.planning import Plan
from thresher.run import Run
from thresher.stage import ExchangeStage, stage_key
from thresher.steps.attributes import Alive
from thresher.steps.mix_counting import (
    COUNTED,
    MOST_CATEGORIES,
    REFINED,
    Leaves,
    MixSource,
    emit_counts,
    emit_refined,
    reduce_counts,
)
from thresher.steps.mix_drawing import Draws, Sought, emit_border, reduce_border
from thresher.steps.spread import read_table
from thresher_jobs.dedup_state import partitions_of

CODE_VERSION = "mix-1"  # raised when the same rows and parameters give another draw
BORDER_ROWS = 1 << 16  # that meet for one draw; more are told apart by further digits first
ROWS_PER_PARTITION = 1 << 20
Column = np.ndarray[Any, Any]


class Histogram(NamedTuple):
    """Rows and tokens by digit, ascending."""

    digits: Column
    rows: Column
    tokens: Column


@dataclass(frozen=True)
class Mixture:
    """What was decided.

    Args:
        draws: How often every row is written.
        targets: The plan.
        parts: What shares were asked of.
        found: What there is, by source and category.
        given: By leaf, what it gives in fact.
        border_rows: Rows that met where draws end.
    """

    draws: Draws
    targets: Targets
    parts: tuple[Part, ...]
    found: Mapping[Found, Supply]
    given: tuple[Supply, ...]
    border_rows: int


class _Search:
    """Finds where draws end.

    Args:
        run: Where stages run.
        plan: What was read.
        source: Where the lines are.
        key: Content name of all that was decided before.
        counted: What `count` found, by source and category.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        source: MixSource,
        key: str,
        counted: Mapping[Found, Histogram],
    ) -> None:
        self._run, self._plan, self._source, self._key = run, plan, source, key
        self._counted = counted
        self.border_rows = 0

    def ends(
        self, name: str, leaves: Leaves, wanted: Mapping[int, tuple[Unit, int]]
    ) -> dict[int, Drawn]:
        """Return where each draw ends.

        Args:
            name: Of the search, unique in the run.
            leaves: Which leaf a row belongs to.
            wanted: By leaf, what to draw of it: less than there is.
        """
        known = self._first_digits(leaves)
        sought = {n: Sought(Prefix(), unit, rest) for n, (unit, rest) in wanted.items() if rest}
        before = dict.fromkeys(sought, NOTHING)
        ready: dict[int, Sought] = {}
        while sought:
            for number, what in list(sought.items()):
                counts = known[number]
                amount = counts.rows if what.unit == "rows" else counts.tokens
                border = find_border(*counts, amount, what.rest)
                passed = Supply(border.rows, border.tokens)
                before[number] = before[number].plus(passed)
                rest = what.rest - passed.of(what.unit)
                sought[number] = Sought(what.prefix.then(border.digit), what.unit, rest)
                if border.inside <= BORDER_ROWS:
                    ready[number] = sought.pop(number)
                    self.border_rows += border.inside
            if sought:
                known = self._refine(name, leaves, sought)
        ends = self._border(name, leaves, ready) if ready else {}
        return {
            n: end._replace(rows=end.rows + before[n].rows, tokens=end.tokens + before[n].tokens)
            for n, end in ends.items()
        }

    def _first_digits(self, leaves: Leaves) -> dict[int, Histogram]:
        parts: dict[int, list[Histogram]] = {}
        for (source, category), counts in self._counted.items():
            known = leaves.by_source[source]
            number = known.get(None, known.get(category))
            if number is not None:
                parts.setdefault(number, []).append(counts)
        return {number: _added(histograms) for number, histograms in parts.items()}

    def _refine(
        self, name: str, leaves: Leaves, sought: Mapping[int, Sought]
    ) -> dict[int, Histogram]:
        wanted = {number: what.prefix for number, what in sought.items()}
        depth = max(prefix.digits for prefix in wanted.values())
        stage = ExchangeStage(
            f"refine-{name}-{depth}",
            stage_key(self._key, name, repr(leaves), repr(wanted)),
            partial(emit_refined, self._source, leaves, wanted),
            partial(reduce_counts, REFINED),
            self._plan.tasks,
            1,
        )
        (receipt,) = self._run.execute(stage)
        table = read_table(self._run.store, receipt.files[0].name)
        leaf = table.column("leaf").to_numpy()
        return {number: _histogram(table.filter(pa.array(leaf == number))) for number in wanted}

    def _border(self, name: str, leaves: Leaves, sought: Mapping[int, Sought]) -> dict[int, Drawn]:
        partitions = partitions_of(self.border_rows, ROWS_PER_PARTITION)
        stage = ExchangeStage(
            f"border-{name}",
            stage_key(self._key, name, repr(leaves), repr(sought), str(partitions)),
            partial(emit_border, self._source, leaves, sought, partitions),
            partial(reduce_border, sought),
            self._plan.tasks,
            partitions,
        )
        found: dict[int, Drawn] = {}
        for receipt in self._run.execute(stage):
            for line in read_table(self._run.store, receipt.files[0].name).to_pylist():
                bound = (line["key_0"], line["key_1"], line["key_2"])
                found[line["leaf"]] = Drawn(bound, line["rows"], line["tokens"])
        return found


def _added(parts: Sequence[Histogram]) -> Histogram:
    digits = np.unique(np.concatenate([part.digits for part in parts]))
    rows, tokens = np.zeros(len(digits), np.int64), np.zeros(len(digits), np.int64)
    for part in parts:
        places = np.searchsorted(digits, part.digits)
        rows[places] += part.rows
        tokens[places] += part.tokens
    return Histogram(digits, rows, tokens)


def _histogram(table: pa.Table) -> Histogram:
    """Return the lines of a table as a histogram, by digit."""
    table = table.sort_by("digit")
    digits, rows, tokens = (table.column(n).to_numpy() for n in ("digit", "rows", "tokens"))
    return Histogram(digits, rows, tokens)


def decide(
    run: Run,
    plan: Plan,
    folder: str,
    options: MixOptions,
    shares: Sequence[SourceShare],
    names: Sequence[str],
    seed: int,
    alive: tuple[Alive, ...],
    key: str,
    name: str = "mix",
) -> Mixture:
    """Decide how often every row is written.

    Args:
        run: Where stages run.
        plan: What was read.
        folder: Of the probe's lines.
        options: How to mix.
        shares: What is asked of each source.
        names: What the sources are called.
        seed: Of the order of drawing.
        alive: Earlier steps of a recipe; rows that one leaves out take no part.
        key: Content name of the lines and of what earlier steps decided.
        name: Of the step.

    Raises:
        ConfigError: The shares contradict each other.
        LimitError: A source cannot give its share.
    """
    source = MixSource(folder, seed, alive)
    key = stage_key(CODE_VERSION, thresher.__version__, key, str(seed), name)
    counted = _count(run, plan, source, key, name)
    found = {
        group: Supply(int(counts.rows.sum()), int(counts.tokens.sum()))
        for group, counts in counted.items()
    }
    parts = parts_of(options, shares, names, found)
    if sum(len(part.leaves) for part in parts) > MOST_CATEGORIES:
        raise LimitError(
            f"more than {MOST_CATEGORIES} categories",
            remedy="name a column of few values with --category-column",
        )
    leaves = _leaves(parts, len(names))
    search = _Search(run, plan, source, key, counted)
    parts = _with_caps(search, name, options, parts, leaves)
    targets = set_targets(options, parts)
    check_short(options, targets)
    wanted = {n: (options.by, target.rest) for n, target in enumerate(targets.leaves)}
    ends = search.ends(name, leaves, wanted)
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
        leaves,
        tuple(target.full for target in targets.leaves),
        {number: end.bound for number, end in ends.items()},
        tuple(task.payload.source for task in plan.tasks),
        name,
    )
    return Mixture(draws, targets, tuple(parts), found, tuple(given), search.border_rows)


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
    return {group: _histogram(table.take(pa.array(rows))) for group, rows in groups.items()}


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
    search: _Search, name: str, options: MixOptions, parts: Sequence[Part], leaves: Leaves
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
