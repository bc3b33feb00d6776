"""From a command's flags to its parameters: defaults, then --config or --cluster, then flags, then
--set."""

from __future__ import annotations

from typing import NamedTuple

import typer

from thresher.engines.options import EngineOptions
from thresher.params import P, build, load_yaml, parse_settings
from thresher.spared import spare_unused


class Process(NamedTuple):
    """The process that a command runs in; `alone` if it ends with the command."""

    alone: bool


def params_of(cls: type[P], context: typer.Context) -> P:
    """Build a job's parameters: defaults, then --config, then flags named like its fields, then
    --set."""
    given = context.params
    from_file = load_yaml(given["config"]) if given["config"] else {}
    flags = {
        name: value
        for name, value in given.items()
        if name in cls.model_fields and value is not None and value is not False and value != []
    }
    return build(cls, from_file, flags, parse_settings(given["settings"] or []))


def engine_of(context: typer.Context) -> EngineOptions:
    """Build what says where a job runs: the --cluster profile, then flags."""
    given = {k: v for k in ("engine", "workers") if (v := context.params[k]) is not None}
    profile = load_yaml(path) if (path := context.params["cluster"]) else {}
    options = build(EngineOptions, profile, given)
    if isinstance(context.obj, Process) and context.obj.alone and options.engine == "local":
        spare_unused()
    return options
