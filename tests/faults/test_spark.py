"""What a job on Spark survives, and how it ends when it does not.

One standalone cluster with two workers and speculation on; a driver in this process. Stages kill
the Python worker or the executor that runs them; the last test takes the worker away under one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.on_spark import (
    end_java,
    end_session,
    own_conf,
    spark_options,
    workers_find_tests,
)
from tests.faults.on_spark import ENDS_WITHIN, LINGERS, Cluster, Counting, Harm, wait_until
from thresher.engines.spark import SparkEngine
from thresher.engines.spark_job import in_thread
from thresher.errors import EngineError, InputError, ResourceError, Stopped, ThresherError
from thresher.stage import Receipt, Stage
from thresher.store import Store

pytestmark = pytest.mark.slow

SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.interval": "100ms",
    "spark.speculation.multiplier": "1.5",
    "spark.speculation.quantile": "0.5",
    "spark.executor.pyspark.memory": "3g",
    "spark.executor.memory": "512m",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster") / "own", SPECULATION)
    try:
        made.start(2)
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def engine(cluster: Cluster) -> Iterator[SparkEngine]:
    end_java()
    made = SparkEngine(spark_options(2, master=cluster.url, conf=cluster.settings))
    made.session()
    yield made
    made.close()


def run(engine: SparkEngine, root: Path, stage: Stage) -> list[Receipt]:
    """Run a stage to its end and return its receipts, each of which came once."""
    receipts: list[Receipt] = []
    store = Store(str(root / "out"))
    if stage.kind == "map":
        engine.run_map(store, stage, list(stage.tasks), receipts.append)  # type: ignore[arg-type]
    else:
        wanted = list(range(stage.partitions))  # type: ignore[union-attr]
        engine.run_exchange(store, stage, wanted, receipts.append)  # type: ignore[arg-type]
    assert len({r.task for r in receipts}) == len(receipts)
    return sorted(receipts, key=lambda receipt: receipt.task)


def planted(root: Path, kind: str, unit: str) -> tuple[Counting, Stage]:
    """Return counting stages of which one unit does harm."""
    counting = Counting(Harm(unit, kind, str(root / "mark")))
    stage = counting.map_stage() if unit.startswith("task") else counting.exchange()
    return counting, stage


def _fails(tmp_path: Path, workers: int, **spark: str) -> ThresherError:
    """Return the error of an engine that cannot begin; no session may be there yet."""
    end_session()
    engine = SparkEngine(spark_options(workers, conf=own_conf(str(tmp_path)), **spark))
    _, stage = planted(tmp_path, "none", "task-0")
    begun = time.monotonic()
    with pytest.raises(ThresherError) as caught:
        run(engine, tmp_path, stage)
    assert time.monotonic() - begun < 60
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("how", [{"remote": "sc://127.0.0.1:9"}, {"master": "spark://127.0.0.1:9"}])
def test_a_cluster_that_cannot_be_reached_is_told_soon(how: dict[str, str], tmp_path: Path) -> None:
    error = _fails(tmp_path, 0, **how)
    assert error.exit_code == 5
    assert "cannot be reached (Connection refused)" in str(error)


@pytest.mark.parametrize(("workers", "master"), [(2, "local[4]"), (3, "local-cluster[2,1,1024]")])
def test_a_number_of_workers_that_contradicts_the_master_is_refused(
    workers: int, master: str, tmp_path: Path
) -> None:
    error = _fails(tmp_path, workers, master=master)
    assert error.exit_code == 2
    assert f"workers is {workers}, but Spark is set to {master}" in str(error)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("python", "task-2"),
        ("python", "emit-3"),
        ("python", "reduce-4"),
        ("executor", "emit-3"),
        pytest.param("executor", "task-2", marks=pytest.mark.soak),
        pytest.param("executor", "reduce-4", marks=pytest.mark.soak),
    ],
)
def test_a_killed_worker_changes_nothing(
    kind: str, unit: str, engine: SparkEngine, tmp_path: Path
) -> None:
    counting, stage = planted(tmp_path, kind, unit)
    receipts = run(engine, tmp_path, stage)
    assert (tmp_path / "mark").exists()
    assert [receipt.facts["sum"] for receipt in receipts] == counting.sums(stage)


@pytest.mark.parametrize("unit", ["reduce-3", pytest.param("task-5", marks=pytest.mark.soak)])
def test_speculation_commits_one_result(unit: str, engine: SparkEngine, tmp_path: Path) -> None:
    counting, stage = planted(tmp_path, "linger", unit)
    begun = time.monotonic()
    receipts = run(engine, tmp_path, stage)
    assert time.monotonic() - begun < LINGERS
    assert (tmp_path / "mark.again").exists()
    assert [receipt.facts["sum"] for receipt in receipts] == counting.sums(stage)


@pytest.mark.parametrize(
    ("kind", "unit"),
    [
        ("always", "emit-0"),
        ("allocate", "reduce-2"),
        pytest.param("always", "task-1", marks=pytest.mark.soak),
        pytest.param("allocate", "task-1", marks=pytest.mark.soak),
    ],
)
def test_a_unit_that_never_fits_into_memory_is_named(
    kind: str, unit: str, engine: SparkEngine, tmp_path: Path
) -> None:
    _, stage = planted(tmp_path, kind, unit)
    with pytest.raises(ResourceError) as caught:
        run(engine, tmp_path, stage)
    assert f"{unit.replace('-', ' ')} of stage {stage.name}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_final_error_in_an_emit_is_told_once_and_no_partition_is_believed(
    engine: SparkEngine, tmp_path: Path
) -> None:
    _, stage = planted(tmp_path, "refuse", "emit-4")
    with pytest.raises(InputError, match=r"^planted$"):
        run(engine, tmp_path, stage)
    assert not (tmp_path / "mark.again").exists()
    assert not list((tmp_path / "out" / stage.folder).glob("receipt-*"))


def test_an_exchange_resumes_by_partition(engine: SparkEngine, tmp_path: Path) -> None:
    counting, stage = planted(tmp_path, "none", "reduce-0")
    store, receipts = Store(str(tmp_path / "out")), list[Receipt]()
    engine.run_exchange(store, stage, [4, 1], receipts.append)  # type: ignore[arg-type]
    assert {r.task: r.facts["sum"] for r in receipts} == {
        n: counting.sums(stage)[n] for n in (1, 4)
    }


def test_partitions_without_rows_have_receipts(engine: SparkEngine, tmp_path: Path) -> None:
    counting = Counting(Harm("", "none", ""), numbers=0, partitions=7)
    receipts = run(engine, tmp_path, counting.exchange(tasks=2))
    assert [receipt.rows_in for receipt in receipts] == [0] * 7


def test_a_stopped_driver_ends_the_job(engine: SparkEngine, tmp_path: Path) -> None:
    _, stage = planted(tmp_path, "linger", "task-5")

    def stop(receipt: Receipt) -> None:
        raise Stopped(15)

    begun = time.monotonic()
    with pytest.raises(Stopped):
        engine.run_map(Store(str(tmp_path / "out")), stage, list(stage.tasks), stop)  # type: ignore[arg-type]
    assert time.monotonic() - begun < 30
    context = engine.session().sparkContext.statusTracker()
    wait_until(lambda: not context.getActiveJobsIds(), "no job runs")


def test_a_stage_that_stands_still_is_given_up(engine: SparkEngine, tmp_path: Path) -> None:
    counting = Counting(Harm("task-0", "linger", str(tmp_path / "mark")))
    other = SparkEngine(spark_options().model_copy(update={"stall_seconds": 2}))
    with pytest.raises(EngineError, match="no task ended for 2 s"):
        run(other, tmp_path, counting.map_stage(tasks=1))


def test_a_lost_worker_is_replaced_within_a_minute(
    engine: SparkEngine, cluster: Cluster, tmp_path: Path
) -> None:
    counting, stage = planted(tmp_path, "linger", "reduce-4")
    begun = time.monotonic()
    receipts = in_thread(lambda: run(engine, tmp_path, stage))
    mark = tmp_path / "mark"
    wait_until(lambda: mark.exists() and mark.read_text() != "", "the last reducer runs")
    cluster.kill_worker(cluster.worker_of(int(mark.read_text())))
    done = receipts.result(ENDS_WITHIN)
    assert time.monotonic() - begun < ENDS_WITHIN
    assert [receipt.facts["sum"] for receipt in done] == counting.sums(stage)


def test_workers_without_our_packages_are_refused_in_one_line(tmp_path: Path) -> None:
    end_session()
    venv.create(tmp_path / "bare", with_pip=False)
    workers_find_tests()
    program = (
        "import sys; from tests.faults.test_spark import *; "
        "from tests.conformance.on_spark import *\n"
        "root = Path(sys.argv[1]); _, stage = planted(root, 'none', 'task-0')\n"
        "run(SparkEngine(spark_options(1, conf=own_conf(str(root)))), root, stage)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYSPARK_PYTHON": str(tmp_path / "bare" / "bin" / "python")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = finished.stderr.splitlines()[-1]
    assert last.startswith("thresher.errors.EngineError: stage sums: the workers cannot import ")
