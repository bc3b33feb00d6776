"""A Spark DataFrame as files of ours, and files as a DataFrame; classic and Connect alike.

Rows never pass the driver: the workers write and read a folder that all share. pyspark is not
imported, the caller's objects are enough.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from thresher.engines.spark_session import accept_pandas, root_cause
from thresher.errors import EngineError, StorageError
from thresher.parquet import write_part
from thresher.schema import plain_schema
from thresher.store import Store

_WRITTEN = "_written"


def is_frame(data: Any) -> bool:
    """Say whether the data is a Spark DataFrame, without importing that package."""
    return any(
        kind.__name__ == "DataFrame" and kind.__module__.startswith("pyspark.sql")
        for kind in type(data).__mro__
    )


def write_frame(frame: Any, folder: str, text_columns: Sequence[str] = ()) -> None:
    """Write a Spark DataFrame as Parquet parts, one a partition that has rows.

    Args:
        frame: Classic or Connect.
        folder: A new folder; all workers and this process must share it.
        text_columns: Columns of long texts, for the writer.

    Raises:
        EngineError: Spark could not make the rows.
        StorageError: The workers wrote to another folder of that name.
    """
    store = Store(str(Path(folder).absolute()))
    accept_pandas()
    try:
        written = frame.mapInArrow(partial(_write, store, text_columns), "name string").collect()
        schema = None if written else frame.limit(0).toArrow().schema
    except Exception as error:
        raise EngineError(f"the DataFrame could not be read: {root_cause(str(error))}") from error
    for number, (name,) in enumerate(written):
        if not store.exists(name):
            raise StorageError(
                f"a worker wrote {name}, which this process does not see",
                path=store.root,
                remedy="choose an `out` that all nodes share",
            )
        os.replace(store.path(name), store.path(f"part-{number:05d}.parquet"))
    store.remove(_WRITTEN)
    if schema is not None:
        with store.writing("part-00000.parquet") as path:
            write_part(str(path), plain_schema(schema), [], text_columns)


def _write(
    store: Store, text_columns: Sequence[str], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Write one partition. Spark may make it twice, and differently: each attempt has a name of its
    own, and the driver takes the one that Spark took."""
    rest = iter(batches)
    first = next(rest, None)
    if first is None:
        return
    name = f"{_WRITTEN}/{secrets.token_hex(8)}.parquet"
    with store.writing(name) as path:
        write_part(str(path), plain_schema(first.schema), chain([first], rest), text_columns)
    yield pa.RecordBatch.from_pydict({"name": [name]})


def read_frame(session: Any, folder: str, schema: Any) -> Any:
    """Return the Parquet parts of a folder that all workers see as a DataFrame.

    Args:
        session: Of the DataFrame that was written.
        folder: As `OUT/data`; it must stay as long as the DataFrame is used.
        schema: Its schema; Spark lets every column of a file be null.
    """
    paths = sorted(Path(folder).absolute().glob("part-*.parquet"))
    escaped = [re.sub(r"([][{}*?\\])", r"\\\1", str(path)) for path in paths]
    return session.read.schema(schema).parquet(*(f"file://{path}" for path in escaped))
