"""What `convert` says about itself: report.json, report.html, the card, the trainer's
configuration, the manifest.

The balance (in + added = kept + removed + quarantined) is checked before the manifest is written.
What was detected and what was lost stands in the report's `plan.conversion`, on the page, in the
card and on the command line.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import InternalError
from thresher.formats.conversion import FORM_LOSSES, Conversion
from thresher.formats.detection import Detected
from thresher.formats.templates import Rendering
from thresher.params import digest_of
from thresher.planning import Plan
from thresher.report import Report, render
from thresher.run import Run
from thresher.stage import Receipt
from thresher_jobs.convert_params import ConvertParams
from thresher_jobs.quarantined import quarantine_reasons

_CARD = """---
configs:
  - config_name: default
    data_files:
      - split: train
        path: data/*.parquet
---

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
    options: EngineOptions
    plan: Plan
    converted: list[Receipt]
    detected: Mapping[int, Detected]
    conversion: Conversion
    rendering: Rendering | None

    @property
    def losses(self) -> dict[str, int]:
        """Rows out that lost something, by what."""
        total: Counter[str] = Counter()
        for receipt in self.converted:
            total += Counter(receipt.facts["losses"])
        return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))

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
    files, sources = _balance(outcome)
    value = _report(run, outcome, files, sources)
    value["wall_seconds"] = round(time.monotonic() - begin, 3)
    report = Report.model_validate(value)
    run.store.put("report.json", (report.model_dump_json(indent=2) + "\n").encode())
    run.store.put("report.html", render(report).encode())
    written = [run.store.put("README.md", _card(outcome, report).encode())]
    if outcome.snippet is not None:
        name, text = outcome.snippet
        written.append(run.store.put(name, text.encode()))
    run.commit(_manifest(outcome, files, [[w.name, w.bytes, w.sha256] for w in written]))
    return report.model_dump(mode="json")


def _balance(outcome: Outcome) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Count rows and bytes by file and by source, and check that nothing is lost.

    A file's kept rows are rows of the file; those that conversion added are counted by source.
    """
    inputs = outcome.plan.inputs
    count = len(inputs.files)
    rows = np.zeros((count, 3), np.int64)
    size = np.zeros((count, 3), np.int64)
    added = np.zeros(count, np.int64)
    for task, done in zip(outcome.plan.tasks, outcome.converted, strict=True):
        for split, found in zip(task.payload.splits, done.facts["splits"], strict=True):
            rows[split.file] += found["rows"]
            size[split.file] += found["bytes"]
            added[split.file] += found["added"]
        if done.rows_in + sum(s["added"] for s in done.facts["splits"]) != done.rows_out:
            raise InternalError(f"task {task.index}: {done.rows_in} rows in, {done.rows_out} out")
    read_files = sorted({s.file for s in outcome.plan.splits()})
    files = [
        {
            "name": inputs.files[f].name,
            "rows_in": int(rows[f].sum()),
            "rows_kept": int(rows[f, 0]),
            "rows_removed": int(rows[f, 1]),
            "rows_quarantined": int(rows[f, 2]),
        }
        for f in read_files
    ]
    sources = []
    for number, source in enumerate(inputs.sources):
        mine = [f for f in read_files if inputs.files[f].source == number]
        kept, removed, quarantined = rows[mine].sum(axis=0).tolist()
        b_kept, b_removed, b_quarantined = size[mine].sum(axis=0).tolist()
        more = int(added[mine].sum())
        sources.append(
            {
                "name": source.name,
                "files": len(mine),
                "rows_in": kept + removed + quarantined,
                "rows_added": more,
                "rows_kept": kept + more,
                "rows_removed": removed,
                "removed_exact": 0,
                "removed_same_words": 0,
                "removed_near": 0,
                "rows_quarantined": quarantined,
                "text_bytes_in": b_kept + b_removed + b_quarantined,
                "text_bytes_kept": b_kept,
                "text_bytes_removed": b_removed,
                "text_bytes_quarantined": b_quarantined,
            }
        )
    return files, sources


def _report(
    run: Run, outcome: Outcome, files: list[dict[str, Any]], sources: list[dict[str, Any]]
) -> dict[str, Any]:
    def total(key: str) -> int:
        return sum(source[key] for source in sources)

    removed = total("rows_removed")
    return {
        "rows_in": total("rows_in"),
        "rows_added": total("rows_added"),
        "rows_kept": total("rows_kept"),
        "rows_removed": removed,
        "rows_quarantined": total("rows_quarantined"),
        "job": "convert",
        "thresher_version": thresher.__version__,
        "status": "done",
        "limit_message": None,
        "text_bytes_in": total("text_bytes_in"),
        "text_bytes_kept": total("text_bytes_kept"),
        "text_bytes_removed": total("text_bytes_removed"),
        "text_bytes_quarantined": total("text_bytes_quarantined"),
        "sources": sources,
        "files": files,
        "ignored_files": [i._asdict() for i in outcome.plan.inputs.ignored],
        "unreadable_files": [{"path": u.path, "reason": u.error} for u in outcome.plan.unreadable],
        "removed_by": {"undesirable": removed} if removed else {},
        "similarity_histogram": {"edges": [], "counts": []},
        "cluster_sizes": [],
        "largest_clusters": [],
        "least_similar": [],
        "recall": None,
        "quarantine": quarantine_reasons(run.store, outcome.converted),
        "stages": [vars(record) for record in run.records],
        "plan": _plan_facts(run, outcome),
        "config": outcome.params.model_dump(mode="json"),
        "notes": list(outcome.plan.notes),
    }


def _plan_facts(run: Run, outcome: Outcome) -> dict[str, Any]:
    formats: Counter[str] = Counter()
    for receipt in outcome.converted:
        for split in receipt.facts["splits"]:
            formats += Counter(split["formats"])
    return {
        "engine": run.engine.name,
        "workers": run.engine.workers,
        "tasks": len(outcome.plan.tasks),
        "bytes_to_read": outcome.plan.bytes,
        "largest_task_bytes": outcome.plan.largest_task_bytes,
        "conversion": {
            "detected": outcome.formats,
            "rows_by_format": dict(sorted(formats.items())),
            "losses": outcome.losses,
            "form_only": sorted(FORM_LOSSES & set(outcome.losses)),
            "columns": outcome.conversion.schema.names,
            "trainer_file": None if outcome.snippet is None else outcome.snippet[0],
            "examples": outcome.converted[0].facts["examples"] if outcome.converted else [],
        },
    }


def _card(outcome: Outcome, report: Report) -> str:
    """Return the dataset card; it depends on the result alone."""
    lines = [
        _CARD.format(
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
    if outcome.losses:
        lines.append("\n| the target does not hold | rows |\n|---|---:|\n")
        lines += [f"| {what.replace('|', ' ')} | {n:,} |\n" for what, n in outcome.losses.items()]
    lines.append(_FOLDERS)
    return "".join(lines)


def _manifest(
    outcome: Outcome, files: list[dict[str, Any]], others: list[list[Any]]
) -> dict[str, Any]:
    """Return the manifest: what went in, how it was read, every file with its hash."""
    inputs = {f.name: f for f in outcome.plan.inputs.files}
    formats = outcome.formats
    rendering = outcome.rendering
    return {
        "format": 1,
        "job": "convert",
        "thresher_version": thresher.__version__,
        "pyarrow_version": pa.__version__,
        "params": outcome.params.model_dump(mode="json"),
        "template": None if rendering is None else digest_of(rendering.source),
        "inputs": [
            {**f, "bytes": inputs[f["name"]].bytes, "formats": formats[f["name"]]["formats"]}
            for f in files
        ],
        "unreadable": [u.path.rsplit("/", 1)[-1] for u in outcome.plan.unreadable],
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
    for what, count in facts["losses"].items():
        kind = "changed" if what in facts["form_only"] else "lost"
        print(f"{kind:<12} {count:>12,}  {what}")
    for file in report["unreadable_files"]:
        print(f"left out     {file['path']}: {file['reason']}")
    print(f"time         {report['wall_seconds']:.1f} s")
    print(f"see          {out}/report.html, {out}/quarantine, thresher explain {out} ROW_ID")
