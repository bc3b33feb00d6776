"""The card and the summary of a split: `datasets.load_dataset(OUT)` gives its splits by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thresher.report import Report
from thresher_jobs.card import configs
from thresher_jobs.summary import print_end


def split_card(report: Report, splits: Sequence[str]) -> str:
    """Return the card's text; it depends on the result alone.

    Args:
        report: Of the job.
        splits: Names of the splits that are there.
    """
    return "".join(
        [
            f"---\n{configs(report, splits)}---\n\n",
            f"# Split with Thresher {report.thresher_version}\n\n",
            split_figures(report, splits),
            "\n`data/` holds the rows by split, `groups/` what ties which rows, `quarantine/` what "
            "could not be judged, `ledger/` one line for every input row with its split and "
            "group.\n",
        ]
    )


def split_figures(report: Report, splits: Sequence[str]) -> str:
    """Return what the card says of groups, sizes and the leak check; arguments as above."""
    found = report.splits
    assert found is not None
    rows = sum(split.rows for split in found.splits)
    told = ""
    if report.job == "split":
        rows = report.rows_in
        told = f" {report.rows_quarantined:,} rows could not be judged."
    lines = [
        f"{rows:,} rows in {found.num_groups:,} groups that belong together: near copies "
        f"(from similarity {found.threshold} of {found.compared} on, and chains of them)",
        "".join(f", rows with the same {key.kind}" for key in found.keys),
        f". No group lies in two splits.{told}\n\n",
        "| split | rows | wanted | groups |\n|---|---:|---:|---:|\n",
        *(
            f"| {s.name} | {s.rows:,} | {s.wanted:,} | {s.groups:,} |\n"
            for s in found.splits
            if s.name in splits
        ),
    ]
    lines += [
        f"\n{count:,} repeats that the mixture drew are not in {name}, which holds each row once.\n"
        for name, count in found.not_repeated.items()
    ]
    leaks = found.leaks
    lines.append(
        f"\nPairs of near copies across a border: {leaks.torn + leaks.left:,} of "
        f"{_least(leaks.pairs, leaks.whole)}; in a random split of these sizes "
        f"{leaks.torn_at_random:,.0f} on average. {leaks.checked_rows:,} held-out rows were "
        f"compared exactly with {leaks.compared_rows:,} rows.\n"
    )
    return "".join(lines)


def _least(pairs: int, whole: bool) -> str:
    return f"{pairs:,}" if whole else f"at least {pairs:,}"


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print the splits, what holds them apart, and where to look."""
    found = report["plan"]["split"]
    leaks = found["leaks"]
    print(f"rows in      {report['rows_in']:>12,}")
    for split in found["splits"]:
        if split["rows"] or split["wanted"]:
            print(
                f"{split['name']:<12} {split['rows']:>12,}  of {split['wanted']:,} wanted, in "
                f"{split['groups']:,} groups"
            )
    if report["rows_quarantined"]:
        print(f"quarantined  {report['rows_quarantined']:>12,}")
    pairs = _least(leaks["pairs"], leaks["whole"])
    print(
        f"near copies  {leaks['torn'] + leaks['left']:>12,}  of {pairs} pairs across a border; "
        f"at random {leaks['torn_at_random']:,.0f}"
    )
    for key in found["keys"]:
        print(
            f"same {key['kind']:<7} {key['torn']:>12,}  of {key['keys']:,} shared ones across a "
            f"border; at random {key['torn_at_random']:,.0f}"
        )
    share = "all" if leaks["all_compared"] else "some"
    print(
        f"checked      {leaks['checked_rows']:>12,}  held-out rows against {share} rows: "
        f"{leaks['left']:,} pairs left, {leaks['found']:,} tied by the check"
    )
    if found["newer_in_train"]:
        print(
            f"newer        {found['newer_in_train']:>12,}  rows of train, with older rows they "
            "belong to"
        )
    print_end(report, out, "groups")
