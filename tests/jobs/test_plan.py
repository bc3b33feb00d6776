"""`thresher plan dedup` says beforehand what the stages then read, move and keep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Lock

import pyarrow as pa
import pytest

from tests.jobs import runs
from thresher.engines.local import LocalEngine
from thresher.engines.options import EngineOptions, RayOptions, SparkOptions
from thresher.stage import ExchangeStage, MapStage, Progress, Task
from thresher.steps.attributes import attribute_schema
from thresher.store import Store
from thresher.testing.planted import Planted
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_plan import describe
from thresher_jobs.dedup_sizes import Sizes, row_bytes, sizes
from thresher_jobs.dedup_state import attribute_params


class CountingEngine(LocalEngine):
    """Adds up the bytes that each exchange's tasks emit, and the attribute files' size."""

    def __init__(self) -> None:
        super().__init__(2)
        self.emitted: dict[str, int] = {}
        self.attribute_bytes = 0
        self._lock = Lock()

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        self.emitted.setdefault(stage.name, 0)

        def counted(store: Store, folder: str, task: Task) -> Iterator[tuple[int, pa.RecordBatch]]:
            for partition, batch in stage.emit(store, folder, task):
                with self._lock:
                    self.emitted[stage.name] += batch.nbytes
                yield partition, batch

        super().run_exchange(store, replace(stage, emit=counted), partitions, done)

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        super().run_map(store, stage, tasks, done)
        if stage.name == "attributes":
            parts = store.path(stage.folder).rglob("part-*.arrow")
            self.attribute_bytes = sum(part.stat().st_size for part in parts)


def planned(rows: int, text_bytes: int, options: EngineOptions, **params: object) -> Sizes:
    return sizes(rows, text_bytes, DedupParams.model_validate(params), options)


@pytest.mark.slow
@pytest.mark.parametrize("driver_rows", [100_000_000, 50])
def test_no_stage_moves_more_than_was_planned(
    garden: Planted, tmp_path: Path, driver_rows: int
) -> None:
    texts = garden.table.column("text").to_pylist()
    source = runs.texts(tmp_path / "in.parquet", texts)
    engine = CountingEngine()
    options = EngineOptions(driver_rows=driver_rows)
    runs.run(source, tmp_path / "out", engine=engine, options=options)
    text_bytes = sum(len(text.encode()) for text in texts)
    plan = planned(len(texts), text_bytes, options)
    assert engine.emitted["collapse"] == plan.key_bytes
    assert 0 < engine.emitted["buckets"] <= plan.band_bytes
    assert 0 < engine.emitted["screen"] <= plan.screen_bytes
    assert 0 < engine.emitted["decide"] <= plan.decide_bytes
    joined = [n for name, n in engine.emitted.items() if name.startswith(("join-", "edges-"))]
    assert bool(joined) is not plan.on_driver
    assert all(n <= plan.join_bytes for n in joined)
    assert max(engine.emitted.values()) <= plan.spill_bytes
    framing = engine.attribute_bytes - plan.attribute_bytes
    assert 0 <= framing < 4096


def test_lines_of_distinct_rows_are_exactly_the_planned_ones(tmp_path: Path) -> None:
    texts = [" ".join(f"word{row}x{i}" for i in range(12)) for row in range(300)]
    engine = CountingEngine()
    runs.run(runs.texts(tmp_path / "in.parquet", texts), tmp_path / "out", engine=engine)
    plan = planned(300, sum(map(len, texts)), EngineOptions())
    assert engine.emitted["collapse"] == plan.key_bytes
    assert engine.emitted["buckets"] == plan.band_bytes
    assert plan.band_lines == 300 * 17


def test_a_row_of_attributes_is_as_wide_as_its_columns() -> None:
    assert row_bytes(attribute_schema(attribute_params(DedupParams()))) == 45 + 17 * 8 + 64
    exact = attribute_params(DedupParams(method="exact"))
    assert row_bytes(attribute_schema(exact)) == 45
    named = attribute_params(DedupParams(method="exact", id_column="id"))
    assert row_bytes(attribute_schema(named)) == 45


def test_the_driver_holds_nothing_beyond_its_rows() -> None:
    below = planned(1000, 10**6, EngineOptions(driver_rows=1000))
    beyond = planned(1001, 10**6, EngineOptions(driver_rows=1000))
    assert (below.on_driver, below.driver_bytes, below.driver_bytes_per_removed_row) == (
        True,
        16_000,
        60,
    )
    assert (beyond.on_driver, beyond.driver_bytes, beyond.driver_bytes_per_removed_row) == (
        False,
        0,
        0,
    )


def test_methods_without_signatures_exchange_keys_alone() -> None:
    plan = planned(1000, 10**6, EngineOptions(driver_rows=0), method="exact")
    assert plan.key_bytes == plan.spill_bytes == 52_000
    assert plan.band_bytes == plan.screen_bytes == plan.decide_bytes == plan.join_bytes == 0


def test_sizes_do_not_depend_on_where_the_job_runs() -> None:
    here = planned(1000, 10**9, EngineOptions(workers=2))
    there = planned(1000, 10**9, EngineOptions(engine="ray", workers=512))
    assert replace(here, workers=512) == there


def lines(tmp_path: Path, options: EngineOptions, **params: object) -> str:
    source = tmp_path / "in.parquet"
    if not source.exists():
        runs.texts(source, [f"text number {row} of this file" for row in range(100)])
    return "\n".join(describe([str(source)], DedupParams.model_validate(params), options))


def test_plan_says_who_will_join_pieces(tmp_path: Path) -> None:
    on_driver = lines(tmp_path, EngineOptions())
    assert (
        "pieces      joined by the driver: no more rows than driver_rows 100,000,000" in on_driver
    )
    assert "(16 bytes a row), and 60 bytes a removed row" in on_driver
    by_stages = lines(tmp_path, EngineOptions(driver_rows=99))
    assert "pieces      joined by stages: more rows than driver_rows 99" in by_stages
    assert "driver      nothing that grows with the rows" in by_stages
    assert "a round of joining" in by_stages


def test_plan_of_lines_says_both_ways_since_rows_are_not_known(tmp_path: Path) -> None:
    source = runs.jsonl(tmp_path / "in.jsonl", [{"text": "one"}])
    said = "\n".join(describe([str(source)], DedupParams(), EngineOptions(driver_rows=7)))
    assert "pieces      joined by the driver up to driver_rows 7, by stages beyond" in said
    assert "attributes" not in said


def test_plan_says_what_a_ray_profile_gives(tmp_path: Path) -> None:
    ray = RayOptions(address="auto", task_memory_bytes=1024)
    said = lines(tmp_path, EngineOptions(engine="ray", workers=64, stall_seconds=60, ray=ray))
    assert "tasks       1 on 1 of 64 workers, engine ray" in said
    assert "profile     cluster auto; 0 MiB set aside a task; at most 8 starts a task" in said
    assert "WARNING     ray.task_memory_bytes sets 0 MiB aside" in said
    unsized = lines(tmp_path, EngineOptions(engine="ray"))
    assert "as many workers as the cluster has cores" in unsized
    assert "RAY_ADDRESS, else a cluster of this machine; no memory set aside" in unsized
    assert "WARNING" not in unsized


def test_plan_says_what_a_spark_profile_gives(tmp_path: Path) -> None:
    conf = {"spark.executor.memory": "4g", "spark.authenticate": "true"}
    options = EngineOptions(engine="spark", spark=SparkOptions(master="spark://h:7077", conf=conf))
    said = lines(tmp_path, options)
    assert "profile     cluster spark://h:7077; 2 settings" in said
    assert "spark.executor.memory 4g" in said
    assert "what spark-submit set" in lines(tmp_path, EngineOptions(engine="spark"))
