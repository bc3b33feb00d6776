"""What `dedup` says about itself: report.json, report.html, the dataset card, the manifest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from thresher.errors import InternalError
from thresher.planning import Plan
from thresher.run import Run
from thresher.stage import Receipt
from thresher.steps.attributes import Attributes
from thresher.steps.compared import Compared
from thresher.steps.removals import BINS, Removal, RemovalCounts
from thresher.steps.rows import RowMap
from thresher.steps.verdicts import EXACT, NEAR, REASONS, SAME_WORDS, read_user_ids
from thresher.transforms.spotcheck import wilson
from thresher_jobs import job_report
from thresher_jobs.card import dataset_card
from thresher_jobs.dedup_joins import NEAR_THRESHOLD
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame

Column = np.ndarray[Any, Any]
ALERT_ROWS = 10_000
ALERT_SHARE = 0.1
NOT_READ = "(as in an earlier night; not read again)"


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
    plan: Plan
    read: list[Receipt]
    rows: RowMap
    removals: RemovalCounts
    selected: list[Receipt]
    audit: AuditResult | None
    facts: dict[str, Any]
    attributes: Attributes
    compared: Compared


def publish(run: Run, outcome: Outcome, begin: float) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    counts = _balance(outcome)
    value = _report(run, outcome, counts)

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(outcome, counts, others)

    return job_report.publish(run, value, begin, dataset_card, [], manifest)


def _balance(outcome: Outcome) -> Balance:
    """Count rows and bytes, and check that the removals of each reason add up."""
    counts = balance(outcome.plan, outcome.selected, [r.facts["rows"] for r in outcome.read])
    for source, reasons in zip(counts.sources, outcome.removals.by_source, strict=True):
        if sum(reasons) != source["rows_removed"]:
            raise InternalError(f"source {source['name']}: removals do not add up")
        source["removed_exact"] = reasons[EXACT]
        source["removed_same_words"] = reasons[SAME_WORDS]
        source["removed_near"] = reasons[NEAR]
    return counts


def _report(run: Run, outcome: Outcome, counts: Balance) -> dict[str, Any]:
    removals, params = outcome.removals, outcome.params
    value = frame(
        run,
        "dedup",
        params,
        outcome.plan,
        counts,
        outcome.selected,
        removed_by=dict(zip(REASONS, removals.by_reason(), strict=True)),
        facts=outcome.facts,
        notes=_size_alert(outcome),
    )
    return value | sections(run, outcome)


def sections(run: Run, outcome: Outcome) -> dict[str, Any]:
    """Return what the report says of copies alone."""
    removals = outcome.removals
    return {
        "similarity_histogram": _histogram(removals, outcome.params),
        "cluster_sizes": [{"size": size, "clusters": count} for size, count in removals.sizes],
        **_shown_texts(run, outcome),
        "recall": _recall(outcome),
    }


def _histogram(removals: RemovalCounts, params: DedupParams) -> dict[str, Any]:
    if not any(removals.histogram):
        return {"edges": [], "counts": []}
    first = int(np.floor(min(removals.lowest, params.threshold) * BINS + 1e-9))
    edges = np.arange(first, BINS + 1) / BINS
    return {"edges": edges.tolist(), "counts": removals.histogram[first:]}


def _shown_texts(run: Run, outcome: Outcome) -> dict[str, Any]:
    found = {int(i): t for r in outcome.selected for i, t in r.facts["texts"].items()}
    texts = {i: found.get(i, NOT_READ) for i in outcome.removals.shown().tolist()}
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


def _manifest(outcome: Outcome, counts: Balance, others: list[list[Any]]) -> dict[str, Any]:
    """Return the manifest: what went in, how it was judged, every file with its hash."""
    prints: dict[int, list[str]] = {}
    for task, read in zip(outcome.plan.tasks, outcome.read, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    inputs = outcome.plan.inputs.files
    sizes = {inputs[f].name: (inputs[f].bytes, prints[f]) for f in prints}
    formats: dict[str, dict[str, Any]] = {}
    if outcome.compared.on is not None:
        formats = {inputs[f].name: {"formats": list(outcome.compared.formats[f])} for f in prints}
    return {
        **manifest_frame("dedup", outcome.params, outcome.plan),
        "inputs": [
            {
                **f,
                "bytes": sizes[f["name"]][0],
                **formats.get(f["name"], {}),
                "text_fingerprints": sizes[f["name"]][1],
            }
            for f in counts.files
        ],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in outcome.selected for f in r.files),
            *others,
        ],
    }
