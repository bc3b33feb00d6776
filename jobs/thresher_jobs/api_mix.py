"""Sources for `thresher.mix` from Python, by name: paths as they are, tables written where workers
can read them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from thresher.errors import ConfigError
from thresher.parquet import write_part
from thresher.schema import plain_schema, unify


@contextlib.contextmanager
def named_sources(
    data: Mapping[str, Any], settings: Mapping[str, Any], beside: str | None
) -> Iterator[dict[str, Any]]:
    """Give the settings with these sources and their weights in them.

    Args:
        data: Tables, `datasets.Dataset`s or paths, by name.
        settings: Of the mixture; `weights` by name.
        beside: A folder that all workers share, to write next to; None for one of our own.

    Raises:
        ConfigError: A source is something else, or a weight is that of no source.
    """
    weights = dict(settings.get("weights", {}))
    unknown = next((name for name in weights if name not in data), None)
    if unknown is not None:
        raise ConfigError(f"weight of {unknown!r}: no source is called so")
    parent = None if beside is None else os.path.dirname(os.path.abspath(beside))
    with tempfile.TemporaryDirectory(prefix="thresher-sources-", dir=parent) as folder:
        sources = [
            {
                "name": name,
                "path": _address(name, source, folder),
                "weight": weights.get(name),
            }
            for name, source in data.items()
        ]
        others = {key: value for key, value in settings.items() if key != "weights"}
        yield others | {"sources": sources}


def _address(name: str, source: Any, folder: str) -> str:
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    if hasattr(source, "with_format"):
        source = source.with_format("arrow")[:]
    if not isinstance(source, pa.Table):
        raise ConfigError(
            f"source {name!r} is of type {type(source).__name__}",
            remedy="give a pyarrow.Table, a datasets.Dataset or a path",
        )
    if not name or name != os.path.basename(name) or name.startswith(("_", ".")):
        raise ConfigError(f"a source is named {name!r}", remedy="its rows are named like a file")
    path = os.path.join(folder, f"{name}.parquet")
    unify([(name, source.schema)])  # one name for two columns is the caller's mistake
    write_part(path, plain_schema(source.schema), [source])
    return path
