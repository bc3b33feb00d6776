"""What `plan.quality` of the jobs that judge rows holds: distributions, rules, examples, totals.

Histograms of one signal have the same bins for all sources, so that they can be compared and added.
"""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import model_validator

from thresher.report.strict import Count, Strict

Value = bool | int | float | str | None


class ScoringModel(Strict):
    """A model whose scores are signals."""

    name: str
    version: str
    hash: str


class Nearby(Strict):
    """A row close to a rule's threshold."""

    id: str
    value: Value
    text: str


class RuleFigures(Strict):
    """What a rule did: `alone` counts rows that no other rule removes or would have removed.

    `failed` and `passed` are the rows closest to the threshold on either side.
    """

    name: str
    signal: str
    text: str
    action: Literal["remove", "tag"]
    low: float | None
    high: float | None
    judged: Count
    fired: Count
    alone: Count
    fired_by_source: tuple[Count, ...]
    failed: tuple[Nearby, ...]
    passed: tuple[Nearby, ...]


class Spread(Strict):
    """One signal's values in one source; `kept` and `removed` count rows by bin or label.

    Low, median and high are the quantiles 0.1, 0.5 and 0.9, estimated within their bin.
    """

    rows: Count
    nulls: Count
    least: float | None = None
    most: float | None = None
    mean: float | None = None
    low: float | None = None
    median: float | None = None
    high: float | None = None
    zeros: Count | None = None
    ones: Count | None = None
    kept: tuple[Count, ...]
    removed: tuple[Count, ...]


class SignalFigures(Strict):
    """One signal: `edges` of its bins, or its most frequent `labels`, and a spread by source."""

    name: str
    kind: Literal["flag", "count", "share", "number", "label"]
    group: str
    about: str
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()
    cut: bool = False
    whole: Spread
    spreads: tuple[Spread, ...]

    @model_validator(mode="after")
    def _as_many_counts_as_bins(self) -> Self:
        bins = len(self.labels) if self.kind in ("flag", "label") else max(len(self.edges) - 1, 0)
        for spread in (self.whole, *self.spreads):
            if not len(spread.kept) == len(spread.removed) == bins:
                raise ValueError(f"{self.name}: a spread without exactly {bins} counts")
        if any(a >= b for a, b in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError(f"{self.name}: edges must increase")
        return self


class TokenTotals(Strict):
    """Tokens of one source, by signal."""

    source: str
    kept: dict[str, Count]
    removed: dict[str, Count]


class Comparison(Strict):
    """How often the left of two signals is larger than the right, by source and over all."""

    left: str
    right: str
    larger: tuple[Count, ...]
    equal: tuple[Count, ...]
    smaller: tuple[Count, ...]


class JudgedSource(Strict):
    """Rows of one source."""

    name: str
    kept: Count
    removed: Count


class Quality(Strict):
    """Everything the page shows of a run of rules.

    `together[i][j]` are rows that failed the rules i and j; sources with few rows may be joined.
    """

    profile: str
    about: str
    options: dict[str, Any]
    models: tuple[ScoringModel, ...]
    sources: tuple[JudgedSource, ...]
    rules: tuple[RuleFigures, ...]
    together: tuple[tuple[Count, ...], ...]
    signals: tuple[SignalFigures, ...]
    tokens: tuple[TokenTotals, ...]
    tokens_estimated: bool
    languages: tuple[str, ...]
    lengths: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    warnings: tuple[str, ...]

    @model_validator(mode="after")
    def _of_one_size(self) -> Self:
        rules, sources = len(self.rules), len(self.sources)
        if len(self.together) != rules or any(len(row) != rules for row in self.together):
            raise ValueError(f"overlaps are not those of {rules} rules")
        if any(len(signal.spreads) != sources for signal in self.signals) or any(
            len(rule.fired_by_source) != sources for rule in self.rules
        ):
            raise ValueError(f"figures are not those of {sources} sources")
        return self
