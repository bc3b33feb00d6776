"""Engines: where stages run. `make_engine` picks one by name; unused engines stay unloaded."""

from __future__ import annotations

from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.stage import Engine

ENGINES = ("local",)


def make_engine(options: EngineOptions) -> Engine:
    """Build the engine that a cluster profile or the command line names.

    Raises:
        ConfigError: No such engine.
    """
    if options.engine == "local":
        from thresher.engines.local import LocalEngine

        return LocalEngine(workers=options.resolved_workers())
    raise ConfigError(f"unknown engine {options.engine!r}", remedy=f"known: {', '.join(ENGINES)}")
