"""Where a job runs: the fields of a cluster profile. They cannot change the result."""

from __future__ import annotations

import os
from typing import Literal

from pydantic import Field

from thresher.params import Params

EngineName = Literal["local", "ray", "spark"]


class RayOptions(Params):
    """How the `ray` engine reaches a cluster, or starts one on this machine."""

    address: str = Field(
        "",
        description="Address of a running cluster, 'auto' for the one on this machine; empty takes "
        "RAY_ADDRESS, else starts a cluster of this machine that ends with the job.",
    )
    task_memory_bytes: int = Field(
        0, ge=0, description="Memory the scheduler sets aside for each task; 0 leaves it open."
    )
    object_store_bytes: int = Field(
        0, ge=0, description="Object store of a cluster started here; 0 leaves it to Ray."
    )
    spill_folder: str = Field(
        "", description="Where a cluster started here spills objects; empty takes Ray's own."
    )
    task_attempts: int = Field(
        4, ge=1, le=16, description="Starts of one task that Ray may try, node losses included."
    )


class SparkOptions(Params):
    """How the `spark` engine reaches a cluster, or starts Spark inside this process."""

    master: str = Field(
        "",
        description="Master, as spark-submit takes it; empty takes what spark-submit set, "
        "else local[workers].",
    )
    remote: str = Field("", description="A Spark Connect server (sc://host:port).")
    conf: dict[str, str] = Field(
        default_factory=dict, description="Spark settings, before the session starts."
    )


class EngineOptions(Params):
    """A cluster profile: which engine, with how many workers."""

    engine: EngineName = Field("local", description="Engine that runs the stages.")
    workers: int = Field(
        0, ge=0, le=65536, description="Tasks at once; 0 takes every core there is."
    )
    driver_rows: int = Field(
        100_000_000,
        ge=0,
        description="Rows up to which the driver joins pieces and verdicts itself (16 bytes a row, "
        "60 a removed row); beyond, stages do.",
    )
    attempts: int = Field(
        8,
        ge=1,
        le=64,
        description="Starts of one task, on any worker, after which it is given up as too large "
        "(exit 6).",
    )
    stall_seconds: int = Field(
        1800, ge=1, description="Give up (exit 5) when no task of a stage ends for so long."
    )
    ray: RayOptions = RayOptions()
    spark: SparkOptions = SparkOptions()

    def resolved_workers(self) -> int:
        """Return the number of workers, counting this machine's cores where it is left open."""
        return self.workers or cores()

    def known_workers(self) -> int | None:
        """Return the tasks at once; None where only the cluster can tell."""
        return self.resolved_workers() if self.engine == "local" or self.workers else None


def cores() -> int:
    """Return the cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else (os.cpu_count() or 1)
