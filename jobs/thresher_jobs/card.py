"""The dataset card: a README.md that `datasets.load_dataset(OUT)` understands."""

from __future__ import annotations

from collections.abc import Sequence

from thresher.report import Report

_HEAD = """---
configs:
  - config_name: default
    data_files:
{files}  - config_name: removed
    data_files:
      - split: train
        path: removed/*.parquet
---

# Cleaned with Thresher {version}

"""


_FILES = """      - split: {name}
        path: {folder}/*.parquet
"""


def dataset_card(report: Report, splits: Sequence[str] = ()) -> str:
    """Return the card's text; it depends on the result alone.

    Args:
        report: Of the job.
        splits: Names of the splits whose folders hold the rows; none where one folder does.
    """
    folders = [(name, f"data/{name}") for name in splits] or [("train", "data")]
    files = "".join(_FILES.format(name=name, folder=folder) for name, folder in folders)
    by = ", ".join(
        f"{count:,} {reason.replace('_', ' ')}" for reason, count in report.removed_by.items()
    )
    added = f"{report.rows_added:,} added, " if report.rows_added else ""
    lines = [
        _HEAD.format(version=report.thresher_version, files=files),
        f"Job `{report.job}`: {report.rows_in:,} rows in, {added}{report.rows_kept:,} kept, ",
        f"{report.rows_removed:,} removed ({by}), {report.rows_quarantined:,} quarantined.\n\n",
        "| source | rows in | kept | removed | quarantined |\n|---|---:|---:|---:|---:|\n",
    ]
    for source in report.sources:
        lines.append(
            f"| {source.name.replace('|', ' ')} | {source.rows_in:,} | {source.rows_kept:,} "
            f"| {source.rows_removed:,} | {source.rows_quarantined:,} |\n"
        )
    tied = ", `groups/` what ties which of them" if splits else ""
    lines.append(
        f"\n`data/` holds the kept rows{' by split' if splits else ''}{tied}, `removed/` every "
        "removed row with `_reason`, `_matched_id` and `_score`, `quarantine/` what could not be "
        "judged, `ledger/` one line for every input row.\n"
    )
    return "".join(lines)
