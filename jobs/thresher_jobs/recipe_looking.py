"""What a recipe would do and be made of, before any row is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from thresher.planning import Plan, pins
from thresher_jobs.export_params import ExportParams
from thresher_jobs.recipe import READ_ONCE, Recipe, Step, list_sources, typed_steps
from thresher_jobs.recipe_advice import advised
from thresher_jobs.run_recipe import make_steps, plan_of


def dry_lines(recipe: Recipe, typed: Sequence[Step]) -> Iterator[str]:
    """Yield what a run would read and do; no row is read.

    Raises:
        ThresherError: What the run would begin with.
    """
    with advised(recipe):
        plan = plan_of(recipe)
        steps, _ = make_steps(typed, recipe, plan)
        for step in steps:
            step.check()
        _check_places(recipe, typed)
    for number, source in enumerate(plan.inputs.sources):
        files = [file for file in plan.inputs.files if file.source == number]
        size = sum(file.bytes for file in files)
        yield f"source  {source.name}: {len(files)} files, {size:,} bytes, {source.address}"
    for one in typed:
        changed = one.params.model_dump(mode="json", exclude_unset=True, exclude={*READ_ONCE})
        said = ", ".join(f"{key}={value}" for key, value in changed.items())
        yield f"step    {one.name}: {said or 'as by default'}"
    for step in steps:
        yield from step.looks_for()
    yield (
        f"read    {plan.bytes:,} bytes in {len(plan.tasks)} tasks, twice; the largest holds "
        f"{plan.largest_task_bytes:,} bytes; rows are written once"
    )
    for note in plan.notes:
        yield f"note    {note}"


def _check_places(recipe: Recipe, typed: Sequence[Step]) -> None:
    exports = [step.params for step in typed if isinstance(step.params, ExportParams)]
    if exports:
        from thresher_jobs.recipe_export import check_free

        made_by = [step for step in typed if not isinstance(step.params, ExportParams)]
        for export in exports:
            check_free(export, recipe, made_by)


def inputs_of(recipe: Recipe, plan: Plan, memo: dict[Any, Any]) -> dict[str, Any]:
    """Return digests of the files that the steps need now, by step.

    Args:
        recipe: Sources and steps.
        plan: Of the sources.
        memo: What steps have read of files, for those that come after.

    Raises:
        ThresherError: What the run would begin with.
    """
    with advised(recipe):
        steps, _ = make_steps(typed_steps(recipe), recipe, plan)
        for step in steps:
            step.memo = memo
        return {step.name: step.check() for step in steps}


def pins_of(recipe: Recipe) -> list[list[Any]]:
    """Return what identifies the inputs now: name, size and pin of each file."""
    return pins(list_sources(recipe))
