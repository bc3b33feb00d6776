"""Engines: where stages run. `make_engine` picks one by name; unused engines stay unloaded."""

from __future__ import annotations

from typing import get_args

from thresher.engines.options import EngineName, EngineOptions
from thresher.stage import Engine

ENGINES: tuple[str, ...] = get_args(EngineName)


def make_engine(options: EngineOptions) -> Engine:
    """Build the engine that a cluster profile or the command line names.

    Raises:
        EngineError: Its package is not installed.
    """
    if options.engine == "ray":
        from thresher.engines.ray import RayEngine

        return RayEngine(options)
    if options.engine == "spark":
        from thresher.engines.spark import SparkEngine

        return SparkEngine(options)
    from thresher.engines.local import LocalEngine

    return LocalEngine(workers=options.resolved_workers())
