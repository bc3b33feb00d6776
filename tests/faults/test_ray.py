"""What goes wrong on a Ray cluster: the job gives the same bytes, or ends soon with one line."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from tests.conformance.on_ray import connect, ray_options
from tests.faults import on_ray
from tests.faults.on_ray import PYTHON, Nodes, outcome
from tests.faults.settings import PARAMS
from tests.jobs import runs
from thresher.engines.ray import RayEngine
from thresher.engines.shuffle import DIRECT_OBJECTS
from thresher.errors import EngineError, InputError, Stopped
from thresher.stage import ExchangeStage, MapStage, Receipt, Task
from thresher.store import Store
from thresher.testing.planted import Planted

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A head that runs no tasks and two nodes; every object lies in a node's store."""
    made = Nodes(RAY_max_direct_call_object_size="0")
    try:
        made.add()
        made.add()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> Path:
    return runs.parquet(tmp_path_factory.mktemp("in") / "rows.parquet", garden.table, 100)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    out = tmp_path_factory.mktemp("unbroken") / "out"
    runs.run(source, out, **PARAMS)
    return runs.tree(out)


def died(out: Path) -> int:
    """Count the deaths that were died."""
    return len(list(Path(f"{out}.died").iterdir()))


def test_workers_killed_in_every_kind_of_stage_change_nothing(
    nodes: Nodes, source: Path, unbroken: dict[str, str], tmp_path: Path
) -> None:
    stages = ("map:attributes", "emit:collapse", "emit:buckets", "reduce:decide", "map:select")
    deaths = ",".join(f"worker:{stage}" for stage in stages)
    out = tmp_path / "out"
    ended = outcome(nodes.driver("-m", "tests.faults.on_ray", deaths, source, out))
    assert ended.code == 0, ended.err
    assert died(out) == len(stages)
    assert runs.tree(out) == unbroken


@pytest.mark.parametrize(
    "stage",
    [
        pytest.param("map:attributes", marks=pytest.mark.soak),
        pytest.param("emit:buckets", marks=pytest.mark.soak),
        "reduce:decide",
    ],
)
def test_a_node_lost_in_the_middle_of_a_stage_costs_less_than_a_minute(
    nodes: Nodes, source: Path, unbroken: dict[str, str], tmp_path: Path, stage: str
) -> None:
    out = tmp_path / "out"
    start = time.monotonic()
    ended = outcome(nodes.driver("-m", "tests.faults.on_ray", f"node:{stage}", source, out))
    seconds = time.monotonic() - start
    nodes.add()
    assert ended.code == 0, ended.err
    assert died(out) == 1
    assert runs.tree(out) == unbroken
    assert seconds < 60


@pytest.fixture(scope="module")
def tight_nodes() -> Iterator[Nodes]:
    """Nodes whose memory monitor kills workers once a further GB is in use, and whose own setting
    is Ray's: to try for ever."""
    memory = psutil.virtual_memory()
    made = Nodes(
        RAY_memory_usage_threshold=f"{1 - (memory.available - (1 << 30)) / memory.total:.4f}",
        RAY_memory_monitor_refresh_ms="50",
        RAY_task_oom_retry_delay_base_ms="100",
    )
    try:
        made.add(2)
        yield made
    finally:
        made.end()


@pytest.mark.parametrize(
    ("attempts", "said"),
    [
        (8, "the node ran out of memory"),
        # A kill before the worker has counted its start leaves the last word to Ray's own count.
        (2, "was started 2 times and its worker died each time|the node ran out of memory"),
    ],
    ids=["the cluster gives up", "the driver's count is the lower one"],
)
def test_a_task_that_always_runs_out_of_memory_ends_the_job_and_is_named(
    tight_nodes: Nodes, tmp_path: Path, attempts: int, said: str
) -> None:
    out = tmp_path / "out"
    arguments = ("memory", "", out, f"attempts={attempts}")
    ended = outcome(tight_nodes.driver("-m", "tests.faults.on_ray", *arguments))
    assert ended.code == 6, ended
    assert "task 1 of stage eat" in ended.out
    assert re.search(said, ended.out), ended.out
    assert runs.status(out)["exit_code"] == 6


def submit(source: Path, out: Path, **env: str) -> tuple[runs.Outcome, float]:
    """Run the command on the cluster that the environment names."""
    nodes = object.__new__(Nodes)
    nodes.env = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    nodes.address = ""
    start = time.monotonic()
    command = ("-m", "thresher_jobs.cli", "dedup", source, "--out", out, "--engine", "ray")
    return outcome(nodes.driver(*command, **env)), time.monotonic() - start


def test_an_address_where_nothing_listens_is_exit_5_at_once(source: Path, tmp_path: Path) -> None:
    ended, seconds = submit(source, tmp_path / "out", RAY_ADDRESS="127.0.0.1:9")
    assert ended.code == 5
    assert ended.err.startswith("EngineError: no Ray cluster at '127.0.0.1:9'")
    assert len(ended.err.splitlines()) == 1
    assert seconds < 20


def test_an_address_of_a_client_or_a_dashboard_is_exit_5(source: Path, tmp_path: Path) -> None:
    ended, _ = submit(source, tmp_path / "out", RAY_ADDRESS="ray://127.0.0.1:10001")
    assert ended.code == 5
    assert "ray job submit" in ended.err


@pytest.mark.parametrize("token", ["", "0" * 64])
def test_a_wrong_or_missing_token_is_exit_5_with_the_remedy(
    nodes: Nodes, source: Path, tmp_path: Path, token: str
) -> None:
    mode = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    ended, seconds = submit(source, tmp_path / "out", RAY_ADDRESS=nodes.address, **mode)
    assert ended.code == 5, ended
    assert "RAY_AUTH_TOKEN" in ended.err.splitlines()[-1]
    assert seconds < 30


def test_loaders_that_run_foreign_code_are_refused(source: Path, tmp_path: Path) -> None:
    ended, _ = submit(source, tmp_path / "out", RAY_DATA_AUTOLOAD_PYEXTENSIONTYPE="1")
    assert ended.code == 2
    assert "unset RAY_DATA_AUTOLOAD_PYEXTENSIONTYPE" in ended.err


def test_workers_without_thresher_are_exit_5_with_the_remedy(source: Path, tmp_path: Path) -> None:
    absent = tmp_path / "absent"
    absent.mkdir()
    (absent / "thresher.py").write_text("raise ModuleNotFoundError('no thresher here')")
    nodes = Nodes(PYTHONPATH=str(absent))
    try:
        nodes.add()
        thresher = PYTHON.with_name("thresher")  # a script, so that its folder is not ours
        command = (thresher, "dedup", source, "--out", tmp_path / "out", "--engine", "ray")
        ended = outcome(nodes.driver(*command, PYTHONPATH=""))
    finally:
        nodes.end()
    assert ended.code == 5, ended
    assert "install the same thresher on every node" in ended.err


def test_without_ray_the_command_says_what_to_install(tmp_path: Path) -> None:
    command = "import sys; sys.modules['ray'] = None; from thresher_jobs.cli import main; main()"
    arguments = ["dedup", "x.parquet", "--out", str(tmp_path / "out"), "--engine", "ray"]
    nodes = object.__new__(Nodes)
    nodes.env, nodes.address = dict(os.environ), ""
    ended = outcome(nodes.driver("-c", command, *arguments))
    assert ended.code == 5
    assert "pip install 'thresher[ray]'" in ended.err


def test_the_engine_is_loaded_only_when_it_is_asked_for() -> None:
    code = "import sys, thresher, thresher_jobs.cli, thresher.engines; print('ray' in sys.modules)"
    nodes = object.__new__(Nodes)
    nodes.env, nodes.address = dict(os.environ), ""
    assert outcome(nodes.driver("-c", code)).out == "False\n"


def exchange(tasks: int, partitions: int) -> ExchangeStage:
    emit = partial(on_ray.emit_numbers, partitions)
    every = tuple(Task(n, None) for n in range(tasks))
    return ExchangeStage("numbers", "k", emit, on_ray.sum_numbers, every, partitions)


def expected(tasks: int, partition: int) -> int:
    return sum(n for n in range(tasks) if (n + partition) % 7)


@pytest.mark.parametrize(
    ("tasks", "partitions"),
    [(40, 12), (300, 60), pytest.param(1000, 200, marks=pytest.mark.soak)],
)
def test_objects_stay_few_however_many_tasks_meet_partitions(
    tasks: int, partitions: int, tmp_path: Path
) -> None:
    connect()
    engine = RayEngine(ray_options(4))
    receipts: list[Receipt] = []
    stage = exchange(tasks, partitions)
    engine.run_exchange(
        Store(str(tmp_path)),
        stage,
        list(range(partitions)),
        lambda receipt: receipts.append(receipt),
    )
    found = {r.task: r.facts["sum"] for r in receipts}
    assert found == {p: expected(tasks, p) for p in range(partitions)}
    assert engine.peak_objects < DIRECT_OBJECTS
    if tasks * partitions > DIRECT_OBJECTS:
        assert engine.peak_objects < 5 * (tasks + partitions)


def test_only_missing_partitions_are_reduced(tmp_path: Path) -> None:
    connect()
    receipts: list[Receipt] = []
    stage = exchange(10, 9)
    RayEngine(ray_options(2)).run_exchange(
        Store(str(tmp_path)), stage, [7, 2], lambda receipt: receipts.append(receipt)
    )
    assert {r.task: r.facts["sum"] for r in receipts} == {p: expected(10, p) for p in (2, 7)}


def stage_of(function: object, tasks: int) -> MapStage:
    return MapStage("odd", "k", function, tuple(Task(n, None) for n in range(tasks)))  # type: ignore[arg-type]


def all_end(pids: list[int]) -> bool:
    """Say whether processes are gone within a few seconds."""
    there = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(there, timeout=20)[1]


def waiting(folder: Path) -> list[int]:
    """Return the processes of tasks that wait for ever."""
    return [int(path.read_text()) for path in (folder / "waiting").iterdir()]


def test_a_failed_task_ends_the_stage_at_once_and_the_others_with_it(tmp_path: Path) -> None:
    connect()
    stage = stage_of(on_ray.first_fails, 6)
    with pytest.raises(InputError, match="row 7 is broken"):
        RayEngine(ray_options(3)).run_map(
            Store(str(tmp_path)), stage, list(stage.tasks), lambda receipt: None
        )
    assert all_end(waiting(tmp_path))


def test_a_stage_in_which_nothing_ends_is_given_up(tmp_path: Path) -> None:
    connect()
    options = ray_options(2).model_copy(update={"stall_seconds": 3})
    stage = stage_of(on_ray.waits_forever, 2)
    with pytest.raises(EngineError, match=r"no task ended for 3 s; 2 wait or run.*CPUs"):
        RayEngine(options).run_map(
            Store(str(tmp_path)), stage, list(stage.tasks), lambda receipt: None
        )
    assert all_end(waiting(tmp_path))


def test_a_stopped_stage_leaves_no_task_behind(tmp_path: Path) -> None:
    connect()

    def stop(receipt: Receipt) -> None:
        raise Stopped(15)

    stage = stage_of(on_ray.second_waits, 2)
    start = time.monotonic()
    with pytest.raises(Stopped):
        RayEngine(ray_options(2)).run_map(Store(str(tmp_path)), stage, list(stage.tasks), stop)
    assert time.monotonic() - start < 30
    assert all_end(waiting(tmp_path))


@pytest.mark.parametrize("copies", [100_000, pytest.param(1_000_000, marks=pytest.mark.soak)])
def test_many_identical_documents_keep_one(copies: int, tmp_path: Path) -> None:
    connect()
    text = pa.array(["the same few words of a text that everybody has copied"]).take(
        pa.array([0]).take(pa.repeat(pa.scalar(0), copies))
    )
    file = runs.parquet(tmp_path / "in.parquet", pa.table({"text": text}), copies // 20)
    report = runs.run(file, tmp_path / "out", engine=RayEngine(ray_options(2)))
    assert report["rows_kept"] == 1
    assert report["rows_removed"] == copies - 1
