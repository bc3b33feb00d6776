"""What `convert` says about itself: report.json, report.html, the card, the trainer's
configuration, the manifest.

What was detected and what was lost stands in the report's `plan.conversion`, on the page, in the
card and on the command line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from thresher.formats.conversion import FORM_LOSSES, Conversion, ordered_losses
from thresher.formats.detection import Detected
from thresher.formats.templates import Rendering
from thresher.params import digest_of
from thresher.planning import Plan
from thresher.report import Report
from thresher.run import Run
from thresher.stage import Receipt
from thresher_jobs import job_report
from thresher_jobs.card import configs, loss_table
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.quarantined import quarantine_reasons
from thresher_jobs.summary import loss_lines, print_end

_CARD = """---
{configs}---

# Converted with Thresher {version}

Written as `{to}` ({about}): {rows_in:,} rows in, {rows_added:,} added, {rows_kept:,} kept,
{rows_removed:,} removed, {rows_quarantined:,} quarantined.
"""
_FOLDERS = """
`data/` holds the rows, `removed/` those left out by rule, `quarantine/` those that could not be
converted with the error, `ledger/` one line for every row.
"""


@dataclass(frozen=True)
class Outcome:
    """All that the report is made of."""

    params: ConvertParams
    plan: Plan
    converted: list[Receipt]
    detected: Mapping[int, Detected]
    conversion: Conversion
    rendering: Rendering | None

    @property
    def losses(self) -> dict[str, int]:
        """Rows out that lost something, by what; text first."""
        total: Counter[str] = Counter()
        for receipt in self.converted:
            total += Counter(receipt.facts["losses"])
        return ordered_losses(total)

    @property
    def snippet(self) -> tuple[str, str] | None:
        """Name and text of the file that configures the trainer; None without a trainer."""
        fields = sorted(name.partition(":")[0] for name in self.conversion.how.fields())
        return self.params.export.snippet(self.conversion.schema.names, fields)

    @property
    def formats(self) -> dict[str, dict[str, Any]]:
        """By file name, the formats found."""
        files = self.plan.inputs.files
        return {
            files[file].name: {
                "formats": list(found.formats),
                "confidence": found.confidence,
                "reasons": list(found.reasons),
            }
            for file, found in sorted(self.detected.items())
        }


def publish(run: Run, outcome: Outcome, begin: float) -> dict[str, Any]:
    """Write report, page, card, configuration and manifest, in that order; return the report."""
    counts = balance(outcome.plan, outcome.converted)
    removed = counts.total("rows_removed")
    value = frame(
        run,
        "convert",
        outcome.params,
        outcome.plan,
        counts,
        outcome.converted,
        removed_by={"undesirable": removed} if removed else {},
        facts={"conversion": _facts(outcome)},
    )

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(outcome, counts, others)

    snippets = [] if outcome.snippet is None else [outcome.snippet]
    return job_report.publish(run, value, begin, partial(_card, outcome), snippets, manifest)


def _facts(outcome: Outcome) -> dict[str, Any]:
    formats: Counter[str] = Counter()
    for receipt in outcome.converted:
        for split in receipt.facts["splits"]:
            formats += Counter(split["formats"])
    return {
        "detected": outcome.formats,
        "rows_by_format": dict(sorted(formats.items())),
        "losses": outcome.losses,
        "form_only": sorted(FORM_LOSSES & set(outcome.losses)),
        "columns": outcome.conversion.schema.names,
        "trainer_file": None if outcome.snippet is None else outcome.snippet[0],
        "examples": outcome.converted[0].facts["examples"] if outcome.converted else [],
    }


def _card(outcome: Outcome, report: Report) -> str:
    """Return the dataset card; it depends on the result alone."""
    lines = [
        _CARD.format(
            configs=configs(report),
            version=report.thresher_version,
            to=outcome.params.to,
            about=outcome.params.export.about,
            rows_in=report.rows_in,
            rows_added=report.rows_added,
            rows_kept=report.rows_kept,
            rows_removed=report.rows_removed,
            rows_quarantined=report.rows_quarantined,
        ),
        "\n| file | format | confidence |\n|---|---|---:|\n",
    ]
    for name, found in outcome.formats.items():
        shown = name.replace("|", " ")
        lines.append(f"| {shown} | {', '.join(found['formats'])} | {found['confidence']:.2f} |\n")
    return "".join([*lines, loss_table(outcome.losses), _FOLDERS])


def _manifest(outcome: Outcome, counts: Balance, others: list[list[Any]]) -> dict[str, Any]:
    """Return the manifest: what went in, how it was read, every file with its hash."""
    inputs = {f.name: f for f in outcome.plan.inputs.files}
    formats = outcome.formats
    rendering = outcome.rendering
    return {
        **manifest_frame("convert", outcome.params, outcome.plan),
        "template": None if rendering is None else digest_of(rendering.source),
        "inputs": [
            {**f, "bytes": inputs[f["name"]].bytes, "formats": formats[f["name"]]["formats"]}
            for f in counts.files
        ],
        "losses": outcome.losses,
        "files": [
            *([f.name, f.bytes, f.sha256] for r in outcome.converted for f in r.files),
            *others,
        ],
    }


def main_errors(run: Run, converted: list[Receipt]) -> str:
    """Name the errors that quarantined the most rows."""
    reasons = quarantine_reasons(run.store, converted)
    return "; ".join(f"{r['rows']} x {r['reason'][:120]}" for r in reasons[:3])


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print rows by verdict, the formats detected, what was lost, and where to look."""
    facts = report["plan"]["conversion"]
    for name, found in list(facts["detected"].items())[:10]:
        how = "" if report["config"]["format"] else f"  confidence {found['confidence']:.2f}"
        print(f"format       {', '.join(found['formats']) or 'no rows'}{how}  {name}")
    if len(facts["detected"]) > 10:
        print(f"             and {len(facts['detected']) - 10} more files, listed in report.json")
    print(f"written as   {report['config']['to']}: {', '.join(facts['columns'])}")
    for key in ("in", "added", "kept", "removed", "quarantined"):
        print(f"{'rows ' + key if key == 'in' else key:<12} {report['rows_' + key]:>12,}")
    for reason in report["quarantine"][:5]:
        print(f"             {reason['rows']:>12,}  {reason['reason'][:100]}")
    for line in loss_lines(facts):
        print(line)
    print_end(report, out, "quarantine", notes=())
