"""The facts of the machine a figure was measured on, for the head of every result file.

No host names, no user names, no paths: results are published.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("thresher", "pyarrow", "numpy", "numba")
RESULTS = Path(__file__).parent / "results"


def facts() -> dict[str, Any]:
    """Describe the processor, the memory and the versions that matter."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "architecture": platform.machine(),
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "measured": datetime.now(UTC).date().isoformat(),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or "unknown"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def save(name: str, figures: dict[str, Any]) -> Path:
    """Write `results/NAME.json`: the machine's facts, then the figures."""
    path = RESULTS / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": facts(), **figures}, indent=1) + "\n")
    return path


def table(columns: dict[str, str], results: list[dict[str, Any]]) -> str:
    """Lay out results as aligned plain text; `columns` says title and key of each column."""
    cells = [[_cell(result.get(key)) for key in columns.values()] for result in results]
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    lines = [_line(list(columns), widths), "-" * (sum(widths) + 2 * len(widths) - 2)]
    return "\n".join(lines + [_line(row, widths) for row in cells])


def _line(cells: list[str], widths: list[int]) -> str:
    first, *others = zip(cells, widths, strict=True)
    return "  ".join([first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.3g}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else "-" if value is None else str(value)


if __name__ == "__main__":
    print(json.dumps(facts(), indent=1))
