"""Stages: what an engine runs, and the receipts that come back.

A *map* stage turns each task into files of its own. An *exchange* stage lets tasks emit batches
keyed by partition; the engine brings equal partitions together and a reducer writes one output a
partition. The work is deterministic, writes only its own names and publishes them atomically, so an
engine may run a task in any order, twice, or again after a failure.

Receipts are the only thing that returns to the driver. A file is believed only with its receipt.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InternalError
from thresher.store import Published, Store

WORK = ".thresher"
EXCHANGED = "exchanged"  # fact of a reducer's receipt: bytes of the values that reached it


@dataclass(frozen=True)
class Task:
    """A few names: what one unit of work reads. `payload` is small and picklable."""

    index: int
    payload: Any


@dataclass(frozen=True)
class Receipt:
    """What one finished task states about itself.

    Args:
        task: The task's number, or the partition's for a reducer.
        rows_in: Rows read.
        rows_out: Rows written.
        bytes_in: Bytes of work done, for rates.
        files: The files written.
        facts: Small JSON values for the driver; never data.
    """

    task: int
    rows_in: int = 0
    rows_out: int = 0
    bytes_in: int = 0
    files: tuple[Published, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """Serialise; equal receipts give equal bytes."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @staticmethod
    def from_bytes(data: bytes) -> Receipt:
        """Read what `to_bytes` wrote."""
        value = json.loads(data)
        value["files"] = tuple(Published(**file) for file in value["files"])
        return Receipt(**value)


MapFunction = Callable[[Store, str, Task], Receipt]
EmitFunction = Callable[[Store, str, Task], Iterator[tuple[int, pa.RecordBatch]]]
ReduceFunction = Callable[[Store, str, int, Iterable[pa.RecordBatch]], Receipt]


@dataclass(frozen=True)
class MapStage:
    """One function over tasks. The function gets the store, the stage's folder and the task."""

    name: str
    key: str
    function: MapFunction
    tasks: tuple[Task, ...]
    kind: str = "map"

    @property
    def folder(self) -> str:
        """Where the stage's files and receipts live; named by what they are made of."""
        return f"{WORK}/{self.name}-{self.key}"


@dataclass(frozen=True)
class ExchangeStage:
    """Tasks emit `(partition, batch)`; a reducer gets all batches of one partition, in no promised
    order."""

    name: str
    key: str
    emit: EmitFunction
    reduce: ReduceFunction
    tasks: tuple[Task, ...]
    partitions: int
    kind: str = "exchange"

    @property
    def folder(self) -> str:
        """Where the stage's files and receipts live; named by what they are made of."""
        return f"{WORK}/{self.name}-{self.key}"


Stage = MapStage | ExchangeStage


class Progress(Protocol):
    """What an engine calls as units of work end; a unit is a task or a partition."""

    def __call__(self, receipt: Receipt) -> None:
        """Take one receipt."""


class Engine(Protocol):
    """Runs stages. Each task runs at least once, in any order; one receipt a task comes back."""

    name: str
    workers: int

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run the given tasks of a map stage; `done` is called once a task."""

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Run an exchange for the given partitions; `done` is called once a partition."""

    def close(self) -> None:
        """Let go of what the engine started; it may be used again, and then starts anew."""


def receipt_name(folder: str, task: int) -> str:
    """Return the name of a task's receipt."""
    return f"{folder}/receipt-{task:05d}.json"


def load_receipt(store: Store, folder: str, task: int) -> Receipt | None:
    """Return the receipt of a finished task, or None; the files it names must be there in full
    size. Receipts are not synced: one that a power cut left empty is none."""
    name = receipt_name(folder, task)
    if not store.exists(name):
        return None
    try:
        receipt = Receipt.from_bytes(store.get(name))
    except ValueError:
        return None
    for file in receipt.files:
        path = store.path(file.name)
        if not path.exists() or path.stat().st_size != file.bytes:
            return None
    return receipt


def _keep_receipt(store: Store, folder: str, receipt: Receipt) -> Receipt:
    """Put the receipt if absent. A second attempt must agree with the first, byte for byte."""
    data = receipt.to_bytes()
    name = receipt_name(folder, receipt.task)
    if not store.put_if_absent(name, data, synced=False) and store.get(name) != data:
        if load_receipt(store, folder, receipt.task) is None:
            store.put(
                name, data
            )  # the old receipt or its files are gone or cut: this attempt made them anew
        else:
            raise InternalError(
                f"task {receipt.task} of {folder} gave two different results", path=store.root
            )
    return receipt


def run_task(store: Store, stage: MapStage, task: Task) -> Receipt:
    """Run one map task and keep its receipt; what every engine calls on a worker."""
    return _keep_receipt(store, stage.folder, stage.function(store, stage.folder, task))


def run_reducer(
    store: Store, stage: ExchangeStage, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Reduce one partition and keep its receipt; what every engine calls on a worker."""
    arrived = _Counted(batches)
    receipt = stage.reduce(store, stage.folder, partition, arrived)
    return _keep_receipt(
        store, stage.folder, replace(receipt, facts={**receipt.facts, EXCHANGED: arrived.bytes})
    )


class _Counted:
    """Batches that pass through, and the bytes of the values in them, however they are cut."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = batches
        self._bits = 0

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        for batch in self._batches:
            self._bits += sum(_bits(column) for column in batch.columns)
            yield batch

    @property
    def bytes(self) -> int:
        """Bytes that have passed."""
        return -(-self._bits // 8)


def _bits(column: pa.Array) -> int:
    kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _bits(column.flatten())
    if pa.types.is_string(kind) or pa.types.is_binary(kind):
        return 8 * int(pc.sum(pc.binary_length(column)).as_py() or 0)
    return int(kind.bit_width) * len(column)


def stage_key(*made_of: str) -> str:
    """Return the content name of a stage: a digest of its code version, parameters and inputs."""
    return hashlib.sha256("\n".join(made_of).encode()).hexdigest()[:16]
