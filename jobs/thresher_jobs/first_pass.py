"""The first pass over the inputs: made again without the files that turn out to be unreadable, and
what is known after it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pyarrow as pa

from thresher.errors import InputError, LimitError
from thresher.planning import Plan, make_plan
from thresher.run import Run
from thresher.schema import merge_blocks
from thresher.splits import Unreadable
from thresher.stage import MapStage, Receipt
from thresher.steps.rows import RowMap, row_map
from thresher.steps.split_log import decode_schema

logger = logging.getLogger(__name__)


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
        plan = make_plan(
            [source.address for source in plan.inputs.sources],
            split_bytes=split_bytes,
            skip_unreadable=True,
            without=[*plan.unreadable, *(Unreadable(*found) for found in bad)],
        )


def found_schemas(plan: Plan, receipts: Sequence[Receipt]) -> dict[int, pa.Schema]:
    """Return the types of each file's columns: stated by the file, or found while it was read.

    Raises:
        InputError: No file has any.
    """
    schemas = dict(plan.schemas)
    for task, receipt in zip(plan.tasks, receipts, strict=True):
        for split, text in zip(task.payload.splits, receipt.facts["schemas"], strict=True):
            if text is not None:
                path = plan.inputs.files[split.file].path
                seen = [schemas[split.file]] if split.file in schemas else []
                schemas[split.file] = merge_blocks([*seen, decode_schema(text)], path)
    known = {file: schema for file, schema in schemas.items() if len(schema)}
    if not known:
        raise InputError("no rows with columns in any input", path=plan.inputs.files[0].path)
    return known


def rows_of(plan: Plan, receipts: Sequence[Receipt]) -> RowMap:
    """Return the way from document ids to row ids, by the rows that were counted."""
    return row_map(
        tuple(file.name for file in plan.inputs.files),
        [[split.file for split in task.payload.splits] for task in plan.tasks],
        [receipt.facts["rows"] for receipt in receipts],
    )


def check_quarantined(
    plan: Plan, receipts: Sequence[Receipt], limit: float, unjudged: Callable[[Receipt], int]
) -> None:
    """Refuse when too much of a source cannot be judged.

    Args:
        plan: What was read.
        receipts: Of its tasks.
        limit: The largest fraction of a source's rows.
        unjudged: Rows of a task that cannot be judged.

    Raises:
        LimitError: Naming the source.
    """
    total = [0] * len(plan.inputs.sources)
    bad = [0] * len(plan.inputs.sources)
    for task, receipt in zip(plan.tasks, receipts, strict=True):
        total[task.payload.source] += receipt.rows_in
        bad[task.payload.source] += unjudged(receipt)
    for source, rows, lost in zip(plan.inputs.sources, total, bad, strict=True):
        if lost > limit * rows:
            raise LimitError(
                f"{lost} of {rows} rows of source '{source.name}' cannot be judged, "
                f"more than max_quarantined_fraction {limit}",
                remedy="look at the column and the files, or raise the limit with --set",
            )
