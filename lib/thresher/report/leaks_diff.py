"""How two runs of a search for test items differ, in lines to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from thresher.report.changes import change, settings, shown
from thresher.report.leaks import BenchmarkLeaks, Leaks

_MOST_IDS = 10
_CLEAN = "not hit"


def compare_leaks(report_a: Mapping[str, Any], report_b: Mapping[str, Any]) -> list[str]:
    """Say what the second run found and the first did not, and the other way round.

    Args:
        report_a: What `report.json` of the earlier run holds.
        report_b: That of the later run.

    Returns:
        Lines without ends; the first is about all rows. Texts of the data are shortened and made
        visible.

    Raises:
        ValueError: One of them is no report of such a run.
    """
    rows = change(_rows(report_a), _rows(report_b))
    return leaks_differ(_leaks(report_a), _leaks(report_b), rows)


def leaks_differ(a: Leaks, b: Leaks, rows: str) -> list[str]:
    """Say the same of what two runs found, or two steps of runs.

    Args:
        a: What the earlier run found.
        b: What the later run found.
        rows: How many rows they have, in words.
    """
    before, after = (leaks.record.model_dump(mode="json") for leaks in (a, b))
    lines = [
        f"rows with leaks {change(a.rows, b.rows)},"
        f" suspect {change(a.suspect_rows, b.suspect_rows)},"
        f" of {rows}",
        *settings(before, after),
    ]
    ours, theirs = ({(x.name, x.split): x for x in leaks.benchmarks} for leaks in (a, b))
    for key in [*ours, *(key for key in theirs if key not in ours)]:
        left, right = ours.get(key), theirs.get(key)
        if left is not None and right is not None:
            lines += _benchmark(left, right)
        elif left is not None:
            lines.append(f"{shown(left.title)}: only in the first run, {_items(left)}")
        elif right is not None:
            lines.append(f"{shown(right.title)}: only in the second run, {_items(right)}")
    return lines


def _leaks(report: Mapping[str, Any]) -> Leaks:
    plan = report.get("plan")
    if not isinstance(plan, Mapping) or "leaks" not in plan:
        raise ValueError("a report of a run that did not search for test items")
    return Leaks.model_validate(plan["leaks"])


def _rows(report: Mapping[str, Any]) -> int:
    return int(report["rows_in"])


def _benchmark(a: BenchmarkLeaks, b: BenchmarkLeaks) -> Iterator[str]:
    yield (
        f"{shown(b.title)}: items leaked {change(a.num_contaminated, b.num_contaminated)},"
        f" suspect {change(a.num_suspect, b.num_suspect)}, of {change(a.items, b.items)};"
        f" rows {change(a.rows, b.rows)}, suspect {change(a.suspect_rows, b.suspect_rows)}"
    )
    left, right = _hits(a), _hits(b)
    moves: dict[tuple[str, str], list[str]] = {}
    for item in sorted({*left, *right}):
        before, after = left.get(item, _CLEAN), right.get(item, _CLEAN)
        if before != after:
            moves.setdefault((before, after), []).append(item)
    for (before, after), items in sorted(moves.items(), key=_urgent):
        count = "1 item" if len(items) == 1 else f"{len(items):,} items"
        yield f"  {before} → {after}: {count}: {_ids(items)}"


def _hits(benchmark: BenchmarkLeaks) -> dict[str, str]:
    """Return the verdict of every item that was hit."""
    sides = (("leaked", benchmark.contaminated), ("suspect", benchmark.suspect))
    return {item: word for word, side in sides for ids in side.values() for item in ids}


def _urgent(move: tuple[tuple[str, str], list[str]]) -> tuple[int, int]:
    """Sort by what items became, leaks first, then by what they were."""
    order = ("leaked", "suspect", _CLEAN)
    (before, after), _ = move
    return order.index(after), order.index(before)


def _ids(items: Sequence[str]) -> str:
    first = ", ".join(shown(item) for item in items[:_MOST_IDS])
    more = len(items) - _MOST_IDS
    return first if more <= 0 else f"{first} and {more:,} more"


def _items(benchmark: BenchmarkLeaks) -> str:
    return (
        f"{benchmark.num_contaminated:,} leaked and {benchmark.num_suspect:,} suspect"
        f" of {benchmark.items:,} items"
    )
