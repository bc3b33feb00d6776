"""What `split` and `run_recipe` return from Python: the rows of each split, as they were given."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from thresher.result import Result
from thresher.steps.split_writing import split_folder
from thresher_jobs.split_result import splits_of

ALL = "data"  # the one table of a result that has no splits


def kept_tables(result: Result) -> dict[str, pa.Table]:
    """Return the kept rows in input order, by split, or all of them under `data`."""
    folders = {ALL: ALL}
    if result.manifest.get("splits"):
        folders = {name: split_folder(name) for name in splits_of(result)}
    parts = range(result.num_parts)
    return {
        name: pa.concat_tables([result.read(folder, part) for part in parts])
        for name, folder in folders.items()
    }


def gathered(kept: dict[str, Any]) -> Any:
    """Return the one table, or the splits: as a `datasets.DatasetDict` where they are datasets."""
    if ALL in kept:
        return kept[ALL]
    if all(isinstance(rows, pa.Table) for rows in kept.values()):
        return kept
    from datasets import DatasetDict

    return DatasetDict(kept)
