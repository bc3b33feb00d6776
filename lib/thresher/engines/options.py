"""Where a job runs: the fields of a cluster profile. They cannot change the result."""

from __future__ import annotations

import os

from pydantic import Field

from thresher.params import Params


class EngineOptions(Params):
    """A cluster profile: which engine, with how many workers."""

    engine: str = Field("local", description="Engine that runs the stages.")
    workers: int = Field(
        0, ge=0, le=4096, description="Tasks at once; 0 takes every core this process may use."
    )

    def resolved_workers(self) -> int:
        """Return the number of workers, counting cores where the profile leaves it open."""
        if self.workers:
            return self.workers
        affinity = getattr(os, "sched_getaffinity", None)
        return len(affinity(0)) if affinity else (os.cpu_count() or 1)
