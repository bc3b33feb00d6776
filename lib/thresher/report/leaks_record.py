"""The decontamination record: what was searched for, how, and what was found, to be copied into a
data card. YAML, of which every text is quoted as JSON does it.
"""

from __future__ import annotations

import json
from typing import Any

from thresher.report import figures
from thresher.report.leaks import BenchmarkLeaks, Leaks

_WIDTH = 100
_MOST_BENCHMARKS = 200
_TEXT_CHARS = 200


def decontamination_record(leaks: Leaks, rows_in: int) -> str:
    """Return the record of a run.

    Args:
        leaks: What was found.
        rows_in: Rows that were searched.
    """
    record = leaks.record
    lines = [
        "decontamination:",
        _entry("tool", f"thresher {record.tool_version}"),
        *([_entry("step", record.step)] if record.step else []),
        _entry("preset", record.preset),
        _entry("action", record.action),
        _entry("normaliser", record.normaliser),
        _entry("ngrams", record.ngrams),
        _entry("roles", record.roles),
        _entry("config_hash", record.config_hash),
        _entry("index_hash", record.index_hash),
        *([_entry("seeds", record.seeds)] if record.seeds else []),
        *_mapping("thresholds", record.thresholds),
        f"  rows: {{searched: {rows_in}, {_found(leaks)}{_changed(leaks)}}}",
        "  benchmarks:" if leaks.benchmarks else "  benchmarks: []",
    ]
    for benchmark in leaks.benchmarks[:_MOST_BENCHMARKS]:
        lines += _benchmark(benchmark)
    if len(leaks.benchmarks) > _MOST_BENCHMARKS:
        lines.append(f"  # and {len(leaks.benchmarks) - _MOST_BENCHMARKS} more in report.json")
    # Whole, however long: what is not found must stand in what is shown to others.
    spots = [json.dumps(figures.visible(text), ensure_ascii=False) for text in leaks.blind_spots]
    lines += ["  blind_spots:", *(f"    - {text}" for text in spots)]
    return "\n".join(lines) + "\n"


def _benchmark(benchmark: BenchmarkLeaks) -> list[str]:
    reasons = {entry.reason: entry.items for entry in benchmark.unindexable}
    return [
        f"    - name: {_value(benchmark.name)}",
        *([f"      split: {_value(benchmark.split)}"] if benchmark.split else []),
        f"      items: {{all: {benchmark.items}, indexed: {benchmark.indexed},"
        f" contaminated: {benchmark.num_contaminated}, suspect: {benchmark.num_suspect}}}",
        f"      rows: {{{_found(benchmark)}}}",
        *([f"      not_indexed: {_value(reasons)}"] if reasons else []),
        *(["      sha256:"] if benchmark.files else []),
        *(f"        {_value(name)}: {_value(sha256)}" for name, sha256 in benchmark.files.items()),
    ]


def _found(counted: Leaks | BenchmarkLeaks) -> str:
    return f"contaminated: {counted.rows}, suspect: {counted.suspect_rows}"


def _changed(leaks: Leaks) -> str:
    return f", changed: {leaks.rows_changed}" if leaks.rows_changed else ""


def _mapping(name: str, values: dict[str, Any]) -> list[str]:
    """Write a mapping on one line, or an entry a line where that is too long."""
    line = _entry(name, values)
    if len(line) <= _WIDTH or not values:
        return [line]
    return [f"  {name}:", *(f"    {_value(key)}: {_value(v)}" for key, v in values.items())]


def _entry(name: str, value: Any) -> str:
    return f"  {name}: {_value(value)}"


def _value(value: Any) -> str:
    """Write a value as JSON, which YAML reads as the same once nothing in it is invisible."""
    return json.dumps(_shown(value), ensure_ascii=False)


def _shown(value: Any) -> Any:
    if isinstance(value, str):
        return figures.visible(figures.cut(value, _TEXT_CHARS))
    if isinstance(value, dict):
        return {_shown(str(key)): _shown(item) for key, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value
