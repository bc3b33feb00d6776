"""What runs inside Spark's Python workers: from rows to rows, without pyspark.

Order and stage arrive pickled inside the function that Spark ships, so that the worker is prepared
before their modules (numba among them) are imported. An exchange's batches travel as rows
(partition, error, payload): Spark has no unsigned integers, so a batch is the bytes of an Arrow
stream, cut small enough for the JVM.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from thresher.engines.attempts import (
    Order,
    attempt,
    decode_receipt,
    encode_error,
    encode_receipt,
    prepare_worker,
)
from thresher.errors import InternalError, ThresherError
from thresher.stage import ExchangeStage, Receipt, Stage, Task, run_reducer, run_task
from thresher.store import Store

PIECE_BYTES = 4 << 20  # of one row: a row lies in memory several times, in the JVM and in Python
GROUP_BYTES = 16 << 20  # of the rows that an emit hands over at once
RESULT = "number long, receipt binary"
SHUFFLED = "partition int, error binary, payload binary"
_RESULT = pa.schema([("number", pa.int64()), ("receipt", pa.binary())])
_SHUFFLED = pa.schema([("partition", pa.int32()), ("error", pa.binary()), ("payload", pa.binary())])
_ALIGNED = pa.ipc.IpcReadOptions(ensure_alignment=pa.ipc.Alignment.DataTypeSpecific)
Piece = tuple[int, bytes | None, bytes | None]  # place, error, an Arrow stream


@dataclass(frozen=True)
class Work:
    """A stage on its way to the workers.

    Args:
        common: The order and the stage without its tasks, pickled.
        tasks: Each task, pickled by itself, so that a worker unpacks only its own.
    """

    common: bytes
    tasks: tuple[bytes, ...]

    def unpack(self) -> tuple[Order, Any]:
        """Return the order and the stage, on a worker that is prepared for them."""
        prepare_worker()
        order, stage = pickle.loads(self.common)
        return order, stage

    def task(self, position: int) -> Task:
        """Return the task of this position."""
        task: Task = pickle.loads(self.tasks[position])
        return task


def ship(order: Order, stage: Stage, tasks: Sequence[Task], dumps: Any) -> Work:
    """Pack a stage and its tasks with `dumps`, which must know functions of scripts too."""
    return Work(dumps((order, replace(stage, tasks=()))), tuple(dumps(task) for task in tasks))


def failure_name(order: Order) -> str:
    """Return where a worker leaves a final error, so that the driver need not wait for the rest."""
    return f"{order.folder}/failure"


def map_rows(work: Work, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Run the task of each row; give its number and receipt."""
    order, stage = work.unpack()
    for position in _positions(batches):
        task = work.task(position)
        yield _receipt(order, stage, "task", task.index, task)


def emit_rows(
    work: Work, partitions: Sequence[int], batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Emit with the task of each row. Partitions are numbered by their place in `partitions`.

    What a task emits is held until the task has ended. A final error goes to every partition: a
    reducer must not take what came for all there is.
    """
    order, stage = work.unpack()
    place = {partition: number for number, partition in enumerate(partitions)}
    for position in _positions(batches):
        task = work.task(position)
        work_on = partial(_emitted, order, stage, task, place)
        try:
            pieces: Iterable[Piece] = attempt(order, "emit", task.index, work_on)
        except ThresherError as error:
            data = encode_error(error)
            _leave(order, data)
            pieces = ((number, data, None) for number in place.values())
        yield from _grouped(pieces)


def reduce_rows(
    work: Work, partitions: Sequence[int], place: int, batches: Iterable[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """Reduce the rows of one partition, the `place`-th of `partitions`; give its receipt."""
    order, stage = work.unpack()
    yield _receipt(order, stage, "reduce", partitions[place], _received(batches, place))


def _positions(batches: Iterable[pa.RecordBatch]) -> Iterator[int]:
    for batch in batches:
        yield from batch.column(0).to_pylist()


def _receipt(order: Order, stage: Any, kind: str, number: int, given: Any) -> pa.RecordBatch:
    """Do one unit of work and return its row."""

    def work() -> Receipt:
        if kind == "task":
            return run_task(order.store, stage, given)
        return run_reducer(order.store, _exhausting(stage), number, given)

    data = encode_receipt(lambda: attempt(order, kind, number, work))
    if data[:1] == b"E":
        _leave(order, data)
    return pa.RecordBatch.from_arrays([[number], [data]], schema=_RESULT)


def _exhausting(stage: ExchangeStage) -> ExchangeStage:
    """Let a reducer see all that came, since an emit's error may be the last row."""

    def reduce(
        store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
    ) -> Receipt:
        receipt = stage.reduce(store, folder, partition, batches)
        for _ in batches:
            pass
        return receipt

    return replace(stage, reduce=reduce)


def _leave(order: Order, data: bytes) -> None:
    """Leave a final error for the driver, unless this worker does not see the run's folder."""
    if order.store.exists(f"{order.folder}/token"):
        order.store.put_if_absent(failure_name(order), data)


def _emitted(order: Order, stage: Any, task: Task, place: dict[int, int]) -> list[Piece]:
    """Collect what a task emits: Arrow streams of `PIECE_BYTES` or little more, by place."""
    pieces: list[Piece] = []
    sinks: dict[int, tuple[pa.BufferOutputStream, Any]] = {}

    def finish(at: int) -> None:
        sink, writer = sinks.pop(at)
        writer.close()
        pieces.append((at, None, sink.getvalue().to_pybytes()))

    for partition, batch in stage.emit(order.store, stage.folder, task):
        if partition not in place or not batch.num_rows:
            continue
        at = place[partition]
        for part in _cut(batch):
            if at not in sinks:
                sink = pa.BufferOutputStream()
                sinks[at] = sink, pa.ipc.new_stream(sink, batch.schema)
            sinks[at][1].write_batch(part)
            if sinks[at][0].tell() >= PIECE_BYTES:
                finish(at)
    for at in sorted(sinks):
        finish(at)
    return pieces


def _cut(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """Cut a batch so that parts have at most `PIECE_BYTES`, as far as rows allow."""
    rows = max(1, batch.num_rows * PIECE_BYTES // max(1, batch.nbytes))
    for start in range(0, batch.num_rows, rows):
        yield batch.slice(start, rows)


def _grouped(pieces: Iterable[Piece]) -> Iterator[pa.RecordBatch]:
    """Give pieces as batches of rows; one batch a piece would cost more than its bytes."""
    held: list[Piece] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece[2] or b"")
        if size >= GROUP_BYTES:
            yield _rows(held)
            held, size = [], 0
    if held:
        yield _rows(held)


def _rows(pieces: list[Piece]) -> pa.RecordBatch:
    columns = [
        pa.array(values, field.type)
        for values, field in zip(zip(*pieces, strict=True), _SHUFFLED, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=_SHUFFLED)


def _from_spark(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Give what Spark hands over; a stream that breaks off, as when an executor dies, is no error
    of the unit's own."""
    rest = iter(batches)
    while True:
        try:
            rows = next(rest)
        except StopIteration:
            return
        except Exception as error:
            raise ConnectionError(f"Spark's stream broke off: {error}") from error
        yield rows


def _received(batches: Iterable[pa.RecordBatch], place: int) -> Iterator[pa.RecordBatch]:
    """Give the emitted batches that the rows hold.

    Raises:
        InternalError: A row of another partition came.
        ThresherError: What an emit failed with.
    """
    for rows in _from_spark(batches):
        numbers, errors, payloads = rows.columns
        for position in range(rows.num_rows):
            if numbers[position].as_py() != place:
                raise InternalError(
                    f"Spark gave partition {place} a row of partition {numbers[position].as_py()}"
                )
            if errors[position].is_valid:
                decode_receipt(errors[position].as_py())
            with pa.ipc.open_stream(payloads[position].as_buffer(), options=_ALIGNED) as reader:
                yield from reader
