"""How two runs of one job differ, in lines to print: rows, reasons, sources, parameters.

What only one job has (items that leaked) follows behind what every job has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from thresher.report.changes import change, settings, shown
from thresher.report.leaks import LeakRecord
from thresher.report.leaks_diff import leaks_differ
from thresher.report.model import Report, Source

_ROWS = ("in", "added", "kept", "removed", "quarantined")


def compare_runs(report_a: Mapping[str, Any], report_b: Mapping[str, Any]) -> list[str]:
    """Say what of the second run differs from the first, under the rows of both.

    Args:
        report_a: What `report.json` of the earlier run holds.
        report_b: That of the later run.

    Returns:
        Lines without ends. Names and settings are shortened and made visible.

    Raises:
        ValueError: The runs are of different jobs, or one of them is no report.
    """
    a, b = (Report.model_validate(report) for report in (report_a, report_b))
    if a.job != b.job:
        raise ValueError(f"a run of {a.job} and one of {b.job}")
    lines = [
        f"{'rows ' + what if what == 'in' else what:<12} {change(before, after)}"
        for what, before, after in _balances(a, b)
    ]
    lines += _labelled("removed by", _counts(a.removed_by, b.removed_by))
    lines += _labelled("source", _sources(a, b))
    if a.thresher_version != b.thresher_version:
        lines.append(f"{'version':<12} {a.thresher_version} → {b.thresher_version}")
    told = set(LeakRecord.model_fields) if a.leaks is not None and b.leaks is not None else set()
    before, after = ({n: v for n, v in x.config.items() if n not in told} for x in (a, b))
    lines += _labelled("setting", settings(before, after))
    return [*lines, *_searches(a, b)]


def _searches(a: Report, b: Report) -> Iterator[str]:
    """Compare what searches for test items found, step by step."""
    rows = change(a.rows_in, b.rows_in)
    left, right = a.searched, b.searched
    for step in [*left, *(step for step in right if step not in left)]:
        if step in left and step in right:
            if step is not None:
                yield f"step {step}:"
            yield from leaks_differ(left[step], right[step], rows)
        elif left and right:
            of = "the one search" if step is None else f"step {step}"
            yield f"{of}: only in the {'first' if step in left else 'second'} run"


def _balances(a: Report, b: Report) -> Iterator[tuple[str, int, int]]:
    for what in _ROWS:
        before, after = getattr(a, f"rows_{what}"), getattr(b, f"rows_{what}")
        if what != "added" or before or after:
            yield what, before, after


def _labelled(label: str, lines: Iterable[str]) -> list[str]:
    return [f"{label:<12} {line}" for line in lines]


def _counts(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[str]:
    for name in [*before, *(name for name in after if name not in before)]:
        if before.get(name) != after.get(name):
            yield f"{shown(name)}: {change(before.get(name, 0), after.get(name, 0))}"


def _sources(a: Report, b: Report) -> Iterator[str]:
    """Name the sources whose rows differ; inputs of one name are told apart by their order."""
    ours, theirs = _by_name(a), _by_name(b)
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        left, right = ours.get(key), theirs.get(key)
        if left is not None and right is not None:
            parts = [
                f"{what} {change(before, after)}"
                for what, before, after in zip(_ROWS, _rows(left), _rows(right), strict=True)
                if before != after
            ]
            if parts:
                yield f"{shown(key[0])}: {', '.join(parts)}"
        elif left is not None:
            yield f"{shown(key[0])}: only in the first run, {left.rows_in:,} rows"
        elif right is not None:
            yield f"{shown(key[0])}: only in the second run, {right.rows_in:,} rows"


def _by_name(report: Report) -> dict[tuple[str, int], Source]:
    seen: dict[str, int] = {}
    found = {}
    for source in report.sources:
        number = seen[source.name] = seen.get(source.name, -1) + 1
        found[source.name, number] = source
    return found


def _rows(source: Source) -> list[int]:
    return [getattr(source, f"rows_{what}") for what in _ROWS]
