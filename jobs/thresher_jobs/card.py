"""The dataset card: a README.md that `datasets.load_dataset(OUT)` understands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from thresher.report import Report

_CONFIG = """  - config_name: {name}
    description: "{content}"
    data_files:
"""
_FILES = """      - split: {name}
        path: {folder}/*.{form}
"""


def configs(report: Report, splits: Sequence[str] = (), form: str = "parquet") -> str:
    """Return the part of the card's head that `datasets` reads.

    `datasets` 5.2.0 keeps what it has read by the folder's last name and the words of the card,
    not by the files (2026-11): without the hash, the folder of another run gives its rows.

    Args:
        report: Of the job.
        splits: Names of the splits whose folders hold the rows; none where one folder does.
        form: How files end.
    """
    folders = [(name, f"data/{name}") for name in splits] or [("train", "data")]
    files = (_FILES.format(name=name, folder=folder, form=form) for name, folder in folders)
    return "configs:\n" + _config("default", report, *files)


def _config(name: str, report: Report, *files: str) -> str:
    return _CONFIG.format(name=name, content=report.content) + "".join(files)


def loss_table(losses: Mapping[str, int]) -> str:
    """Return what rows lost when they were converted, as a table; nothing where they lost none."""
    rows = [f"| {what.replace('|', ' ')} | {count:,} |\n" for what, count in losses.items()]
    return "".join(["\n| the target does not hold | rows |\n|---|---:|\n", *rows] if rows else [])


def dataset_card(report: Report, splits: Sequence[str] = ()) -> str:
    """Return the card's text; it depends on the result alone.

    Args:
        report: Of the job.
        splits: Names of the splits whose folders hold the rows; none where one folder does.
    """
    removed = _FILES.format(name="train", folder="removed", form="parquet")
    by = ", ".join(
        f"{count:,} {reason.replace('_', ' ')}" for reason, count in report.removed_by.items()
    )
    added = f"{report.rows_added:,} added, " if report.rows_added else ""
    lines = [
        f"---\n{configs(report, splits)}{_config('removed', report, removed)}---\n\n",
        f"# Cleaned with Thresher {report.thresher_version}\n\n",
        f"Job `{report.job}`: {report.rows_in:,} rows in, {added}{report.rows_kept:,} kept, ",
        f"{report.rows_removed:,} removed{f' ({by})' if by else ''}, ",
        f"{report.rows_quarantined:,} quarantined.\n\n",
        f"| source | rows in |{' added |' if added else ''} kept | removed | quarantined |\n",
        f"|---|---:|{'---:|' if added else ''}---:|---:|---:|\n",
    ]
    for source in report.sources:
        more = f" {source.rows_added:,} |" if added else ""
        lines.append(
            f"| {source.name.replace('|', ' ')} | {source.rows_in:,} |{more} "
            f"{source.rows_kept:,} | {source.rows_removed:,} | {source.rows_quarantined:,} |\n"
        )
    tied = ", `groups/` what ties which of them" if splits else ""
    lines.append(
        f"\n`data/` holds the kept rows{' by split' if splits else ''}{tied}, `removed/` every "
        "removed row with `_reason`, `_matched_id` and `_score`, `quarantine/` what could not be "
        "judged, `ledger/` one line for every input row.\n"
    )
    return "".join(lines)
