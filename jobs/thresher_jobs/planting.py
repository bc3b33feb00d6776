"""What a night takes over from the version before, and what it leaves for the next.

Before a stage that reads text is run, files of tasks that are as they were are put into its folder,
and their receipts are handed to the run: such tasks are not run again. So the same code runs a
first night, a later one and `thresher run`.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.errors import InputError
from thresher.planning import Plan
from thresher.stage import Receipt, Stage, Task
from thresher.store import Store
from thresher.versions.reading import Version
from thresher_jobs.arrival import Arriving, keep_learned
from thresher_jobs.memory import Memory
from thresher_jobs.night_files import (
    Placed,
    begun,
    in_stage,
    is_mapped,
    keep_asides,
    link_notes,
    numbered,
    receipt_of,
)
from thresher_jobs.night_index import (
    INDEX,
    NOTES,
    Line,
    read_lines,
    read_tables,
    table_names,
    with_number,
    write_lines,
    write_tables,
)
from thresher_jobs.night_keys import peeked_key
from thresher_jobs.recipe_steps import Passed

COST = "night.json"
AT_ONCE = 8  # files that are fetched or hashed side by side
# Nights in which every file of a local index that nobody wrote to is read for its hash once: a disk
# that loses bits is found out, at 60 MB a night instead of 0.9 GB for a million documents.
TURNS = 16
DAMAGED = "rebuild --anew makes everything again and takes nothing over"


@dataclass
class Planter:
    """One night's taking over; see `thresher.run.Planting`.

    Args:
        version: The version before; None takes nothing over.
        fetched: Keeps what is fetched from a store that is not local.
        max_doc_bytes: Rows with a larger value are bad.
        arriving: Where the order goes by arrival.

    Attributes:
        reads: Key of what the notes of a task are made of; said once the steps are prepared.
        writes: By task, the key of what its parts are made of; said once all is decided.
        planted: By stage, the tasks that were not run.
        bytes_read: Of the index, read whole, hashes checked.
        memo: What steps have read of files.
        plan: Of the inputs, where it was made already.
        known_as: By name of an input, the pin that it goes by where its own is another.
        bytes_mapped: Of the index, looked at where steps want columns or rows of it.
    """

    version: Version | None
    fetched: Store
    max_doc_bytes: int
    arriving: Arriving | None = None
    reads: Callable[[Task], str] | None = None
    writes: dict[int, str] = field(default_factory=dict)
    planted: dict[str, frozenset[int]] = field(default_factory=dict)
    bytes_read: int = 0
    bytes_mapped: int = 0
    memo: dict[Any, Any] = field(default_factory=dict)
    plan: Plan | None = None
    known_as: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        with _or_anew():
            self._lines = read_lines(self.version)
        if self.version is not None and self._lines:
            names = [f"{INDEX}/tasks.parquet", *table_names(self.version).values()]
            self.bytes_read += sum(self.version.file(name).bytes for name in names)
        self._peeked = {line.peeked_key: line for line in self._lines if line.peeked_key}
        self._read = {line.read_key: place for place, line in enumerate(self._lines)}
        self._written = {line.written_key: place for place, line in enumerate(self._lines)}
        self._stages: dict[str, Stage] = {}
        self._memory: Memory | None = None
        self._working: Future[None] | None = None
        # Read while tasks are; what goes wrong is told when the tables are wanted.
        reader = ThreadPoolExecutor(1)
        self._tables = reader.submit(read_tables, self.version)
        reader.shutdown(wait=False)

    def plant(self, store: Store, stage: Stage) -> Mapping[int, Receipt]:
        """Put the files of known tasks into a stage's folder, while others are run; return the
        receipts."""
        known = {
            "formats": self._plant_peeked,
            "read": self._plant_noted,
            "write": self._plant_written,
        }
        alone = self._memory is not None and stage.name in self._memory.alone
        if stage.name not in known and not alone:
            return {}
        receipts, files = known.get(stage.name, self._plant_noted)(stage)
        if files:
            self._aside(self._place, store, files)
        self._stages[stage.name] = stage
        self.planted[stage.name] = frozenset(receipts)
        return receipts

    def _aside(self, work: Callable[..., None], *arguments: Any) -> None:
        """Do some work while the run goes on."""
        self.placed()
        worker = ThreadPoolExecutor(1)
        self._working = worker.submit(work, *arguments)
        worker.shutdown(wait=False)

    def placed(self) -> None:
        """Wait until the files are there: those of receipts, and what the next night wants."""
        working, self._working = self._working, None
        if working is not None:
            working.result()

    def num_new(self, tasks: Sequence[Task]) -> int:
        """Count the tasks that the version before did not read."""
        assert self.reads is not None
        return sum(self.reads(task) not in self._read for task in tasks)

    def memory(self, tasks: Sequence[Task]) -> Memory:
        """Return what steps find of the version before."""
        assert self.reads is not None
        before = [self._read.get(self.reads(task), -1) for task in tasks]
        with _or_anew():
            tables = self._tables.result()
        memory = self._memory = Memory(np.array(before, np.int64), len(self._lines), tables)
        if self.arriving is not None:
            memory.order, memory.night = "arrival", self.arriving.night
            memory.read_ledgers = cache(partial(self._read_ledgers, self.arriving))
        return memory

    def _read_ledgers(self, arriving: Arriving) -> dict[str, pa.Table]:
        found, size = arriving.ledgers()
        self.bytes_read += size
        return found

    def _plant_peeked(self, stage: Stage) -> tuple[dict[int, Receipt], list[Placed]]:
        found: dict[int, Receipt] = {}
        for task in stage.tasks:
            line = self._peeked.get(peeked_key(task, self.max_doc_bytes, self.known_as))
            if line is not None:
                told = json.loads(line.peeked)
                evidence = dict(zip(map(str, begun(task)), told["evidence"], strict=True))
                facts = {"evidence": evidence, "error": told["error"]}
                found[task.index] = Receipt(
                    task.index, rows_in=told["rows"], rows_out=told["rows"], facts=facts
                )
        return found, []

    def _plant_noted(self, stage: Stage) -> tuple[dict[int, Receipt], list[Placed]]:
        assert self.reads is not None
        found: dict[int, Receipt] = {}
        files: list[Placed] = []
        for task in stage.tasks:
            place = self._read.get(self.reads(task))
            if place is None:
                continue
            line = self._lines[place]
            receipt = line.noted().get(stage.name)
            if receipt is None:
                continue
            named = tuple(
                replace(file, name=in_stage(stage, with_number(file.name, task.index)))
                for file in receipt.files
            )
            files += [
                (f"{NOTES}/{line.read_key}/{a.name}", b.name)
                for a, b in zip(receipt.files, named, strict=True)
            ]
            found[task.index] = replace(receipt, task=task.index, files=named)
        return found, files

    def _plant_written(self, stage: Stage) -> tuple[dict[int, Receipt], list[Placed]]:
        found: dict[int, Receipt] = {}
        files: list[Placed] = []
        for task in stage.tasks:
            place = self._written.get(self.writes[task.index])
            if place is None:
                continue
            receipt = Receipt.from_bytes(self._lines[place].written.encode())
            named = tuple(
                replace(file, name=with_number(file.name, task.index)) for file in receipt.files
            )
            besides, placed = numbered(receipt.facts["besides"], stage.folder, task.index)
            files += placed
            if sum(split["rows"][2] for split in receipt.facts["splits"]):  # the report reads them
                files += [
                    (with_number(old.name, place), new.name)
                    for old, new in zip(receipt.files, named, strict=True)
                    if new.name.startswith("quarantine/")
                ]
            found[task.index] = replace(
                receipt, task=task.index, files=named, facts={**receipt.facts, "besides": besides}
            )
        return found, files

    def _place(self, store: Store, files: Sequence[Placed]) -> None:
        """Put files of the version before where a stage would have written them."""
        version = self.version
        if version is None or not files:
            return

        wanted = [(*placed, self._is_checked(placed[0])) for placed in files]

        def one(name: str, at: str, check: bool) -> None:
            with _or_anew():
                version.place(name, store, at, self.fetched, check=check)

        if version.is_local:  # a second name takes some microseconds
            for placed in wanted:
                one(*placed)
        else:
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda placed: one(*placed), wanted))
        for name, _, check in wanted:
            size = version.file(name).bytes
            if check:
                self.bytes_read += size
            else:
                self.bytes_mapped += size

    def _is_checked(self, name: str) -> bool:
        """Say whether to read a file for its hash: one that was written to since the version was
        committed, and of those at rest another share every night."""
        if is_mapped(name):
            return False
        assert self.version is not None
        if not self.version.is_at_rest(name):
            return True
        turn = int(self.version.file(name).sha256[:8], 16)
        return turn % TURNS == self.version.number % TURNS

    def keep(self, passed: Passed, written: Sequence[Receipt]) -> None:
        """Leave in the folder of the run what the next night wants, and what this one read."""
        assert self.reads is not None and passed.memory is not None
        store = passed.run.store
        peeked = self._found_formats(store)
        lines = []
        for task, read, wrote in zip(passed.plan.tasks, passed.receipts, written, strict=True):
            read_key, written_key = self.reads(task), self.writes[task.index]
            peek_key = peeked_key(task, self.max_doc_bytes, self.known_as) if begun(task) else ""
            noted = self._keep_notes(store, task, read_key, read)
            if task.index in self.planted["write"]:
                told = self._lines[self._written[written_key]].written
            else:
                told = keep_asides(store, written_key, wrote)
            formats = peeked.get(peek_key, "")
            lines.append(
                Line(peek_key if formats else "", formats, read_key, noted, written_key, told)
            )
        write_lines(store, lines)
        keep_learned(store, passed.memory.learned)
        store.put_json(COST, self._cost(passed, written))
        self._aside(write_tables, store, passed.memory.kept)

    def _keep_notes(self, store: Store, task: Task, key: str, read: Receipt) -> str:
        """Keep the notes of a task that are new; return the receipts of all, by stage."""
        assert self._memory is not None
        place = self._read.get(key)
        told = json.loads(self._lines[place].read) if place is not None else {}
        for name in ("read", *sorted(self._memory.alone)):
            if task.index not in self.planted[name]:
                stage = self._stages[name]
                receipt = read if name == "read" else receipt_of(store, stage, task)
                told[name] = link_notes(store, stage, key, receipt)
        return json.dumps(told, sort_keys=True)

    def _found_formats(self, store: Store) -> dict[str, str]:
        """Return what is known of the formats of files, by the keys of their tasks."""
        found: dict[str, str] = {}
        stage = self._stages.get("formats")
        for task in stage.tasks if stage is not None else ():
            assert stage is not None
            key = peeked_key(task, self.max_doc_bytes, self.known_as)
            if task.index in self.planted["formats"]:
                found[key] = self._peeked[key].peeked
                continue
            receipt = receipt_of(store, stage, task)
            evidence = [receipt.facts["evidence"][str(file)] for file in begun(task)]
            told = {"evidence": evidence, "error": receipt.facts["error"], "rows": receipt.rows_in}
            found[key] = json.dumps(told)
        return found

    def _cost(self, passed: Passed, written: Sequence[Receipt]) -> dict[str, Any]:
        """Return what the night read; text is counted as often as it is read."""
        assert passed.memory is not None

        def not_planted(stage: str, receipts: Sequence[Receipt]) -> list[Receipt]:
            return [r for r in receipts if r.task not in self.planted[stage]]

        read, wrote = not_planted("read", passed.receipts), not_planted("write", written)
        return {
            "tasks": len(passed.receipts),
            "tasks_read": len(read),
            "tasks_written": len(wrote),
            "text_bytes": sum(r.bytes_in for r in passed.receipts),
            "text_bytes_read": {
                "read": sum(r.bytes_in for r in read),
                "write": sum(r.bytes_in for r in wrote),
                **passed.memory.text_read,
            },
            "index_bytes_read": self.bytes_read,
            "index_bytes_mapped": self.bytes_mapped,
        }


@contextlib.contextmanager
def _or_anew() -> Iterator[None]:
    """Say what to do about a damaged index."""
    try:
        yield
    except InputError as error:
        raise InputError(error.message, path=error.path, remedy=DAMAGED) from error
