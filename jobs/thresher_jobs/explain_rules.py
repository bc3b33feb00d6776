"""`thresher explain` on a result of `score` or `select`: a row's figures beside the rules."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from thresher.result import Line, Result
from thresher.signals.profile import Profile
from thresher.signals.rules import judge
from thresher.steps.scored import SIGNALS
from thresher_jobs.terminal import cut, one_line

_DIGITS = 6


def explain_rules(result: Result, line: Line) -> Iterator[str]:
    """Yield the lines of the explanation."""
    yield one_line(f"row       {line.row_id}  (row {line.row} of {line.file})")
    yield f"verdict   {line.verdict}" + (f", {line.reason}" if line.reason else "")
    if line.verdict == "quarantined":
        (row,) = result.read("quarantine", line.part).take([line.place]).to_pylist()
        yield one_line(f"error     {row['error']}")
        yield "see       quarantine/ for its bytes"
        yield ""
        yield cut((row["raw"] or b"").decode("utf-8", "replace"))
        return
    figures = _figures(result, line)
    profile = Profile.model_validate(result.manifest["profile"])
    rules = list(profile.rules.items())
    values = {name: figures.column(name).combine_chunks() for name in figures.column_names}
    found = judge([rule for _, rule in rules], values, 1)
    for number, (name, rule) in enumerate(rules):
        if not found.failed[number, 0]:
            continue
        what = "failed" if rule.action == "remove" else "tagged"
        shown = ", ".join(f"{s} {_shown(figures.column(s)[0].as_py())}" for s in rule.signals)
        yield f"{what:<9} {name}: {shown}; passes: {rule.sentence()}"
    passed = int((found.judged & ~found.failed).sum())
    yield f"passed    {passed} of {len(rules)} rules"
    yield ""
    known = {n: figures.column(n)[0].as_py() for n in figures.column_names if n not in _OWN}
    for name, value in known.items():
        if value is not None:
            yield f"  {name:<36} {_shown(value)}"
    yield ""
    row = result.rows([line])[line.row_id]
    yield cut(json.dumps(row, ensure_ascii=False, indent=2, default=str))


_OWN = ("_row_id", "error", "prompt_key", "answer_key", "rejected_key", "liked", "order")


def _figures(result: Result, line: Line) -> pa.Table:
    """Return the row's line of signals; they lie in the order of the ledger."""
    ids = result.read(SIGNALS, line.part, ["_row_id"]).column("_row_id").to_pylist()
    return result.read(SIGNALS, line.part).slice(ids.index(line.row_id), 1)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{round(value, _DIGITS):g}"
    return "unknown" if value is None else str(value)
