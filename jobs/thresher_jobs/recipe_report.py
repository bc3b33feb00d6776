"""What `thresher run` says about itself: the flow of rows from each source through each step, every
step's own part, the card with licences and records, the manifest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from thresher.planning import Plan
from thresher.report import Report
from thresher.run import Run
from thresher.stage import Receipt
from thresher_jobs import job_report
from thresher_jobs.job_report import Balance, balance, frame, manifest_frame
from thresher_jobs.recipe import Recipe
from thresher_jobs.recipe_card import RECORD, RULES, recipe_card
from thresher_jobs.recipe_composition import choose_counting, composition_facts
from thresher_jobs.recipe_steps import DedupStep, Passed, RecipeStep, facts_alone
from thresher_jobs.recipe_summary import UNREAD

if TYPE_CHECKING:
    from thresher_jobs.recipe_conversion import ConvertStep


@dataclass(frozen=True)
class SourceFlow:
    """Rows of one source on their way through the steps.

    Args:
        name: The source.
        rows_in: Rows read.
        left_out: By step in order, rows that it removed or could not judge; `read` is the first.
        rows_out: Rows of the data.
    """

    name: str
    rows_in: int
    left_out: dict[str, int]
    rows_out: int

    def reached(self, step: str) -> int:
        """Return the rows that earlier steps left."""
        rows = self.rows_in
        for name, gone in self.left_out.items():
            if name == step:
                break
            rows -= gone
        return rows


@dataclass(frozen=True)
class Flow:
    """Rows of all sources on their way through the steps."""

    steps: tuple[str, ...]
    sources: tuple[SourceFlow, ...]

    def to_json(self) -> dict[str, Any]:
        """Return JSON values."""
        return {"steps": list(self.steps), "sources": [vars(source) for source in self.sources]}


@dataclass(frozen=True)
class Recipes:
    """All that the report is made of.

    Args:
        recipe: What was asked for.
        resolved: The same with every default said.
        passed: What is known after the pass over the text.
        steps: The steps, as they decided.
        conversion: How rows were written; None as they came.
        written: Receipts of the writing stage.
        flow: Rows on their way.
    """

    recipe: Recipe
    resolved: dict[str, Any]
    passed: Passed
    steps: Sequence[RecipeStep]
    conversion: ConvertStep | None
    written: list[Receipt]
    flow: Flow


def flow_of(
    plan: Plan, written: Sequence[Receipt], steps: Sequence[str], conversion: str | None
) -> Flow:
    """Count rows by source and the step that decided about them."""
    names = (UNREAD, *steps, *([] if conversion is None else [conversion]))
    counts = np.zeros((len(plan.inputs.sources), len(steps) + 3), np.int64)
    out = np.zeros(len(plan.inputs.sources), np.int64)
    for task, receipt in zip(plan.tasks, written, strict=True):
        source = task.payload.source
        counts[source] += np.array(receipt.facts["flow"], np.int64).sum(axis=0)
        for split in receipt.facts["splits"]:
            out[source] += split["rows"][0] + split["added"]
    sources = [
        SourceFlow(
            source.name,
            int(counts[number].sum()),
            dict(zip(names, counts[number, 1:].tolist(), strict=False)),
            int(out[number]),
        )
        for number, source in enumerate(plan.inputs.sources)
    ]
    return Flow(names, tuple(sources))


class _Parts(dict[str, Any]):
    """What steps of one kind say, by step."""

    def told(self, one: str, several: str) -> dict[str, Any]:
        """Return it under the first name where there is one such step, by step under the second
        where there are several."""
        if len(self) == 1:
            return {one: next(iter(self.values()))}
        return {several: dict(self)} if self else {}


def publish(run: Run, found: Recipes, begin: float) -> dict[str, Any]:
    """Write report, page, card and manifest, in that order; return the report."""
    plan = found.passed.plan
    counts = balance(plan, found.written, [r.facts["rows"] for r in found.passed.receipts])
    removed_by: dict[str, int] = {}
    counting = choose_counting(found.recipe, found.steps)
    flow = found.flow.to_json()
    quarantined = {UNREAD: sum(source.left_out[UNREAD] for source in found.flow.sources)}
    facts: dict[str, Any] = {
        "recipe": found.resolved,
        "flow": flow,
        "composition": composition_facts(plan, found.written, counting),
    }
    judged, searched, compared = _Parts(), _Parts(), _Parts()
    notes: list[str] = []
    for step in found.steps:
        told = facts_alone(found.written, step.name)
        gone = sum(source.left_out[step.name] for source in found.flow.sources)
        removed = step.removed_by(told, gone)
        removed_by |= removed
        quarantined[step.name] = gone - sum(removed.values())
        reached = [(source.name, source.reached(step.name)) for source in found.flow.sources]
        part = step.report(run, told, reached)
        plan_part = part.pop("plan", {})
        if "quality" in plan_part:
            judged[step.name] = plan_part.pop("quality")
        if "leaks" in plan_part:
            searched[step.name] = plan_part.pop("leaks")
        facts |= plan_part
        notes += part.pop("notes", [])
        if isinstance(step, DedupStep):
            _count_copies(counts, step)
            compared[step.name] = part
    facts |= judged.told("quality", "qualities") | searched.told("leaks", "leaks_by_step")
    copies = compared.told("copies", "copies_by_step")
    top = copies.pop("copies", {})
    facts |= copies
    if found.conversion is not None:
        facts["conversion"] = _conversion(found)
        undesirable = counts.total("rows_removed") - sum(removed_by.values())
        removed_by |= {f"{found.conversion.name}: undesirable": undesirable} if undesirable else {}
        gone = sum(source.left_out[found.conversion.name] for source in found.flow.sources)
        quarantined[found.conversion.name] = gone - undesirable
    flow["quarantined"] = {step: rows for step, rows in quarantined.items() if rows}
    value = frame(
        run,
        "run",
        found.recipe,
        plan,
        counts,
        found.written,
        removed_by=removed_by,
        facts=facts,
        notes=notes,
    )
    value |= top

    records = "---\n".join(r for step in found.steps if (r := step.record()))

    def card(report: Report) -> str:
        said = [(step.name, text) for step in found.steps if (text := step.card(report))]
        return recipe_card(report, found.recipe, splits_of(found), said)

    def manifest(others: list[list[Any]]) -> dict[str, Any]:
        return _manifest(found, counts, others)

    rules = [(RULES.format(step.name), text) for step in found.steps if (text := step.rules())]
    texts = [("recipe.yaml", _yaml(found)), *rules, *([(RECORD, records)] if records else [])]
    return job_report.publish(run, value, begin, card, texts, manifest)


def _count_copies(counts: Balance, step: DedupStep) -> None:
    for source, (exact, words, near) in zip(counts.sources, step.by_source(), strict=True):
        source["removed_exact"] += exact
        source["removed_same_words"] += words
        source["removed_near"] += near


def _conversion(found: Recipes) -> dict[str, Any]:
    from thresher.formats.conversion import FORM_LOSSES, ordered_losses

    formats: Counter[str] = Counter()
    losses: Counter[str] = Counter()
    for receipt in found.written:
        losses += Counter(receipt.facts["losses"])
        for split in receipt.facts["splits"]:
            formats += Counter(split["formats"])
    assert found.conversion is not None
    files = found.passed.plan.inputs.files
    lost = ordered_losses(losses)
    return {
        "detected": {
            files[file].name: {
                "formats": list(one.formats),
                "confidence": one.confidence,
                "reasons": list(one.reasons),
            }
            for file, one in sorted((found.passed.detected or {}).items())
        },
        "rows_by_format": dict(sorted(formats.items())),
        "losses": lost,
        "form_only": sorted(FORM_LOSSES & set(lost)),
        "columns": found.conversion.choose(found.passed).schema.names,
        "trainer_file": None,
        "examples": [],
    }


def _yaml(found: Recipes) -> str:
    return yaml.safe_dump(found.resolved, sort_keys=False, allow_unicode=True, width=100)


def splits_of(found: Recipes) -> tuple[str, ...]:
    """Return the names of the splits that rows went to; none where one folder holds all."""
    where = next((where for step in found.steps if (where := step.where) is not None), None)
    return () if where is None else where.splits


def _manifest(found: Recipes, counts: Balance, others: list[list[Any]]) -> dict[str, Any]:
    """Return the manifest: what went in, how it was judged, every file with its hash."""
    passed = found.passed
    prints: dict[int, list[str]] = {}
    for task, read in zip(passed.plan.tasks, passed.receipts, strict=True):
        for split, text in zip(task.payload.splits, read.facts["fingerprints"], strict=True):
            prints.setdefault(split.file, []).append(text)
    files = passed.plan.inputs.files
    sizes = {files[f].name: (files[f].bytes, prints[f]) for f in prints}
    formats = {files[f].name: list(d.formats) for f, d in (passed.detected or {}).items()}
    return {
        **manifest_frame("run", found.recipe, passed.plan),
        "recipe": found.resolved,
        "splits": list(splits_of(found)),
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
            *([f.name, f.bytes, f.sha256] for r in found.written for f in r.files),
            *others,
        ],
    }
