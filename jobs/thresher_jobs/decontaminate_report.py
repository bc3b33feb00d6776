"""What `decontaminate` says about itself: report.json, report.html, the card with the record, the
manifest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import thresher
from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset
from thresher.leaks.tallies import LeakTally
from thresher.leaks.tokens import VERSION
from thresher.params import digest_of
from thresher.report import Report
from thresher.report.leaks import Leaks
from thresher.report.leaks_facts import leaks_section
from thresher.report.leaks_record import decontamination_record
from thresher.run import Run
from thresher.stage import Receipt
from thresher_jobs import job_report
from thresher_jobs.card import dataset_card
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.leak_common import Settled
from thresher_jobs.leak_items import ReadBenchmark
from thresher_jobs.searched import Searched
from thresher_jobs.summary import leak_lines, print_end

SHOWN_IDS = 5
TURNS_APART = (
    "A question over several messages of the user is looked for in each of them alone "
    "(join_user_turns: true joins them)."
)


def publish(
    run: Run, searched: Searched, settled: Settled, written: list[Receipt], begin: float
) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    counts = balance(searched.plan, written, [r.facts["rows"] for r in searched.read])
    removed = counts.total("rows_removed")
    changed = [0] * len(counts.sources)
    for task, receipt in zip(searched.plan.tasks, written, strict=True):
        changed[task.payload.source] += receipt.facts["changed"]
    leaks = leak_facts(
        run,
        searched.params,
        searched.presets[0],
        searched.indexed,
        searched.benchmarks,
        settled,
        written,
        [(source["name"], source["rows_in"]) for source in counts.sources],
        changed,
        searched.unread,
    )
    value = frame(
        run,
        "decontaminate",
        searched.params,
        searched.plan,
        counts,
        written,
        removed_by={"leak": removed} if removed else {},
        facts={"leaks": leaks, "formats": searched.formats},
    )

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(searched, counts, written, others)

    def card(report: Report) -> str:
        record = decontamination_record(Leaks.model_validate(leaks), report.rows_in)
        return f"{dataset_card(report)}\n## Decontamination record\n\n```yaml\n{record}```\n"

    return job_report.publish(run, value, begin, card, [], manifest)


def leak_facts(
    run: Run,
    params: DecontaminateParams,
    preset: Preset,
    indexed: Indexed,
    benchmarks: Sequence[ReadBenchmark],
    settled: Settled,
    written: Sequence[Receipt],
    searched: Sequence[tuple[str, int]],
    changed: Sequence[int],
    unread: Sequence[str],
    step: str = "",
) -> dict[str, Any]:
    """Return what the report says of leaks.

    Args:
        run: Where tallies lie.
        params: What was asked for.
        preset: The rule.
        indexed: What was searched for.
        benchmarks: The same as it was read.
        settled: N-grams that were left out.
        written: Receipts whose fact `leaks` names a tally.
        searched: Name and rows of each source.
        changed: By source, rows that were changed.
        unread: Columns that were not searched.
        step: By which step of a recipe.
    """
    tally = LeakTally()
    for receipt in written:
        tally.merge(LeakTally.from_json(run.store.get_json(receipt.facts["leaks"])))
    for one in benchmarks:
        twins = [(copy, one.uids[twin].as_py()) for copy, twin in one.copies]
        tally.add_copies((one.benchmark.name, one.benchmark.split or ""), twins)
    return leaks_section(
        tally,
        [_about(one) for one in benchmarks],
        list(searched),
        record={
            "tool_version": thresher.__version__,
            **({"step": step} if step else {}),
            "preset": params.preset,
            "thresholds": {
                name: mode.model_dump(mode="json") for name, mode in preset.modes.items()
            },
            "action": params.action,
            "normaliser": VERSION,
            "ngrams": list(indexed.parts[0].index.ngrams),
            "roles": list(params.roles),
            "config_hash": digest_of(params.model_dump(mode="json")),
            "index_hash": indexed.digest,
        },
        common=settled.common,
        num_common=settled.num_common,
        blind_spots=[
            *(f"{one.title}: {one.short_turns}." for one in benchmarks if one.short_turns),
            *(
                [f"Columns outside the formats are not searched: {', '.join(unread)}."]
                * bool(unread)
            ),
            *([] if params.join_user_turns else [TURNS_APART]),
            *([preset.differs] if preset.differs else []),
        ],
        changed=changed,
    )


def _about(one: ReadBenchmark) -> dict[str, Any]:
    """Say what of a benchmark is searched for, and what is not."""
    reasons: dict[str, list[str]] = {}
    for uid, reason in one.unusable:
        reasons.setdefault(reason, []).append(uid)
    return {
        "name": one.benchmark.name,
        "split": one.benchmark.split or "",
        "kind": one.benchmark.kind or "generic",
        "items": one.counts["rows"],
        "indexed": one.counts["usable"],
        "unindexable": [
            {"reason": reason, "items": len(ids), "examples": ids[:SHOWN_IDS]}
            for reason, ids in sorted(reasons.items())
        ],
        "files": one.hashes,
    }


def _manifest(
    searched: Searched, counts: Balance, written: Sequence[Receipt], others: list[list[Any]]
) -> dict[str, Any]:
    """Return the manifest: what went in, what was searched for, every file with its hash."""
    prints: dict[int, list[str]] = {}
    for task, read in zip(searched.plan.tasks, searched.read, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    files = searched.plan.inputs.files
    sizes = {files[f].name: (files[f].bytes, prints[f]) for f in prints}
    return {
        **manifest_frame("decontaminate", searched.params, searched.plan),
        "normaliser": VERSION,
        "index": searched.indexed.digest,
        "benchmarks": [
            {"name": one.benchmark.name, "split": one.benchmark.split, "items": len(one.uids)}
            for one in searched.benchmarks
        ],
        "inputs": [
            {
                **file,
                "bytes": sizes[file["name"]][0],
                "text_fingerprints": sizes[file["name"]][1],
                "formats": searched.formats.get(file["name"], []),
            }
            for file in counts.files
        ],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in written for f in r.files),
            *others,
        ],
    }


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print rows by verdict, what leaked of which benchmark, and where to look."""
    leaks = Leaks.model_validate(report["plan"]["leaks"])
    for key in ("in", "added", "kept", "removed", "quarantined"):
        if key != "added" or report["rows_added"]:
            print(f"{'rows ' + key if key == 'in' else key:<12} {report['rows_' + key]:>12,}")
    if leaks.rows_changed:
        print(f"{'changed':<12} {leaks.rows_changed:>12,} of the kept, see {out}/changes")
    for line in leak_lines(leaks):
        print(line)
    print_end(report, out, "matches")
