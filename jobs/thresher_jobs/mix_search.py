"""Where draws end: digit by digit while the rows that share all digits so far are many, then by the
rows themselves.

Nothing here grows with the rows: what reaches the driver are counts by digit, and one key a draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from thresher.mixing.drawing import Drawn, Prefix, find_border
from thresher.mixing.options import Unit
from thresher.mixing.targets import NOTHING, Found, Supply
from thresher.planning import Plan
from thresher.run import Run
from thresher.stage import ExchangeStage, stage_key
from thresher.steps.mix_counting import (
    REFINED,
    Leaves,
    MixSource,
    emit_refined,
    reduce_counts,
)
from thresher.steps.mix_drawing import Sought, emit_border, reduce_border
from thresher.steps.spread import read_table
from thresher_jobs.dedup_state import partitions_of

BORDER_ROWS = 1 << 16  # that meet for one draw; more are told apart by further digits first
ROWS_PER_PARTITION = 1 << 20
Column = np.ndarray[Any, Any]


class Histogram(NamedTuple):
    """Rows and tokens by digit, ascending."""

    digits: Column
    rows: Column
    tokens: Column


class Search:
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
        self._border_rows = 0

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
                    self._border_rows += border.inside
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
        return {number: histogram(table.filter(pa.array(leaf == number))) for number in wanted}

    def _border(self, name: str, leaves: Leaves, sought: Mapping[int, Sought]) -> dict[int, Drawn]:
        partitions = partitions_of(self._border_rows, ROWS_PER_PARTITION)
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


def histogram(table: pa.Table) -> Histogram:
    """Return the lines of a table as a histogram, by digit."""
    table = table.sort_by("digit")
    digits, rows, tokens = (table.column(n).to_numpy() for n in ("digit", "rows", "tokens"))
    return Histogram(digits, rows, tokens)
