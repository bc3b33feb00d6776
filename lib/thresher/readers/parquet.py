"""Parquet: a run of row groups."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from thresher.errors import InputError
from thresher.readers.block import Block, Request
from thresher.readers.streams import open_input
from thresher.inputs import InputFile


def read_footer(file: InputFile) -> tuple[Any, pa.Schema]:
    try:
        f = pq.ParquetFile(open_input(file))
    except pa.ArrowInvalid as error:
        raise InputError(
            f"is not a readable Parquet file ({error})", path=file.path, remedy="--skip-unreadable"
        ) from error
    return f.metadata, f.schema_arrow.remove_metadata()


def read_parquet(request: Request) -> Iterator[Block]:
    f = pq.ParquetFile(open_input(request.file), page_checksum_verification=True)
    row = 0
    for g in range(request.split.start, request.split.stop):
        for batch in f.iter_batches(
            8192,
            row_groups=[g],
            columns=list(request.columns) if request.columns is not None else None,
            use_threads=False,
        ):
            yield Block(request.fit(batch), np.arange(row, row + batch.num_rows), [])
            row += batch.num_rows
