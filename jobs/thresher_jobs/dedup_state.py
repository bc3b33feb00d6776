"""What the driver of `dedup` knows as the job goes on, and what it asks of the stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.planning import Plan
from thresher.stage import EmitFunction, Receipt, Task, stage_key
from thresher.steps import attributes, deciding
from thresher.steps.attributes import Attributes
from thresher.steps.compared import Compared
from thresher.steps.grouping import emit_each, grouped
from thresher.steps.owned import Owned
from thresher.steps.rows import RowMap
from thresher_jobs.dedup_params import DedupParams

MAX_PARTITIONS = 1 << 13
CODE_VERSION = "4"  # of the stages' meaning: raise it when equal inputs give other stage files


@dataclass
class State:
    """What the driver knows as the job goes on: names and narrow columns, never rows.

    Attributes:
        order: By what rows are ordered first: `content` or `arrival`.
        unit_rows: How many rows are worth a task of a narrow stage; 0 keeps the plan's tasks.
        chosen: Where near copies are looked for among some rows only: how many, by task.
        judged: In a night, by task, (D,) bool: the rows that copies are looked for among.
    """

    plan: Plan
    key: str
    driver_rows: int
    compared: Compared
    attributes: Attributes
    receipts: list[Receipt] = field(default_factory=list)
    schema: pa.Schema | None = None
    rows: RowMap | None = None
    collapsed: list[Receipt] = field(default_factory=list)
    copies: Owned | None = None
    decided: list[Receipt] = field(default_factory=list)
    removed: Owned | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    order: str = "content"
    unit_rows: int = 0
    chosen: dict[int, int] | None = None
    judged: dict[int, np.ndarray[Any, Any]] | None = None

    def units(self, emit: EmitFunction) -> tuple[EmitFunction, tuple[Task, ...]]:
        """Return how an exchange emits, and its tasks: those of the plan, or groups of them where
        `unit_rows` says how many rows are worth a task."""
        if not self.unit_rows:
            return emit, self.plan.tasks
        rows = dict(enumerate(self.task_rows)) if self.chosen is None else self.chosen
        return partial(emit_each, emit), grouped(self.plan.tasks, rows, self.unit_rows)

    def stage_key(self, *more: str) -> str:
        """Return the content name of a stage that follows the attributes."""
        return stage_key(CODE_VERSION, self.key, *more)

    @property
    def row_map(self) -> RowMap:
        """Return the way from ids to row ids; known once the rows are counted."""
        assert self.rows is not None
        return self.rows

    @property
    def task_rows(self) -> list[int]:
        """Rows of each task."""
        return [r.rows_in for r in self.receipts]

    @property
    def num_rows(self) -> int:
        """Rows of all tasks."""
        return sum(self.task_rows)

    @property
    def num_judged(self) -> int:
        """Rows of all tasks, or the chosen ones where these are some."""
        return self.num_rows if self.chosen is None else sum(self.chosen.values())

    @property
    def by_stages(self) -> bool:
        """Whether stages join what concerns rows, since the driver holds no more than
        `driver_rows`."""
        return self.num_rows > self.driver_rows


def attribute_params(
    params: DedupParams, compared: Compared | None = None
) -> attributes.AttributeParams:
    """Return what the pass over the text has to compute; `compared` is unknown in a plan."""
    near = params.method == "minhash"
    banding = params.banding if near else None
    return attributes.AttributeParams(
        compared=compared or Compared(columns=params.compared),
        id_column=params.id_column,
        keep=params.keep.partition(":")[0],
        keep_column=params.keep_column,
        ngram=params.ngram,
        bands=banding.bands if banding else 0,
        rows_per_band=banding.rows if banding else 0,
        seed=params.seed,
        words=near or params.exact_on == "words",
        max_doc_bytes=params.max_doc_bytes,
        keep_signatures=params.export_signatures,
    )


def decide_params(params: DedupParams, compared: Compared) -> deciding.DecideParams:
    """Return how pieces are decided."""
    return deciding.DecideParams(
        compared=compared,
        ngram=params.ngram,
        numerator=params.fraction.numerator,
        denominator=params.fraction.denominator,
        clusters=params.clusters,
        use_priority=params.source_priority,
        max_doc_bytes=params.max_doc_bytes,
    )


def partitions_of(rows: int, each: int) -> int:
    """Return how many partitions hold `rows` lines: about `each` in one, more when they are many.

    A task cuts what it emits into one batch a partition, so partitions grow once there are
    thousands: tasks times partitions would otherwise grow with the square of the rows.
    """
    return min(MAX_PARTITIONS, max(1, -(-rows // each)))
