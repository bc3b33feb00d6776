"""Engines that misbehave on purpose, within what an engine is allowed to do.

Real clusters run tasks in any order, run the same task twice (speculation, lost acknowledgements)
and lose first attempts half-way. A job that writes the same bytes under all three may run anywhere.
Each class wraps another engine, so that what is planted goes through that engine's own scheduling
and its own retries.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial

import pyarrow as pa

from thresher.errors import InternalError
from thresher.stage import (
    WORK,
    EmitFunction,
    Engine,
    ExchangeStage,
    MapFunction,
    MapStage,
    Progress,
    Receipt,
    ReduceFunction,
    Task,
)
from thresher.store import Store


class Chaos:
    """An engine around another; subclasses say what goes wrong.

    Args:
        engine: The engine that runs the stages.
    """

    kind = "calm"

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.name = f"{engine.name}, {self.kind}"
        self.workers = engine.workers

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage."""
        self.engine.run_map(store, self._map(stage), tasks, done)

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Run an exchange for the given partitions."""
        self.engine.run_exchange(store, self._exchange(stage), partitions, done)

    def close(self) -> None:
        """Close the engine inside."""
        self.engine.close()

    def _map(self, stage: MapStage) -> MapStage:
        return stage

    def _exchange(self, stage: ExchangeStage) -> ExchangeStage:
        return stage


class Shuffled(Chaos):
    """Starts tasks and reducers in a random order.

    Args:
        engine: The engine that runs the stages.
        seed: Of the order.
    """

    kind = "shuffled"

    def __init__(self, engine: Engine, seed: int = 0) -> None:
        super().__init__(engine)
        self._random = random.Random(seed)

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage."""
        self.engine.run_map(store, stage, self._random.sample(tasks, len(tasks)), done)

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Run an exchange for the given partitions."""
        tasks = tuple(self._random.sample(stage.tasks, len(stage.tasks)))
        partitions = self._random.sample(partitions, len(partitions))
        self.engine.run_exchange(store, replace(stage, tasks=tasks), partitions, done)


class Twice(Chaos):
    """Does every task and every reducer twice; the second time must not change anything."""

    kind = "twice"

    def _map(self, stage: MapStage) -> MapStage:
        return replace(stage, function=partial(_map_twice, stage.function))

    def _exchange(self, stage: ExchangeStage) -> ExchangeStage:
        return replace(
            stage,
            emit=partial(_emit_twice, stage.emit),
            reduce=partial(_reduce_twice, stage.reduce),
        )


class Flaky(Chaos):
    """Loses the first attempt of one unit of work in four, after its files are written or half-way.

    Unit 0 of every stage is among them. What is raised looks like a broken connection, which
    engines try again; not every unit, since a retry costs Ray a second and Spark a Python process.
    """

    kind = "flaky"

    def _map(self, stage: MapStage) -> MapStage:
        return replace(stage, function=partial(_map_flaky, stage.function))

    def _exchange(self, stage: ExchangeStage) -> ExchangeStage:
        return replace(
            stage,
            emit=partial(_emit_flaky, stage.emit),
            reduce=partial(_reduce_flaky, stage.reduce),
        )


def _same(first: Receipt, second: Receipt) -> Receipt:
    if first != second:
        raise InternalError(f"unit {first.task} gave two different receipts")
    return second


def _map_twice(function: MapFunction, store: Store, folder: str, task: Task) -> Receipt:
    return _same(function(store, folder, task), function(store, folder, task))


def _emit_twice(
    emit: EmitFunction, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    for _ in emit(store, folder, task):
        pass
    yield from emit(store, folder, task)


def _reduce_twice(
    reduce: ReduceFunction,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    arrived = list(batches)
    first = reduce(store, folder, partition, arrived)
    return _same(first, reduce(store, folder, partition, reversed(arrived)))


def _lose_first(store: Store, folder: str, kind: str, number: int) -> None:
    """Raise at the first call for some units; a mark in the run's folder remembers it."""
    unit = f"{kind}-{number}"
    if number % 4 == 0 and store.put_if_absent(
        f"{WORK}/chaos/{folder.rpartition('/')[2]}-{unit}", b""
    ):
        raise ConnectionResetError(f"planted: the acknowledgement of {unit} is lost")


def _map_flaky(function: MapFunction, store: Store, folder: str, task: Task) -> Receipt:
    receipt = function(store, folder, task)
    _lose_first(store, folder, "task", task.index)
    return receipt


def _emit_flaky(
    emit: EmitFunction, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    emitted = 0
    for emitted, pair in enumerate(emit(store, folder, task), start=1):
        yield pair
        if emitted == 2:
            _lose_first(store, folder, "emit", task.index)
    if emitted < 2:
        _lose_first(store, folder, "emit", task.index)


def _reduce_flaky(
    reduce: ReduceFunction,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    receipt = reduce(store, folder, partition, batches)
    _lose_first(store, folder, "reduce", partition)
    return receipt
