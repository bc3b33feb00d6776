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


class Hidden:
    """An earlier step that removes the texts with a word.

    Args:
        plan: What is read.
        sources: The texts of its files.
        word: The word; None removes nothing.
    """

    def __init__(self, plan: Plan, sources: Sequence[Source], word: str | None) -> None:
        texts = {f"{n}/{name}": v for n, source in enumerate(sources) for name, v in source.items()}
        self._masks = []
        for task in plan.tasks:
            path = Path(task.payload.files[0].path)
            values = texts[f"{path.parent.name.removeprefix('in-')}/{path.stem}"]
            self._masks.append(np.array([word is None or word not in (v or "") for v in values]))

    def mask(self, store: Store, task: int) -> np.ndarray[Any, Any]:
        """(D,) bool."""
        return self._masks[task]


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
    hidden: str | None = None,
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
        hidden: A word; an earlier step removes the texts with it.
        engine: Where stages run.
        driver_rows: What the driver may hold.
        shingles: Whether to note shingles; as for `remember` if None.
        params: Of the step.
    """
    plan = plan_of(folder, sources)
    run = Run(Store(str(folder / "out")), engine or LocalEngine(1))
    step = DedupStep(
        "dedup", DedupParams(**{"ngram": 2, "audit_rows": 0, "max_removed_fraction": 1.0, **params})
    )
    step.nightly = remember if shingles is None else shingles
    probe = step.prepare(run, None)
    how = FirstRead(RowReader(None, "text"), (probe,), False, 1 << 20)
    stage = MapStage("read", stage_key(plan.digest()), partial(first_read, how), plan.tasks)
    receipts = run.execute(stage)
    keys = [_key(task.payload) for task in plan.tasks]
    memory = _memory(keys, before) if remember else None
    rows = rows_of(plan, receipts)
    passed = Passed(run, plan, stage.folder, stage.key, receipts, None, rows, driver_rows, memory)
    alive: Any = (Hidden(plan, sources, hidden),)
    decided: Any = step.decide(passed, alive, stage_key(stage.key, str(hidden)))
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
