"""The few lines a finished job prints."""

from __future__ import annotations

from typing import Any


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
    recall = report["recall"]
    if recall:
        line = (
            f"recall       expected {recall['expected_at_threshold']:.4f} at {recall['threshold']}"
        )
        if recall["estimate"] is not None:
            interval = f"{recall['low']:.4f} to {recall['high']:.4f}"
            line += f", measured {recall['estimate']:.4f} ({interval}) from there on"
        print(line)
    for file in report["unreadable_files"]:
        print(f"left out     {file['path']}: {file['reason']}")
    if report["ignored_files"]:
        print(f"ignored      {len(report['ignored_files'])} files, listed in report.json")
    print(f"time         {report['wall_seconds']:.1f} s")
    print(f"see          {out}/report.html, {out}/removed, thresher explain {out} ROW_ID")
