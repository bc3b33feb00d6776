"""Which split a value of a column names: known words, whatever their case and the blanks around
them.

Shapes: R rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Column = np.ndarray[Any, Any]
NO_VALUE, ANY = "null", "*"


def read_names(values: pa.Array, known: Sequence[str]) -> tuple[Column, Counter[str]]:
    """Return the (R,) place of each value among the known ones, and the rows of all other values.

    Args:
        values: (R,) strings.
        known: In lower case. NO_VALUE stands for rows without a value, ANY for all others.

    Returns:
        -1 where a value is not known.
    """
    said = pc.utf8_trim_whitespace(pc.fill_null(values, ""))
    said = pc.if_else(pc.equal(said, ""), NO_VALUE, said)
    places = pc.index_in(pc.utf8_lower(said), value_set=pa.array(known, pa.string()))
    if ANY in known:
        places = pc.fill_null(places, known.index(ANY))
    counted = pc.value_counts(said.filter(pc.is_null(places)))
    others = zip(counted.field(0).to_pylist(), counted.field(1).to_pylist(), strict=True)
    found: Column = pc.fill_null(places, -1).to_numpy(zero_copy_only=False)
    return found, Counter(dict(others))
