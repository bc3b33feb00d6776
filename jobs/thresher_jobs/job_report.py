"""What every job says about itself: the balance, the report's frame, and the order in which report,
page, card and manifest are written.

The balance (in + added = kept + removed + quarantined, by file and in sum) is checked before the
manifest is written. Clocks and rates go into the report only; the manifest holds nothing that
another machine or engine would change.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

import thresher
from thresher.errors import InternalError
from thresher.params import Params, digest_of
from thresher.planning import Plan
from thresher.report import Report, render
from thresher.run import Run
from thresher.stage import Receipt
from thresher_jobs.quarantined import quarantine_reasons

logger = logging.getLogger(__name__)

_SUMS = ("rows_in", "rows_added", "rows_kept", "rows_removed", "rows_quarantined")
_BYTES = ("text_bytes_in", "text_bytes_kept", "text_bytes_removed", "text_bytes_quarantined")


class Balance(NamedTuple):
    """Rows and bytes by file and by source, as the report has them."""

    files: list[dict[str, Any]]
    sources: list[dict[str, Any]]

    def total(self, key: str) -> int:
        """Return a sum over all sources."""
        return sum(source[key] for source in self.sources)


def balance(
    plan: Plan, written: Sequence[Receipt], counted: Sequence[Sequence[int]] | None = None
) -> Balance:
    """Count rows and bytes by file and by source, and check that nothing is lost.

    A file's kept rows are rows of the file; those that a job added are counted by source.

    Args:
        plan: What was read.
        written: Receipts of the stage that wrote rows; the fact `splits` holds, by split, `rows`
            and `bytes` [kept, removed, quarantined] and, where rows are added, `added`.
        counted: By task and split, the rows that an earlier pass counted.

    Raises:
        InternalError: Rows are missing or too many.
    """
    inputs = plan.inputs
    count = len(inputs.files)
    rows_in = np.zeros(count, np.int64)
    rows = np.zeros((count, 3), np.int64)
    size = np.zeros((count, 3), np.int64)
    added = np.zeros(count, np.int64)
    for place, (task, done) in enumerate(zip(plan.tasks, written, strict=True)):
        for at, (split, found) in enumerate(
            zip(task.payload.splits, done.facts["splits"], strict=True)
        ):
            rows_in[split.file] += sum(found["rows"]) if counted is None else counted[place][at]
            rows[split.file] += found["rows"]
            size[split.file] += found["bytes"]
            added[split.file] += found.get("added", 0)
        if done.rows_in + sum(s.get("added", 0) for s in done.facts["splits"]) != done.rows_out:
            raise InternalError(f"task {task.index}: {done.rows_in} rows in, {done.rows_out} out")
    wrong = np.flatnonzero(rows.sum(axis=1) != rows_in)
    if len(wrong):
        file = int(wrong[0])
        raise InternalError(
            f"{inputs.files[file].name}: {rows_in[file]} rows in, {rows[file].sum()} out"
        )
    read_files = sorted({s.file for s in plan.splits()})
    files = [
        {
            "name": inputs.files[f].name,
            "rows_in": int(rows_in[f]),
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
                "rows_in": int(rows_in[mine].sum()),
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
    return Balance(files, sources)


def frame(
    run: Run,
    job: str,
    params: Params,
    plan: Plan,
    counts: Balance,
    written: list[Receipt],
    *,
    removed_by: Mapping[str, int],
    facts: Mapping[str, Any],
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the report's value, without what only one job has.

    Args:
        run: Its stages are told.
        job: Name of the job.
        params: Its parameters.
        plan: What was read.
        counts: The balance.
        written: Receipts of the stage that wrote rows.
        removed_by: Removed rows by reason.
        facts: What the job adds to `plan`.
        notes: What the user should know, after the plan's own notes.
    """
    return {
        **{key: counts.total(key) for key in _SUMS},
        "job": job,
        "thresher_version": thresher.__version__,
        "status": "done",
        "limit_message": None,
        **{key: counts.total(key) for key in _BYTES},
        "sources": counts.sources,
        "files": counts.files,
        "ignored_files": [i._asdict() for i in plan.inputs.ignored],
        "unreadable_files": [{"path": u.path, "reason": u.error} for u in plan.unreadable],
        "removed_by": dict(removed_by),
        "similarity_histogram": {"edges": [], "counts": []},
        "cluster_sizes": [],
        "largest_clusters": [],
        "least_similar": [],
        "recall": None,
        "quarantine": quarantine_reasons(run.store, written),
        "stages": [vars(record) for record in run.records],
        "plan": {
            "engine": run.engine.name,
            "workers": run.engine.workers,
            "tasks": len(plan.tasks),
            "bytes_to_read": plan.bytes,
            "largest_task_bytes": plan.largest_task_bytes,
            **facts,
        },
        "config": params.model_dump(mode="json"),
        "notes": [*plan.notes, *notes],
    }


def publish(
    run: Run,
    value: dict[str, Any],
    begin: float,
    card: Callable[[Report], str],
    others: Sequence[tuple[str, str]],
    manifest: Callable[[list[list[Any]]], dict[str, Any]],
) -> dict[str, Any]:
    """Write report, page, card, other files and manifest, in that order; return the report.

    Args:
        run: Where to.
        value: The report, but for the time it took.
        begin: When the job began, by the monotonic clock.
        card: Makes the dataset card; it depends on the result alone.
        others: Name and text of further files.
        manifest: Makes the manifest, given [name, bytes, hash] of the card and the others.
    """
    value["content"] = digest_of(manifest([])["files"])
    value["wall_seconds"] = round(time.monotonic() - begin, 3)
    report = Report.model_validate(value)
    run.store.put("report.json", (report.model_dump_json(indent=2) + "\n").encode())
    run.store.put("report.html", render(report).encode())
    texts = [("README.md", card(report)), *others]
    files = [run.store.put(name, text.encode()) for name, text in texts]
    run.commit(manifest([[f.name, f.bytes, f.sha256] for f in files]))
    if report.rows_in and not report.rows_kept:
        gone = {**report.removed_by, "quarantined": report.rows_quarantined}
        most = max(gone, key=lambda reason: gone[reason])
        logger.warning("none of %s rows is left; most went as %s", f"{report.rows_in:,}", most)
    return report.model_dump(mode="json")


def manifest_frame(job: str, params: Params, plan: Plan) -> dict[str, Any]:
    """Return the keys that every manifest begins with."""
    return {
        "format": 1,
        "job": job,
        "thresher_version": thresher.__version__,
        "pyarrow_version": pa.__version__,
        "params": params.model_dump(mode="json"),
        "unreadable": [u.path.rsplit("/", 1)[-1] for u in plan.unreadable],
    }
