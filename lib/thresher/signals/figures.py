"""What a run of rules has to show: every signal's distribution, every rule's rows and examples.

A worker fills its `Figures` block by block; the figures of parts are merged. All of it is integers,
extremes and rows in a total order, so the result is the same for any cut of the rows into parts and
any order of merging.

Shapes: R rows, N rules, S signals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.signals.nearest import Block, Names, Nearest
from thresher.signals.signal import Kind, Signal
from thresher.signals.tallies import Numbers, Words, buffers, tally_of

Column = np.ndarray[Any, Any]

# Signals that are shown beside one another where a profile computes both: which is longer?
COMPARED = (("chosen_words", "rejected_words"), ("chosen_score", "rejected_score"))


class RuleFacts(NamedTuple):
    """A rule as far as figures about it go.

    Args:
        name: Its name in the profile.
        signal: The signal it judges.
        low: A value below fails; None: no such threshold, as for flags and labels.
        high: A value above fails.
        action: What becomes of a row that fails.
        text: The rule in words, such as "words at least 50".
    """

    name: str
    signal: str
    low: float | None
    high: float | None
    action: Literal["remove", "tag"]
    text: str


class Figures:
    """Figures of a part of the rows.

    Args:
        signals: The signals that are computed.
        rules: The rules in force; each names one of the signals.
        compared: Pairs of signals to count which is larger; those not computed are left out.

    Attributes:
        rows: Rows removed and kept.
        tallies: By signal, how its values are distributed.
        judged: (N,) rows with a value for the rule's signal.
        fired: (N,) rows that failed the rule.
        alone: (N,) rows that failed it and no other rule that removes.
        together: (N, N) rows that failed both.
        nearest: By rule, the rows closest to its threshold.
        larger: By compared pair, rows where left is larger, both are equal, right is larger.
    """

    def __init__(
        self,
        signals: Sequence[Signal],
        rules: Sequence[RuleFacts],
        compared: Sequence[tuple[str, str]] = COMPARED,
    ) -> None:
        self.signals = {signal.name: signal for signal in signals}
        self.rules = tuple(rules)
        if missing := [rule.signal for rule in rules if rule.signal not in self.signals]:
            raise ValueError(f"rules on signals that are not computed: {', '.join(missing)}")
        count = len(self.rules)
        self.rows = np.zeros(2, np.int64)
        self.tallies: dict[str, Numbers | Words] = {
            signal.name: tally_of(signal.kind) for signal in signals
        }
        self.judged, self.fired, self.alone = np.zeros((3, count), np.int64)
        self.together = np.zeros((count, count), np.int64)
        self.nearest = [Nearest(rule.low, rule.high) for rule in self.rules]
        self.larger = {
            pair: np.zeros(3, np.int64) for pair in compared if self.signals.keys() >= set(pair)
        }
        for left, right in self.larger:
            kinds = {self.signals[left].kind, self.signals[right].kind}
            if len(kinds) > 1 or kinds & {Kind.FLAG, Kind.LABEL}:
                raise ValueError(f"{left} and {right} cannot be compared: {', '.join(kinds)}")
        self._removing = np.array([rule.action == "remove" for rule in self.rules], bool)

    def add(
        self,
        values: pa.RecordBatch,
        fired: Column,
        judged: Column,
        kept: Column,
        *,
        positions: Column,
        names: Names,
        texts: pa.Array,
    ) -> None:
        """Count a block of R rows.

        Args:
            values: The signals' columns, of the kinds' types.
            fired: (N, R) bool: the row failed the rule.
            judged: (N, R) bool: the signal's value is not null.
            kept: (R,) bool: what became of the row.
            positions: (R,) integers in the order of the input, unique over all parts.
            names: Gives the ids of a few rows, by their numbers in the block: `ids.take` will do.
            texts: What is shown of a row that is an example.
        """
        expected = (len(self.rules), values.num_rows)
        if fired.shape != expected or judged.shape != expected:
            raise ValueError(f"verdicts are {fired.shape} and {judged.shape}, expected {expected}")
        if not values.num_rows:
            return
        kept = np.ascontiguousarray(kept, bool)
        self.rows += np.bincount(kept, minlength=2)
        for name, tally in self.tallies.items():
            tally.add(values.column(name), kept)
        for left, right in self.larger:
            self.larger[left, right] += _larger(values.column(left), values.column(right))
        self._count_rules(fired, judged)
        block = Block(np.ascontiguousarray(positions).astype(np.int64), names, texts)
        self._add_examples(values, fired, judged, block)

    def _count_rules(self, fired: Column, judged: Column) -> None:
        self.judged += np.count_nonzero(judged, axis=1)
        removing = fired[self._removing].sum(axis=0, dtype=np.uint16)
        packed_NW = _packed(fired)
        lonely_2W = _packed(np.stack([removing == 0, removing == 1]))
        for number, words in enumerate(packed_NW):
            both = np.bitwise_count(words & packed_NW[number:]).sum(axis=1, dtype=np.int64)
            self.together[number, number:] += both
            self.together[number + 1 :, number] += both[1:]
            self.fired[number] += both[0]
            others = lonely_2W[int(self._removing[number])]
            self.alone[number] += int(np.bitwise_count(words & others).sum(dtype=np.int64))

    def _add_examples(
        self, values: pa.RecordBatch, fired: Column, judged: Column, block: Block
    ) -> None:
        numbers: dict[str, Column] = {}
        for number, rule in enumerate(self.rules):
            column = values.column(rule.signal)
            if rule.signal not in numbers:
                numbers[rule.signal] = _as_numbers(column, self.signals[rule.signal].kind)
            self.nearest[number].add(
                numbers[rule.signal],
                column,
                np.ascontiguousarray(fired[number]),
                np.ascontiguousarray(judged[number]),
                block,
            )

    def merge(self, other: Self) -> None:
        """Add the figures of another part of the rows, of the same signals and rules.

        Raises:
            ValueError: The signals or rules differ.
        """
        if self.signals != other.signals or self.rules != other.rules:
            raise ValueError("figures of different signals or rules do not add up")
        self.rows += other.rows
        self.judged += other.judged
        self.fired += other.fired
        self.alone += other.alone
        self.together += other.together
        for name, tally in self.tallies.items():
            tally.merge(other.tallies[name])  # type: ignore[arg-type]  # same signal, same class
        for mine, nearest in zip(self.nearest, other.nearest, strict=True):
            mine.merge(nearest)
        for pair, counts in other.larger.items():
            self.larger[pair] += counts

    def to_json(self) -> dict[str, Any]:
        """Return everything counted, for JSON; signals and rules are not repeated."""
        return {
            "rows": self.rows.tolist(),
            "signals": {name: tally.to_json() for name, tally in self.tallies.items()},
            "rules": {
                rule.name: {
                    "judged": int(self.judged[number]),
                    "fired": int(self.fired[number]),
                    "alone": int(self.alone[number]),
                    "together": self.together[number].tolist(),
                    "nearest": self.nearest[number].to_json(),
                }
                for number, rule in enumerate(self.rules)
            },
            "larger": [[*pair, *counts.tolist()] for pair, counts in self.larger.items()],
        }

    @classmethod
    def from_json(
        cls, signals: Sequence[Signal], rules: Sequence[RuleFacts], facts: Mapping[str, Any]
    ) -> Self:
        """Return the figures that `to_json` wrote.

        Raises:
            ValueError: They are of other signals or rules.
        """
        compared = [(left, right) for left, right, *_ in facts["larger"]]
        made = cls(signals, rules, compared)
        names = [*made.tallies], [rule.name for rule in made.rules]
        if ([*facts["signals"]], [*facts["rules"]]) != names:
            raise ValueError("figures of other signals or rules")
        made.rows[:] = facts["rows"]
        for name, tally in made.tallies.items():
            tally.load(facts["signals"][name])
        for number, rule in enumerate(made.rules):
            of_rule = facts["rules"][rule.name]
            made.judged[number] = of_rule["judged"]
            made.fired[number] = of_rule["fired"]
            made.alone[number] = of_rule["alone"]
            made.together[number] = of_rule["together"]
            made.nearest[number].load(of_rule["nearest"])
        for left, right, *counts in facts["larger"]:
            made.larger[left, right][:] = counts
        return made

    def warnings(self) -> list[str]:
        """Name the rules that decide nothing: no row or every row fails them, or none is judged."""
        return [
            warning
            for number, rule in enumerate(self.rules)
            if (warning := self._warning(number, rule)) is not None
        ]

    def _warning(self, number: int, rule: RuleFacts) -> str | None:
        rows, judged, fired = (
            int(self.rows.sum()),
            int(self.judged[number]),
            int(self.fired[number]),
        )
        if not rows:
            return None
        if fired == rows:
            return f"rule {rule.name} ({rule.text}) fired on all {rows:,} rows"
        if not judged and not fired:
            return f"rule {rule.name} ({rule.text}) judged no row: none has a figure {rule.signal}"
        if judged and fired >= judged:
            return f"rule {rule.name} ({rule.text}) fired on all {judged:,} rows with a value"
        if not fired:
            return f"rule {rule.name} ({rule.text}) fired on none of {judged:,} rows"
        return None


def _packed(flags: Column) -> Column:
    """Return flags as words of sixty-four."""
    packed = np.packbits(flags, axis=1)
    padded = np.zeros((len(flags), -(-flags.shape[1] // 64) * 8), np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def _as_numbers(column: pa.Array, kind: Kind) -> Column:
    if kind in (Kind.FLAG, Kind.LABEL):
        return np.zeros(len(column))
    numbers: Column = buffers(column)[0].astype(np.float64, copy=False)
    return numbers


def _larger(left: pa.Array, right: pa.Array) -> Column:
    counts = [
        pc.sum(pc.fill_null(compare(left, right), False)).as_py() or 0
        for compare in (pc.greater, pc.equal, pc.less)
    ]
    return np.array(counts, np.int64)
