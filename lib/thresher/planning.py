"""The plan: which files, cut into which tasks, with which columns; made before anything is read in
full.

Tasks depend on the inputs and the configuration alone. A file that turns out to be unreadable later
is left out by making the plan again without it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from thresher.errors import InputError, PlaceError
from thresher.inputs import Inputs, list_inputs
from thresher.params import digest_of
from thresher.readers.expected import Expected, merged, texts
from thresher.schema import check_unique, unify
from thresher.splits import EXPANSION, SPLIT_BYTES, Split, Unreadable, cut, pack
from thresher.stage import Task
from thresher.steps.reading import ReadTask, require_column, require_strings

WANTED_TASKS = 32
MIN_SPLIT_BYTES = 8 << 20
NIGHTLY_TASKS = 256
MIN_NIGHTLY_BYTES = 1 << 20


@dataclass(frozen=True)
class Plan:
    """What a run reads.

    Args:
        inputs: The pinned files.
        tasks: One `ReadTask` each.
        schemas: Types by file number, for the formats that state them before they are read.
        unreadable: Files left out on request, and why.
        notes: What the user should know (files that cannot be cut, and the like).
    """

    inputs: Inputs
    tasks: tuple[Task, ...]
    schemas: dict[int, pa.Schema]
    unreadable: tuple[Unreadable, ...]
    notes: tuple[str, ...]

    @property
    def bytes(self) -> int:
        """Uncompressed bytes to read, estimated."""
        return sum(split.bytes for split in self.splits())

    @property
    def largest_task_bytes(self) -> int:
        """Uncompressed bytes of the largest task, estimated."""
        sizes = [sum(s.bytes for s in task.payload.splits) for task in self.tasks]
        return max(sizes, default=0)

    @property
    def rows(self) -> int | None:
        """Rows to read, where every file states them."""
        counts = [split.rows for split in self.splits()]
        return None if None in counts else sum(c for c in counts if c is not None)

    def splits(self) -> list[Split]:
        """Return all splits in task order."""
        return [split for task in self.tasks for split in task.payload.splits]

    def pins(self) -> list[list[Any]]:
        """Return what identifies the inputs: name, size and pin of each file."""
        return pins(self.inputs)

    def digest(self) -> str:
        """Return 16 digits that change with any file or cut."""
        tasks = [[list(split[:3]) for split in task.payload.splits] for task in self.tasks]
        return digest_of([self.pins(), tasks, [list(u) for u in self.unreadable]])


def pins(inputs: Inputs) -> list[list[Any]]:
    """Return name, size and pin of each file."""
    return [[file.name, file.bytes, file.pin] for file in inputs.files]


def make_plan(addresses: Sequence[str], *, split_bytes: int, skip_unreadable: bool) -> Plan:
    """Find, pin and cut what lies behind addresses; see `plan_inputs`.

    Args:
        addresses: Files, folders, globs, `protocol://` addresses.
        split_bytes: Wanted uncompressed bytes a task; 0 chooses by the size of the inputs.
        skip_unreadable: Leave unreadable files out, named in the plan.
    """
    return plan_inputs(
        list_inputs(addresses), split_bytes=split_bytes, skip_unreadable=skip_unreadable
    )


def plan_inputs(
    inputs: Inputs,
    *,
    split_bytes: int,
    skip_unreadable: bool,
    without: Collection[Unreadable] = (),
) -> Plan:
    """Cut pinned files.

    Args:
        inputs: The files.
        split_bytes: Wanted uncompressed bytes a task; 0 chooses by the size of the inputs.
        skip_unreadable: Leave unreadable files out, named in the plan.
        without: Files found unreadable by an earlier attempt.
    """
    split_bytes = split_bytes or automatic_split_bytes(inputs)
    cuts = cut(inputs, split_bytes=split_bytes, skip_unreadable=skip_unreadable)
    gone = {item.path for item in without}
    splits = [s for s in cuts.splits if inputs.files[s.file].path not in gone]
    if not splits:
        bad = [*cuts.unreadable, *without]
        raise InputError("no readable input: " + "; ".join(f"{p}: {e}" for p, e in bad[:3]))
    tasks = tuple(
        Task(
            number,
            ReadTask(
                inputs.files[run[0].file].source,
                tuple(inputs.files[s.file] for s in run),
                tuple(run),
            ),
        )
        for number, run in enumerate(pack(splits, inputs, split_bytes))
    )
    known = {f: schema for f, schema in cuts.schemas.items() if inputs.files[f].path not in gone}
    return Plan(inputs, tasks, known, (*cuts.unreadable, *without), cuts.notes)


def expecting(plan: Plan, expected: Mapping[int, Expected]) -> Plan:
    """Return the plan with what columns of its JSON files hold, beside what was known.

    Args:
        plan: What is read.
        expected: By file number.
    """
    files = [
        file._replace(expected=merged(file.expected, expected.get(number, ())))
        if file.format in ("json", "jsonl")
        else file
        for number, file in enumerate(plan.inputs.files)
    ]

    def known(task: Task) -> Task:
        read: ReadTask = task.payload
        mine = tuple(files[split.file] for split in read.splits)
        return replace(task, payload=replace(read, files=mine))

    inputs = plan.inputs._replace(files=tuple(files))
    return replace(plan, inputs=inputs, tasks=tuple(map(known, plan.tasks)))


def expecting_texts(plan: Plan, columns: Sequence[str]) -> Plan:
    """Return the plan with the knowledge that these columns of all files hold text."""
    return expecting(plan, dict.fromkeys(range(len(plan.inputs.files)), texts(columns)))


def automatic_split_bytes(inputs: Inputs) -> int:
    """Choose a task's size: small inputs still feed several workers, large ones make large parts.

    It depends on the inputs alone, so that the cuts do not depend on where the job runs.
    """
    expected = EXPANSION * sum(file.bytes for file in inputs.files)
    return min(max(expected // WANTED_TASKS, MIN_SPLIT_BYTES), SPLIT_BYTES)


def nightly_split_bytes(inputs: Inputs) -> int:
    """Choose a task's size for a data set that is rebuilt night by night: smaller tasks, since a
    new row brings its whole task along, and a power of two."""
    expected = EXPANSION * sum(file.bytes for file in inputs.files)
    wanted = 1 << max(0, expected // NIGHTLY_TASKS - 1).bit_length()
    return min(max(wanted, MIN_NIGHTLY_BYTES), SPLIT_BYTES)


def check_apart(plan: Plan, out: str) -> None:
    """Refuse to write into an input, or to read what an earlier run wrote into this folder.

    Raises:
        PlaceError: The output folder lies inside an input, or an input inside the output folder.
    """
    target = os.path.realpath(out)
    places = [s.address for s in plan.inputs.sources if os.path.isdir(s.address)]
    for place in places:
        if target == os.path.realpath(place) or target.startswith(os.path.realpath(place) + os.sep):
            raise PlaceError(
                f"the output folder lies inside the input {place}",
                path=out,
                remedy="the next run would read it as input: choose another --out",
            )
    for file in plan.inputs.files:
        if "://" not in file.path and os.path.realpath(file.path).startswith(target + os.sep):
            raise PlaceError(
                f"the input {file.path} lies inside the output folder",
                path=out,
                remedy="choose another --out",
            )


def agree_on_schema(
    inputs: Inputs,
    schemas: dict[int, pa.Schema],
    columns: Sequence[str],
    named: Sequence[tuple[str, str]],
    union_columns: bool,
) -> pa.Schema:
    """Find the one schema of the output, and check the columns that the job names.

    Args:
        inputs: For the names of the files.
        schemas: Types by file number.
        columns: The compared columns.
        named: (column, flag) of other columns the job needs.
        union_columns: Whether files may lack columns.

    Raises:
        InputError: A named column is missing or no string; files disagree.
    """
    ordered = check_named(inputs, schemas, columns, named, union_columns)
    schema = unify(ordered, union_columns=union_columns)
    reserved = [n for n in schema.names if n in RESERVED]
    if reserved:
        raise InputError(
            f"column '{reserved[0]}' has a name that Thresher's own outputs use",
            path=ordered[0][0],
            remedy="rename or drop it",
        )
    return schema


def check_named(
    inputs: Inputs,
    schemas: dict[int, pa.Schema],
    columns: Sequence[str],
    named: Sequence[tuple[str, str]],
    union_columns: bool,
) -> list[tuple[str, pa.Schema]]:
    """Check the columns that a job names, as `agree_on_schema` does, where files need not agree on
    others; return each file's path and types.

    Raises:
        InputError: A named column is missing or no string.
    """
    ordered = [(inputs.files[f].path, schemas[f]) for f in sorted(schemas)]
    flags = [*((name, "--text-column or --columns") for name in columns), *named]
    for path, schema in ordered:
        check_unique(path, schema)
        for name, flag in flags:
            if not union_columns:
                require_column(name, schema, path, flag)
            if name in columns and name in schema.names:
                require_strings(name, schema.field(name).type, path)
    if union_columns:
        fields = {f.name: f for _, schema in ordered for f in schema}
        for name, flag in flags:
            require_column(name, pa.schema(list(fields.values())), "all inputs", flag)
    return ordered


RESERVED = ("_row_id", "_removed_by", "_reason", "_matched_id", "_score")
