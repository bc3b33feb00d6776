"""Rules: bounds on signals. A row fails a rule when its figure lies outside.

A rule looks at figures only, never at text, so thresholds can be changed without reading the text
again. A figure that a row does not have passes, unless the rule says otherwise.

Shapes: R rows, K rules.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ConfigDict, Field, model_validator

from thresher.params import Params
from thresher.signals.signal import Kind, Signal

Column = np.ndarray[Any, Any]
_NUMERIC = (Kind.COUNT, Kind.SHARE, Kind.NUMBER)


class Bounds(Params):
    """What a figure has to be."""

    model_config = ConfigDict(populate_by_name=True)

    min: float | None = Field(
        None, allow_inf_nan=False, description="The lowest figure that passes."
    )
    max: float | None = Field(
        None, allow_inf_nan=False, description="The highest figure that passes."
    )
    any_of: tuple[str, ...] | None = Field(None, description="Labels that pass.")
    none_of: tuple[str, ...] | None = Field(None, description="Labels that do not pass.")
    is_: bool | None = Field(None, alias="is", description="What a flag has to be.")

    @model_validator(mode="after")
    def _some(self) -> Bounds:
        given = [self.min, self.max, self.any_of, self.none_of, self.is_]
        if all(bound is None for bound in given):
            raise ValueError("no bound: give min, max, any_of, none_of or is")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}: every row would fail")
        return self

    def problem(self, signal: Signal) -> str | None:
        """Say why these bounds do not suit a signal, or None."""
        numeric = self.min is not None or self.max is not None
        labels = self.any_of is not None or self.none_of is not None
        if numeric and signal.kind not in _NUMERIC:
            return f"{signal.name} is a {signal.kind}, not a number: min and max do not apply"
        if labels and signal.kind is not Kind.LABEL:
            return f"{signal.name} is a {signal.kind}, not a label: any_of, none_of do not apply"
        if self.is_ is not None and signal.kind is not Kind.FLAG:
            return f"{signal.name} is a {signal.kind}, not a flag: is does not apply"
        return None

    def outside(self, values: pa.Array) -> Column:
        """(R,) figures that are known and lie outside."""
        failed = np.zeros(len(values), bool)
        tests = []
        if self.min is not None:
            tests.append(pc.less(values, self.min))
        if self.max is not None:
            tests.append(pc.greater(values, self.max))
        if self.any_of is not None:
            known = pa.array(self.any_of, pa.string())
            tests.append(pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=known))))
        if self.none_of is not None:
            tests.append(pc.is_in(values, value_set=pa.array(self.none_of, pa.string())))
        if self.is_ is not None:
            tests.append(pc.not_equal(values, self.is_))
        for test in tests:
            failed |= np.asarray(pc.fill_null(test, False))
        return failed

    def words(self) -> str:
        """Say in words what passes."""
        parts = []
        if self.min is not None:
            parts.append(f">= {self.min:g}")
        if self.max is not None:
            parts.append(f"<= {self.max:g}")
        if self.any_of is not None:
            parts.append(f"one of {', '.join(self.any_of)}")
        if self.none_of is not None:
            parts.append(f"none of {', '.join(self.none_of)}")
        if self.is_ is not None:
            parts.append("yes" if self.is_ else "no")
        return " and ".join(parts)


class Rule(Bounds):
    """One rule of a profile."""

    signal: str = Field(description="The figure that decides.")
    null: Literal["pass", "fail"] = Field(
        "pass", description="What becomes of rows that have no such figure."
    )
    when: dict[str, Bounds] = Field(
        {}, description="The rule holds only for rows whose other figures lie inside these bounds."
    )
    action: Literal["remove", "tag"] = Field(
        "remove", description="remove, or tag: counted and reported, but the row stays."
    )

    @property
    def signals(self) -> tuple[str, ...]:
        """All figures that the rule looks at."""
        return (self.signal, *self.when)

    def sentence(self) -> str:
        """Say what passes, in words."""
        text = f"{self.signal} {self.words()}"
        if self.when:
            text += ", where " + " and ".join(f"{n} {b.words()}" for n, b in self.when.items())
        return text


class Judgement(NamedTuple):
    """What rules say about rows.

    Args:
        failed: (K, R) rules that rows fail.
        judged: (K, R) rules that hold for the row and whose figure is known.
        removed: (R,) rows that fail a rule which removes.
    """

    failed: Column
    judged: Column
    removed: Column


def judge(rules: Sequence[Rule], values: Mapping[str, pa.Array], count: int) -> Judgement:
    """Apply rules to the figures of R = `count` rows."""
    failed = np.zeros((len(rules), count), bool)
    judged = np.zeros((len(rules), count), bool)
    removed = np.zeros(count, bool)
    for number, rule in enumerate(rules):
        column = values[rule.signal]
        known = np.asarray(pc.is_valid(column))
        holds = np.ones(count, bool)
        for name, bounds in rule.when.items():
            other = values[name]
            holds &= np.asarray(pc.is_valid(other)) & ~bounds.outside(other)
        judged[number] = known & holds
        failed[number] = rule.outside(column) & holds
        if rule.null == "fail":
            failed[number] |= ~known & holds
        if rule.action == "remove":
            removed |= failed[number]
    return Judgement(failed, judged, removed)
