"""Scores that a preference set brings along, whatever its columns are called.

Shapes: R rows.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.rows import Rows

_WORDS = ("score", "rating", "reward", "grade")  # the first that a column's name holds
_MARGINS = ("score_margin", "margin", "score_difference", "score_diff")
_SIDE = re.compile(r"(?<![a-z])chosen(?![a-z])", re.IGNORECASE)


def score_columns(rows: Rows) -> tuple[str, str] | None:
    """Name the two columns of scores: `chosen_score` and `rejected_score`, `score_chosen` and
    `score_rejected`, and so on; None where the set has none."""
    numbers = [name for name, values in rows.extra.items() if _is_number(values.type)]
    for word in _WORDS:
        for name in numbers:
            other = _SIDE.sub(lambda found: _like(found[0], "rejected"), name)
            if word in name.lower() and other != name and other in numbers:
                return name, other
    return None


def score_signals(rows: Rows) -> dict[str, pa.Array]:
    """Return the scores of both answers and their difference; NaN is null."""
    nothing = pa.nulls(len(rows), pa.float64())
    names = score_columns(rows)
    if names is not None:
        chosen, rejected = (_numbers(rows.extra[name]) for name in names)
        margin = pc.subtract(chosen, rejected)
        return {"chosen_score": chosen, "rejected_score": rejected, "score_margin": margin}
    found = [n for n in _MARGINS if n in rows.extra and _is_number(rows.extra[n].type)]
    margin = _numbers(rows.extra[found[0]]) if found else nothing
    return {"chosen_score": nothing, "rejected_score": nothing, "score_margin": margin}


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _like(pattern: str, word: str) -> str:
    """Write a word in the case of another."""
    if pattern.isupper():
        return word.upper()
    return word.capitalize() if pattern[0].isupper() else word


def _numbers(values: pa.Array) -> pa.Array:
    numbers = values.cast(pa.float64(), safe=False)
    known = numbers.to_numpy(zero_copy_only=False)
    return pa.array(known, pa.float64(), mask=~np.isfinite(known))
