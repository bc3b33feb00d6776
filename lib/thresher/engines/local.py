"""The local engine: threads of this process, no start-up time.

Kernels and Arrow release the interpreter lock, so threads use every core. An exchange spools: each
task writes one Arrow file with its batches, a reducer maps the files of all tasks and takes its own
partition, one file open at a time. Spools are named and receipted like any stage output, so an
exchange resumes by task and by reducer, and they are deleted when the exchange has ended.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

import pyarrow as pa

from thresher.engines.attempts import TRANSIENT_TRIES, is_passing
from thresher.errors import InternalError, StorageError, from_os_error
from thresher.stage import (
    ExchangeStage,
    MapStage,
    Progress,
    Receipt,
    Task,
    load_receipt,
    run_reducer,
    run_task,
)
from thresher.store import Published, Store

T = TypeVar("T")


class LocalEngine:
    """Runs stages on threads.

    Args:
        workers: Tasks at once.
    """

    name = "local"

    def __init__(self, workers: int = 1) -> None:
        self.workers = workers

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage."""
        self._each(lambda task: run_task(store, stage, task), tasks, done)

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Spool every task's batches, then reduce the given partitions."""
        spooling = _spool_stage(stage)
        waiting = [t for t in stage.tasks if load_receipt(store, spooling.folder, t.index) is None]
        self._each(lambda task: run_task(store, spooling, task), waiting, lambda _: None)
        spools = _Spools.load(store, spooling)
        self._each(
            lambda partition: run_reducer(store, stage, partition, spools.partition(partition)),
            partitions,
            done,
        )
        store.remove(spooling.folder)

    def close(self) -> None:
        """Nothing is held between stages."""

    def _each(
        self, work: Callable[[T], Receipt], items: Sequence[T], done: Callable[[Receipt], None]
    ) -> None:
        """Run `work` over all items, at most `workers` at once; the first error stops the rest."""
        todo = iter(items)
        pool = ThreadPoolExecutor(max_workers=self.workers, thread_name_prefix="thresher")
        running: set[Future[Receipt]] = set()
        try:
            while True:
                while len(running) < self.workers and (item := next(todo, None)) is not None:
                    running.add(pool.submit(_attempt, work, item))
                if not running:
                    return
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done(_result(future))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _attempt(work: Callable[[T], Receipt], item: T) -> Receipt:
    """Run one unit of work; a broken connection is tried again, anything else is raised."""
    for _ in range(TRANSIENT_TRIES - 1):
        try:
            return work(item)
        except (OSError, StorageError) as error:
            if not is_passing(error):
                raise
    return work(item)


def _result(future: Future[Receipt]) -> Receipt:
    error = future.exception()
    if error is None:
        return future.result()
    traceback.clear_frames(error.__traceback__)  # closes what the failed task still held open
    if isinstance(error, (OSError, MemoryError, pa.ArrowMemoryError)):
        raise from_os_error(error) from error
    raise error


def _spool_stage(stage: ExchangeStage) -> MapStage:
    """Return the map stage that writes one spool file a task."""

    def spool(store: Store, folder: str, task: Task) -> Receipt:
        name = f"{folder}/spool-{task.index:05d}.arrow"
        index: list[int] = []
        rows = size = 0
        with store.writing(name) as path, pa.OSFile(str(path), "wb") as sink:
            writer = None
            for partition, batch in stage.emit(store, stage.folder, task):
                if writer is None:
                    writer = pa.ipc.new_file(sink, batch.schema)
                writer.write_batch(batch)
                index.append(partition)
                rows += batch.num_rows
                size += batch.nbytes
            if writer is not None:
                writer.close()
        length = store.path(name).stat().st_size
        return Receipt(
            task=task.index,
            rows_in=rows,
            bytes_in=size,
            files=(Published(name, length, ""),),
            facts={"partitions": index},
        )

    return MapStage(f"{stage.name}-spool", stage.key, spool, stage.tasks)


class _Spools:
    """The spool files of an exchange, and which batch of which file belongs to which partition."""

    def __init__(self, store: Store, entries: dict[int, list[tuple[str, list[int]]]]) -> None:
        self._store = store
        self._entries = entries

    @staticmethod
    def load(store: Store, stage: MapStage) -> _Spools:
        """Read the receipts of all spools; a missing one is refused, for absent is not empty."""
        entries: dict[int, list[tuple[str, list[int]]]] = {}
        for task in stage.tasks:
            receipt = load_receipt(store, stage.folder, task.index)
            if receipt is None:
                raise InternalError(f"spool {task.index} of {stage.name} has no receipt")
            by_partition: dict[int, list[int]] = {}
            for position, partition in enumerate(receipt.facts["partitions"]):
                by_partition.setdefault(partition, []).append(position)
            for partition, positions in by_partition.items():
                entries.setdefault(partition, []).append((receipt.files[0].name, positions))
        return _Spools(store, entries)

    def partition(self, partition: int) -> Iterator[pa.RecordBatch]:
        """Yield the batches of one partition, mapped from disk."""
        for name, positions in self._entries.get(partition, []):
            with pa.memory_map(str(self._store.path(name))) as source:
                reader = pa.ipc.open_file(source)
                for position in positions:
                    yield reader.get_batch(position)
