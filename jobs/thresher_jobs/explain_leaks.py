"""`thresher explain` on a result of `decontaminate`: which items a row holds, side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc

from thresher.leaks.matches import CONTAMINATED, MATCH_KINDS, VERDICTS
from thresher.result import Line, Result
from thresher.steps.leak_changing import CHANGE_FOLDER, WORDS
from thresher.steps.leak_writing import MATCH_FOLDER
from thresher_jobs.terminal import cut, one_line

_SHOWN = 5


def explain_leaks(result: Result, line: Line) -> Iterator[str]:
    """Yield the lines of the explanation."""
    of = f"a piece of {line.matched_id}" if line.added else f"row {line.row} of {line.file}"
    yield one_line(f"row       {line.row_id}  ({of})")
    yield f"verdict   {line.verdict}" + (f", {line.reason}" if line.reason else "")
    if line.added:
        yield one_line(f"see       thresher explain OUT {line.matched_id}, which was cut")
        yield ""
        yield _shown(result, line)
        return
    if line.verdict == "quarantined":
        (row,) = result.read("quarantine", line.part).take([line.place]).to_pylist()
        yield one_line(f"error     {row['error']}")
        yield "see       quarantine/ for its bytes"
        yield ""
        yield cut((row["raw"] or b"").decode("utf-8", "replace"))
        return
    yield from match_lines(result, line)
    if line.reason in WORDS.values():
        yield from _changes(result, line)
    yield ""
    yield _shown(result, line)


def match_lines(result: Result, line: Line) -> Iterator[str]:
    """Yield what of each item a row holds: the strongest match, and where else the item is."""
    table = result.read(MATCH_FOLDER, line.part)
    mine = table.filter(pc.equal(table.column("_row_id"), line.row_id)).to_pylist()
    mine.sort(key=_strength)
    items: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for match in mine:
        items.setdefault((match["benchmark"], match["split"], match["item_id"]), []).append(match)
    if not items:
        yield "matches   none"
    for strongest, *others in list(items.values())[:_SHOWN]:
        yield from _match(strongest)
        fields = Counter(f"{match['field']} ({match['match_kind']})" for match in others)
        if fields:
            told = ", ".join(f"{n} x {what}" if n > 1 else what for what, n in fields.items())
            yield one_line(f"  also       {told}")
    if len(items) > _SHOWN:
        yield f"and {len(items) - _SHOWN} more items, in {MATCH_FOLDER}/"


def _strength(match: dict[str, Any]) -> tuple[Any, ...]:
    """Order matches: leaks first, then as alike as can be, then the longest text of the item."""
    kind = MATCH_KINDS.index(match["match_kind"])
    return match["verdict"] != VERDICTS[CONTAMINATED], kind, -match["tokens"], match["segment"]


def _shown(result: Result, line: Line) -> str:
    row = result.rows([line])[line.row_id]
    return cut(json.dumps(row, ensure_ascii=False, indent=2, default=str))


def _changes(result: Result, line: Line) -> Iterator[str]:
    """Yield what was taken out of a row, and from where."""
    table = result.read(CHANGE_FOLDER, line.part)
    mine = table.filter(pc.equal(table.column("_row_id"), line.row_id)).to_pylist()
    for change in mine[:_SHOWN]:
        unit = "bytes" if change["action"] == "cut" else "messages"
        yield one_line(
            f"taken out  {unit} {change['start']:,} to {change['end']:,} of {change['length']:,} "
            f"in column {change['column']}"
        )
        yield one_line(f"  was        {change['removed']}")
    if len(mine) > _SHOWN:
        yield f"and {len(mine) - _SHOWN} more stretches, in {CHANGE_FOLDER}/"
    pieces = result.ledger(line.part, ["matched_id"])
    added = pc.and_(pieces["added"], pc.equal(pieces["matched_id"], line.row_id))
    names = pieces.filter(added).column("_row_id").to_pylist()
    if names:
        yield one_line(f"stays as   {', '.join([line.row_id, *names])}")


def _match(match: dict[str, Any]) -> Iterator[str]:
    item = f"{match['benchmark']}:{match['item_id']}"
    yield one_line(f"{match['verdict']:<13}{item}  ({match['field']}, {match['match_kind']})")
    yield (
        f"  because    {match['mode']}: {match['cover_8']:.0%} in runs of 8 words, "
        f"{match['cover_5']:.0%} of 5, longest run {match['longest']} of {match['tokens']} words"
        + (f", numbers {match['numbers']}" if match["numbers"] else "")
        + (", its answer beside it" if match["answer_found"] else "")
    )
    yield one_line(
        f"  where      segment {match['segment']} ({match['role']}), "
        f"bytes {match['byte_start']} to {match['byte_end']}"
    )
    yield one_line(f"  row        {match['train_snippet']}")
    yield one_line(f"  item       {match['eval_snippet']}")
