"""What the section on quality shows: cards, tables and examples, within fixed bounds of size.

Whatever the data holds, examples together stay below a number of bytes as they are written in the
page, and charts by source below a number of charts; what is left out is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import escape

from thresher.report import figures
from thresher.report.multiples import Axis, Steps, outlines, short, steps, ticks
from thresher.report.quality import (
    Comparison,
    Nearby,
    Quality,
    RuleFigures,
    SignalFigures,
    Spread,
    Value,
)

_EXAMPLE_BYTES = 350_000
_MOST_RULES, _MOST_OVERLAPS = 100, 20
_MOST_SIGNALS, _MOST_STRIPS = 150, 400
_MOST_LABELS, _MOST_LANGUAGES = 10, 8
_NAME_CHARS, _TAIL_CHARS = 80, 18  # of paths, the ends differ
_SHADES = 5
_STRIP_BINS = 26


@dataclass(frozen=True)
class Row:
    """One line of a card: a source or a label, kept and removed in per cent of the longest."""

    name: str
    value: str
    kept: float = 0.0
    removed: float = 0.0
    strip: Steps | None = None


@dataclass(frozen=True)
class Card:
    """One signal: a chart or bars, what it counts, its figures in words, and by source."""

    name: str
    about: str
    rules: list[str]
    summary: str
    chart: Steps | None
    labels: list[Row]
    sources: list[Row]
    num_sources: int


def quality_context(quality: Quality, sections: int = 1) -> dict[str, Any]:
    """Return what the section needs; `sections` of them share the room that there is."""
    ranked = sorted(quality.rules, key=lambda r: (r.action == "tag", -r.fired, r.name))
    failed = sum(source.removed for source in quality.sources)
    deciding = {rule.signal for rule in quality.rules}
    found = [s for s in quality.signals if s.whole.rows or s.name in deciding]
    shown = found[:_MOST_SIGNALS]
    strips = max(3, min(12, _MOST_STRIPS // max(sections * len(shown), 1)))
    cards = {s.name: _card(s, quality, strips) for s in shown}
    rest = [s for s in shown if s.name not in deciding and s.name not in quality.lengths]
    return {
        "quality": quality,
        "reasons": _reasons(ranked[:_MOST_RULES]),
        "judged_rows": sum(s.kept + s.removed for s in quality.sources),
        "failed_rows": failed,
        "shared_rows": failed - sum(r.alone for r in ranked if r.action == "remove"),
        "quality_options": _options(quality.options),
        "ranked_rules": ranked[:_MOST_RULES],
        "rule_examples": list(_examples(ranked[:_MOST_RULES], _EXAMPLE_BYTES // sections)),
        "overlaps": _overlaps(quality),
        "token_table": _tokens(quality),
        "language_tables": [
            _languages(s, quality) for s in shown if s.whole.rows and s.name in quality.languages
        ],
        "comparisons": [
            _compared(c, quality)
            for c in quality.comparisons
            if any(c.larger) or any(c.equal) or any(c.smaller)
        ],
        "length_cards": [cards[name] for name in quality.lengths if name in cards],
        "rule_cards": [
            cards[s.name] for s in shown if s.name in deciding and s.name not in quality.lengths
        ],
        "other_cards": [
            (group, [cards[s.name] for s in rest if s.group == group])
            for group in dict.fromkeys(s.group for s in rest)
        ],
        "num_signals": (len(shown), len(found)),
        "without_rows": [s.name for s in quality.signals if not s.whole.rows],
    }


def _reasons(rules: Sequence[RuleFigures]) -> list[tuple[RuleFigures, float, float]]:
    """Rules that fired, with the lengths of their bars: alone, and with others, in per cent."""
    most = max((rule.fired for rule in rules), default=0)
    return [
        (rule, round(100 * rule.alone / most, 2), round(100 * rule.fired / most, 2))
        for rule in rules
        if rule.fired
    ]


def _options(options: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (name, figures.cut(value if isinstance(value, str) else json.dumps(value), 300))
        for name, value in [*options.items()][:_MOST_RULES]
    ]


def _examples(
    rules: Iterable[RuleFigures], room: int
) -> Iterator[tuple[RuleFigures, list[Nearby], list[Nearby], int]]:
    """Give each rule's examples, as long as there is room; the last figure counts what is not."""
    for rule in rules:
        sides: tuple[list[Nearby], list[Nearby]] = ([], [])
        left_out = 0
        for side, examples in zip(sides, (rule.failed, rule.passed), strict=True):
            for example in examples:
                size = sum(_written(part) for part in (example.id, example.text, example.value))
                if size > room:
                    left_out += 1
                else:
                    room -= size
                    side.append(example)
        yield rule, *sides, left_out


def shown_value(value: Value) -> str:
    """Write a figure of one row."""
    if value is None:
        return "no figure"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return figures.count(value)
    return f"{value:.6g}" if isinstance(value, float) else value


def _written(value: Value) -> int:
    return len(str(escape(figures.visible(str(value)))).encode())


def _overlaps(quality: Quality) -> dict[str, Any] | None:
    """The rules that fire most against one another: share of the row's rule, and its shade."""
    fired = sorted(
        (i for i, rule in enumerate(quality.rules) if rule.fired),
        key=lambda i: -quality.rules[i].fired,
    )
    chosen = fired[:_MOST_OVERLAPS]
    if len(chosen) < 2:
        return None
    rows = []
    for i in chosen:
        cells = []
        for j in chosen:
            both, whole = quality.together[i][j], quality.rules[i].fired
            shade = 0 if i == j or not both else 1 + min(both * _SHADES // whole, _SHADES - 1)
            cells.append((both, whole, shade, i == j))
        rows.append((quality.rules[i], cells))
    return {"rows": rows, "rules": [quality.rules[i] for i in chosen], "all": len(fired)}


def _tokens(quality: Quality) -> dict[str, Any] | None:
    if not quality.tokens:
        return None
    names = [*quality.tokens[0].kept]
    lines = [
        (t.source, [(t.kept.get(name, 0), t.removed.get(name, 0)) for name in names])
        for t in quality.tokens
    ]
    total = [
        (sum(cells[i][0] for _, cells in lines), sum(cells[i][1] for _, cells in lines))
        for i in range(len(names))
    ]
    return {"names": names, "lines": lines, "total": total}


def _languages(signal: SignalFigures, quality: Quality) -> dict[str, Any]:
    """Rows by source and label, kept and removed together; the last column counts other labels."""
    shown = len(signal.labels[:_MOST_LANGUAGES])

    def cells(spread: Spread) -> list[int]:
        totals = [a + b for a, b in zip(spread.kept, spread.removed, strict=True)][:shown]
        return [*totals, spread.rows - sum(totals), spread.nulls]

    lines = [
        (source.name, spread.rows + spread.nulls, cells(spread))
        for source, spread in zip(quality.sources, signal.spreads, strict=True)
    ]
    whole = signal.whole
    return {
        "signal": signal,
        "labels": signal.labels[:_MOST_LANGUAGES],
        "lines": [*lines, ("All", whole.rows + whole.nulls, cells(whole))],
    }


def _compared(comparison: Comparison, quality: Quality) -> dict[str, Any]:
    """Two signals over the same bins, and how often the left is larger."""
    by_name = {signal.name: signal for signal in quality.signals}
    signals = by_name[comparison.left], by_name[comparison.right]
    counts = [[a + b for a, b in zip(s.whole.kept, s.whole.removed, strict=True)] for s in signals]
    axis = Axis(signals[0].edges, signals[0].kind == "count")
    lines = [
        (source.name, *outcome)
        for source, *outcome in zip(
            quality.sources, comparison.larger, comparison.equal, comparison.smaller, strict=True
        )
    ]
    total = tuple(map(sum, (comparison.larger, comparison.equal, comparison.smaller)))
    return {
        "left": signals[0],
        "right": signals[1],
        "paths": outlines(axis, counts),
        "ticks": ticks(axis),
        "total": total,
        "lines": lines if len(lines) > 1 else [],
    }


def _card(signal: SignalFigures, quality: Quality, most_sources: int) -> Card:
    limits = [
        (rule.low, _above(rule.high, signal.kind), f"{rule.name}: {rule.text}")
        for rule in quality.rules
        if rule.signal == signal.name
    ]
    drawn = signal.kind not in ("flag", "label")
    whole = signal.whole
    chart = None
    if drawn and whole.rows:
        axis = Axis(signal.edges, signal.kind == "count")
        chart = steps(axis, whole.kept, whole.removed, limits)
    return Card(
        name=signal.name,
        about=signal.about,
        rules=[f"{r.name}: {r.text}" for r in quality.rules if r.signal == signal.name],
        summary=_summary(whole),
        chart=chart,
        labels=[] if drawn else _label_rows(signal),
        sources=_source_rows(signal, quality, most_sources),
        num_sources=len(signal.spreads),
    )


def _above(high: float | None, kind: str) -> float | None:
    """Return where failing begins: of whole numbers, with the next one."""
    return high + 1 if high is not None and kind == "count" and high == int(high) else high


def _summary(spread: Spread) -> str:
    parts = []
    if spread.median is not None and spread.low is not None and spread.high is not None:
        parts.append(f"median {short(spread.median)}")
        if spread.low < spread.high:
            parts.append(f"80 % of rows {short(spread.low)} to {short(spread.high)}")
    if spread.mean is not None:
        parts.append(f"mean {short(spread.mean)}")
    if spread.least is not None and spread.most is not None:
        parts.append(f"from {short(spread.least)} to {short(spread.most)}")
    if spread.zeros:
        parts.append(f"exactly 0 in {figures.share(spread.zeros, spread.rows)}")
    if spread.ones:
        parts.append(f"exactly 1 in {figures.share(spread.ones, spread.rows)}")
    if spread.nulls:
        parts.append(f"{figures.count(spread.nulls)} rows without a figure")
    return "; ".join(parts)


def _label_rows(signal: SignalFigures) -> list[Row]:
    whole = signal.whole
    most = max((a + b for a, b in zip(whole.kept, whole.removed, strict=True)), default=0) or 1
    rows = [
        Row(
            figures.cut(label, _NAME_CHARS) if label.strip() else "(blank)",
            f"{figures.count(kept + removed)} · {figures.share(kept + removed, whole.rows)}",
            round(100 * kept / most, 2),
            round(100 * removed / most, 2),
        )
        for label, kept, removed in zip(signal.labels, whole.kept, whole.removed, strict=True)
    ][:_MOST_LABELS]
    shown = sum(whole.kept[:_MOST_LABELS]) + sum(whole.removed[:_MOST_LABELS])
    if whole.rows > shown:
        others = whole.rows - shown
        rows.append(Row("others", f"{figures.count(others)} · {figures.share(others, whole.rows)}"))
    return rows


def _source_rows(signal: SignalFigures, quality: Quality, most: int) -> list[Row]:
    """One line for each of the largest sources, in their order."""
    if len(quality.sources) < 2:
        return []
    pairs = list(zip(quality.sources, signal.spreads, strict=True))
    largest = sorted(range(len(pairs)), key=lambda i: (-pairs[i][1].rows, i))[:most]
    return [_source_row(signal, pairs[i][0].name, pairs[i][1]) for i in sorted(largest)]


def _source_row(signal: SignalFigures, name: str, spread: Spread) -> Row:
    name = name if len(name) <= _TAIL_CHARS else f"…{name[-_TAIL_CHARS + 1 :]}"
    if not spread.rows:
        return Row(name, "no row")
    if signal.kind in ("flag", "label"):
        totals = [a + b for a, b in zip(spread.kept, spread.removed, strict=True)]
        best = 1 if signal.kind == "flag" else totals.index(max(totals))
        label = figures.cut(signal.labels[best], _NAME_CHARS)
        return Row(name, f"{label} {figures.share(totals[best], spread.rows)}")
    joined = 2 if len(spread.kept) > _STRIP_BINS else 1
    kept, removed = _joined(spread.kept, joined), _joined(spread.removed, joined)
    edges = [*signal.edges[:-1:joined], signal.edges[-1]]
    return Row(name, short(spread.median or 0.0), strip=steps(Axis(edges), kept, removed))


def _joined(counts: Sequence[int], by: int) -> list[int]:
    return [sum(counts[i : i + by]) for i in range(0, len(counts), by)]
