"""Benchmarks as the user names them, and the files behind the names; none is read."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence

from thresher.errors import ConfigError
from thresher.inputs import list_inputs
from thresher.leaks.benchmarks import Benchmark, BenchmarkSet, make_benchmark, parse_set
from thresher.leaks.guessing import stem_of
from thresher.params import load_yaml
from thresher.readers.streams import is_remote

_NAMED = re.compile(r"([A-Za-z0-9][\w.+-]*)=(.+)")
_SHARD = re.compile(r"(?i)[-_.]?\d+[-_]of[-_]\d+$")
_PART = re.compile(
    r"(?i)(?:(?:train|test|dev|val|valid|validation|part|data|shard|chunk|split)[-_.]?)?\d*"
)


def describe(specs: Sequence[str]) -> tuple[Benchmark, ...]:
    """Turn what the user wrote into descriptions; kinds and fields may still be open.

    Raises:
        ConfigError: There are none, or a description or name cannot be.
        InputError: A plain path leads to no file.
    """
    made: list[Benchmark] = []
    for spec in specs:
        named = _NAMED.fullmatch(spec)
        if spec.lower().endswith((".yaml", ".yml")) and not (named and not os.path.exists(spec)):
            made.extend(_of_yaml(spec))
        elif spec.endswith("=") and not os.path.exists(spec):
            raise ConfigError(f"--against {spec} names no file", remedy=f"--against {spec}FILE")
        elif named and not os.path.exists(spec):
            made.append(make_benchmark({"name": named[1], "path": named[2]}))
        else:
            made.extend(_of_files(spec))
    if not made:
        raise ConfigError("no benchmark is named", remedy="--against benchmarks.yaml or NAME=PATH")
    names = Counter(one.name for one in made)
    twice = next((name for name, times in names.items() if times > 1), None)
    if twice is not None:
        raise ConfigError(
            f"two benchmarks are called {twice!r}", remedy="name one of them: --against NAME=PATH"
        )
    return BenchmarkSet(benchmarks=tuple(made)).benchmarks


def _of_yaml(path: str) -> list[Benchmark]:
    folder = os.path.dirname(os.path.abspath(path))
    found = parse_set(load_yaml(path), path).benchmarks
    return [
        one.model_copy(update={"path": tuple(_below(folder, p) for p in one.path)}) for one in found
    ]


def _below(folder: str, path: str) -> str:
    return path if is_remote(path) else os.path.join(folder, os.path.expanduser(path))


def _of_files(spec: str) -> list[Benchmark]:
    """Return a benchmark for each file that a plain path leads to; numbered parts are one."""
    inputs = list_inputs([spec])
    groups: dict[str, list[str]] = {}
    for file in inputs.files:
        stem = _SHARD.sub("", stem_of(file.path))
        name = inputs.sources[0].name if _PART.fullmatch(stem) else stem
        alone = stem_of(name) if len(inputs.files) == 1 else name
        groups.setdefault(alone, []).append(file.path)
    return [Benchmark(name=name, path=tuple(paths)) for name, paths in groups.items()]


def files_of(given: Benchmark) -> tuple[tuple[str, int, str], ...]:
    """List a benchmark's files as `ReadBenchmark.files` does, without reading them.

    Raises:
        ConfigError, InputError: They cannot be listed.
    """
    return tuple((file.name, file.bytes, file.pin) for file in list_inputs(list(given.path)).files)
