"""Files of a night under the names that they have in stages, and in the index.

A stage's file is named by the number of its task, a file of the index by what it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from thresher import docid
from thresher.stage import WORK, Receipt, Stage, Task, load_receipt
from thresher.store import Published, Store
from thresher_jobs.night_index import ASIDES, NOTES, is_aside, with_number, without_number

# Read row by row where they are mapped: a night touches few of these files' pages.
MAPPED = "shingles"
Placed = tuple[str, str]  # name in the version, name in the folder of the run


def is_mapped(name: str) -> bool:
    """Say so of index/notes/KEY/STEP/shingles/part.arrow."""
    return PurePosixPath(name).parts[4:-1] == (MAPPED,)


def begun(task: Task) -> list[int]:
    """Return the files that begin in a task."""
    return [split.file for split in task.payload.splits if split.start == 0]


def receipt_of(store: Store, stage: Stage, task: Task) -> Receipt:
    found = load_receipt(store, stage.folder, task.index)
    assert found is not None
    return found


def in_stage(stage: Stage, below: str) -> str:
    """Return where a note lies in a stage; notes of others than `read` begin with its name."""
    return f"{stage.folder}/{below.removeprefix('' if stage.name == 'read' else f'{stage.name}/')}"


def link_notes(store: Store, stage: Stage, key: str, receipt: Receipt) -> str:
    files = []
    first = "" if stage.name == "read" else f"{stage.name}/"
    for file in receipt.files:
        below = first + without_number(file.name.removeprefix(f"{stage.folder}/"))
        store.link(f"{NOTES}/{key}/{below}", store.path(file.name))
        files.append(Published(below, file.bytes, ""))
    return replace(receipt, task=0, files=tuple(files)).to_bytes().decode()


def keep_asides(store: Store, key: str, receipt: Receipt) -> str:
    besides: dict[str, Any] = {}
    for name, told in receipt.facts["besides"].items():
        besides[name] = dict(told)
        for fact, value in told.items():
            if isinstance(value, str) and value.startswith(f"{WORK}/"):
                kept = f"{ASIDES}/{key}/{without_number(PurePosixPath(value).name)}"
                store.link(kept, store.path(value))
                besides[name][fact] = kept
        if "texts" in told:
            rows = docid.row_of(np.array([int(i) for i in told["texts"]], np.uint64)).tolist()
            besides[name]["texts"] = dict(zip(map(str, rows), told["texts"].values(), strict=True))
    parts = tuple(replace(file, name=without_number(file.name)) for file in receipt.files)
    facts = {**receipt.facts, "besides": besides}
    return replace(receipt, task=0, files=parts, facts=facts).to_bytes().decode()


def numbered(
    besides: Mapping[str, Mapping[str, Any]], folder: str, task: int
) -> tuple[dict[str, Any], list[Placed]]:
    """Return what was counted beside rows with the number of a task, and the files of it."""
    found: dict[str, Any] = {}
    files: list[Placed] = []
    for name, told in besides.items():
        found[name] = dict(told)
        for fact, value in told.items():
            if is_aside(value):
                at = f"{folder}/{with_number(PurePosixPath(value).name, task)}"
                files.append((value, at))
                found[name][fact] = at
        if "texts" in told:
            ids = docid.pack(task, np.array([int(row) for row in told["texts"]], np.uint64))
            found[name]["texts"] = dict(
                zip(map(str, ids.tolist()), told["texts"].values(), strict=True)
            )
    return found, files
