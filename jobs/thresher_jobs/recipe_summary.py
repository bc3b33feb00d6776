"""What `thresher run` prints when it is done."""

from __future__ import annotations

from typing import Any

from thresher_jobs.summary import leak_lines, loss_lines, print_end

UNREAD = "read"  # where rows are left out that cannot be read


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print the flow of rows by source, and where to look."""
    flow = report["plan"]["flow"]
    steps = flow["steps"]
    width = max(len(source["name"]) for source in flow["sources"])
    width = min(max(width, 6), 28)
    shown = [step for step in steps if step != UNREAD or any(_gone(flow, step))]
    heads = "".join(f" {step[:14]:>14}" for step in shown)
    heads += f" {'added':>12}" if report["rows_added"] else ""
    print(f"{'source':<{width}} {'rows in':>12}{heads} {'rows out':>12}")
    for source in flow["sources"]:
        gone = "".join(f" {-source['left_out'][step]:>14,}" for step in shown)
        name = source["name"][:width]
        added = source["rows_out"] - source["rows_in"] + sum(source["left_out"].values())
        gone += _plus(added) if report["rows_added"] else ""
        print(f"{name:<{width}} {source['rows_in']:>12,}{gone} {source['rows_out']:>12,}")
    if len(flow["sources"]) > 1:
        sums = "".join(f" {-sum(_gone(flow, step)):>14,}" for step in shown)
        sums += _plus(report["rows_added"]) if report["rows_added"] else ""
        print(f"{'all':<{width}} {report['rows_in']:>12,}{sums} {report['rows_kept']:>12,}")
    for reason, count in report["removed_by"].items():
        print(f"  removed {count:>12,}  {reason}")
    if report["rows_quarantined"]:
        by = ", ".join(f"{step} {rows:,}" for step, rows in flow.get("quarantined", {}).items())
        told = f" ({by})" if by else ""
        print(f"  quarantined {report['rows_quarantined']:>8,}  see {out}/quarantine{told}")
    if report["plan"].keys() & {"leaks", "leaks_by_step"}:
        from thresher.report import Report

        for leaks in Report.model_validate(report).searched.values():
            for line in leak_lines(leaks):
                print(line)
    for line in loss_lines(report["plan"].get("conversion", {"losses": {}})):
        print(line)
    print_end(report, out)


def _plus(rows: int) -> str:
    return f"+{rows:,}".rjust(13)


def _gone(flow: dict[str, Any], step: str) -> list[int]:
    return [source["left_out"][step] for source in flow["sources"]]
