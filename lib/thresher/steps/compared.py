"""What is compared of a row: columns of text, or a part of a conversation whatever its format.

One small value travels with every task that reads rows again, so that the attributes, the decision,
the audit, the output and a later check all see the same text. The text of a row depends on the row
and the formats of its file alone: not on which rows stand beside it, nor on columns and fields that
other files gave the schema.

Shapes: R rows of a batch.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from pydantic import Field

from thresher.formats.alone import alone, known_columns
from thresher.formats.reading import UNKNOWN, read_rows, scattered
from thresher.formats.rows import Faults
from thresher.formats.texts import Part, row_texts
from thresher.formats.turns import STRING
from thresher.params import Params
from thresher.steps.reading import ReadTask, compared_text

Column = np.ndarray[Any, Any]


class Texts(NamedTuple):
    """The compared text of a batch.

    Args:
        text: (R,) strings; null where the row has none.
        faults: (R,) rows that no format of their file can read; their text is null.
    """

    text: pa.Array
    faults: Faults


class Compared(Params):
    """What is compared: columns, or with `on` a part of each row.

    Args:
        columns: Columns of text, joined by newlines.
        on: The part that is compared instead.
        formats: With `on`: by file number, the formats that its rows may have, likeliest first.
    """

    columns: tuple[str, ...] = ()
    on: Part | None = None
    formats: dict[int, tuple[str, ...]] = Field({})

    def wanted(self, read: ReadTask) -> list[str]:
        """List the columns that the text of a task's rows is made of."""
        if self.on is None:
            return list(self.columns)
        files = {split.file for split in read.splits}
        formats = [name for file in sorted(files) for name in self.formats.get(file, ())]
        return list(dict.fromkeys(known_columns(formats)))

    def long_columns(self, schema: pa.Schema) -> tuple[str, ...]:
        """List the columns of an output that hold long text."""
        if self.on is None:
            return self.columns
        known = {column for names in self.formats.values() for column in known_columns(names)}
        return tuple(name for name in schema.names if name in known)

    def texts(self, batch: pa.RecordBatch, file: int, path: str) -> pa.Array:
        """Return the compared text of each row; null where there is none.

        Args:
            batch: Rows of one file, with the wanted columns and any others.
            file: Number of the file.
            path: Its path, for messages.

        Raises:
            InputError: A compared column is missing or holds no strings.
        """
        return self.read(batch, file, path).text

    def read(self, batch: pa.RecordBatch, file: int, path: str) -> Texts:
        """Return the compared text and what is wrong with which row; arguments as for `texts`."""
        faults = Faults(len(batch))
        if self.on is None:
            return Texts(compared_text(batch, self.columns, path), faults)
        names = self.formats.get(file, ())
        if not names:
            faults.add(np.ones(len(batch), bool), UNKNOWN)
            return Texts(pa.nulls(len(batch), STRING), faults)
        found = read_rows(alone(batch, names), names, faults)
        texts = [row_texts(piece.rows, self.on, whole=True).cast(STRING) for piece in found]
        places = [piece.places for piece in found]
        return Texts(scattered(texts, places, len(batch), STRING), faults)

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""
        if self.on == "prompt":
            return "the row has no prompt that is answered"
        return "the compared text is null" if self.on is None else f"the row has no {self.on}"
