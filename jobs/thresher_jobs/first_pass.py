"""The first pass over the inputs: made again without the files that turn out to be unreadable, and
what is known after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from thresher import docid
from thresher.errors import InputError, LimitError
from thresher.planning import Plan, check_named, plan_inputs
from thresher.readers.block import TWO_TYPES
from thresher.readers.expected import LIST_FOR_TEXT
from thresher.run import Run
from thresher.schema import merge_blocks
from thresher.splits import Unreadable
from thresher.stage import ExchangeStage, MapStage, Receipt, stage_key
from thresher.steps.collapsing import COPIES, emit_line_ids, reduce_copies
from thresher.steps.first_read import FirstRead, first_fault
from thresher.steps.owned import gather
from thresher.steps.reading import require_column
from thresher.steps.rows import RowMap, row_map
from thresher.steps.split_log import decode_schema
from thresher_jobs.dedup_state import partitions_of

logger = logging.getLogger(__name__)
ROWS_PER_PARTITION = 1 << 20
READS_TYPES = "'thresher convert' alone reads columns that hold several types: convert it first"


def first_pass(
    run: Run, plan: Plan, stage_of: Callable[[Plan], MapStage], split_bytes: int
) -> tuple[Plan, MapStage, list[Receipt]]:
    """Run the stage that reads all rows first.

    Args:
        run: Where it runs.
        plan: What is to be read.
        stage_of: Makes the stage of a plan. Its receipts name a file that cannot be read as the
            fact `unreadable`, where the user asked to leave such files out.
        split_bytes: How the plan was cut.

    Returns:
        The plan that could be read in full, its stage and the receipts.
    """
    while True:
        stage = stage_of(plan)
        receipts = run.execute(stage)
        bad = sorted({tuple(r.facts["unreadable"]) for r in receipts if "unreadable" in r.facts})
        if not bad:
            return plan, stage, receipts
        logger.warning("left out: %s", ", ".join(path for path, _ in bad))
        plan = plan_inputs(
            plan.inputs,
            split_bytes=split_bytes,
            skip_unreadable=True,
            without=[*plan.unreadable, *(Unreadable(*found) for found in bad)],
        )


def found_schemas(plan: Plan, receipts: Sequence[Receipt]) -> dict[int, pa.Schema]:
    """Return the types of each file's columns: stated by the file, or found while it was read.

    Raises:
        InputError: No file has any.
    """
    known = _schemas(plan, receipts)
    if not known:
        raise InputError("no rows with columns in any input", path=plan.inputs.files[0].path)
    return known


def _schemas(plan: Plan, receipts: Sequence[Receipt]) -> dict[int, pa.Schema]:
    schemas = dict(plan.schemas)
    for task, receipt in zip(plan.tasks, receipts, strict=True):
        for split, text in zip(task.payload.splits, receipt.facts["schemas"], strict=True):
            if text is not None:
                path = plan.inputs.files[split.file].path
                seen = [schemas[split.file]] if split.file in schemas else []
                schemas[split.file] = merge_blocks([*seen, decode_schema(text)], path)
    return {file: schema for file, schema in schemas.items() if len(schema)}


def check_found(
    plan: Plan,
    receipts: Sequence[Receipt],
    columns: Sequence[str],
    named: Sequence[tuple[str, str]],
    union_columns: bool,
) -> None:
    """Refuse files without a column that is needed, before all their rows count as null.

    Args:
        plan: What was read.
        receipts: Of the pass.
        columns: The compared columns.
        named: (column, flag) of other columns the job needs.
        union_columns: Whether files may lack columns.

    Raises:
        InputError: Naming file and column.
    """
    schemas = _schemas(plan, receipts)
    if schemas:
        check_named(plan.inputs, schemas, columns, named, union_columns)


def rows_of(plan: Plan, receipts: Sequence[Receipt]) -> RowMap:
    """Return the way from document ids to row ids, by the rows that were counted."""
    return row_map(
        tuple(file.name for file in plan.inputs.files),
        [[split.file for split in task.payload.splits] for task in plan.tasks],
        [receipt.facts["rows"] for receipt in receipts],
    )


def check_quarantined(
    how: FirstRead,
    plan: Plan,
    receipts: Sequence[Receipt],
    limit: float,
    unjudged: Callable[[Receipt], int],
) -> None:
    """Refuse when too much of a source cannot be judged.

    Args:
        how: How it was read.
        plan: What was read.
        receipts: Of its tasks.
        limit: The largest fraction of a source's rows.
        unjudged: Rows of a task that cannot be judged.

    Raises:
        LimitError: Naming the source, and the first of its rows that cannot be judged.
    """
    total = [0] * len(plan.inputs.sources)
    bad = [0] * len(plan.inputs.sources)
    for task, receipt in zip(plan.tasks, receipts, strict=True):
        total[task.payload.source] += receipt.rows_in
        bad[task.payload.source] += unjudged(receipt)
    for number, (source, rows, lost) in enumerate(
        zip(plan.inputs.sources, total, bad, strict=True)
    ):
        if lost > limit * rows:
            worst = next(
                place
                for place, (task, receipt) in enumerate(zip(plan.tasks, receipts, strict=True))
                if task.payload.source == number and unjudged(receipt)
            )
            first = _first_told(how, plan, receipts, worst)
            convertible = TWO_TYPES in first or LIST_FOR_TEXT in first
            mixed = f"{READS_TYPES}; " if convertible else ""
            raise LimitError(
                f"{lost} of {rows} rows of source '{source.name}' cannot be judged, "
                f"more than max_quarantined_fraction {limit}{first}",
                remedy=f"{mixed}look at the column and the files, or raise the limit with --set",
            )


def _first_told(how: FirstRead, plan: Plan, receipts: Sequence[Receipt], place: int) -> str:
    """Say which row of a task cannot be judged first, and why."""
    task = plan.tasks[place]
    found = first_fault(how, task)
    if found is None:
        return ""
    ids = docid.pack(task.index, np.array([found[0]], np.int64))
    return f"; the first, {rows_of(plan, receipts).row_ids(ids)[0].as_py()}: {found[1]}"


def check_text_column(plan: Plan, receipts: Sequence[Receipt], column: str) -> None:
    """Refuse files without the text column, before all their rows count as null.

    Raises:
        InputError: Naming file and column.
    """
    for file, schema in sorted(found_schemas(plan, receipts).items()):
        require_column(column, schema, plan.inputs.files[file].path, "--text-column")


def check_line_ids(
    run: Run, plan: Plan, receipts: Sequence[Receipt], lines: str, key: str, column: str
) -> None:
    """Refuse users' ids that repeat, where a pass wrote one line for each row.

    Args:
        run: Where to run.
        plan: What was read.
        receipts: Of the pass.
        lines: Folder of the lines.
        key: Content name of the pass.
        column: The users' column.

    Raises:
        InputError: Naming some of the rows.
    """
    partitions = partitions_of(sum(receipt.rows_in for receipt in receipts), ROWS_PER_PARTITION)
    stage = ExchangeStage(
        "check-ids",
        stage_key(key, "ids", str(partitions)),
        partial(emit_line_ids, lines, partitions),
        reduce_copies,
        plan.tasks,
        partitions,
    )
    refuse_repeated(run, run.execute(stage), rows_of(plan, receipts), column)


def refuse_repeated(run: Run, found: Sequence[Receipt], rows: RowMap, column: str) -> None:
    """Refuse ids that repeat.

    Args:
        run: Where copies were looked for.
        found: Receipts of that exchange.
        rows: From ids to row ids.
        column: The users' column.

    Raises:
        InputError: Naming some of the rows.
    """
    num = sum(receipt.rows_out for receipt in found)
    if not num:
        return
    first = pa.concat_tables(
        [gather(run.store, [r], COPIES).slice(0, 3) for r in found if r.rows_out]
    ).sort_by("id")
    ids = first.column("id").to_numpy()[:3]
    kept = first.column("kept").to_numpy()[:3]
    pairs = zip(rows.row_ids(ids).to_pylist(), rows.row_ids(kept).to_pylist(), strict=True)
    shown = "; ".join(f"{a} repeats {b}" for a, b in pairs)
    raise InputError(
        f"id column '{column}' is not unique: {num} rows repeat an id ({shown})",
        remedy="drop --id-column, or make the ids unique",
    )
