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
from thresher import docid
from thresher.engines.local import LocalEngine
from thresher.planning import Plan, make_plan
from thresher.run import Run
from thresher.stage import Engine, MapStage, Task, stage_key
from thresher.steps.first_read import FirstRead, first_read
from thresher.steps.reading import ReadTask
from thresher.steps.row_texts import RowReader
from thresher.steps.rows import RowMap
from thresher.store import Store
from thresher_jobs.arrival import LEDGER
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
        ledger: When texts came, after the night.
        asked: How often the ledger of the night before was asked for.
        keys: By task, what names its rows.
        kept_texts: Texts of the rows that stay, by row id.
    """

    verdicts: pa.Table
    facts: dict[str, Any]
    kept: dict[tuple[str, str], pa.Table]
    ledger: pa.Table
    asked: int
    keys: list[str]
    kept_texts: dict[str, str]


class Hidden:
    """An earlier step that removes the texts with a word.

    Args:
        plan: What is read.
        sources: The texts of its files.
        word: The word; None removes nothing.
    """

    def __init__(self, plan: Plan, sources: Sequence[Source], word: str | None) -> None:
        self._masks = [
            np.array([word is None or word not in (text or "") for text in values])
            for values in _values(plan, sources)
        ]

    def mask(self, store: Store | None, task: int) -> np.ndarray[Any, Any]:
        """(D,) bool."""
        return self._masks[task]


def _values(plan: Plan, sources: Sequence[Source]) -> list[list[str | None]]:
    """Return the texts of each task."""
    found = []
    for task in plan.tasks:
        path = Path(task.payload.files[0].path)
        found.append(sources[int(path.parent.name.removeprefix("in-"))][path.stem])
    return found


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
    number: int = 0,
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
        remember: Whether to remember more than the ledger.
        number: Of the night, where the order goes by arrival.
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
    memory = _memory(keys, before if remember else None)
    asked: list[int] = []

    def ask() -> dict[str, pa.Table]:
        asked.append(number)
        return {} if before is None else {"dedup": before.ledger}

    if number:
        memory.order, memory.night = "arrival", number
        memory.read_ledgers = ask
    rows = rows_of(plan, receipts)
    known = memory if remember or number else None
    passed = Passed(run, plan, stage.folder, stage.key, receipts, None, rows, driver_rows, known)
    alive = (Hidden(plan, sources, hidden),)
    steps: Any = () if hidden is None else alive
    decided: Any = step.decide(passed, steps, stage_key(stage.key, str(hidden)))
    verdicts = pa.concat_tables(
        [pa.table(decided.removed.of_task(run.store, t.index)) for t in plan.tasks]
    )
    return Night(
        verdicts,
        dict(step._state.facts) if step._state else {},
        memory.kept,
        _ledger(before, memory),
        len(asked),
        keys,
        _kept(plan, rows, sources, alive[0], verdicts),
    )


def _ledger(before: Night | None, memory: Memory) -> pa.Table:
    """Return the ledger after a night, as a store would read it."""
    lines = {} if before is None else {line[:3]: line for line in _tuples(before.ledger)}
    learned = memory.learned.get("dedup")
    if learned is not None:
        for key in _tuples(learned.gone):
            del lines[key]
        for line in _tuples(learned.brought):
            assert line[:3] not in lines
            lines[line[:3]] = line
    columns = zip(*sorted(lines.values()), strict=True) if lines else [()] * len(LEDGER)
    return pa.table(
        [pa.array(c, f.type) for c, f in zip(columns, LEDGER, strict=True)], schema=LEDGER
    )


def _tuples(table: pa.Table) -> list[tuple[int, ...]]:
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _kept(
    plan: Plan, rows: RowMap, sources: Sequence[Source], alive: Hidden, verdicts: pa.Table
) -> dict[str, str]:
    removed = set(verdicts.column("id").to_pylist())
    found = {}
    for task, values in zip(plan.tasks, _values(plan, sources), strict=True):
        ids = docid.pack(task.index, np.arange(len(values)))
        left = alive.mask(None, task.index)
        for id_, name, text, stays in zip(
            ids.tolist(), rows.row_ids(ids).to_pylist(), values, left.tolist(), strict=True
        ):
            if stays and id_ not in removed and text is not None:
                found[name] = text
    return found


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
