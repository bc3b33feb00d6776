"""Rows as text: a column, or conversations of any format.

Shapes: R rows of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.alone import alone
from thresher.formats.reading import Found, read_rows, scattered
from thresher.formats.rows import Faults
from thresher.formats.texts import row_texts
from thresher.formats.turns import STRING
from thresher.steps.reading import ReadTask, TaskBlock, compared_text

Column = np.ndarray[Any, Any]
NO_TEXT = "the text is null"


@dataclass(frozen=True)
class Texts:
    """A block's rows as what is judged.

    Args:
        text: (R,) all text of each row; null where it cannot be read.
        found: The rows by format, with their places; none where a column is the text.
        faults: (R,) rows that cannot be judged.
    """

    text: pa.Array
    found: list[Found]
    faults: Faults

    def errors(self) -> pa.Array:
        """(R,) why rows cannot be judged; null for all others."""
        bad = np.flatnonzero(~self.faults.good)
        order = np.full(len(self.text), -1, np.int64)
        order[bad] = np.arange(len(bad))
        messages = pa.array([self.faults.message(row) for row in bad.tolist()], pa.string())
        return messages.take(pa.array(order, mask=order < 0))


@dataclass(frozen=True)
class RowReader:
    """How rows are read as text.

    Args:
        formats: By file, the formats that its rows may have; None reads a column.
        text_column: That column.
    """

    formats: Mapping[int, tuple[str, ...]] | None
    text_column: str

    def texts(self, block: TaskBlock, read: ReadTask) -> Texts:
        """Read a block's rows."""
        faults = Faults(len(block.batch))
        if self.formats is None:
            path = read.files[block.split].path
            text = compared_text(block.batch, (self.text_column,), path)
            faults.add(np.asarray(pc.is_null(text)), NO_TEXT)
            return Texts(text, [], faults)
        names = self.formats.get(read.splits[block.split].file, ())
        found = read_rows(alone(block.batch, names, extra=True), names, faults)
        parts = [row_texts(piece.rows, "all").cast(STRING) for piece in found]
        places = [piece.places for piece in found]
        return Texts(scattered(parts, places, len(block.batch), STRING), found, faults)

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""
        return NO_TEXT
