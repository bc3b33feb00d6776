"""Quarantined rows, summed up for the report: how many for each kind of error, with examples."""

from __future__ import annotations

import re
from typing import Any

from thresher.parquet import read_table
from thresher.stage import Receipt
from thresher.store import Store

EXAMPLES = 5
DETAIL_CHARACTERS = 300
_NUMBERS = re.compile(r"\d+")  # on our own messages only


def quarantine_reasons(store: Store, selected: list[Receipt]) -> list[dict[str, Any]]:
    """Group quarantined rows by error; numbers in a message do not make it another error."""
    reasons: dict[str, dict[str, Any]] = {}
    for receipt in selected:
        if not sum(split["rows"][2] for split in receipt.facts["splits"]):
            continue
        name = next(f.name for f in receipt.files if f.name.startswith("quarantine/"))
        table = read_table(str(store.path(name)), ["_row_id", "error"])
        for row_id, error in zip(*(c.to_pylist() for c in table.columns), strict=True):
            key = _NUMBERS.sub("N", error)
            entry = reasons.setdefault(key, {"reason": error, "rows": 0, "examples": []})
            entry["rows"] += 1
            if len(entry["examples"]) < EXAMPLES:
                entry["examples"].append({"id": row_id, "detail": error[:DETAIL_CHARACTERS]})
    return sorted(reasons.values(), key=lambda entry: (-entry["rows"], entry["reason"]))
