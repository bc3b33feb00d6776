"""What `score` and `select` say about themselves: report.json, report.html, the card, the
manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from thresher.report.quality_facts import quality_section
from thresher.run import Run
from thresher.signals.figures import Figures
from thresher.stage import Receipt
from thresher.steps.sifting import SiftStep, merged_figures
from thresher_jobs import job_report
from thresher_jobs.card import dataset_card
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.score_params import SiftParams
from thresher_jobs.scored import Scored
from thresher_jobs.summary import print_end

DESIRABLE = "desirable"
MOST_DESIRABLE = 4 / 3


def publish(
    run: Run,
    scored: Scored,
    params: SiftParams,
    how: SiftStep,
    written: list[Receipt],
    begin: float,
) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    job = "score" if params is scored.params else "select"
    counts = balance(scored.plan, written, [r.facts["rows"] for r in scored.read])
    first: Counter[str] = Counter()
    if not params.annotate:
        for receipt in written:
            first += Counter(receipt.facts["first"])
    quality = quality_facts(run, scored, how, written)
    balance_note = kto_balance(quality)
    value = frame(
        run,
        job,
        params,
        scored.plan,
        counts,
        written,
        removed_by={name: first[name] for name in how.names if first[name]},
        facts={"quality": quality, "formats": scored.file_formats()},
        notes=[balance_note] if balance_note else [],
    )

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(job, scored, params, counts, written, others)

    return job_report.publish(run, value, begin, dataset_card, [], manifest)


def quality_facts(
    run: Run, scored: Scored, how: SiftStep, written: Sequence[Receipt]
) -> dict[str, Any]:
    """Return what the report says of signals and rules, by the figures that tasks counted."""
    sources = [task.payload.source for task in scored.plan.tasks]
    return quality_of(scored, merged_figures(run.store, how, written, sources))


def quality_of(scored: Scored, merged: Mapping[int, Figures]) -> dict[str, Any]:
    """Return what the report says of signals and rules, by the figures of each source."""
    return quality_section(
        [(scored.plan.inputs.sources[number].name, merged[number]) for number in sorted(merged)],
        profile=scored.name,
        about=scored.profile.about,
        options={
            "text": scored.profile.text,
            "groups": list(scored.profile.groups),
            **scored.profile.options,
        },
        models=scored.models,
        tokens_estimated=scored.estimated,
    )


def kto_balance(quality: Mapping[str, Any]) -> str | None:
    """Say how many kept answers are desirable, and which weights TRL's KTOTrainer should get.

    TRL advises that weight x rows of the desirable to the undesirable lies between 1:1 and 4:3.
    """
    figures = next((s for s in quality["signals"] if s["name"] == DESIRABLE), None)
    if figures is None:
        return None
    kept = dict(zip(figures["labels"], figures["whole"]["kept"], strict=True))
    good, bad = kept.get("yes", 0), kept.get("no", 0)
    told = f"KTO: {good:,} desirable and {bad:,} undesirable answers kept"
    if not good or not bad:
        return f"{told}: KTO needs both"
    ratio = good / bad
    if 1 <= ratio <= MOST_DESIRABLE:
        return f"{told}: balanced, both weights 1.0"
    if ratio < 1:
        low, high = 1 / ratio, MOST_DESIRABLE / ratio
        return f"{told}: set desirable_weight between {low:.2f} and {high:.2f}"
    low, high = ratio / MOST_DESIRABLE, ratio
    return f"{told}: set undesirable_weight between {low:.2f} and {high:.2f}"


def _manifest(
    job: str,
    scored: Scored,
    params: SiftParams,
    counts: Balance,
    written: Sequence[Receipt],
    others: list[list[Any]],
) -> dict[str, Any]:
    """Return the manifest: what went in, how it was judged, every file with its hash."""
    prints: dict[int, list[str]] = {}
    for task, read in zip(scored.plan.tasks, scored.read, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    files = scored.plan.inputs.files
    sizes = {files[f].name: (files[f].bytes, prints[f]) for f in prints}
    formats = scored.file_formats()
    return {
        **manifest_frame(job, params, scored.plan),
        "profile": scored.profile.model_dump(mode="json", by_alias=True),
        "models": [dict(model) for model in scored.models],
        "inputs": [
            {
                **file,
                "bytes": sizes[file["name"]][0],
                "text_fingerprints": sizes[file["name"]][1],
                "formats": formats.get(file["name"], []),
            }
            for file in counts.files
        ],
        "files": [
            *([f.name, f.bytes, f.sha256] for r in written for f in r.files),
            *others,
        ],
    }


def print_summary(report: dict[str, Any], out: str) -> None:
    """Print rows by verdict, the rules that decided, and where to look."""
    quality = report["plan"]["quality"]
    print(f"profile      {quality['profile']}")
    for key in ("in", "kept", "removed", "quarantined"):
        print(f"{'rows ' + key if key == 'in' else key:<12} {report['rows_' + key]:>12,}")
    fired = [rule for rule in quality["rules"] if rule["fired"]]
    for rule in sorted(fired, key=lambda rule: (-rule["fired"], rule["name"]))[:12]:
        what = "tagged" if rule["action"] == "tag" else "failed"
        print(f"  {what:<10} {rule['fired']:>12,}  {rule['name']}: {rule['text']}")
    if len(fired) > 12:
        print(f"             and {len(fired) - 12} more rules, in report.html")
    silent = ("fired on none", "judged no row")
    notes = [*report["notes"], *quality.get("warnings", [])]
    print_end(report, out, notes=[n for n in notes if not any(s in n for s in silent)])
    print(f"adjust       thresher select {out} --out NEW --set rules.NAME.max=VALUE")
