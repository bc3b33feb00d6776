"""What `thresher explain` says of a row of a recipe's result."""

from __future__ import annotations

from collections.abc import Iterator

from thresher.result import Line, Result
from thresher.steps.leak_writing import MATCH_FOLDER
from thresher_jobs.explain_leaks import match_lines
from thresher_jobs.recipe import Recipe, typed_steps
from thresher_jobs.split_explain import split_lines
from thresher_jobs.split_params import SplitParams
from thresher_jobs.terminal import cut, one_line

_OWN = ("_row_id", "_removed_by", "_reason", "_matched_id", "_score")


def explain_recipe(result: Result, line: Line) -> Iterator[str]:
    """Yield which step decided about a row, why, and what the row holds."""
    again = ", written again" if line.added else ""
    place = f"row {line.row} of {line.file}{again}"
    yield one_line(f"row       {line.row_id}  ({place})")
    yield f"verdict   {line.verdict}"
    if line.verdict == "quarantined":
        table = result.read("quarantine", line.part, ["_row_id", "error"])
        errors = dict(zip(*(column.to_pylist() for column in table.columns), strict=True))
        yield one_line(f"error     {errors.get(line.row_id, 'unknown')}")
        yield "see       quarantine/ for its bytes"
        return
    if line.verdict == "kept":
        steps = typed_steps(Recipe.model_validate(result.manifest["params"]))
        if line.added and line.matched_id is not None:
            yield one_line(f"made of   {line.matched_id}, which is written several times")
            line = next(result.find({line.matched_id}))
        yield from _matches(result, line)
        yield f"because   none of the steps {', '.join(step.name for step in steps)} removed it"
        for step in steps:
            if isinstance(step.params, SplitParams) and result.manifest["splits"]:
                yield from split_lines(result, line, step.params)
        return
    removed = result.read("removed", line.part)
    place = removed.column("_row_id").to_pylist().index(line.row_id)
    (row,) = removed.slice(place, 1).to_pylist()
    yield f"step      {row['_removed_by']}"
    yield one_line(f"because   {row['_reason']}")
    if row["_matched_id"] is not None:
        score = "" if row["_score"] is None else f"  {row['_score']:.6f}"
        yield one_line(f"like      {row['_matched_id']}{score}")
    yield from _matches(result, line)
    yield ""
    for name, value in row.items():
        if name not in _OWN and value is not None:
            yield f"--- {name}"
            yield cut(str(value))


def _matches(result: Result, line: Line) -> Iterator[str]:
    """Yield the items of benchmarks that a row holds, where a step looked for them."""
    if any(name.startswith(f"{MATCH_FOLDER}/") for name, _, _ in result.manifest["files"]):
        yield from match_lines(result, line)
