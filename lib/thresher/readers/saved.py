"""Folders saved by Hugging Face `datasets`: read through `datasets`, memory mapped.

Arrow IPC files are only opened where `state.json` of such a folder names them; see
`thresher.inputs`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.errors import EngineError, InputError
from thresher.inputs import InputFile
from thresher.readers.block import Block, Request, split_bad
from thresher.readers.streams import one_line


def open_saved(file: InputFile) -> pa.Table:
    """Map one data file of a saved folder.

    Raises:
        EngineError: `datasets` is not installed.
        InputError: The file is damaged.
    """
    try:
        from datasets import Dataset
    except ImportError as error:
        raise EngineError(
            "a folder saved by datasets needs the package datasets",
            path=file.path,
            remedy="pip install 'thresher[hub]'",
        ) from error
    try:
        dataset: Any = Dataset.from_file(file.path)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise InputError(
            f"damaged ({one_line(error)})", path=file.path, remedy="save it again"
        ) from error
    table: pa.Table = dataset.data.table
    return table.replace_schema_metadata(None)


def read_saved(request: Request) -> Iterator[Block]:
    """Read rows [start, stop) of one data file."""
    split = request.split
    table = open_saved(request.file).slice(split.start, split.stop - split.start)
    rows_at_once = max(1, int(request.batch_bytes * max(1, table.num_rows) / max(1, split.bytes)))
    row = 0
    for batch in table.to_batches(max_chunksize=rows_at_once):
        numbers = np.arange(row, row + batch.num_rows, dtype=np.int64)
        yield split_bad(request, batch, numbers)
        row += batch.num_rows
