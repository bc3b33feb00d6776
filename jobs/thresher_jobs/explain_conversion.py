"""`thresher explain` on a result of `convert`: what a row was read as, and what became of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from thresher.result import Line, Result
from thresher_jobs.terminal import cut, one_line

_RULES = {
    "undesirable": "the answer is judged bad, and the target has no place for a judgement",
}
_SHOWN = 10


def explain_conversion(result: Result, line: Line) -> Iterator[str]:
    """Yield the lines of the explanation."""
    ledger = result.read("ledger", line.part, ["_row_id", "matched_id"]).to_pylist()
    origin = line.row_id if line.matched_id is None else line.matched_id
    file = line.file
    yield one_line(f"row       {line.row_id}  (row {line.row} of {file})")
    yield f"verdict   {line.verdict}" + (f", {line.reason}" if line.reason else "")
    yield one_line(f"read as   {_formats(result, file)}")
    if line.verdict == "kept":
        yield from _kept(result, line, [x["_row_id"] for x in ledger if x["matched_id"] == origin])
    elif line.verdict == "removed":
        yield f"because   {_RULES.get(line.reason or '', line.reason)}"
        yield ""
        yield cut(_pretty(result.rows([line])[line.row_id]["row"]))
    else:
        table = result.read("quarantine", line.part).take([line.place])
        (row,) = table.to_pylist()
        yield one_line(f"error     {row['error']}")
        yield "see       quarantine/ for its bytes"
        yield ""
        yield cut(_pretty(row["raw"].decode("utf-8", "replace")))


def _kept(result: Result, line: Line, others: list[str]) -> Iterator[str]:
    yield f"written   {result.manifest['params']['to']}"
    if line.matched_id is not None:
        yield one_line(f"made of   {line.matched_id}, which became {len(others) + 1} rows")
    elif others:
        yield f"became    {len(others) + 1} rows, this one and"
        yield from (one_line(f"          {row_id}") for row_id in others[:_SHOWN])
        if len(others) > _SHOWN:
            yield f"          and {len(others) - _SHOWN} more"
    yield ""
    yield cut(_dump(result.rows([line])[line.row_id]))


def _formats(result: Result, file: str) -> str:
    """Say which formats the file's rows may have."""
    found: dict[str, list[str]] = {x["name"]: x["formats"] for x in result.manifest["inputs"]}
    return " or ".join(found.get(file, [])) or "no format"


def _pretty(text: str) -> str:
    """Return JSON with its lines indented; anything else as it is."""
    try:
        return _dump(json.loads(text))
    except (ValueError, RecursionError):
        return text


def _dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)
