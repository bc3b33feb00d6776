"""`thresher.dedup` for rows that lie in a cluster: a Spark DataFrame or a Ray Dataset.

Rows never pass the caller's process: workers write them beside the output folder, the job runs on
the cluster they came from, and the result is read from the output folder, as the same kind.
"""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.engines.spark_frames import is_frame
from thresher.errors import ConfigError, from_os_error
from thresher.run import Run
from thresher.steps.outputs import PROOF, QUARANTINE
from thresher.store import Store
from thresher_jobs.dedup import dedup
from thresher_jobs.dedup_params import DedupParams

Parts = tuple[Any, Any, Any]


def is_ray_dataset(data: Any) -> bool:
    """Say whether the data is a Ray Dataset, without importing that package."""
    return any(
        kind.__name__ == "Dataset" and kind.__module__.partition(".")[0] == "ray"
        for kind in type(data).__mro__
    )


def dedup_frame(
    frame: Any, out: str, params: DedupParams, options: EngineOptions
) -> tuple[dict[str, Any], Parts]:
    """Clean a Spark DataFrame on its session's cluster.

    Args:
        frame: Classic or Connect.
        out: The folder to write; all workers share it.
        params: What to compare and keep.
        options: Its number of workers must be open, since the session has them.

    Returns:
        The report, and kept, removed and quarantined rows as DataFrames that read from `out`.

    Raises:
        ThresherError: As `dedup` does.
    """
    from thresher.engines.spark import SparkEngine
    from thresher.engines.spark_frames import read_frame, write_frame

    if options.workers:
        raise ConfigError("workers of a DataFrame are those of its Spark session")
    session = frame.sparkSession
    with staged(out) as staging:
        write_frame(frame, staging, params.compared)
        run = Run(Store(out), SparkEngine(options, session))
        report = dedup([staging], out, params, options, run=run)
    removed, quarantined = copy.deepcopy(frame.schema), type(frame.schema)()
    for field in PROOF:
        removed = removed.add(field.name, _SPARK_TYPES[field.type])
    for field in QUARANTINE:
        quarantined = quarantined.add(field.name, _SPARK_TYPES[field.type])
    return report, (
        read_frame(session, os.path.join(out, "data"), frame.schema),
        read_frame(session, os.path.join(out, "removed"), removed),
        read_frame(session, os.path.join(out, "quarantine"), quarantined),
    )


_SPARK_TYPES = {
    pa.string(): "string",
    pa.float64(): "double",
    pa.int64(): "long",
    pa.binary(): "binary",
}


def dedup_ray_dataset(
    dataset: Any, out: str, params: DedupParams, options: EngineOptions
) -> tuple[dict[str, Any], Parts]:
    """Clean a Ray Dataset on the cluster that this process is connected to.

    Args:
        dataset: A `ray.data.Dataset`.
        out: The folder to write; all nodes share it.
        params: What to compare and keep.
        options: Workers, and the fields of `ray`.

    Returns:
        The report, and kept, removed and quarantined rows as Datasets.

    Raises:
        ThresherError: As `dedup` does.
    """
    from thresher.engines.ray import RayEngine
    from thresher.engines.ray_dataset import read_dataset, write_dataset

    with staged(out) as staging:
        _, schema = write_dataset(dataset, staging)
        run = Run(Store(out), RayEngine(options.model_copy(update={"engine": "ray"})))
        report = dedup([staging], out, params, options, run=run)
    schemas = {
        "data": schema,
        "removed": pa.schema([*schema, *PROOF]),
        "quarantine": QUARANTINE,
    }
    kept, removed, quarantined = (
        read_dataset(_parts(out, folder), schema) for folder, schema in schemas.items()
    )
    return report, (kept, removed, quarantined)


def _parts(out: str, folder: str) -> list[str]:
    where = os.path.join(out, folder)
    return [os.path.join(where, name) for name in sorted(os.listdir(where))]


@contextmanager
def staged(out: str) -> Iterator[str]:
    """Give a folder beside the output for the rows on their way; it goes at the end.

    Raises:
        ConfigError: The output folder holds something.
    """
    if os.path.exists(out) and (not os.path.isdir(out) or os.listdir(out)):
        raise ConfigError(
            "the output folder is not empty", path=out, remedy="give a new folder to `out`"
        )
    staging = f"{out}.rows"
    try:
        os.makedirs(staging)
    except FileExistsError as error:
        raise ConfigError(
            "rows of another call lie here", path=staging, remedy="remove it, or name another `out`"
        ) from error
    except OSError as error:
        raise from_os_error(error, staging) from error
    try:
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)


__all__ = ["dedup_frame", "dedup_ray_dataset", "is_frame", "is_ray_dataset", "staged"]
