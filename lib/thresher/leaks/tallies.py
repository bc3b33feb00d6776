"""What matches add up to, counted so that parts of the data add up exactly.

Everything is a count of rows, a set of items, or the strongest match of an item under a total
order, so neither the order of the matches nor how the rows were cut shows in the result. All
matches of one row come in one block: rows are counted, not named.

A row or an item is contaminated if any of its matches is, else suspect; of the matches with that
verdict, the strongest kind is its kind. What is kept grows with the items that were hit, so it is
never larger than a few times their index.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Self

import pyarrow as pa

from thresher.leaks.match_block import NUM_HIGH, STRENGTH, MatchBlock
from thresher.leaks.matches import CONTAMINATED, MATCH_KINDS, SUSPECT, VERDICTS


class Best(NamedTuple):
    """The strongest match of an item: the source of its row, and the columns STRENGTH."""

    source: int
    values: tuple[Any, ...]

    @property
    def rank(self) -> tuple[Any, ...]:
        """Where it stands among all matches of the item, the strongest first."""
        high, low = self.values[:NUM_HIGH], self.values[NUM_HIGH:]
        return (*(-value for value in high), *low, self.source)

    @property
    def match(self) -> dict[str, Any]:
        """Its columns by name, verdict and kind in words."""
        match = dict(zip(STRENGTH, self.values, strict=True))
        words = {"verdict": VERDICTS, "match_kind": MATCH_KINDS}
        return match | {name: places[match[name]] for name, places in words.items()}


class ItemTally:
    """One item that was hit.

    Attributes:
        kinds: By verdict, the kinds of its matches as bits.
        rows: By source, rows by verdict.
        best: Its strongest match; None for a copy of another item, which has it.
    """

    def __init__(self) -> None:
        self.kinds = [0, 0]
        self.rows: dict[int, list[int]] = {}
        self.best: Best | None = None

    @property
    def verdict(self) -> int:
        """Return CONTAMINATED or SUSPECT."""
        return CONTAMINATED if self.kinds[CONTAMINATED] else SUSPECT

    @property
    def kind(self) -> str:
        """Return the strongest kind of its matches that have its verdict."""
        bits = self.kinds[self.verdict]
        return MATCH_KINDS[(bits & -bits).bit_length() - 1]

    def see(self, best: Best) -> None:
        """Take a match as the best if it is stronger."""
        if self.best is None or best.rank < self.best.rank:
            self.best = best


class BenchmarkTally:
    """One benchmark and split.

    Attributes:
        items: Those that were hit, by id.
        rows: By source, rows by verdict.
        alone: By source, contaminated rows that no other benchmark contaminates.
        sides: Contaminated rows by what matched, see `SIDES`.
        roles, kinds, modes: Rows by verdict and role (rule) of any match with the row's verdict,
            or the strongest kind of those.
    """

    def __init__(self) -> None:
        self.items: dict[str, ItemTally] = {}
        self.rows: dict[int, list[int]] = {}
        self.alone: Counter[int] = Counter()
        self.sides: Counter[str] = Counter()
        self.roles: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.kinds: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
        self.modes: tuple[Counter[str], Counter[str]] = (Counter(), Counter())


class LeakTally:
    """All benchmarks.

    Attributes:
        rows: By source, rows by verdict; a row that several benchmarks hit counts once.
        benchmarks: By name and split.
    """

    def __init__(self) -> None:
        self.rows: dict[int, list[int]] = {}
        self.benchmarks: dict[tuple[str, str], BenchmarkTally] = {}

    def add(self, matches: pa.RecordBatch, source: int) -> None:
        """Count a block.

        Args:
            matches: Columns of `MATCHES`, in any order; all matches of any row that is in it.
            source: The number of the source that its rows are from.

        Raises:
            ValueError: A column is missing, or a verdict or kind is none of those known.
        """
        if matches.num_rows == 0:
            return
        block = MatchBlock(matches)
        _add(self.rows, source, block.rows())
        for code, key in enumerate(block.benchmarks):
            self._add_rows(self._of(key), block, code, source)
        self._add_items(block, source)

    def _of(self, key: tuple[str, str]) -> BenchmarkTally:
        return self.benchmarks.setdefault(key, BenchmarkTally())

    def _add_rows(self, tally: BenchmarkTally, block: MatchBlock, code: int, source: int) -> None:
        _add(tally.rows, source, block.rows(code))
        alone = block.rows_alone(code)
        if alone:
            tally.alone[source] += alone
        for side, rows in block.rows_by_side(code):
            tally.sides[side] += rows
        for counters, found in (
            (tally.kinds, block.rows_by_kind(code)),
            (tally.roles, block.rows_by_role(code)),
            (tally.modes, block.rows_by_mode(code)),
        ):
            for verdict, name, rows in found:
                counters[verdict][name] += rows

    def _add_items(self, block: MatchBlock, source: int) -> None:
        for item in block.items():
            tally = self._of(item.benchmark).items.setdefault(item.id, ItemTally())
            for verdict in (SUSPECT, CONTAMINATED):
                tally.kinds[verdict] |= item.kinds[verdict]
            _add(tally.rows, source, item.rows)
            tally.see(Best(source, item.match))

    def add_copies(self, benchmark: tuple[str, str], copies: Iterable[tuple[str, str]]) -> None:
        """Count items whose text another one has as hit with it; once all parts are merged.

        Args:
            benchmark: Its name and split.
            copies: (id of the copy, id of the item that was searched for).
        """
        items = self._of(benchmark).items if benchmark in self.benchmarks else {}
        for copy, twin in copies:
            if twin in items:
                tally = items[copy] = ItemTally()
                tally.kinds = list(items[twin].kinds)
                tally.rows = {source: list(rows) for source, rows in items[twin].rows.items()}

    def merge(self, other: Self) -> None:
        """Add what another part counted."""
        for source, rows in other.rows.items():
            _add(self.rows, source, rows)
        for key, theirs in other.benchmarks.items():
            mine = self._of(key)
            for source, rows in theirs.rows.items():
                _add(mine.rows, source, rows)
            mine.alone.update(theirs.alone)
            mine.sides.update(theirs.sides)
            for name in ("roles", "kinds", "modes"):
                for ours, counts in zip(getattr(mine, name), getattr(theirs, name), strict=True):
                    ours.update(counts)
            for item_id, item in theirs.items.items():
                tally = mine.items.setdefault(item_id, ItemTally())
                tally.kinds = [a | b for a, b in zip(tally.kinds, item.kinds, strict=True)]
                for source, rows in item.rows.items():
                    _add(tally.rows, source, rows)
                if item.best is not None:
                    tally.see(item.best)

    def to_json(self) -> dict[str, Any]:
        """Return everything counted, for JSON; equal counts are written equally."""
        return {
            "rows": _sorted_rows(self.rows),
            "benchmarks": [
                {
                    "name": name,
                    "split": split,
                    "rows": _sorted_rows(tally.rows),
                    "alone": sorted([source, rows] for source, rows in tally.alone.items()),
                    "sides": dict(sorted(tally.sides.items())),
                    "roles": [dict(sorted(counts.items())) for counts in tally.roles],
                    "kinds": [dict(sorted(counts.items())) for counts in tally.kinds],
                    "modes": [dict(sorted(counts.items())) for counts in tally.modes],
                    "items": [_item_facts(i, item) for i, item in sorted(tally.items.items())],
                }
                for (name, split), tally in sorted(self.benchmarks.items())
            ],
        }

    @classmethod
    def from_json(cls, facts: Mapping[str, Any]) -> Self:
        """Return the tally that `to_json` wrote."""
        made = cls()
        made.rows = {source: rows for source, *rows in facts["rows"]}
        for one in facts["benchmarks"]:
            tally = made._of((one["name"], one["split"]))
            tally.rows = {source: rows for source, *rows in one["rows"]}
            tally.alone = Counter(dict(one["alone"]))
            tally.sides = Counter(one["sides"])
            tally.roles, tally.kinds, tally.modes = (
                (Counter(one[name][SUSPECT]), Counter(one[name][CONTAMINATED]))
                for name in ("roles", "kinds", "modes")
            )
            for item_id, kinds, rows, source, values in one["items"]:
                item = tally.items[item_id] = ItemTally()
                item.kinds, item.rows = list(kinds), {number: each for number, *each in rows}
                item.best = Best(source, tuple(values))
        return made


def _item_facts(item_id: str, item: ItemTally) -> list[Any]:
    assert item.best is not None
    rows, best = _sorted_rows(item.rows), item.best
    return [item_id, item.kinds, rows, best.source, list(best.values)]


def _sorted_rows(rows: Mapping[int, list[int]]) -> list[list[int]]:
    return [[source, *rows[source]] for source in sorted(rows)]


def _add(counts: dict[int, list[int]], source: int, rows: list[int]) -> None:
    """Add rows by verdict to those of a source."""
    before = counts.get(source, [0, 0])
    counts[source] = [a + b for a, b in zip(before, rows, strict=True)]
