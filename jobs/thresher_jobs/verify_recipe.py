"""What `thresher verify` checks of a recipe's result, besides hashes and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from thresher.errors import InputError
from thresher.result import Result
from thresher_jobs.recipe import Recipe, Step, typed_steps
from thresher_jobs.split_params import SplitParams
from thresher_jobs.split_verify import check_groups, check_texts


def check_recipe(result: Result) -> Iterator[str]:
    """Check that every removed row names a step of the recipe, and every copy a row that this step
    kept: one that is in the data, or that a later step left out; and that a split tears nothing.

    Raises:
        InputError: A statement does not hold.
    """
    steps = typed_steps(Recipe.model_validate(result.manifest["params"]))
    yield _check_removals(result, steps)
    split = next((step.params for step in steps if isinstance(step.params, SplitParams)), None)
    if split is None or not result.manifest["splits"]:
        return
    yield check_groups(result)
    if any(step.kind == "convert" for step in steps):
        yield "similarity  not checked again: rows were compared as they were read, before convert"
    else:
        yield from check_texts(result, split)


def _check_removals(result: Result, steps: Sequence[Step]) -> str:
    order = {step.name: number for number, step in enumerate(steps)}
    copies = {step.name for step in steps if step.kind == "dedup"}
    found: Counter[str] = Counter()
    partners: list[tuple[str, str, int]] = []
    left_out: dict[str, int] = {}
    for part in range(result.num_parts):
        columns = ["_row_id", "_removed_by", "_matched_id"]
        for row in result.read("removed", part, columns).to_pylist():
            name = row["_removed_by"]
            if name not in order:
                raise InputError(f"{row['_row_id']} was removed by {name!r}, which is no step")
            found[name] += 1
            left_out[row["_row_id"]] = order[name]
            if name in copies:
                partners.append((row["_row_id"], row["_matched_id"], order[name]))
    wanted = {kept for _, kept, _ in partners}
    verdicts = {line.row_id: line.verdict for line in result.find(wanted)}
    for row_id, kept, step in partners:
        fine = verdicts.get(kept) in ("kept", "quarantined") or left_out.get(kept, -1) > step
        if not fine:
            raise InputError(f"{row_id} is a copy of {kept}, which its step did not keep")
    told = ", ".join(f"{count:,} by {name}" for name, count in found.items()) or "none"
    return f"removals    {told}; {len(partners):,} copies checked, each has a kept partner"
