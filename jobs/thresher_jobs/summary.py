"""The few lines a finished job prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from thresher.report.leaks import Leaks

SHOWN = 22  # benchmarks that are named one by one
NOTES = 8


def leak_lines(leaks: Leaks) -> Iterator[str]:
    """Yield what leaked of which benchmark, the most items first."""
    hit = [one for one in leaks.benchmarks if one.num_contaminated or one.num_suspect]
    for one in sorted(hit, key=lambda one: (-one.num_contaminated, one.title))[:SHOWN]:
        yield (
            f"  {one.title[:28]:<28} {one.num_contaminated:>7,} of {one.items:,} items leaked "
            f"into {one.rows:,} rows, {one.num_suspect:,} suspect"
        )
    if len(hit) > SHOWN:
        yield f"             and {len(hit) - SHOWN} more benchmarks, in report.html"
    if len(leaks.benchmarks) > len(hit):
        yield f"             benchmarks without a match: {len(leaks.benchmarks) - len(hit):,}"


def loss_lines(conversion: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the target of a conversion does not hold, text of the conversation first."""
    for what, count in conversion["losses"].items():
        kind = "changed" if what in conversion["form_only"] else "lost"
        yield f"{kind:<12} {count:>12,}  {what}"


def print_end(
    report: Mapping[str, Any],
    out: str,
    folder: str = "removed",
    notes: Sequence[str] | None = None,
) -> None:
    """Print notes, files that were left out, the time, and where to look.

    Args:
        report: Of the job.
        out: The result.
        folder: Where in it rows stand that people look at first.
        notes: Others than the report's.
    """
    for note in (report["notes"] if notes is None else notes)[:NOTES]:
        print(f"note         {note}")
    for file in report["unreadable_files"]:
        print(f"left out     {file['path']}: {file['reason']}")
    if report["ignored_files"]:
        print(f"ignored      {len(report['ignored_files'])} files, listed in report.json")
    print(f"time         {report['wall_seconds']:.1f} s")
    print(f"see          {out}/report.html, {out}/{folder}, thresher explain {out} ROW_ID")


def _percent(part: int, whole: int) -> str:
    """Return a share with one decimal; a few rows never round to none or all."""
    shown = f"{100 * part / whole:5.1f} %"
    if part and shown.strip() == "0.0 %":
        return "< 0.1 %"
    if part != whole and shown.strip() == "100.0 %":
        return "> 99.9 %"
    return shown


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print rows in, kept, removed and quarantined, the recall, and where to look."""
    rows_in = max(1, report["rows_in"])

    def share(key: str) -> str:
        return f"{report[key]:>12,}  {_percent(report[key], rows_in)}"

    print(f"rows in      {report['rows_in']:>12,}")
    print(f"kept         {share('rows_kept')}")
    by = ", ".join(f"{n:,} {r.replace('_', ' ')}" for r, n in report["removed_by"].items())
    print(f"removed      {share('rows_removed')}  ({by})")
    print(f"quarantined  {share('rows_quarantined')}")
    for reason in report["quarantine"][:3]:
        print(f"             {reason['rows']:>12,}  {reason['reason'][:100]}")
    recall = report["recall"]
    if recall:
        line = (
            f"recall       expected {recall['expected_at_threshold']:.4f} at {recall['threshold']}"
        )
        if recall["estimate"] is not None:
            interval = f"{recall['low']:.4f} to {recall['high']:.4f}"
            line += f", measured {recall['estimate']:.4f} ({interval}) from there on"
        print(line)
    print_end(report, out, notes=())
