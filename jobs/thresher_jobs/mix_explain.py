"""`thresher explain` on a result of `mix`: whether a row was drawn, how often, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np

from thresher.errors import InputError
from thresher.mixing.drawing import drawing_keys
from thresher.report.mixture import MixedLeaf, Mixture, label_of
from thresher.report.mixture_page import times
from thresher.result import Line, Result
from thresher.steps.mix_writing import DRAWS
from thresher_jobs.terminal import cut, one_line

_WHY = {
    "not_drawn": "it comes later in the order of drawing than the rows that make up the target",
    "no_category": "it has no category, and categories are weighed",
    "other_category": "nothing is asked of its category",
}


def explain_mixture(result: Result, line: Line) -> Iterator[str]:
    """Yield the lines of the explanation."""
    mixture = Mixture.model_validate(result.manifest["mixture"])
    own = str(line.matched_id) if line.added else line.row_id
    where = f"a repeat of {own}" if line.added else f"row {line.row} of {line.file}"
    yield one_line(f"row       {line.row_id}  ({where})")
    yield f"verdict   {line.verdict}" + (f", {line.reason}" if line.reason else "")
    if line.verdict == "quarantined":
        (row,) = result.read("quarantine", line.part).take([line.place]).to_pylist()
        yield one_line(f"error     {row['error']}")
        yield "see       quarantine/ for its bytes"
        return
    yield from _drawn(result, mixture, line, own)
    yield ""
    row = result.rows([line])[line.row_id]
    yield cut(json.dumps(row, ensure_ascii=False, indent=2, default=str))


def _drawn(result: Result, mixture: Mixture, line: Line, own: str) -> Iterator[str]:
    table = result.read(DRAWS, line.part)
    ids = table.column("_row_id").to_pylist()
    if own not in ids:
        raise InputError(f"row {own} has no line in {DRAWS}/", path=result.store.root)
    draw = table.slice(ids.index(own), 1).to_pylist()[0]
    source = result.manifest["source_names"][draw["source"]]
    category = f", category {draw['category']}" if draw["category"] is not None else ""
    yield one_line(f"source    {source}{category}; {draw['tokens']:,} tokens")
    if line.reason in _WHY:
        yield f"because   {_WHY[line.reason]}"
    if draw["leaf"] < 0:
        return
    leaf = mixture.leaves[draw["leaf"]]
    yield one_line(f"drawn of  {label_of(leaf)}: {_asked(mixture, leaf)}")
    if draw["copies"]:
        every = f"; every row of it {times(leaf.rounds)} or more" if leaf.rounds else ""
        yield f"written   {times(draw['copies'])}{every}"
    content = np.array([[draw["content_0"], draw["content_1"]]], np.uint64)
    (key,) = drawing_keys(content, np.array([draw["document"]], np.uint64), mixture.seed)
    yield f"place     {_place(int(key[0]))} in the order that seed {mixture.seed} and content give"
    if leaf.bound is not None:
        end = _place(int(leaf.bound[:16], 16))
        yield f"limit     {end}: rows before it are written {times(leaf.rounds + 1)}"


def _asked(mixture: Mixture, leaf: MixedLeaf) -> str:
    there, given = mixture.amounts(leaf)
    return (
        f"{leaf.target:,} of {there:,} {mixture.by} wanted, {given:,} written "
        f"({leaf.rows:,} rows of {leaf.rows_in:,})"
    )


def _place(word: int) -> str:
    return f"{word / 2.0**64:.9f}"
