"""The step `dedup` alone, night by night: what it decides, and what it remembers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from tests.jobs.runs import texts
from thresher.engines.local import LocalEngine
from thresher.planning import Plan, make_plan
from thresher.run import Run
from thresher.stage import Engine, MapStage, Task, stage_key
from thresher.steps.chain import Decided
from thresher.steps.first_read import FirstRead, first_read
from thresher.steps.reading import ReadTask
from thresher.steps.row_texts import RowReader
from thresher.store import Store
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.first_pass import rows_of
from thresher_jobs.memory import Memory
from thresher_jobs.recipe_steps import DedupStep, Passed

Source = dict[str, list[str | None]]  # texts of each file
DRIVER_ROWS = 1 << 30


class Night(NamedTuple):
    """What a night came to.

    Args:
        verdicts: On the removed rows.
        facts: What the report tells of the search.
        kept: What is remembered for the next night.
        keys: By task, what names its rows.
        rows: Rows in all.
    """

    verdicts: pa.Table
    facts: dict[str, Any]
    kept: dict[tuple[str, str], pa.Table]
    keys: list[str]
    rows: int

    def removed(self) -> set[int]:
        """Return the ids of the removed rows."""
        return set(self.verdicts.column("id").to_pylist())


def plan_of(folder: Path, sources: Sequence[Source]) -> Plan:
    """Write the files of sources and plan one task for each."""
    for number, source in enumerate(sources):
        for name, values in source.items():
            texts(folder / f"in-{number}" / f"{name}.parquet", values)
    addresses = [str(folder / f"in-{number}") for number, source in enumerate(sources) if source]
    plan = make_plan(addresses, split_bytes=1 << 20, skip_unreadable=False)
    files = plan.inputs.files
    tasks = tuple(
        Task(n, ReadTask(files[s.file].source, (files[s.file],), (s,)))
        for n, s in enumerate(plan.splits())
    )
    return Plan(plan.inputs, tasks, plan.schemas, plan.unreadable, plan.notes)


def night(
    folder: Path,
    sources: Sequence[Source],
    *,
    before: Night | None = None,
    remember: bool = True,
    alive: tuple[Decided, ...] = (),
    engine: Engine | None = None,
    driver_rows: int = DRIVER_ROWS,
    shingles: bool | None = None,
    **params: Any,
) -> Night:
    """Decide about the rows of some sources.

    Args:
        folder: To work in.
        sources: The first one has priority.
        before: The night before, which is remembered.
        remember: Whether to remember anything at all.
        alive: Rows that one of these leaves out take no part.
        engine: Where stages run.
        driver_rows: What the driver may hold.
        shingles: Whether to note shingles; as for `remember` if None.
        params: Of the step.
    """
    plan = plan_of(folder, sources)
    run = Run(Store(str(folder / "out")), engine or LocalEngine(1))
    step = DedupStep("dedup", DedupParams(**{"ngram": 2, "audit_rows": 0, **params}))
    step.nightly = remember if shingles is None else shingles
    probe = step.prepare(run, None)
    how = FirstRead(RowReader(None, "text"), (probe,), False, 1 << 20)
    stage = MapStage("read", stage_key(plan.digest()), partial(first_read, how), plan.tasks)
    receipts = run.execute(stage)
    keys = [_key(task.payload) for task in plan.tasks]
    memory = _memory(keys, before) if remember else None
    rows = rows_of(plan, receipts)
    passed = Passed(run, plan, stage.folder, stage.key, receipts, None, rows, driver_rows, memory)
    decided: Any = step.decide(passed, alive, stage.key)
    verdicts = pa.concat_tables(
        [pa.table(decided.removed.of_task(run.store, t.index)) for t in plan.tasks]
    )
    return Night(
        verdicts,
        dict(step._state.facts) if step._state else {},
        {} if memory is None else memory.kept,
        keys,
        sum(r.rows_in for r in receipts),
    )


def _key(read: ReadTask) -> str:
    file = read.files[0]
    content = hashlib.sha256(Path(file.path).read_bytes()).hexdigest()
    return f"{Path(file.path).parent.name}/{file.name} {content}"


def _memory(keys: list[str], before: Night | None) -> Memory:
    if before is None:
        return Memory(np.full(len(keys), -1), 0, {})
    known = {key: number for number, key in enumerate(before.keys)}
    mapped = np.array([known.get(key, -1) for key in keys], np.int64)
    return Memory(mapped, len(before.keys), before.kept)
