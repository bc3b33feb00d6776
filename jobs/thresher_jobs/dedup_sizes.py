"""What `dedup` reads, moves and holds, computed from rows and bytes of text alone.

`sizes` is a pure function: `thresher plan` prints its answer, the tables of `cluster/README.md` are
made from it, and a test counts what the stages really emit beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa

from thresher.engines.options import EngineOptions
from thresher.splits import SPLIT_BYTES
from thresher.steps.attributes import attribute_schema
from thresher.steps.verdicts import VERDICTS
from thresher.transforms.pictures import PICTURE_WORDS
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_stages import (
    LINES_PER_PARTITION,
    PIECE_ROWS_PER_PARTITION,
    ROWS_PER_PARTITION,
    SCREEN_ROWS_PER_PARTITION,
)
from thresher_jobs.dedup_state import attribute_params, partitions_of

# Resident bytes for each byte of text a task reads. A million rows of prose and of templates in
# tasks of 64 MiB on two workers peaked at 0.74 and 1.12 GB, of which 0.2 GB is the idle process
# (2026-11-21): at most 7 bytes a byte.
TASK_MEMORY_FACTOR = 7
DRIVER_BYTES_PER_ROW = 16  # union-find, sizes and the rows that share a bucket
DRIVER_BYTES_PER_REMOVED_ROW = 60  # both tables of removals and the verdicts made of them
KEY_LINE_BYTES = 52  # two 128-bit hashes, keep key and id; the source's number in four bytes
BAND_LINE_BYTES = 16  # band key and id
EDGE_BYTES = 16  # two ids
PIECE_BYTES = 16  # a row's id and its piece's
SCREEN_LINE_BYTES = 24 + 8 * PICTURE_WORDS  # id, piece, shingles, picture; and its band keys
DECIDE_LINE_BYTES = 52  # id, piece, priority, keep key, bytes hash, an offset; and its band keys
# A text has a shingle a word, about. The 52,002 rows of Alpaca have a word every 6.05 bytes
# (2026-11-21); a script without spaces has one every 3.
SHINGLE_BYTES = 8
WORD_BYTES = 6


@dataclass(frozen=True)
class Sizes:
    """What a run reads, moves and holds; bytes and rows of the whole job.

    Args:
        rows, text_bytes: Rows and uncompressed bytes of text.
        tasks: Tasks of the stages that read.
        workers: Tasks at once, or None where the cluster decides.
        task_memory_bytes: Resident bytes of the largest task.
        attribute_bytes: Files of the pass over the text.
        key_bytes: Keys that the exact collapse exchanges.
        band_lines, band_bytes: Lines and bytes that meet by band key.
        edge_bytes: Edges of the buckets, at most.
        screen_bytes: Pictures exchanged, if every row shares a bucket.
        decide_bytes: Shingles exchanged, if every row is a likely copy.
        verdict_bytes: Verdicts, if every row goes.
        key_partitions, band_partitions: Partitions of collapse and buckets.
        screen_partitions, decide_partitions: Partitions of screen and decide, at most.
        on_driver: Whether the driver joins pieces and verdicts, instead of stages.
        driver_bytes: What the driver holds that grows with the rows.
        driver_bytes_per_removed_row: What it holds for each removed row beside that.
    """

    rows: int
    text_bytes: int
    tasks: int
    workers: int | None
    task_memory_bytes: int
    attribute_bytes: int
    key_bytes: int
    band_lines: int
    band_bytes: int
    edge_bytes: int
    screen_bytes: int
    decide_bytes: int
    verdict_bytes: int
    key_partitions: int
    band_partitions: int
    screen_partitions: int
    decide_partitions: int
    on_driver: bool
    driver_bytes: int
    driver_bytes_per_removed_row: int

    @property
    def join_bytes(self) -> int:
        """Edges that one round of the joining stages exchanges, at most: each to both ends."""
        return 0 if self.on_driver else 2 * self.edge_bytes

    @property
    def spill_bytes(self) -> int:
        """Bytes of the largest exchange: what the workers' disks must hold of it at once."""
        moved = (self.key_bytes, self.band_bytes, self.join_bytes, self.screen_bytes)
        return max(*moved, self.decide_bytes)

    @property
    def work_bytes(self) -> int:
        """Stage files in the output folder, at most; they go when the run has ended.

        Joining by stages keeps the first round's edges twice and once more for the audit, and the
        verdicts on their ways home.
        """
        pieces = 2 * PIECE_BYTES * self.rows if self.band_lines else 0
        edges, verdicts = (1, 2) if self.on_driver else (4, 5)
        held = edges * self.edge_bytes + verdicts * self.verdict_bytes
        return self.attribute_bytes + pieces + held


def sizes(
    rows: int,
    text_bytes: int,
    params: DedupParams,
    options: EngineOptions,
    *,
    tasks: int | None = None,
    largest_task_bytes: int | None = None,
) -> Sizes:
    """Compute what a run needs.

    Args:
        rows: Rows of all inputs.
        text_bytes: Uncompressed bytes of all inputs.
        params: What the job does.
        options: Where it runs.
        tasks, largest_task_bytes: As planned; absent, inputs are cut into tasks of `split_bytes`.
    """
    split = params.split_bytes or SPLIT_BYTES
    bands = params.banding.bands if params.method == "minhash" else 0
    near = rows if bands else 0
    on_driver = rows <= options.driver_rows
    words = text_bytes // WORD_BYTES if bands else 0
    return Sizes(
        rows=rows,
        text_bytes=text_bytes,
        tasks=tasks if tasks is not None else max(1, -(-text_bytes // split)),
        workers=options.known_workers(),
        task_memory_bytes=(largest_task_bytes or min(split, text_bytes)) * TASK_MEMORY_FACTOR,
        attribute_bytes=rows * row_bytes(attribute_schema(attribute_params(params))),
        key_bytes=rows * KEY_LINE_BYTES,
        band_lines=rows * bands,
        band_bytes=rows * bands * BAND_LINE_BYTES,
        edge_bytes=rows * bands * EDGE_BYTES,
        screen_bytes=near * (SCREEN_LINE_BYTES + 8 * bands),
        decide_bytes=near * (DECIDE_LINE_BYTES + 8 * bands) + words * SHINGLE_BYTES,
        verdict_bytes=rows * row_bytes(VERDICTS),
        key_partitions=partitions_of(rows, ROWS_PER_PARTITION),
        band_partitions=partitions_of(rows * bands, LINES_PER_PARTITION) if bands else 0,
        screen_partitions=partitions_of(rows, SCREEN_ROWS_PER_PARTITION) if bands else 0,
        decide_partitions=partitions_of(rows, PIECE_ROWS_PER_PARTITION) if bands else 0,
        on_driver=on_driver,
        driver_bytes=rows * DRIVER_BYTES_PER_ROW if on_driver else 0,
        driver_bytes_per_removed_row=DRIVER_BYTES_PER_REMOVED_ROW if on_driver else 0,
    )


def row_bytes(schema: pa.Schema) -> int:
    """Return the bytes of a row of fixed-width columns; strings count as nothing, bits as bytes."""
    return sum(_width(field.type) for field in schema)


def _width(kind: pa.DataType) -> int:
    if pa.types.is_fixed_size_list(kind):
        return int(kind.list_size) * _width(kind.value_type)
    return 0 if pa.types.is_string(kind) else -(-int(kind.bit_width) // 8)
