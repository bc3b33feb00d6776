"""What `thresher verify` checks of a recipe's result, besides hashes and counts; and what it cannot
check from the result alone, which it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from thresher.errors import InputError
from thresher.report import Report
from thresher.report.flow import RecipeFlow
from thresher.result import Result
from thresher_jobs.recipe import Recipe, Step, typed_steps
from thresher_jobs.split_params import SplitParams
from thresher_jobs.split_verify import check_groups, check_texts, id_hashes
from thresher_jobs.verify_steps import check_copies, check_matches, check_reasons

Column = np.ndarray[Any, Any]
_BEFORE_CONVERT = "rows were compared as they were read, before convert"
_UNSEEN = {
    "decontaminate": "no row was searched again for test items",
    "score": "signals were not computed again",
    "mix": "the draw was not made again",
    "convert": "rows were not converted again",
}


def check_recipe(result: Result) -> Iterator[str]:
    """Check that every row is in one place, that the report's figures are those of the rows, that
    every removal has the reason that its step gives, as far as the result tells, and that a split
    tears nothing; say last what was not checked.

    Raises:
        InputError: A statement does not hold.
    """
    recipe = Recipe.model_validate(result.manifest["params"])
    steps = _steps_of(result, recipe)
    yield _check_ids(result)
    counts = _count_removals(result, steps)
    yield _check_report(result, counts)
    yield _check_partners(result, steps, counts)
    as_read = all(step.kind != "convert" for step in steps)
    for step in steps:
        params: Any = step.params
        if step.kind == "dedup" and as_read:
            yield check_copies(result, step.name, params)
        elif step.kind == "decontaminate":
            yield from check_matches(result, step.name, params, as_read)
        elif step.kind == "score":
            yield check_reasons(result, step.name, params, recipe.text_column is not None)
    split = next((step.params for step in steps if isinstance(step.params, SplitParams)), None)
    if split is not None and result.manifest["splits"]:
        yield check_groups(result)
        if as_read:
            yield from check_texts(result, split)
    yield from _not_checked(steps, as_read)


def _steps_of(result: Result, recipe: Recipe) -> tuple[Step, ...]:
    """Return the steps that were run."""
    ran = {
        str(said["name"]) for step in result.manifest["recipe"]["steps"] for said in step.values()
    }
    return tuple(step for step in typed_steps(recipe) if step.name in ran)


def _check_ids(result: Result) -> str:
    """Check that no row id stands twice in the ledger: a removed row is in no other place."""
    hashes = [
        id_hashes(result.read("ledger", n, ["_row_id"])["_row_id"]) for n in range(result.num_parts)
    ]
    every = np.concatenate(hashes) if hashes else np.zeros((0, 2), np.uint64)
    order = np.lexsort((every[:, 1], every[:, 0]))
    if len(order) and (every[order[1:]] == every[order[:-1]]).all(axis=1).any():
        raise InputError("a row id stands twice in the ledger: a row has two verdicts")
    return f"ids         {len(order):,} lines, each row in one place"


def _count_removals(result: Result, steps: Sequence[Step]) -> Counter[str]:
    known = {step.name for step in steps}
    counts: Counter[str] = Counter()
    for part in range(result.num_parts):
        for row in result.read("removed", part, ["_row_id", "_removed_by"]).to_pylist():
            if row["_removed_by"] not in known:
                name = row["_removed_by"]
                raise InputError(f"{row['_row_id']} was removed by {name!r}, which is no step")
            counts[row["_removed_by"]] += 1
    return counts


def _check_report(result: Result, removed: Counter[str]) -> str:
    """Compare the figures of report.json with the rows."""
    report = Report.model_validate(result.report())
    found: Counter[str] = Counter()
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["verdict"])
        found.update(ledger.column("verdict").to_pylist())
        found["added"] += int(np.asarray(ledger.column("added")).sum())
    rows_in = found["kept"] + found["removed"] + found["quarantined"] - found["added"]
    stated = {
        "in": (report.rows_in, rows_in),
        **{word: (getattr(report, f"rows_{word}"), found[word])
           for word in ("added", "kept", "removed", "quarantined")},
    }  # fmt: skip
    by_step: Counter[str] = Counter()
    for reason, rows in report.removed_by.items():
        by_step[reason.partition(":")[0]] += rows
    flow = RecipeFlow.model_validate(report.plan["flow"])
    for name in {*by_step, *removed}:
        stated[f"removed by {name}"] = (by_step[name], removed[name])
    stated["kept by source"] = (sum(s.rows_out for s in flow.sources), found["kept"])
    for what, (said, counted) in stated.items():
        if said != counted:
            raise InputError(f"report.json says {said} rows {what}, there are {counted}")
    return f"report      {len(stated)} figures of report.json are those of the rows"


def _check_partners(result: Result, steps: Sequence[Step], counts: Counter[str]) -> str:
    """Check that every copy names a row that its step kept: one that is in the data, or that a
    later step left out."""
    order = {step.name: number for number, step in enumerate(steps)}
    copies = {step.name for step in steps if step.kind == "dedup"}
    partners: list[tuple[str, str, int]] = []
    left_out: dict[str, int] = {}
    for part in range(result.num_parts):
        columns = ["_row_id", "_removed_by", "_matched_id"]
        for row in result.read("removed", part, columns).to_pylist():
            left_out[row["_row_id"]] = order[row["_removed_by"]]
            if row["_removed_by"] in copies:
                partners.append((row["_row_id"], row["_matched_id"], order[row["_removed_by"]]))
    verdicts = {line.row_id: line.verdict for line in result.find({k for _, k, _ in partners})}
    for row_id, kept, step in partners:
        fine = verdicts.get(kept) in ("kept", "quarantined") or left_out.get(kept, -1) > step
        if not fine:
            raise InputError(f"{row_id} is a copy of {kept}, which its step did not keep")
    told = ", ".join(f"{count:,} by {name}" for name, count in counts.items()) or "none"
    return f"removals    {told}; {len(partners):,} copies checked, each has a kept partner"


def _not_checked(steps: Sequence[Step], as_read: bool) -> Iterator[str]:
    """Say what the result alone cannot tell."""
    for step in steps:
        if step.kind in _UNSEEN:
            yield f"not checked {step.name}: {_UNSEEN[step.kind]}"
        elif not as_read and step.kind in ("dedup", "split"):
            yield f"not checked {step.name}: {_BEFORE_CONVERT}"
    yield "not checked that no row that was kept should have gone: run the recipe again for that"
