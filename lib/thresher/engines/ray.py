"""The ray engine: tasks of a Ray cluster, exchanges through its object store.

Only receipts reach the driver; what tasks emit stays in the object store, which spills to disk (see
`shuffle` for the objects). What a lost node held is made again by the tasks that returned it, with
the same bytes because emits are deterministic; no task puts an object itself, for that would die
with its node.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import pickle
import queue
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, cast

import pyarrow as pa

from thresher.engines.attempts import (
    Order,
    Transient,
    attempt,
    decode_receipt,
    encode_error,
    encode_receipt,
    lift_order,
    place_order,
    prepare_worker,
)
from thresher.engines.options import EngineOptions
from thresher.engines.ray_cluster import Link, failure, join, last_line, stalled
from thresher.engines.shuffle import (
    Block,
    Merge,
    Ref,
    Shuffle,
    batches_of,
    emit_blocks,
    merge_blocks,
    sizes_of,
)
from thresher.errors import EngineError, ThresherError
from thresher.stage import (
    ExchangeStage,
    MapStage,
    Progress,
    Receipt,
    Stage,
    Task,
    run_reducer,
    run_task,
)
from thresher.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """What workers need to know about a stage; shipped once, without the list of tasks.

    Args:
        group_of: By partition that is still to be reduced, the place of its object in what an
            emitting task returns.
        groups: How many objects that are.
    """

    store: Store
    stage: Stage
    order: Order
    group_of: dict[int, int]
    groups: int


@dataclass
class Unit:
    """One Ray task: how it is started, and what its end sets off."""

    kind: str
    number: int
    start: Callable[[], list[Ref]]
    ended: Callable[[Receipt, list[Ref]], None]


class RayEngine:
    """Runs stages on a Ray cluster: the caller's, the one at an address, or one of its own.

    Args:
        options: Where the cluster is, and how many tasks run at once.

    Raises:
        EngineError: Ray is not installed.
    """

    name = "ray"

    def __init__(self, options: EngineOptions) -> None:
        if importlib.util.find_spec("ray") is None:
            raise EngineError("ray is not installed", remedy="pip install 'thresher[ray]'")
        self.options = options
        self.workers = options.resolved_workers()
        self.peak_objects = 0
        self._link: Link | None = None

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage."""
        with self._flight(store, stage, {}, 0) as flight:
            start = flight.starter(_run_map, 1)
            flight.run(
                Unit("task", t.index, partial(start, _packed(t)), lambda r, _: done(r))
                for t in tasks
            )

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Emit all tasks into the object store, then reduce the given partitions."""
        shuffle = Shuffle(len(stage.tasks), sorted(partitions))
        with self._flight(store, stage, shuffle.group_of, shuffle.groups) as flight:
            flight.run(_emits(flight, shuffle, stage.tasks))
            flight.run(_merge(flight, shuffle, merge) for merge in shuffle.rest())
            flight.run(_reduces(flight, shuffle, done))
        self.peak_objects = max(self.peak_objects, shuffle.peak)
        logger.debug("stage %s: at most %d objects at once", stage.name, shuffle.peak)

    def close(self) -> None:
        """Leave the cluster; end it when this engine started it."""
        if self._link is not None:
            link, self._link = self._link, None
            link.leave()

    @contextlib.contextmanager
    def _flight(
        self, store: Store, stage: Stage, group_of: dict[int, int], groups: int
    ) -> Iterator[Flight]:
        """Place the order of a stage and ship what workers need; lift it at the end."""
        if self._link is None:
            self._link = join(self.options, load_ray)
            self.workers = self.options.workers or self._link.slots() // 2
        order = place_order(store, stage, self.options.attempts)
        try:
            yield Flight(self._link, self.options, Work(store, stage, order, group_of, groups))
        finally:
            lift_order(order)


class Flight:
    """The Ray tasks of one stage: bounded in number, watched until all have ended."""

    def __init__(self, link: Link, options: EngineOptions, work: Work) -> None:
        self.ray, self.link, self.options, self.order = link.ray, link, options, work.order
        self._box = [self.ray.put(replace(work, stage=replace(work.stage, tasks=())))]
        self._ended: queue.SimpleQueue[tuple[Ref, Any]] = queue.SimpleQueue()
        self.todo: deque[Unit] = deque()

    def starter(self, function: Callable[..., Any], returns: int) -> Callable[..., list[Ref]]:
        """Return what starts `function` as a Ray task; the first object returned is a receipt."""
        options = self.options.ray
        remote = self.ray.remote(function).options(
            name=f"{self.order.stage}:{function.__name__.removeprefix('_run_')}",
            num_returns=returns,
            num_cpus=1,
            memory=options.task_memory_bytes or None,
            max_retries=options.task_attempts - 1,
            retry_exceptions=[Transient],
        )

        def start(*args: Any) -> list[Ref]:
            refs = remote.remote(self._box, *args)
            return [refs] if returns == 1 else refs

        return start

    def run(self, units: Iterator[Unit]) -> None:
        """Run the units, and those that their ends put into `todo`; the first error stops all.

        Raises:
            ThresherError: What a unit failed with, or that none ended for too long.
        """
        running: dict[Ref, tuple[Unit, list[Ref]]] = {}
        last = time.monotonic()
        try:
            while True:
                slots = self.options.workers or self.link.slots()
                while len(running) < slots and (unit := self._next(units)) is not None:
                    refs = unit.start()
                    running[refs[0]] = (unit, refs)
                    self._watch(refs[0])
                if not running:
                    return
                try:
                    ref, future = self._ended.get(timeout=1)
                except queue.Empty:
                    if time.monotonic() - last > self.options.stall_seconds:
                        raise stalled(self.ray, self.order, self.options, len(running)) from None
                    continue
                last = time.monotonic()
                unit, refs = running.pop(ref)
                unit.ended(self._receipt(unit, future), refs[1:])
        except BaseException:
            self._cancel(list(running))
            raise

    def _next(self, units: Iterator[Unit]) -> Unit | None:
        return self.todo.popleft() if self.todo else next(units, None)

    def _watch(self, ref: Ref) -> None:
        """Be told when the object is there. Waiting in `ray.wait` would swallow the exception that
        a signal handler raises (ray 2.60, 2026-11)."""
        ref.future().add_done_callback(lambda future: self._ended.put((ref, future)))

    def _cancel(self, refs: list[Ref]) -> None:
        """Kill what still runs, and wait a little until it is dead."""
        for ref in refs:
            try:
                self.ray.cancel(ref, force=True)
            except Exception as error:  # noqa: BLE001 - why the run ends counts more: Ray may be gone
                logger.debug("a task could not be cancelled: %s", error)
        deadline = time.monotonic() + 10
        with contextlib.suppress(queue.Empty):
            for _ in refs:
                self._ended.get(timeout=max(0.0, deadline - time.monotonic()))

    def _receipt(self, unit: Unit, future: Any) -> Receipt:
        error = future.exception()
        if error is None:
            return decode_receipt(future.result())
        raise failure(self.ray, self.order, unit.kind, unit.number, error) from error


def _emits(flight: Flight, shuffle: Shuffle, tasks: Sequence[Task]) -> Iterator[Unit]:
    """Emit every task; merges go ahead of further emits, so that fewer objects wait."""
    start = flight.starter(_run_emit, 1 + shuffle.groups)

    def ended(receipt: Receipt, refs: list[Ref]) -> None:
        for merge in shuffle.emitted(receipt.facts["sizes"], refs):
            flight.todo.append(_merge(flight, shuffle, merge))

    for task in tasks:
        yield Unit("emit", task.index, partial(start, _packed(task)), ended)


def _merge(flight: Flight, shuffle: Shuffle, merge: Merge) -> Unit:
    start = flight.starter(_run_merge, 1 + len(merge.members))

    def ended(receipt: Receipt, refs: list[Ref]) -> None:
        shuffle.merged(merge, receipt.facts["sizes"], refs)

    # As arguments of their own: only these does Ray keep the means to make again.
    run = partial(start, merge.number, merge.members, *merge.refs)
    return Unit("merge", merge.number, run, ended)


def _reduces(flight: Flight, shuffle: Shuffle, done: Progress) -> Iterator[Unit]:
    """Reduce every partition; its objects go when its unit has ended."""
    start = flight.starter(_run_reduce, 1)
    for partition in shuffle.wanted:
        windows = shuffle.windows(partition)
        # A partition of several windows is fetched in turn: it need not fit a node's object store.
        here, later = (windows[0], []) if len(windows) == 1 else ([], windows)
        run = partial(start, partition, later, *here)
        yield Unit("reduce", partition, run, lambda receipt, _: done(receipt))


def load_ray() -> Any:
    """Import ray; other modules ask here, so that nothing loads it before it is needed."""
    import ray

    return ray


# On the workers.

_opened: tuple[str, Work] | None = None


def _open(box: list[Ref]) -> Work:
    """Return the work of a stage, which a worker fetches once; it comes boxed, since Ray would
    fetch and unpickle a plain argument for each task."""
    global _opened
    name = box[0].hex()
    if _opened is None or _opened[0] != name:
        prepare_worker()
        # Ray gives workers OMP_NUM_THREADS=1, and Arrow takes that as the size of its pool; readers
        # whose pool tasks wait for one another stop for good in a pool of one.
        pa.set_cpu_count(max(2, pa.cpu_count()))
        _opened = (name, load_ray().get(box[0]))
    return _opened[1]


def _packed(task: Task) -> bytes:
    """Pickle a task: a worker unpickles it when it is prepared, not before."""
    return bytes(load_ray().cloudpickle.dumps(task))


def _run_map(box: list[Ref], packed: bytes) -> bytes:
    work = _open(box)
    stage, task = cast(MapStage, work.stage), pickle.loads(packed)
    return encode_receipt(
        lambda: attempt(work.order, "task", task.index, lambda: run_task(work.store, stage, task))
    )


def _run_emit(box: list[Ref], packed: bytes) -> list[Any]:
    work = _open(box)
    stage, task = cast(ExchangeStage, work.stage), pickle.loads(packed)

    def emit() -> tuple[list[Block | None], int]:
        emitted = stage.emit(work.store, stage.folder, task)
        return emit_blocks(emitted, work.group_of, work.groups)

    return _returned(work, "emit", task.index, emit, work.groups)


def _run_merge(box: list[Ref], number: int, members: list[int], *blocks: Block) -> list[Any]:
    work = _open(box)
    return _returned(
        work, "merge", number, lambda: (merge_blocks(blocks, members), 0), len(members)
    )


def _returned(
    work: Work,
    kind: str,
    number: int,
    make: Callable[[], tuple[list[Block | None], int]],
    count: int,
) -> list[Any]:
    """Return the receipt and the blocks, or the final error and nothing."""
    try:
        blocks, rows = attempt(work.order, kind, number, make)
    except ThresherError as error:
        return [encode_error(error), *[None] * count]
    receipt = Receipt(number, rows_out=rows, facts={"sizes": sizes_of(blocks)})
    return [encode_receipt(lambda: receipt), *blocks]


def _run_reduce(box: list[Ref], partition: int, later: list[list[Ref]], *here: Block) -> bytes:
    work = _open(box)
    stage = cast(ExchangeStage, work.stage)
    blocks = chain(here, _fetched(later))
    return encode_receipt(
        lambda: attempt(
            work.order,
            "reduce",
            partition,
            lambda: run_reducer(work.store, stage, partition, batches_of(blocks)),
        )
    )


def _fetched(windows: list[list[Ref]]) -> Iterator[Block]:
    ray = load_ray()
    for refs in windows:
        try:
            blocks = ray.get(refs)
        except ray.exceptions.RayError as error:
            raise ConnectionError(f"objects of other tasks are lost: {last_line(error)}") from error
        yield from blocks
