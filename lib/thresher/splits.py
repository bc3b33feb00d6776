"""Splits: the pieces of input files that tasks read.

Parquet is cut at row groups, plain JSON lines at byte offsets (a line belongs to the split in which
it starts), a folder saved by `datasets` at rows; everything else is one split a file. Cuts depend
on the files and the wanted size alone, never on workers or cluster, so that a split can name a
stored output; and where tasks begin depends on the files around, so that a night with a new file
finds nearly all tasks as they were.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate, groupby, pairwise
from typing import Any, NamedTuple

import pyarrow as pa

from thresher.errors import ConfigError, InputError, ThresherError
from thresher.inputs import InputFile, Inputs
from thresher.readers.streams import CHUNK_BYTES, head_bytes, is_remote, open_input
from thresher.schema import plain_schema

logger = logging.getLogger(__name__)
SPLIT_BYTES = 64 << 20
SKIP = "fetch it again, or leave it out with --skip-unreadable"
# Stored bytes become about this many bytes of text; only used to balance tasks and project memory.
EXPANSION = 4
FOOTER_THREADS = 16  # footers of remote files are read side by side: each is a round trip or two


class Split(NamedTuple):
    """A piece of one file.

    Attributes:
        file: Index in `Inputs.files`.
        start: First row group (Parquet), byte (JSON lines) or row (saved by datasets).
        stop: One past the last.
        bytes: Estimated uncompressed bytes to read.
        rows: Number of rows, where the file says so before it is read.
    """

    file: int
    start: int
    stop: int
    bytes: int
    rows: int | None


class Unreadable(NamedTuple):
    """A file that cannot be read, and why."""

    path: str
    error: str


class Cut(NamedTuple):
    """Splits in input order, schemas that footers told (by file index), and what the plan says."""

    splits: tuple[Split, ...]
    schemas: dict[int, pa.Schema]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]


class _FileCut(NamedTuple):
    splits: list[Split]
    schema: pa.Schema | None
    notes: list[str]


def cut(inputs: Inputs, *, split_bytes: int = SPLIT_BYTES, skip_unreadable: bool = False) -> Cut:
    """Cut every file into splits of about `split_bytes` uncompressed bytes.

    Args:
        inputs: The pinned files.
        split_bytes: Wanted size; a row group or a compressed file is never cut smaller.
        skip_unreadable: Report unreadable files in the result instead of raising.

    Raises:
        ConfigError: An input is the folder of a result.
        InputError: A file is empty, cut short or not what its name says, and `skip_unreadable` is
            off.
    """
    splits: list[Split] = []
    schemas: dict[int, pa.Schema] = {}
    unreadable: list[Unreadable] = []
    notes: list[str] = []
    for number, result in enumerate(_cut_all(inputs.files, split_bytes)):
        if isinstance(result, InputError) and skip_unreadable:
            unreadable.append(Unreadable(inputs.files[number].path, result.message))
        elif isinstance(result, ThresherError):
            raise result
        else:
            splits.extend(result.splits)
            notes.extend(result.notes)
            if result.schema is not None:
                schemas[number] = result.schema
    return Cut(tuple(splits), schemas, tuple(unreadable), tuple(notes))


def pack(splits: Sequence[Split], inputs: Inputs, target_bytes: int) -> list[list[Split]]:
    """Pack neighbouring splits of one source into tasks of up to `target_bytes`; order is kept.

    Every place between two splits has a rank, a hash of the name of the file that follows and of
    where the split begins in it. What is too large for one task is cut where the rank is lowest,
    and so on with both pieces. A file that comes, goes or changes therefore alters the task it
    lies in and, seldom, neighbours of no more than `target_bytes` on either side; all other tasks
    read the same splits as before.
    """
    tasks: list[list[Split]] = []
    for _, group in groupby(splits, key=lambda split: inputs.files[split.file].source):
        mine = list(group)
        ranks = [_rank(inputs.files[split.file], split) for split in mine]
        begins = _begins(ranks, [split.bytes for split in mine], target_bytes)
        tasks += [mine[begin:end] for begin, end in pairwise([*begins, len(mine)])]
    return tasks


def _rank(file: InputFile, split: Split) -> bytes:
    """Return what orders the places before splits: nothing that another file could change."""
    return hashlib.blake2b(f"{file.name}\n{split.start}".encode(), digest_size=8).digest()


def _begins(ranks: Sequence[bytes], sizes: Sequence[int], target_bytes: int) -> list[int]:
    """Return where tasks begin, the first split included.

    Cutting at the lowest rank again and again cuts a place if and only if what lies around it, up
    to the next places of lower rank, is too large for one task.
    """
    total = [0, *accumulate(sizes)]
    count = len(ranks)
    lower_before, lower_after = [0] * count, [count] * count
    open_places: list[int] = []  # of ascending rank, waiting for a lower one
    for place in range(1, count):
        while open_places and ranks[place] < ranks[open_places[-1]]:
            lower_after[open_places.pop()] = place
        lower_before[place] = open_places[-1] if open_places else 0
        open_places.append(place)
    return [0] + [
        place
        for place in range(1, count)
        if total[lower_after[place]] - total[lower_before[place]] > target_bytes
    ]


def _cut_all(files: Sequence[InputFile], split_bytes: int) -> Iterator[_FileCut | ThresherError]:
    def one(number: int) -> _FileCut | ThresherError:
        try:
            return _cut_file(number, files[number], split_bytes)
        except ThresherError as error:
            return error

    if any(is_remote(file.path) for file in files):
        with ThreadPoolExecutor(FOOTER_THREADS) as pool:
            yield from pool.map(one, range(len(files)))
    else:
        yield from map(one, range(len(files)))


def _cut_file(number: int, file: InputFile, split_bytes: int) -> _FileCut:
    if file.bytes == 0:
        raise InputError("is empty (0 bytes)", path=file.path, remedy=SKIP)
    if file.format == "parquet":
        return _cut_parquet(number, file, split_bytes)
    if file.format == "arrow":
        return _cut_saved(number, file, split_bytes)
    if file.format == "jsonl" and file.compression is None:
        return _cut_lines(number, file, split_bytes)
    if file.format == "csv":
        _warn_of_delimiter(file)
    with open_input(file) as stream:  # permission and presence are known now, not in a task
        stream.read(1)
    estimate = file.bytes * (EXPANSION if file.compression else 1)
    notes = []
    if estimate > split_bytes:
        why = file.compression or {"json": "a JSON array", "csv": "CSV"}[file.format]
        notes.append(f"{file.name} cannot be cut ({why}): one worker reads all {file.bytes} bytes")
    return _FileCut([Split(number, 0, file.bytes, estimate, None)], None, notes)


def _warn_of_delimiter(file: InputFile) -> None:
    """Say that a file of one column looks like one of several."""
    header = head_bytes(file.path, file.compression, 4096).partition(b"\n")[0]
    for delimiter, called in ((b";", "semicolons"), (b"\t", "tabs")):
        if delimiter in header and b"," not in header:
            logger.warning(
                "%s: has one column, named %r; if %s part its columns, write it with commas",
                file.path,
                header.rstrip().decode(errors="replace"),
                called,
            )
            return


def _cut_lines(number: int, file: InputFile, split_bytes: int) -> _FileCut:
    with open_input(file) as stream:
        head = stream.read(CHUNK_BYTES)
    if file.name.lower().endswith(".json"):
        _refuse_one_object(file, head)
    starts = range(0, file.bytes, split_bytes)
    return _FileCut(
        [
            Split(number, start, stop, stop - start, None)
            for start in starts
            for stop in [min(start + split_bytes, file.bytes)]
        ],
        None,
        [],
    )


def _refuse_one_object(file: InputFile, head: bytes) -> None:
    """Refuse a .json file that is one object over several lines: none of its lines is a row."""
    first, newline, rest = head.removeprefix(b"\xef\xbb\xbf").lstrip().partition(b"\n")
    folder, _, name = file.path.rpartition("/")
    if name == "manifest.json" and b'"thresher_version"' in rest:
        raise ConfigError(  # not of this file: leaving it alone out would read all others
            f"{folder} is a result of Thresher, in which removed rows lie too",
            remedy=f"give {folder}/data, its kept rows",
        )
    if newline and rest.strip() and not first.rstrip().endswith(b"}"):
        raise InputError(
            "is one JSON object, not an array of rows or one row a line",
            path=file.path,
            remedy="write its rows as JSON lines",
        )


def _cut_parquet(number: int, file: InputFile, split_bytes: int) -> _FileCut:
    from thresher.readers.parquet import read_footer

    footer, schema = read_footer(file)
    splits: list[Split] = []
    notes = []
    start, size, rows = 0, 0, 0
    for group in range(footer.num_row_groups):
        meta = footer.row_group(group)
        if meta.total_byte_size > 4 * split_bytes:
            size_mb = meta.total_byte_size >> 20
            notes.append(f"{file.name}: row group {group} of {size_mb} MB cannot be cut")
        if group > start and size + meta.total_byte_size > split_bytes:
            splits.append(Split(number, start, group, size, rows))
            start, size, rows = group, 0, 0
        size += meta.total_byte_size
        rows += meta.num_rows
    splits.append(Split(number, start, footer.num_row_groups, size, rows))
    return _FileCut(splits, schema, notes)


def _cut_saved(number: int, file: InputFile, split_bytes: int) -> _FileCut:
    from thresher.readers.saved import open_saved

    table: Any = open_saved(file)
    rows = max(1, table.num_rows * split_bytes // file.bytes)
    starts = range(0, max(1, table.num_rows), rows)
    splits = []
    for start in starts:
        stop = min(start + rows, table.num_rows)
        size = file.bytes * (stop - start) // max(1, table.num_rows)
        splits.append(Split(number, start, stop, size, stop - start))
    return _FileCut(splits, plain_schema(table.schema), [])
