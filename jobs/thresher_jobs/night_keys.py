"""What makes two nights' tasks the same: keys of what a task reads, notes and writes.

A key holds all that the files of a task are made of, and nothing of other tasks: not its number,
not the numbers of its files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

import thresher
from thresher.formats.detection import Detected
from thresher.inputs import InputFile
from thresher.params import digest_of
from thresher.stage import Task
from thresher.steps.reading import ReadTask
from thresher_jobs import detecting

CODE_VERSION = "nights-2"  # raised when the same keys would name other files


class MadeOf(NamedTuple):
    """What a result is made of, beside the rows.

    Attributes:
        recipe: With every default said.
        files: By step, digests of the files that it needs.
    """

    recipe: dict[str, Any]
    files: dict[str, Any]

    def notes(self, settled: Sequence[str]) -> str:
        """Return a digest of what notes of rows are made of: not of the list of sources, unless a
        mixture wants it.

        Args:
            settled: By step, what it chose by looking at the inputs.
        """
        said = {k: v for k, v in self.recipe.items() if k not in ("about", "sources")}
        if any("mix" in step for step in self.recipe["steps"]):
            said["sources"] = self.recipe["sources"]
        return digest_of([CODE_VERSION, thresher.__version__, said, self.files, list(settled)])


def peeked_key(task: Task, max_doc_bytes: int, known_as: Mapping[str, str]) -> str:
    """Return what the formats of a task's files are found by; for `known_as` see `read_key`."""
    splits = _splits(task.payload, known_as)
    return digest_of([detecting.CODE_VERSION, thresher.__version__, max_doc_bytes, splits])


def read_key(
    task: Task,
    made_of: str,
    detected: Mapping[int, Detected] | None,
    known_as: Mapping[str, str],
) -> str:
    """Return what the notes of a task are made of.

    Args:
        task: Reads the rows.
        made_of: See `MadeOf.notes`.
        detected: Formats of the files, where no column is the text.
        known_as: By name of a file, the pin that it goes by where its own is another.
    """
    read: ReadTask = task.payload
    formats = None
    if detected is not None:
        formats = [
            list(detected[split.file].formats) if split.file in detected else []
            for split in read.splits
        ]
    return digest_of([made_of, formats, _splits(read, known_as)])


def written_key(read_key: str, fates: str, written_by: Sequence[str]) -> str:
    """Return what the parts of a task are made of.

    Args:
        read_key: What its notes are made of.
        fates: Digest of what becomes of its rows.
        written_by: Columns, conversion and the like, the same for all tasks.
    """
    return digest_of([read_key, fates, pa.__version__, *written_by])


def _splits(read: ReadTask, known_as: Mapping[str, str]) -> list[list[Any]]:
    """Name what a task reads, with the pins of its files."""
    return [
        [*_file(file, known_as), split.start, split.stop]
        for file, split in zip(read.files, read.splits, strict=True)
    ]


def _file(file: InputFile, known_as: Mapping[str, str]) -> list[Any]:
    pin = known_as.get(file.name, file.pin)
    return [file.name, file.path, file.format, file.compression, file.bytes, pin]
