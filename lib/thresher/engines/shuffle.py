"""An exchange through an object store: what objects hold, and which of them hold what.

An emitting task returns one object for each partition that it has rows for. When tasks x partitions
would pass a few thousand objects, it returns one for a *group* of partitions instead, and merging
tasks turn the groups of many emitting tasks into partitions. With M tasks and P partitions in
sqrt(P) groups, a merge takes W = sqrt(M P^(1/2)) objects; about M P / W partition objects and a few
times W P^(1/2) group objects are alive then: some M^(1/2) P^(3/4), not M x P.

Nothing here knows a cluster package; references to objects are what the engine makes them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

DIRECT_OBJECTS = 8192  # tasks x partitions up to which every object goes straight to its reducer
MERGE_BYTES = 512 << 20  # after which a merge takes no further object
WINDOW_BYTES = 64 << 20  # what a reducer holds as arguments, or fetches at once

Ref = Any
Block = tuple[list[int], Any]  # the partition of each batch; an Arrow stream as a numpy array
Sizes = list[tuple[int, int]]  # (place among the objects a task returns, bytes); never 0 bytes


def emit_blocks(
    emitted: Iterable[tuple[int, pa.RecordBatch]], group_of: dict[int, int], count: int
) -> tuple[list[Block | None], int]:
    """Collect what a task emits: one block a group, None where there is nothing; and the rows.

    Args:
        emitted: (partition, batch) in any order.
        group_of: Where partitions go; batches of others are dropped, they are reduced already.
        count: Number of groups.
    """
    writers: list[_BlockWriter | None] = [None] * count
    rows = 0
    for partition, batch in emitted:
        if partition in group_of and batch.num_rows:
            _write(writers, group_of[partition], partition, batch)
            rows += batch.num_rows
    return _close(writers), rows


def merge_blocks(blocks: Iterable[Block], members: Sequence[int]) -> list[Block | None]:
    """Turn blocks of a group into one block for each of its partitions."""
    place = {partition: at for at, partition in enumerate(members)}
    writers: list[_BlockWriter | None] = [None] * len(members)
    for partitions, stream in blocks:
        for partition, batch in zip(partitions, _read(stream), strict=True):
            _write(writers, place[partition], partition, batch)
    return _close(writers)


def batches_of(blocks: Iterable[Block]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of blocks, without copying them."""
    for _, stream in blocks:
        yield from _read(stream)


def _read(stream: Any) -> Iterator[pa.RecordBatch]:
    yield from pa.ipc.open_stream(pa.py_buffer(stream))


class _BlockWriter:
    def __init__(self, schema: pa.Schema) -> None:
        self.partitions: list[int] = []
        self._sink = pa.BufferOutputStream()
        self._stream = pa.ipc.new_stream(self._sink, schema)

    def write(self, partition: int, batch: pa.RecordBatch) -> None:
        self.partitions.append(partition)
        self._stream.write_batch(batch)

    def close(self) -> Block:
        self._stream.close()
        return self.partitions, np.frombuffer(self._sink.getvalue(), np.uint8)


def _write(
    writers: list[_BlockWriter | None], place: int, partition: int, batch: pa.RecordBatch
) -> None:
    writer = writers[place]
    if writer is None:
        writer = writers[place] = _BlockWriter(batch.schema)
    writer.write(partition, batch)


def _close(writers: list[_BlockWriter | None]) -> list[Block | None]:
    return [None if writer is None else writer.close() for writer in writers]


def sizes_of(blocks: Sequence[Block | None]) -> Sizes:
    """Return the place and the bytes of every block that holds something."""
    return [(place, block[1].nbytes) for place, block in enumerate(blocks) if block is not None]


@dataclass(frozen=True)
class Merge:
    """One merging task: its number, the partitions it makes and the objects it reads."""

    number: int
    members: list[int]
    refs: list[Ref]


@dataclass
class Shuffle:
    """The driver's part of an exchange: which objects hold which partitions.

    Args:
        tasks: How many tasks emit.
        wanted: The partitions to reduce, ascending.
        peak: The most objects that were alive at once.
    """

    tasks: int
    wanted: list[int]
    peak: int = 0
    group_of: dict[int, int] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.wanted)
        self.direct = self.tasks * count <= DIRECT_OBJECTS
        self.groups = count if self.direct else math.isqrt(count - 1) + 1
        self.group_of = {p: at * self.groups // count for at, p in enumerate(self.wanted)}
        self._members: list[list[int]] = [[] for _ in range(self.groups)]
        for partition, group in self.group_of.items():
            self._members[group].append(partition)
        self._wave = math.ceil(math.sqrt(self.tasks * count / self.groups))
        self._waiting: list[list[tuple[Ref, int]]] = [[] for _ in range(self.groups)]
        self._parts: dict[int, list[tuple[Ref, int]]] = {p: [] for p in self.wanted}
        self._merges = self._alive = 0

    def emitted(self, sizes: Sizes, refs: Sequence[Ref]) -> Iterator[Merge]:
        """Take the objects of a task; give the merges that can begin."""
        for group, size in sizes:
            self._count(1)
            if self.direct:
                self._parts[self._members[group][0]].append((refs[group], size))
                continue
            waiting = self._waiting[group]
            waiting.append((refs[group], size))
            if len(waiting) >= self._wave or sum(s for _, s in waiting) > MERGE_BYTES:
                yield self._merge(group)

    def rest(self) -> Iterator[Merge]:
        """Give the merges of what is left when all tasks have emitted."""
        for group, waiting in enumerate(self._waiting):
            if waiting:
                yield self._merge(group)

    def _merge(self, group: int) -> Merge:
        waiting, self._waiting[group] = self._waiting[group], []
        self._merges += 1
        return Merge(self._merges, self._members[group], [ref for ref, _ in waiting])

    def merged(self, merge: Merge, sizes: Sizes, refs: Sequence[Ref]) -> None:
        """Take the objects of a merge, which stand for those that it read."""
        self._count(len(sizes))
        self._count(-len(merge.refs))
        for place, size in sizes:
            self._parts[merge.members[place]].append((refs[place], size))

    def windows(self, partition: int) -> list[list[Ref]]:
        """Hand over the objects of a partition, in runs that may be held at once."""
        runs: list[list[Ref]] = [[]]
        held = 0
        for ref, size in self._parts.pop(partition):
            if runs[-1] and held + size > WINDOW_BYTES:
                runs.append([])
                held = 0
            runs[-1].append(ref)
            held += size
        return runs

    def _count(self, more: int) -> None:
        self._alive += more
        self.peak = max(self.peak, self._alive)
