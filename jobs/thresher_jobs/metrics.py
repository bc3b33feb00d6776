"""What a night came to, as a text file that Prometheus' node exporter collects.

The names have the prefix `thresher_store_`; the label is the store's absolute address. A night
that fails leaves the file as it was: what is in force has not changed. Whether and when nights end
is for whoever starts them to say (`cluster/schedule/nightly.sh`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from thresher.errors import from_os_error
from thresher_jobs.rebuild import Night

_HELP = {
    "version": "Number of the version in force.",
    "changed": "Whether the last night that succeeded committed.",
    "rows": "Rows of the version in force, by what became of them.",
    "inputs": "Input files that the last night that succeeded found new, changed or gone.",
    "new_bytes": "Bytes of files that the version before did not have.",
    "timestamp_seconds": "When a night last succeeded; one that fails changes no figure.",
}


def metrics(night: Night, ended: datetime) -> str:
    """Return the text.

    Args:
        night: What it came to.
        ended: When it succeeded.
    """
    # As typed, two stores could be one series, and one store two.
    store = night.version.objects.address
    lines: list[str] = []
    for name, told in _HELP.items():
        lines.append(f"# HELP thresher_store_{name} {told}")
        lines.append(f"# TYPE thresher_store_{name} gauge")
        for labels, value in _values(night, name, ended):
            said = ",".join(f'{k}="{_quoted(v)}"' for k, v in [("store", store), *labels])
            lines.append(f"thresher_store_{name}{{{said}}} {value}")
    return "\n".join(lines) + "\n"


def write_metrics(path: str, text: str) -> None:
    """Replace the file at once: a collector never sees half of it.

    Raises:
        StorageError: It cannot be written.
    """
    unfinished = Path(f"{path}.{os.getpid()}")
    try:
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise from_os_error(error, path) from error


def _values(
    night: Night, name: str, ended: datetime
) -> Iterator[tuple[list[tuple[str, str]], int | float]]:
    if name == "version":
        yield [], night.version.number
    elif name == "changed":
        yield [], int(night.changed)
    elif name == "rows":
        for fate, count in sorted(night.rows.items()):
            yield [("fate", fate)], count
    elif name == "inputs":
        for change, files in sorted(night.changes.model_dump().items()):
            yield [("change", change)], len(files)
    elif name == "new_bytes":
        yield [], night.new_bytes
    else:
        yield [], round(ended.timestamp(), 3)


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
