"""Makes `plan.quality` of a report from the figures that workers counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from thresher.report.axes import shown_edges
from thresher.report.quality import Quality
from thresher.signals import bins
from thresher.signals.figures import Figures
from thresher.signals.nearest import Example
from thresher.signals.signal import Kind, Signal
from thresher.signals.tallies import Numbers, Words

Column = np.ndarray[Any, Any]

MOST_SOURCES = 40  # the rest are one: the report grows with sources times signals
MOST_LABELS = 50

# Shown as figures of the rows themselves, where a profile computes them.
LENGTHS = (
    "turns",
    "prompt_tokens",
    "context_tokens",
    "response_tokens",
    "tokens",
    "prompt_words",
    "context_words",
    "response_words",
    "words",
)


def quality_section(
    parts: Sequence[tuple[str, Figures]],
    *,
    profile: str,
    about: str = "",
    options: Mapping[str, Any] | None = None,
    models: Iterable[Mapping[str, str]] = (),
    tokens_estimated: bool = False,
    warnings: Sequence[str] = (),
) -> dict[str, Any]:
    """Return what `Report.plan["quality"]` holds.

    Args:
        parts: At least one (source, figures), all of the same signals and rules.
        profile: Its name, or the file's.
        about: What it is for, in one line.
        options: The options in force.
        models: Models whose scores are signals: name, version and hash of each.
        tokens_estimated: Whether token counts are estimates, for want of a tokenizer.
        warnings: What else the reader has to know; rules that decide nothing are found here.
    """
    if not parts:
        raise ValueError("no source: figures of nothing still have signals and rules")
    whole = _merged(figures for _, figures in parts)
    sources = _few(parts)
    tokens = [s.name for s in whole.signals.values() if _counts_tokens(s)]
    facts = {
        "profile": profile,
        "about": about,
        "options": dict(options or {}),
        "models": [dict(model) for model in models],
        "sources": [
            {"name": name, "kept": int(f.rows[1]), "removed": int(f.rows[0])} for name, f in sources
        ],
        "rules": _rules(whole, sources),
        "together": whole.together.tolist(),
        "signals": _signals(whole, sources),
        "tokens": [_tokens(name, figures, tokens) for name, figures in sources if tokens],
        "tokens_estimated": tokens_estimated,
        "languages": [
            s.name for s in whole.signals.values() if s.kind is Kind.LABEL and s.group == "language"
        ],
        "lengths": [name for name in LENGTHS if name in whole.signals],
        "comparisons": [
            _comparison(pair, [figures for _, figures in sources]) for pair in whole.larger
        ],
        "warnings": [*warnings, *whole.warnings()],
    }
    return Quality.model_validate(facts).model_dump(mode="json", exclude_defaults=True)


def _merged(parts: Iterable[Figures]) -> Figures:
    first, *others = parts
    whole = Figures([*first.signals.values()], first.rules, [*first.larger])
    for part in (first, *others):
        whole.merge(part)
    return whole


def _few(parts: Sequence[tuple[str, Figures]]) -> list[tuple[str, Figures]]:
    """Join the smallest sources where there are too many; the others stay in their order."""
    if len(parts) <= MOST_SOURCES:
        return list(parts)
    by_size = sorted(range(len(parts)), key=lambda i: (-int(parts[i][1].rows.sum()), i))
    few = [parts[i] for i in sorted(by_size[: MOST_SOURCES - 1])]
    rest = [parts[i][1] for i in by_size[MOST_SOURCES - 1 :]]
    return [*few, (f"{len(rest):,} other sources", _merged(rest))]


def _counts_tokens(signal: Signal) -> bool:
    return signal.group == "tokens" and signal.kind is Kind.COUNT


def _rules(whole: Figures, sources: Sequence[tuple[str, Figures]]) -> list[dict[str, Any]]:
    return [
        rule._asdict()
        | {
            "judged": int(whole.judged[number]),
            "fired": int(whole.fired[number]),
            "alone": int(whole.alone[number]),
            "fired_by_source": [int(figures.fired[number]) for _, figures in sources],
            "failed": [_nearby(example) for example in whole.nearest[number].sides[0]],
            "passed": [_nearby(example) for example in whole.nearest[number].sides[1]],
        }
        for number, rule in enumerate(whole.rules)
    ]


def _nearby(example: Example) -> dict[str, Any]:
    return {"id": example.id, "value": example.value, "text": example.text}


def _tokens(source: str, figures: Figures, names: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {"source": source, "removed": {}, "kept": {}}
    for name in names:
        tally = figures.tallies[name]
        assert isinstance(tally, Numbers)
        found["removed"][name], found["kept"][name] = tally.sums
    return found


def _comparison(pair: tuple[str, str], parts: Sequence[Figures]) -> dict[str, Any]:
    counts = np.array([part.larger[pair] for part in parts]).T.tolist()
    larger, equal, smaller = counts
    left, right = pair
    return {"left": left, "right": right, "larger": larger, "equal": equal, "smaller": smaller}


def _signals(whole: Figures, sources: Sequence[tuple[str, Figures]]) -> list[dict[str, Any]]:
    edges = _shown(whole)
    found = []
    for name, signal in whole.signals.items():
        tallies = [whole.tallies[name], *(figures.tallies[name] for _, figures in sources)]
        if name in edges:
            bounds, spreads = _binned(tallies, signal.kind, edges[name])
        else:
            bounds, spreads = _labelled(tallies, signal.kind)
        about = {
            "name": name,
            "kind": signal.kind.value,
            "group": signal.group,
            "about": signal.about,
        }
        found.append(about | bounds | {"whole": spreads[0], "spreads": spreads[1:]})
    return found


def _shown(whole: Figures) -> dict[str, Column]:
    """Return the edges to count between, by signal; signals compared have the same ones."""
    tallies = {n: tally for n, tally in whole.tallies.items() if isinstance(tally, Numbers)}
    ranges = {name: _range(whole, name, tally) for name, tally in tallies.items()}
    counts = {name: tally.counts.sum(axis=0) for name, tally in tallies.items()}
    for left, right in whole.larger:
        lows, highs = zip(ranges[left], ranges[right], strict=True)
        ranges[left] = ranges[right] = (min(lows), max(highs))
        counts[left] = counts[right] = counts[left] + counts[right]
    return {n: shown_edges(tallies[n].kind, *ranges[n], counts[n]) for n in tallies}


def _range(whole: Figures, name: str, tally: Numbers) -> tuple[int, int]:
    """Return the bins to show: those in use, and a threshold's if it is not far away."""
    used = np.flatnonzero(tally.counts.any(axis=0))
    zero = bins.origin(tally.kind)
    first, last = (int(used[0]), int(used[-1])) if len(used) else (zero, zero)
    edges = bins.edges(tally.kind)
    limits = [
        limit
        for rule in whole.rules
        if rule.signal == name
        for limit in (rule.low, rule.high)
        if limit is not None
    ]
    if tally.kind is Kind.NUMBER:  # in values: a few bins would make a linear axis a growing one
        low, high = float(edges[first]), float(edges[last + 1])
        limits = [limit for limit in limits if low - (high - low) < limit < high + (high - low)]
    reach = max((last - first) // 2, 8)
    places = [
        min(int(np.searchsorted(edges, limit, side="right")) - 1, len(edges) - 2)
        for limit in limits
    ]
    near = [place for place in places if first - reach <= place <= last + reach]
    return max(min([first, *near]), 0), max([last, *near])


def _binned(
    tallies: Sequence[Numbers | Words], kind: Kind, shown: Column
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    spreads = [_spread(t, kind, shown) for t in tallies if isinstance(t, Numbers)]
    return {"edges": bins.edges(kind)[shown].tolist()}, spreads


def _spread(tally: Numbers, kind: Kind, starts: Column) -> dict[str, Any]:
    before = np.concatenate([np.zeros((2, 1), np.int64), np.cumsum(tally.counts, axis=1)], axis=1)
    removed, kept = np.diff(before[:, starts], axis=1).tolist()
    rows = int(tally.rows.sum())
    found: dict[str, Any] = {"rows": rows, "nulls": int(tally.nulls.sum())}
    found |= {"kept": kept, "removed": removed}
    if not rows:
        return found
    sides = tally.extremes[tally.rows > 0]
    least, most = sides[:, 0].min().item(), sides[:, 1].max().item()
    counts = tally.counts.sum(axis=0)
    for name, share in (("low", 0.1), ("median", 0.5), ("high", 0.9)):
        estimate = bins.quantile(kind, counts, share)
        assert estimate is not None
        estimate = min(max(estimate, least), most)
        found[name] = float(round(estimate)) if kind is Kind.COUNT else _rounded(estimate)
    unit = bins.unit(kind)
    if unit is not None:
        found["mean"] = _rounded(sum(tally.sums) / (unit * rows))
    if kind is Kind.SHARE:
        found["zeros"], found["ones"] = tally.ends.sum(axis=0).tolist()
    return found | {"least": least, "most": most}


def _labelled(
    tallies: Sequence[Numbers | Words], kind: Kind
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    words = [tally for tally in tallies if isinstance(tally, Words)]
    whole = words[0]
    total = whole.labels[0] + whole.labels[1]
    if kind is Kind.FLAG:
        labels = ["no", "yes"]
    else:
        labels = sorted(total, key=lambda label: (-total[label], label))[:MOST_LABELS]
    spreads = [
        {
            "rows": int(tally.rows.sum()),
            "nulls": int(tally.nulls.sum()),
            "kept": [tally.labels[1][label] for label in labels],
            "removed": [tally.labels[0][label] for label in labels],
        }
        for tally in words
    ]
    return {"labels": labels, "cut": whole.cut}, spreads


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
