"""`thresher compare`: what two runs of one job did differently, from their reports."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from thresher.errors import ConfigError
from thresher.report import Report
from thresher.report.runs_diff import compare_runs
from thresher.result import open_result


def compare(first: str, second: str) -> list[str]:
    """Return lines that say how the second run differs from the first.

    Args:
        first, second: The OUT of a finished run, or its report.json.

    Raises:
        ConfigError: One of them is no report of this version, or the jobs differ.
    """
    before, after = _load(first), _load(second)
    if before["job"] != after["job"]:
        raise ConfigError(
            f"{first} is a run of {before['job']}, {second} one of {after['job']}",
            remedy="compare two runs of one job",
        )
    return compare_runs(before, after)


def _load(address: str) -> dict[str, Any]:
    path = Path(address)
    if path.is_dir():
        return _checked(address, open_result(address).report())
    if not path.exists():
        raise ConfigError("no such file or folder", path=address)
    try:
        return _checked(address, json.loads(path.read_bytes()))
    except ValueError as error:
        raise ConfigError(
            "not a report of a run", path=address, remedy="give OUT or OUT/report.json"
        ) from error


def _checked(address: str, report: Any) -> dict[str, Any]:
    """Return a report that this version can read.

    Raises:
        ConfigError: It is none, or that of another version.
    """
    try:
        return Report.model_validate(report).model_dump(mode="json")
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"])) or "the top"
        raise ConfigError(
            f"not a report of a run that this version can read ({where})",
            path=address,
            remedy="give OUT or OUT/report.json; run the job again where the version changed",
        ) from error
