"""What `dedup` says about itself: report.json, report.html, the dataset card, the manifest.

The balance (in + added = kept + removed + quarantined, by file and in sum) is checked before the
manifest is written. Clocks and rates go into the report only; the manifest holds nothing that
another machine or engine would change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import InternalError
from thresher.planning import Plan
from thresher.report import Report, render
from thresher.run import Run
from thresher.stage import Receipt
from thresher.steps.removals import BINS, Removal, RemovalCounts
from thresher.steps.rows import RowMap
from thresher.steps.verdicts import EXACT, NEAR, REASONS, SAME_WORDS, read_user_ids
from thresher.transforms.spotcheck import wilson
from thresher_jobs.card import dataset_card
from thresher_jobs.dedup_joins import NEAR_THRESHOLD
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.quarantined import quarantine_reasons

Column = np.ndarray[Any, Any]
ALERT_ROWS = 10_000
ALERT_SHARE = 0.1


@dataclass(frozen=True)
class AuditResult:
    """What the audit saw: samples, rows they were compared with, (shared, union) of each miss."""

    sampled: int
    compared: int
    whole: bool
    misses: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Outcome:
    """All that the report is made of."""

    params: DedupParams
    options: EngineOptions
    plan: Plan
    read: list[Receipt]
    rows: RowMap
    removals: RemovalCounts
    selected: list[Receipt]
    audit: AuditResult | None
    facts: dict[str, Any]
    attributes: str


def publish(run: Run, outcome: Outcome, begin: float) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    files, sources = _balance(outcome)
    value = _report(run, outcome, files, sources)
    value["wall_seconds"] = round(time.monotonic() - begin, 3)
    report = Report.model_validate(value)
    run.store.put("report.json", (report.model_dump_json(indent=2) + "\n").encode())
    run.store.put("report.html", render(report).encode())
    card = run.store.put("README.md", dataset_card(report).encode())
    run.commit(_manifest(outcome, files, [card.name, card.bytes, card.sha256]))
    return report.model_dump(mode="json")


def _balance(outcome: Outcome) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Count rows and bytes by file and by source, and check that nothing is lost."""
    inputs = outcome.plan.inputs
    names = [f.name for f in inputs.files]
    rows_in = np.zeros(len(names), np.int64)
    rows = np.zeros((len(names), 3), np.int64)
    size = np.zeros((len(names), 3), np.int64)
    for task, read, done in zip(outcome.plan.tasks, outcome.read, outcome.selected, strict=True):
        for split, counted, found in zip(
            task.payload.splits, read.facts["rows"], done.facts["splits"], strict=True
        ):
            rows_in[split.file] += counted
            rows[split.file] += found["rows"]
            size[split.file] += found["bytes"]
    if (rows.sum(axis=1) != rows_in).any():
        wrong = int(np.flatnonzero(rows.sum(axis=1) != rows_in)[0])
        raise InternalError(f"{names[wrong]}: {rows_in[wrong]} rows in, {rows[wrong].sum()} out")
    read_files = sorted({s.file for s in outcome.plan.splits()})
    files = [
        {
            "name": names[f],
            "rows_in": int(rows_in[f]),
            "rows_kept": int(rows[f, 0]),
            "rows_removed": int(rows[f, 1]),
            "rows_quarantined": int(rows[f, 2]),
        }
        for f in read_files
    ]
    of_file = np.array([f.source for f in inputs.files], dtype=np.int64)
    reasons = outcome.removals.by_source
    sources = []
    for number, source in enumerate(inputs.sources):
        mine = [f for f in read_files if of_file[f] == number]
        kept, removed, quarantined = rows[mine].sum(axis=0).tolist() if mine else (0, 0, 0)
        b_kept, b_removed, b_quarantined = size[mine].sum(axis=0).tolist() if mine else (0, 0, 0)
        if sum(reasons[number]) != removed:
            raise InternalError(f"source {source.name}: removals do not add up")
        sources.append(
            {
                "name": source.name,
                "files": len(mine),
                "rows_in": int(rows_in[mine].sum()),
                "rows_added": 0,
                "rows_kept": kept,
                "rows_removed": removed,
                "removed_exact": reasons[number][EXACT],
                "removed_same_words": reasons[number][SAME_WORDS],
                "removed_near": reasons[number][NEAR],
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

    removals, params = outcome.removals, outcome.params
    return {
        "rows_in": total("rows_in"),
        "rows_added": 0,
        "rows_kept": total("rows_kept"),
        "rows_removed": total("rows_removed"),
        "rows_quarantined": total("rows_quarantined"),
        "job": "dedup",
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
        "removed_by": dict(zip(REASONS, removals.by_reason(), strict=True)),
        "similarity_histogram": _histogram(removals, params),
        "cluster_sizes": [{"size": size, "clusters": count} for size, count in removals.sizes],
        **_shown_texts(run, outcome),
        "recall": _recall(outcome),
        "quarantine": quarantine_reasons(run.store, outcome.selected),
        "stages": [vars(record) for record in run.records],
        "plan": _plan_facts(outcome, run),
        "config": params.model_dump(mode="json"),
        "notes": [*outcome.plan.notes, *_size_alert(outcome)],
    }


def _histogram(removals: RemovalCounts, params: DedupParams) -> dict[str, Any]:
    if not any(removals.histogram):
        return {"edges": [], "counts": []}
    first = int(np.floor(min(removals.lowest, params.threshold) * BINS + 1e-9))
    edges = np.arange(first, BINS + 1) / BINS
    return {"edges": edges.tolist(), "counts": removals.histogram[first:]}


def _shown_texts(run: Run, outcome: Outcome) -> dict[str, Any]:
    texts = {int(i): t for r in outcome.selected for i, t in r.facts["texts"].items()}
    names = _names(run, outcome, outcome.removals.shown())

    def member(removal: Removal) -> dict[str, Any]:
        return {
            "id": names[removal.id],
            "reason": REASONS[removal.reason],
            "score": removal.score,
            "text": texts[removal.id],
        }

    clusters = [
        {
            "kept_id": names[cluster.kept],
            "size": cluster.size,
            "text": texts[cluster.kept],
            "members": [member(removal) for removal in cluster.members],
        }
        for cluster in outcome.removals.clusters
    ]
    pairs = [
        {
            "removed_id": names[removal.id],
            "matched_id": names[removal.kept],
            "score": removal.score,
            "shared": removal.shared,
            "union": removal.union,
            "removed_text": texts[removal.id],
            "matched_text": texts[removal.kept],
        }
        for removal in outcome.removals.pairs
    ]
    return {"largest_clusters": clusters, "least_similar": pairs}


def _names(run: Run, outcome: Outcome, ids: Column) -> dict[int, str]:
    if outcome.params.id_column:
        names = read_user_ids(run.store, outcome.attributes, ids)
    else:
        names = outcome.rows.row_ids(ids)
    return dict(zip(ids.tolist(), names.to_pylist(), strict=True))


def _recall(outcome: Outcome) -> dict[str, Any] | None:
    """Estimate how many of the rows that should go are gone.

    Of n sampled kept rows, m have an earlier kept row at or above the threshold. Scaled to all kept
    rows and to the share of rows they were compared with, that is the number of rows missed; the
    interval is Wilson's on m of n.
    """
    if outcome.params.method != "minhash":
        return None
    params, audit = outcome.params, outcome.audit
    banding = params.banding
    curve = [{"similarity": s / 50, "probability": banding.probability(s / 50)} for s in range(51)]
    value: dict[str, Any] = {
        "threshold": params.threshold,
        "bands": banding.bands,
        "rows_per_band": banding.rows,
        "expected_at_threshold": banding.probability(params.threshold),
        "expected_curve": curve,
        "sampled_rows": 0,
        "compared_rows": 0,
        "missed": 0,
        "estimate": None,
        "low": None,
        "high": None,
        "near_threshold_estimate": None,
        "note": "not measured",
    }
    if audit is None or not audit.sampled:
        return value
    removed = outcome.removals.by_reason()[NEAR]
    kept = outcome.facts["kept_compared"]
    scale = kept / audit.sampled * max(1.0, kept / max(1, audit.compared))
    low, high = wilson(len(audit.misses), audit.sampled)

    def recall(missed: float, found: int) -> float | None:
        return found / (found + missed) if found + missed else None

    share = "all" if audit.whole else f"{audit.compared} of {kept}"
    border = params.threshold + NEAR_THRESHOLD
    missed_near = sum(s <= border * u for s, u in audit.misses)
    return value | {
        "sampled_rows": audit.sampled,
        "compared_rows": audit.compared,
        "missed": len(audit.misses),
        "estimate": recall(len(audit.misses) * scale, removed),
        "low": recall(high * scale, removed),
        "high": recall(low * scale, removed),
        "near_threshold_estimate": recall(missed_near * scale, outcome.removals.bordering),
        "note": f"{audit.sampled} sampled kept rows compared exactly with {share} kept rows",
    }


def _size_alert(outcome: Outcome) -> list[str]:
    """Say so when one piece holds a large share of the rows: it is decided by one worker alone."""
    largest = outcome.facts.get("largest_piece", 0)
    rows = sum(read.rows_in for read in outcome.read)
    if largest < ALERT_ROWS or largest < ALERT_SHARE * rows:
        return []
    return [
        f"one piece of similar rows holds {largest:,} of {rows:,} rows: look at the largest "
        "clusters; a template may outweigh what differs (compare other columns, or raise threshold)"
    ]


def _plan_facts(outcome: Outcome, run: Run) -> dict[str, Any]:
    return {
        "engine": run.engine.name,
        "workers": run.engine.workers,
        "tasks": len(outcome.plan.tasks),
        "bytes_to_read": outcome.plan.bytes,
        "largest_task_bytes": outcome.plan.largest_task_bytes,
        **outcome.facts,
    }


def _manifest(outcome: Outcome, files: list[dict[str, Any]], card: list[Any]) -> dict[str, Any]:
    """Return the manifest: what went in, how it was judged, every file with its hash."""
    prints: dict[int, list[str]] = {}
    for task, read in zip(outcome.plan.tasks, outcome.read, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    inputs = outcome.plan.inputs.files
    sizes = {inputs[f].name: (inputs[f].bytes, prints[f]) for f in prints}
    return {
        "format": 1,
        "job": "dedup",
        "thresher_version": thresher.__version__,
        "pyarrow_version": pa.__version__,
        "params": outcome.params.model_dump(mode="json"),
        "inputs": [
            {**f, "bytes": sizes[f["name"]][0], "text_fingerprints": sizes[f["name"]][1]}
            for f in files
        ],
        "unreadable": [u.path.rsplit("/", 1)[-1] for u in outcome.plan.unreadable],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in outcome.selected for f in r.files),
            card,
        ],
    }
