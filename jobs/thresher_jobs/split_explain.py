"""`thresher explain` on a result of `split`: the split of a row, its group, and what ties it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from thresher.result import Line, Result
from thresher_jobs.split_params import SplitParams
from thresher_jobs.split_result import group_names, row_of
from thresher_jobs.terminal import cut, one_line

_SHOWN = 10


def explain_split(result: Result, line: Line) -> Iterator[str]:
    """Yield the lines of the explanation."""
    yield one_line(f"row       {line.row_id}  (row {line.row} of {line.file})")
    if line.verdict == "quarantined":
        (row,) = result.read("quarantine", line.part).take([line.place]).to_pylist()
        yield "verdict   quarantined"
        yield one_line(f"error     {row['error']}")
        yield "see       quarantine/ for its bytes"
        return
    yield from split_lines(result, line, SplitParams.model_validate(result.manifest["params"]))
    yield ""
    yield cut(json.dumps(row_of(result, line), ensure_ascii=False, indent=2, default=str))


def split_lines(result: Result, line: Line, params: SplitParams) -> Iterator[str]:
    """Yield the split of a kept row, its group, and why it is there."""
    yield f"split     {line.reason}"
    group = line.matched_id or line.row_id
    members = _members(result, group)
    if len(members) == 1:
        yield "group     of its own: no other row belongs to it"
    else:
        yield one_line(f"group     {group}, {len(members):,} rows, all in {line.reason}")
        yield from _ties(result, line.row_id)
        others = [name for name in members if name != line.row_id]
        yield "with      " + one_line(", ".join(others[:_SHOWN]))
        if len(others) > _SHOWN:
            yield f"          and {len(others) - _SHOWN:,} more, in ledger/ by matched_id"
    yield f"because   {_because(params)}"


def _members(result: Result, group: str) -> list[str]:
    found: list[str] = []
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["matched_id", "verdict"])
        kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept"))
        mine = pc.equal(group_names(kept), group)
        found += kept.filter(mine).column("_row_id").to_pylist()
    return found


def _ties(result: Result, row_id: str) -> Iterator[str]:
    """Yield what ties the row to others, and others to the row."""
    shown = 0
    for part in range(result.num_parts):
        table = result.read("groups", part)
        own = pc.equal(table.column("_row_id"), row_id)
        theirs = pc.equal(table.column("tied_to"), row_id)
        for tie in _some(table, own) + _some(table, theirs):
            if shown == _SHOWN:
                yield "tied      and more, in groups/"
                return
            other = tie["tied_to"] if tie["_row_id"] == row_id else tie["_row_id"]
            score = tie["similarity"]
            alike = "" if score is None else f", similarity {score:.4f}"
            yield one_line(f"tied to   {other}: {tie['tie']}{alike}")
            shown += 1


def _some(table: pa.Table, mask: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(mask).slice(0, _SHOWN + 1).to_pylist()
    return rows


def _because(params: SplitParams) -> str:
    if params.by is not None:
        return (
            f"column '{params.by}' of the group's rows; a group with a row of train is train, one "
            "with a row of validation validation"
        )
    if params.after is not None:
        return f"the group's oldest row, before or from {params.after} on"
    if params.newest is not None:
        return f"the group's oldest row by '{params.newest}': the newest groups are held out"
    return f"the group's place in the order by content and seed {params.seed}"
