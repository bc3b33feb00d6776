"""The dataset card: a README.md that `datasets.load_dataset(OUT)` understands."""

from __future__ import annotations

from thresher.report import Report

_HEAD = """---
configs:
  - config_name: default
    data_files:
      - split: train
        path: data/*.parquet
  - config_name: removed
    data_files:
      - split: train
        path: removed/*.parquet
---

# Cleaned with Thresher {version}

"""


def dataset_card(report: Report) -> str:
    """Return the card's text; it depends on the result alone."""
    by = ", ".join(
        f"{count:,} {reason.replace('_', ' ')}" for reason, count in report.removed_by.items()
    )
    added = f"{report.rows_added:,} added, " if report.rows_added else ""
    lines = [
        _HEAD.format(version=report.thresher_version),
        f"Job `{report.job}`: {report.rows_in:,} rows in, {added}{report.rows_kept:,} kept, ",
        f"{report.rows_removed:,} removed ({by}), {report.rows_quarantined:,} quarantined.\n\n",
        "| source | rows in | kept | removed | quarantined |\n|---|---:|---:|---:|---:|\n",
    ]
    for source in report.sources:
        lines.append(
            f"| {source.name.replace('|', ' ')} | {source.rows_in:,} | {source.rows_kept:,} "
            f"| {source.rows_removed:,} | {source.rows_quarantined:,} |\n"
        )
    lines.append(
        "\n`data/` holds the kept rows, `removed/` every removed row with `_reason`, `_matched_id` "
        "and `_score`, `quarantine/` what could not be judged, "
        "`ledger/` one line for every input row.\n"
    )
    return "".join(lines)
