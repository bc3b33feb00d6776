"""A Ray Dataset as Parquet files of ours, and back; rows go through tasks, never the driver."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from thresher.engines.ray import load_ray
from thresher.errors import StorageError
from thresher.parquet import read_table, write_part
from thresher.schema import plain_schema, unify
from thresher.store import Store


def write_dataset(dataset: Any, folder: str) -> tuple[list[str], pa.Schema]:
    """Write a Ray Dataset as Parquet files of ours, one a block, in the order of its rows.

    Args:
        dataset: A `ray.data.Dataset`.
        folder: Where to, on a file system that all nodes share.

    Returns:
        The files, and the schema that all of them have.

    Raises:
        InputError: Blocks disagree on a column.
        StorageError: The nodes do not share the folder.
    """
    ray = load_ray()

    refs = dataset.to_arrow_refs()
    names = [f"block-{number:05d}.parquet" for number in range(len(refs))]
    schemas = ray.get([ray.remote(_schema_of).remote(ref) for ref in refs])
    schema = plain_schema(unify(list(zip(names, schemas, strict=True))))
    paths = [os.path.join(folder, name) for name in names]
    write = ray.remote(_write_block)
    store = Store(os.path.abspath(folder))
    ray.get([write.remote(store, name, schema, r) for name, r in zip(names, refs, strict=True)])
    for name in names:
        if not store.exists(name):
            raise StorageError(
                f"a worker wrote {name}, which this process does not see",
                path=folder,
                remedy="choose an `out` that all nodes share",
            )
    return paths, schema


def read_dataset(paths: Sequence[str], schema: pa.Schema) -> Any:
    """Read Parquet files of ours into a Ray Dataset, one block a file, by tasks; it needs the files
    no longer.

    Args:
        paths: The files, on a file system that all nodes share.
        schema: What their columns are cast to.
    """
    ray = load_ray()

    refs = [ray.remote(_read_block).remote(path, schema) for path in paths]
    ray.wait(refs, num_returns=len(refs))
    return ray.data.from_arrow_refs(refs)


def _schema_of(table: pa.Table) -> pa.Schema:
    return table.schema


def _write_block(store: Store, name: str, schema: pa.Schema, table: pa.Table) -> None:
    with store.writing(name) as path:
        write_part(str(path), schema, [table])


def _read_block(path: str, schema: pa.Schema) -> pa.Table:
    return read_table(path).cast(schema)
