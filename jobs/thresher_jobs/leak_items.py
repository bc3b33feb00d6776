"""Benchmarks read from files into the items that training rows are held against.

Nothing that was asked for passes unread: a benchmark without a usable item, a file that cannot be
read or lacks a field, and a row that cannot be read are errors. Items that cannot be searched for
are named with the reason.

Shapes: U usable items, I sub-items.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.errors import ConfigError, InputError
from thresher.leaks.benchmarks import Benchmark
from thresher.leaks.guessing import guess_fields, kind_of, stem_of
from thresher.leaks.items import FIELDS
from thresher.leaks.known import described, look_up, nearest, split_of
from thresher.leaks.paths import fault, find
from thresher.leaks.sub_items import ALONE, ASKED, LEAST, TURN, Item, later_turns, read_items
from thresher.leaks.values import plain
from thresher.readers.streams import is_remote
from thresher.source_names import did_you_mean
from thresher_jobs.leak_named import describe
from thresher_jobs.leak_rows import FileRows, rows_of

CountTokens = Callable[[pa.Array, bool], npt.NDArray[np.int64]]
TEXT = pa.large_string()
SAMPLE = 200
REASONS = ("empty", "short", "duplicate")
SKIP_FLAG = "--skip-unreadable"
_FETCH = "fetch it again: a benchmark is never left out"
_FEW_VALUES = 12


class ReadBenchmark(NamedTuple):
    """A benchmark, read.

    Attributes:
        benchmark: Its description with kind and fields as they were found out.
        reasons: Why these, for what was not described; shown before the run.
        uids: (U,) large_string, what names each usable item: its id, else FILE:ROW. Unique.
        texts: (I,) large_string, ordered by owner, then field.
        fields: (I,) int8, places in `FIELDS`.
        owner: (I,) int64, the item that a sub-item belongs to.
        turns: (I,) int16, which turn of its item a later turn is; 0 for other sub-items.
        answers: (U,) list of large_string, texts any of which is the right answer; no labels.
        options: (U,) list of large_string, the texts of all options, short ones too.
        unusable: (uid, reason) of every other item in file order, the reason one of `REASONS`.
        copies: (uid of a duplicate, the usable item it repeats): hit when that one is.
        counts: rows, filtered (left out by `where`), usable, one key a reason, trivial_solutions
            (found with their docstring only), short_turns, and `sub_items`, a mapping by field.
        files: (name, bytes, pin) of each file.
        hashes: The sha256 of each file, by name.
    """

    benchmark: Benchmark
    reasons: tuple[str, ...]
    uids: pa.Array
    texts: pa.Array
    fields: npt.NDArray[np.int8]
    owner: npt.NDArray[np.int64]
    turns: npt.NDArray[np.int16]
    answers: pa.Array
    options: pa.Array
    unusable: tuple[tuple[str, str], ...]
    copies: tuple[tuple[str, int], ...]
    counts: dict[str, Any]
    files: tuple[tuple[str, int, str], ...]
    hashes: dict[str, str]

    @property
    def title(self) -> str:
        """The name, and the split if there is one."""
        split = self.benchmark.split
        return f"{self.benchmark.name} · {split}" if split else self.benchmark.name

    @property
    def told(self) -> str:
        """What is searched for and how that was found out, in a line."""
        summary = self.benchmark.summary()
        why = "; ".join(reason for reason in self.reasons if reason != summary)
        items = f"{self.counts['usable']:,} of {self.counts['rows']:,} items"
        short = f"; {self.short_turns}" if self.short_turns else ""
        return f"{self.title}: {items}, {summary}{f' ({why})' if why else ''}{short}"

    @property
    def short_turns(self) -> str:
        """What is said of later turns that any chat might hold; nothing if there are none."""
        count = self.counts["short_turns"]
        if not count:
            return ""
        return f"{count:,} later turns of fewer than {LEAST[TURN]} tokens not searched for"


def read_benchmarks(specs: Sequence[str], count: CountTokens) -> list[ReadBenchmark]:
    """Read benchmarks in the order they are named.

    Args:
        specs: benchmarks.yaml files (their relative paths are below the file's folder), NAME=PATH,
            or plain files, folders and globs, of which every file that is no numbered part is a
            benchmark of its own.
        count: Counts the tokens of texts, as (texts, whether they are code) -> (texts,) int64.

    Raises:
        ConfigError: A description cannot be, a name is given twice, fields cannot be guessed, or
            a benchmark has no usable item.
        InputError: A file or a row of one is unreadable, or a field is missing.
    """
    return [read_benchmark(one, count) for one in describe(specs)]


def read_benchmark(given: Benchmark, count: CountTokens) -> ReadBenchmark:
    """Read one benchmark; see `read_benchmarks`."""
    try:
        return _read(given, count)
    except (ConfigError, InputError) as error:
        message = f"benchmark {given.name!r}: {error.message}"
        remedy = _FETCH if error.remedy and SKIP_FLAG in error.remedy else error.remedy
        if isinstance(error, InputError) and error.path is not None:
            remedy = _meant(error.path, given.name) or remedy
        raise type(error)(message, path=error.path, remedy=remedy) from error


def _meant(path: str, name: str) -> str | None:
    """Ask for the file that was meant, where a path leads nowhere."""
    if is_remote(path) or os.path.lexists(path):
        return None
    with contextlib.suppress(OSError):
        return did_you_mean(path, name)
    return None


def _read(given: Benchmark, count: CountTokens) -> ReadBenchmark:
    files = rows_of(given.path)
    benchmark, reasons = _complete(given, files)
    kept: list[Mapping[str, Any]] = []
    places: list[str] = []
    for file in files:
        _require(benchmark, file, len(files))
        for number, row in zip(file.numbers, file.rows, strict=True):
            if benchmark.admits(row):
                kept.append(row)
                places.append(f"{file.name}:{number}")
    items = read_items(benchmark, kept)
    uids, notes = _uids(benchmark, kept, places)
    filtered = sum(len(file.rows) for file in files) - len(kept)
    found = _collect(benchmark, (*reasons, *notes), items, uids, filtered, files, count)
    if not len(found.uids):
        raise _nothing_usable(found, files)
    return found


def _complete(given: Benchmark, files: Sequence[FileRows]) -> tuple[Benchmark, tuple[str, ...]]:
    """Describe a benchmark wholly: what is found out is told, later turns among it."""
    made, reasons = _described(given, files)
    if reasons and made.fields is not None and not made.fields.turns:
        turns = later_turns(made.fields.question, [row for file in files for row in file.rows])
        if turns:
            fields = made.fields.model_copy(update={"turns": turns})
            told = made.summary()
            made = made.model_copy(update={"fields": fields})
            reasons = (*(reason for reason in reasons if reason != told), made.summary())
    return made, reasons


def _described(given: Benchmark, files: Sequence[FileRows]) -> tuple[Benchmark, tuple[str, ...]]:
    """Find out kind, fields and split where the description leaves them open."""
    first = next((file for file in files if file.rows), files[0])
    split = given.split or split_of(given.name) or split_of(stem_of(first.path))
    given = given.model_copy(update={"split": split})
    if given.fields is not None and given.fields.named() and given.kind is not None:
        return given, ()
    if not first.rows:
        raise InputError("no rows", path=first.path)
    known = look_up(given.name)
    made = described(given, first.schema, known) if known is not None else None
    if known is not None and made is not None:
        return made, (f"bundled description of {known.name}", made.summary())
    if given.fields is not None and given.fields.named():
        kind = given.kind or kind_of(given.fields)
        return given.model_copy(update={"kind": kind}), (f"kind: {kind}, by the fields",)
    for column in (path for _, path in given.paths()):
        _check_path(first, "where", column, "correct the description")
    admitted = [row for row in first.rows if given.admits(row)] or first.rows
    sample = admitted[:: len(admitted) // SAMPLE + 1]
    guess, reasons = guess_fields(first.schema, sample, first.path)
    if (near := nearest(given.name)) is not None:
        reasons.append(f"did you mean {near}? a description of it is bundled: {near}=PATH")
    update = {"fields": guess.fields, "kind": given.kind or guess.kind, "strip": guess.strip}
    return given.model_copy(update=update), tuple(reasons)


def _require(benchmark: Benchmark, file: FileRows, num_files: int) -> None:
    """Refuse a file that lacks a column that the description names; one without rows lacks none."""
    if file.rows or file.schema.names:
        remedy = "correct the fields of the description"
        if num_files > 1:
            remedy += f"; all {num_files} files are one benchmark, where NAME=FILE would name each"
        for field, path in benchmark.paths():
            _check_path(file, field, path, remedy)


def _check_path(file: FileRows, field: str, path: str, remedy: str) -> None:
    problem = fault(path, file.schema)
    if problem is not None:
        raise InputError(f"{field}: {path}: {problem}", path=file.path, remedy=remedy)


def _uids(
    benchmark: Benchmark, rows: Sequence[Mapping[str, Any]], places: Sequence[str]
) -> tuple[list[str], list[str]]:
    """Name the items: by their ids where these are all there and differ, else by FILE:ROW."""
    assert benchmark.fields is not None
    paths = benchmark.fields.id
    if not paths:
        return list(places), []
    ids = [_identity(row, paths) for row in rows]
    repeated = [one for one, times in Counter(ids).items() if one is None or times > 1]
    if not repeated:
        return [one for one in ids if one is not None], []
    what = "is empty in some rows" if None in repeated else f"repeats ({repeated[0]})"
    return list(places), [f"id {', '.join(paths)} {what}: items are named by file and row"]


def _identity(row: Mapping[str, Any], paths: Sequence[str]) -> str | None:
    parts = [plain(find(row, path)) for path in paths]
    return ":".join(parts) if all(parts) else None


def _collect(
    benchmark: Benchmark,
    reasons: tuple[str, ...],
    items: Sequence[Item],
    uids: Sequence[str],
    filtered: int,
    files: Sequence[FileRows],
    count: CountTokens,
) -> ReadBenchmark:
    long_enough = _long_enough(benchmark, items, count)
    first: dict[tuple[Any, ...], int] = {}
    usable: list[int] = []
    unusable: list[tuple[str, str]] = []
    copies: list[tuple[str, int]] = []
    texts: list[str] = []
    fields: list[int] = []
    owner: list[int] = []
    turns: list[int] = []
    for number, (item, mask) in enumerate(zip(items, long_enough, strict=True)):
        kept = [one for one, is_long in zip(item.texts, mask, strict=True) if is_long]
        if not any(field in ALONE for field, _ in kept):
            said = any(field in ASKED for field, _ in item.texts)
            unusable.append((uids[number], "short" if said else "empty"))
            continue
        key = tuple((field, " ".join(text.split()).casefold()) for field, text in kept)
        twin = first.setdefault(key, len(usable))
        if twin != len(usable):
            unusable.append((uids[number], "duplicate"))
            copies.append((uids[number], twin))
            continue
        turns += _turns(item, mask)
        for field, text in kept:
            texts.append(text)
            fields.append(field)
            owner.append(twin)
        usable.append(number)
    by_reason = Counter(reason for _, reason in unusable)
    by_field = Counter(fields)
    counts = {
        "rows": len(items),
        "filtered": filtered,
        "usable": len(usable),
        **{reason: by_reason[reason] for reason in REASONS},
        "short_turns": sum(
            field == TURN and not is_long
            for item, mask in zip(items, long_enough, strict=True)
            for (field, _), is_long in zip(item.texts, mask, strict=True)
        ),
        "trivial_solutions": sum(items[number].trivial for number in usable),
        "sub_items": {name: by_field[code] for code, name in enumerate(FIELDS)},
    }
    return ReadBenchmark(
        benchmark,
        reasons,
        pa.array([uids[number] for number in usable], TEXT),
        pa.array(texts, TEXT),
        np.array(fields, np.int8),
        np.array(owner, np.int64),
        np.array(turns, np.int16),
        pa.array([list(items[number].answers) for number in usable], pa.list_(TEXT)),
        pa.array([list(items[number].options) for number in usable], pa.list_(TEXT)),
        tuple(unusable),
        tuple(copies),
        counts,
        tuple((file.name, file.bytes, file.pin) for file in files),
        {file.name: file.sha256 for file in files},
    )


def _turns(item: Item, mask: Sequence[bool]) -> list[int]:
    """Return the number of the turn that each text in the mask is; 0 where it is none."""
    numbers = iter(item.turns)
    all_turns = [next(numbers) if field == TURN else 0 for field, _ in item.texts]
    return [turn for turn, is_long in zip(all_turns, mask, strict=True) if is_long]


def _long_enough(
    benchmark: Benchmark, items: Sequence[Item], count: CountTokens
) -> list[list[bool]]:
    """Tell for every text of every item whether it has the tokens its field needs."""
    flat = [one for item in items for one in item.texts]
    tokens = count(pa.array([text for _, text in flat], TEXT), benchmark.kind == "code")
    least = np.array([LEAST[field] for field, _ in flat], np.int64)
    enough = (np.asarray(tokens) >= least).tolist()
    made, place = [], 0
    for item in items:
        made.append(enough[place : place + len(item.texts)])
        place += len(item.texts)
    return made


def _nothing_usable(found: ReadBenchmark, files: Sequence[FileRows]) -> ConfigError:
    counts = found.counts
    why = ", ".join(f"{counts[reason]} {reason}" for reason in REASONS if counts[reason])
    if not counts["rows"]:
        why = f"where: {found.benchmark.where} leaves none of {counts['filtered']} rows"
        why = f"{why}{_values(found.benchmark, files)}" if counts["filtered"] else "no rows"
    return ConfigError(
        f"no usable item ({why})",
        path=", ".join(found.benchmark.path),
        remedy="check path, where and fields; a benchmark that cannot be searched for never passes",
    )


def _values(benchmark: Benchmark, files: Sequence[FileRows]) -> str:
    """Name the values that a condition could have asked for, where they are few."""
    assert benchmark.condition is not None
    column, _ = benchmark.condition
    there = {str(plain(find(row, column))) for file in files for row in file.rows}
    return f"; there are {', '.join(sorted(there))}" if len(there) <= _FEW_VALUES else ""
