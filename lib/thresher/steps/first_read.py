"""The pass over the text: rows are read once, and every step of a job or recipe notes of them what
it needs.

One file a step and task, one line an input row. Rows that cannot be read have a line too.

Shapes: R rows of a block.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.stage import Receipt, Task
from thresher.steps.reading import ReadTask, TaskBlock, read_task
from thresher.steps.split_log import SplitLog, or_unreadable
from thresher.store import Published, Store

_NOTED = "noted"


class Read(Protocol):
    """A block's rows as what is judged; `text` (R,) is what a later pass is checked by."""

    @property
    def text(self) -> pa.Array:
        """(R,) strings; null where a row has none."""


class Reader(Protocol):
    """How rows are read as text."""

    def texts(self, block: TaskBlock, read: ReadTask) -> Any:
        """Read a block's rows: a `Read`, or what else the probes of the pass understand."""

    def missing(self) -> str:
        """Say what a row lacks whose text is null."""


class Notes(contextlib.AbstractContextManager["Notes"], Protocol):
    """What one step writes about one task."""

    def take(self, block: TaskBlock, texts: Any, base: int, count: int) -> None:
        """Note a block.

        Args:
            block: The rows as they were read.
            texts: The same as text.
            base: Number of the block's first row inside the task.
            count: Its rows, bad ones included.
        """

    def close(self) -> tuple[tuple[Published, ...], dict[str, Any]]:
        """Finish; return the files, and facts for the driver."""


class Probe(Protocol):
    """What one step notes of every row in the pass over the text."""

    @property
    def name(self) -> str:
        """Of the folder inside the stage's, and of the facts inside the receipt's."""

    def columns(self, read: ReadTask) -> Sequence[str] | None:
        """List the columns that are needed of a task's rows; None where all are."""

    def open(self, store: Store, folder: str, task: Task) -> Notes:
        """Begin the notes of a task in this folder."""


@dataclass(frozen=True)
class FirstRead:
    """What the pass over a task needs to know.

    Args:
        reader: How rows are read as text.
        probes: What is noted of them; each has a name of its own.
        skip_unreadable: Name files that fail instead of raising.
        max_doc_bytes: Rows with a larger value are bad.
        threads: How many probes of a task take a block at once: more than one where there are fewer
            tasks than cores. What they note is the same.
    """

    reader: Reader
    probes: tuple[Probe, ...]
    skip_unreadable: bool
    max_doc_bytes: int
    threads: int = 1

    def columns(self, read: ReadTask) -> list[str] | None:
        """List the columns to read; all of files that state no types before they are read."""
        if any(file.format not in ("parquet", "arrow") for file in read.files):
            return None
        found: list[str] = []
        for probe in self.probes:
            wanted = probe.columns(read)
            if wanted is None:
                return None
            found += wanted
        return list(dict.fromkeys(found))


def first_read(how: FirstRead, store: Store, folder: str, task: Task) -> Receipt:
    """Read one task's rows once and let every probe note what it needs.

    The receipt's facts are those of `SplitLog`, and what each probe counted (`counted`). With
    `skip_unreadable` a file that fails is named in the facts: the driver plans again without it.
    """
    work = partial(_read, how, store, folder, task)
    return or_unreadable(work, task.index, how.skip_unreadable)


def _read(how: FirstRead, store: Store, folder: str, task: Task) -> Receipt:
    read: ReadTask = task.payload
    log = SplitLog(read)
    files: list[Published] = []
    facts: dict[str, Any] = {}
    with contextlib.ExitStack() as stack:
        notes = [
            stack.enter_context(probe.open(store, noted(folder, probe), task))
            for probe in how.probes
        ]
        ahead, beside = stack.enter_context(_threads(how.threads))
        for block in ahead(read_task(read, how.columns(read), None, how.max_doc_bytes)):
            texts = how.reader.texts(block, read)
            base, count = log.rows, len(block.rows) + len(block.bad)
            takes = [partial(one.take, block, texts, base, count) for one in notes]
            beside([*takes, partial(log.add, block, texts.text)])
        for probe, one in zip(how.probes, notes, strict=True):
            written, facts[probe.name] = one.close()
            files += written
    return log.receipt(task.index, tuple(files), {**log.facts(), _NOTED: facts})


class _Threads(NamedTuple):
    """How a task is worked on: `ahead` yields blocks and reads on meanwhile, `beside` does several
    pieces of work at once, and raises what fails first."""

    ahead: Callable[[Iterator[TaskBlock]], Iterator[TaskBlock]]
    beside: Callable[[Sequence[Callable[[], object]]], None]


@contextlib.contextmanager
def _threads(number: int) -> Iterator[_Threads]:
    """Yield ways to work with so many threads; with one, everything is done in its turn."""

    def one_by_one(works: Sequence[Callable[[], object]]) -> None:
        for work in works:
            work()

    if number <= 1:
        yield _Threads(iter, one_by_one)
        return
    with ThreadPoolExecutor(number) as pool:

        def ahead(blocks: Iterator[TaskBlock]) -> Iterator[TaskBlock]:
            coming = pool.submit(next, blocks, None)
            while (block := coming.result()) is not None:
                coming = pool.submit(next, blocks, None)
                yield block

        def at_once(works: Sequence[Callable[[], object]]) -> None:
            for done in [pool.submit(work) for work in works]:
                done.result()

        yield _Threads(ahead, at_once)


def first_fault(how: FirstRead, task: Task) -> tuple[int, str] | None:
    """Return the first row of a task that cannot be judged, and why; the rows are read again."""
    read: ReadTask = task.payload
    for block in read_task(read, how.columns(read), None, how.max_doc_bytes):
        texts = how.reader.texts(block, read)
        found = [(bad.row, bad.error) for bad in block.bad[:1]]
        faults = np.flatnonzero(~texts.faults.good)[:1].tolist()
        found += [(int(block.rows[row]), texts.faults.message(row)) for row in faults]
        nulls = np.flatnonzero(np.asarray(pc.is_null(texts.text)) & texts.faults.good)[:1].tolist()
        found += [(int(block.rows[row]), how.reader.missing()) for row in nulls]
        if found:
            return min(found)
    return None


def noted(folder: str, probe: Probe) -> str:
    """Return the folder of a probe's notes inside a stage's folder."""
    return f"{folder}/{probe.name}"


def counted(receipt: Receipt, probe: str) -> Mapping[str, Any]:
    """Return what the probe of this name counted in a task."""
    found: Mapping[str, Any] = receipt.facts[_NOTED][probe]
    return found


def facts_of(receipts: Sequence[Receipt], probe: Probe) -> list[Mapping[str, Any]]:
    """Return what a probe counted, by task."""
    return [counted(receipt, probe.name) for receipt in receipts]
