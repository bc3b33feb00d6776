"""What `dedup` says about itself: report.json, report.html, the dataset card, the manifest.

The balance (in + added = kept + removed + quarantined, by file and in sum) is checked before the
manifest is written. Clocks and rates go into the report only; the manifest holds nothing that
another machine or engine would change.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import thresher
from thresher import docid
from thresher.engines.options import EngineOptions
from thresher.errors import InternalError
from thresher.planning import Plan
from thresher.report import Report, render
from thresher.run import Run
from thresher.stage import Receipt
from thresher.steps.rows import RowMap
from thresher.steps.verdicts import EXACT, NEAR, REASONS, SAME_WORDS, Verdicts, read_user_ids
from thresher.transforms.spotcheck import wilson
from thresher_jobs.card import dataset_card
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.quarantined import quarantine_reasons

Column = np.ndarray[Any, Any]
NUM_CLUSTERS = 12
NUM_MEMBERS = 5
NUM_PAIRS = 20
NEAR_THRESHOLD = 0.05
ALERT_ROWS = 10_000
ALERT_SHARE = 0.1


class Shown(NamedTuple):
    """Which rows the report shows: the largest clusters and the least similar pairs, as places in
    the verdicts.

    Args:
        leaders, sizes: Kept ids and rows of their clusters, largest first.
        members: For each leader, places of a few removed rows, least similar first.
        pairs: Places of the least similar removals.
        size_counts: (size, clusters) of all clusters.
    """

    leaders: list[int]
    sizes: list[int]
    members: list[list[int]]
    pairs: list[int]
    ids: Column
    kept: Column
    size_counts: list[tuple[int, int]]

    def wanted(self) -> Column:
        """Return the ids whose text is needed, sorted."""
        places = [p for group in self.members for p in group] + self.pairs
        needed = [np.array(self.leaders, np.uint64), self.ids[places], self.kept[places]]
        return np.unique(np.concatenate(needed).astype(np.uint64))


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
    verdicts: Verdicts
    selected: list[Receipt]
    shown: Shown
    audit: AuditResult | None
    facts: dict[str, Any]
    attributes: str


def choose_shown(verdicts: Verdicts) -> Shown:
    """Choose what the report shows; ties fall by id, so equal results show equal rows."""
    leaders, inverse, counts = np.unique(verdicts.kept, return_inverse=True, return_counts=True)
    sizes, clusters = np.unique(counts + 1, return_counts=True)
    top = np.argsort(-counts, kind="stable")[:NUM_CLUSTERS]
    scores = verdicts.scores()
    members = []
    for leader in top.tolist():
        places = np.flatnonzero(inverse == leader)
        least = places[np.argsort(scores[places], kind="stable")[:NUM_MEMBERS]]
        members.append(least.tolist())
    near = np.flatnonzero(verdicts.reason == NEAR)
    pairs = near[np.argsort(scores[near], kind="stable")[:NUM_PAIRS]].tolist()
    return Shown(
        leaders[top].tolist(),
        (counts[top] + 1).tolist(),
        members,
        pairs,
        verdicts.ids,
        verdicts.kept,
        list(zip(sizes.tolist(), clusters.tolist(), strict=True)),
    )


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
    reasons = _reasons_by_source(outcome)
    sources = []
    for number, source in enumerate(inputs.sources):
        mine = [f for f in read_files if of_file[f] == number]
        kept, removed, quarantined = rows[mine].sum(axis=0).tolist() if mine else (0, 0, 0)
        b_kept, b_removed, b_quarantined = size[mine].sum(axis=0).tolist() if mine else (0, 0, 0)
        if reasons[number].sum() != removed:
            raise InternalError(f"source {source.name}: removals do not add up")
        sources.append(
            {
                "name": source.name,
                "files": len(mine),
                "rows_in": int(rows_in[mine].sum()),
                "rows_added": 0,
                "rows_kept": kept,
                "rows_removed": removed,
                "removed_exact": int(reasons[number, EXACT]),
                "removed_same_words": int(reasons[number, SAME_WORDS]),
                "removed_near": int(reasons[number, NEAR]),
                "rows_quarantined": quarantined,
                "text_bytes_in": b_kept + b_removed + b_quarantined,
                "text_bytes_kept": b_kept,
                "text_bytes_removed": b_removed,
                "text_bytes_quarantined": b_quarantined,
            }
        )
    return files, sources


def _reasons_by_source(outcome: Outcome) -> Column:
    of_task = np.array([t.payload.source for t in outcome.plan.tasks], dtype=np.int64)
    source = of_task[docid.task_of(outcome.verdicts.ids)]
    counts = np.zeros((len(outcome.plan.inputs.sources), len(REASONS)), np.int64)
    np.add.at(counts, (source, outcome.verdicts.reason.astype(np.int64)), 1)
    return counts


def _report(
    run: Run, outcome: Outcome, files: list[dict[str, Any]], sources: list[dict[str, Any]]
) -> dict[str, Any]:
    def total(key: str) -> int:
        return sum(source[key] for source in sources)

    verdicts, params = outcome.verdicts, outcome.params
    reasons = np.bincount(verdicts.reason, minlength=len(REASONS)).tolist()
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
        "removed_by": dict(zip(REASONS, reasons, strict=True)),
        "similarity_histogram": _histogram(verdicts, params),
        "cluster_sizes": [
            {"size": size, "clusters": count} for size, count in outcome.shown.size_counts
        ],
        **_shown_texts(run, outcome),
        "recall": _recall(outcome),
        "quarantine": quarantine_reasons(run.store, outcome.selected),
        "stages": [vars(record) for record in run.records],
        "plan": _plan_facts(outcome, run),
        "config": params.model_dump(mode="json"),
        "notes": [*outcome.plan.notes, *_size_alert(outcome)],
    }


def _histogram(verdicts: Verdicts, params: DedupParams) -> dict[str, Any]:
    near = verdicts.reason == NEAR
    if not near.any():
        return {"edges": [], "counts": []}
    scores = verdicts.scores()[near]
    lowest = min(float(scores.min()), params.threshold)
    first = int(np.floor(lowest * 50 + 1e-9))
    edges = np.arange(first, 51) / 50
    counts, _ = np.histogram(scores, edges)
    return {"edges": edges.tolist(), "counts": counts.tolist()}


def _shown_texts(run: Run, outcome: Outcome) -> dict[str, Any]:
    texts = {int(i): t for r in outcome.selected for i, t in r.facts["texts"].items()}
    wanted = outcome.shown.wanted()
    names = _names(run, outcome, wanted)
    verdicts = outcome.verdicts
    scores = verdicts.scores()

    def member(place: int) -> dict[str, Any]:
        number = int(verdicts.ids[place])
        return {
            "id": names[number],
            "reason": REASONS[verdicts.reason[place]],
            "score": float(scores[place]),
            "text": texts[number],
        }

    shown = outcome.shown
    clusters = [
        {
            "kept_id": names[leader],
            "size": size,
            "text": texts[leader],
            "members": [member(place) for place in places],
        }
        for leader, size, places in zip(shown.leaders, shown.sizes, shown.members, strict=True)
    ]
    pairs = [
        {
            "removed_id": names[int(verdicts.ids[place])],
            "matched_id": names[int(verdicts.kept[place])],
            "score": float(scores[place]),
            "shared": int(verdicts.shared[place]),
            "union": int(verdicts.union[place]),
            "removed_text": texts[int(verdicts.ids[place])],
            "matched_text": texts[int(verdicts.kept[place])],
        }
        for place in shown.pairs
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
    removed = int((outcome.verdicts.reason == NEAR).sum())
    kept = outcome.facts["kept_compared"]
    scale = kept / audit.sampled * max(1.0, kept / max(1, audit.compared))
    low, high = wilson(len(audit.misses), audit.sampled)

    def recall(missed: float, found: int) -> float | None:
        return found / (found + missed) if found + missed else None

    share = "all" if audit.whole else f"{audit.compared} of {kept}"
    scores = outcome.verdicts.scores()
    border = params.threshold + NEAR_THRESHOLD
    found_near = int(((outcome.verdicts.reason == NEAR) & (scores <= border)).sum())
    missed_near = sum(s <= border * u for s, u in audit.misses)
    return value | {
        "sampled_rows": audit.sampled,
        "compared_rows": audit.compared,
        "missed": len(audit.misses),
        "estimate": recall(len(audit.misses) * scale, removed),
        "low": recall(high * scale, removed),
        "high": recall(low * scale, removed),
        "near_threshold_estimate": recall(missed_near * scale, found_near),
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
