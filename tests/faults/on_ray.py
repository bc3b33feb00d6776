"""Real Ray nodes on this machine for tests, and jobs whose workers and nodes die at chosen moments.

    python -m tests.faults.on_ray DEATHS INPUT OUT OPTION=VALUE...

runs `dedup` with RAY_ADDRESS. DEATHS names what dies: `worker:map:attributes,node:reduce:decide`
kills, at the first start of some unit of each such stage, the worker process, or the raylet of its
node, which is how a machine goes. With `memory`, a stage runs whose task 1 takes all memory.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from tests.faults.settings import PARAMS
from tests.jobs import runs
from thresher.engines.options import EngineOptions
from thresher.engines.ray import RayEngine
from thresher.errors import InputError, ThresherError
from thresher.params import build, parse_settings
from thresher.run import Run
from thresher.stage import (
    ExchangeStage,
    MapStage,
    Progress,
    Receipt,
    Task,
)
from thresher.store import Store
from thresher.testing.chaos import Chaos

ROOT = Path(__file__).parents[2]
PYTHON = Path(sys.executable)
PORTS = ("port", "dashboard-port", "ray-client-server-port")


class Nodes:
    """A Ray cluster of this machine with token authentication, one process group a node.

    Args:
        settings: Environment of all nodes, besides ours.
        dashboard: Let jobs be submitted.
    """

    def __init__(self, dashboard: bool = False, **settings: str) -> None:
        self.folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # sockets need a short path
        self.env = {
            **{k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
            "HOME": self.folder,
            "RAY_TMPDIR": self.folder,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(32),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(ROOT),
            "PATH": f"{PYTHON.parent}:{os.environ['PATH']}",
            "PIP_NO_DEPS": "1",  # a wheel that a job ships brings nothing but itself
        }
        self.settings = settings
        self.started: list[subprocess.Popen[str]] = []
        ports = [f"--{name}={_free_port()}" for name in PORTS]
        told = self.start("--head", *ports, f"--include-dashboard={dashboard}", "--num-cpus=0")
        self.address = _found(r"--address='([^']+)'", told)
        self.dashboard = _found(r"http://(\S+:\d+)", told) if dashboard else ""

    def add(self, cpus: int = 1) -> None:
        """Add a node."""
        self.start(f"--address={self.address}", f"--num-cpus={cpus}")

    def start(self, *arguments: str) -> str:
        """Start a node and return what it told until it was up."""
        command = [str(PYTHON.with_name("ray")), "start", "--block", "--disable-usage-stats"]
        command += ["--min-worker-port=0", "--max-worker-port=0"]
        command += [f"--dashboard-agent-listen-port={_free_port()}"]  # one a node, not one a host
        command += [f"--object-store-memory={150 << 20}", *arguments]
        process = subprocess.Popen(
            command,
            env=self.env | self.settings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.started.append(process)
        told: list[str] = []
        assert process.stdout is not None
        for line in process.stdout:
            told.append(line)
            if "--block" in line:
                return "".join(told)
        raise AssertionError("".join(told))

    def driver(self, *arguments: object, **env: str) -> subprocess.Popen[str]:
        """Start a Python process whose RAY_ADDRESS is this cluster's."""
        return subprocess.Popen(
            [str(PYTHON), *map(str, arguments)],
            env=self.env | {"RAY_ADDRESS": self.address} | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> None:
        """Kill every process that was started, and those that these started."""
        processes = [psutil.Process(p.pid) for p in self.started if p.poll() is None]
        family = [child for p in processes for child in [*p.children(recursive=True), p]]
        for process in family:
            _kill(process)
        psutil.wait_procs(family, timeout=20)
        for started in self.started:
            started.wait()
            assert started.stdout is not None
            started.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def outcome(process: subprocess.Popen[str], seconds: float = 120) -> runs.Outcome:
    """Wait for a process and return how it ended."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return runs.Outcome(process.returncode, out, err)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, text
    return found[1]


def _die(what: str, store: Store, folder: str) -> None:
    """Kill this worker, or its raylet, unless it has been done for this stage."""
    if not Store(f"{store.root}.died").put_if_absent(f"{what}-{folder.rpartition('/')[2]}", b""):
        return
    victim = psutil.Process()
    while what == "node" and victim.name() != "raylet":
        victim = victim.parent()
    victim.send_signal(signal.SIGKILL)
    signal.pause()


def deadly_map(what: str, function: Any, store: Store, folder: str, task: Task) -> Receipt:
    """Do a task, and die before it is acknowledged."""
    receipt: Receipt = function(store, folder, task)
    if task.index % 2:
        _die(what, store, folder)
    return receipt


def deadly_emit(
    what: str, function: Any, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Emit everything, and die before it is acknowledged."""
    yield from function(store, folder, task)
    if task.index % 2:
        _die(what, store, folder)


def deadly_reduce(
    what: str,
    function: Any,
    store: Store,
    folder: str,
    partition: int,
    batches: Iterable[pa.RecordBatch],
) -> Receipt:
    """Take the first batch and die."""

    def some() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            _die(what, store, folder)
            yield batch

    receipt: Receipt = function(store, folder, partition, some())
    return receipt


def emit_numbers(
    partitions: int, store: Store, folder: str, task: Task
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Give the task's number to every partition, but for one in seven."""
    for partition in range(partitions):
        if (task.index + partition) % 7:
            yield partition, pa.record_batch({"task": pa.array([task.index], pa.int64())})


def sum_numbers(
    store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
) -> Receipt:
    """Add up the tasks' numbers."""
    numbers = [n for batch in batches for n in batch.column("task").to_pylist()]
    return Receipt(partition, rows_in=len(numbers), facts={"sum": sum(numbers)})


def first_fails(store: Store, folder: str, task: Task) -> Receipt:
    """Refuse the first task once others are under way, which wait for ever."""
    if task.index:
        store.put(f"waiting/{task.index}", str(os.getpid()).encode())
        signal.pause()
    while not store.names("waiting"):
        os.sched_yield()
    raise InputError("row 7 is broken", path="in.parquet")


def waits_forever(store: Store, folder: str, task: Task) -> Receipt:
    """Never end."""
    store.put(f"waiting/{task.index}", str(os.getpid()).encode())
    signal.pause()
    return Receipt(task.index)


def second_waits(store: Store, folder: str, task: Task) -> Receipt:
    """Return from the first task when the second waits."""
    if task.index:
        return waits_forever(store, folder, task)
    while not store.names("waiting"):
        os.sched_yield()
    return Receipt(0)


def eats_memory(store: Store, folder: str, task: Task) -> Receipt:
    """Take memory, up to 6 GB, until somebody objects."""
    held = [np.ones(16 << 20, np.uint8) for _ in range(384)]
    signal.pause()
    return Receipt(task.index, rows_in=len(held))


class Deadly(Chaos):
    """Plants deaths: `what:kind:stage` for each."""

    kind = "deadly"

    def __init__(self, engine: RayEngine, deaths: Sequence[str]) -> None:
        super().__init__(engine)
        self.deaths = [death.split(":") for death in deaths]

    def run_map(self, store: Store, stage: MapStage, tasks: list[Task], done: Progress) -> None:
        """Run a map stage with its death."""
        for what, kind, name in self.deaths:
            if (kind, name) == ("map", stage.name):
                stage = replace(stage, function=partial(deadly_map, what, stage.function))
        self.engine.run_map(store, stage, tasks, done)

    def run_exchange(
        self, store: Store, stage: ExchangeStage, partitions: list[int], done: Progress
    ) -> None:
        """Run an exchange with its deaths."""
        for what, kind, name in self.deaths:
            if (kind, name) == ("emit", stage.name):
                stage = replace(stage, emit=partial(deadly_emit, what, stage.emit))
            if (kind, name) == ("reduce", stage.name):
                stage = replace(stage, reduce=partial(deadly_reduce, what, stage.reduce))
        self.engine.run_exchange(store, stage, partitions, done)


def main() -> None:
    """Run the job, or the stage that runs out of memory."""
    deaths, source, out, *settings = sys.argv[1:]
    options = build(EngineOptions, {"engine": "ray"}, parse_settings(settings))
    engine = RayEngine(options)
    if deaths != "memory":
        runs.run(source, out, engine=Deadly(engine, deaths.split(",")), **PARAMS)
        return
    run = Run(Store(out), engine)
    try:
        with run.guard():
            run.claim({})
            run.execute(MapStage("eat", "k", eats_memory, (Task(1, None),)))
    except ThresherError as error:
        print(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
