"""Spark clusters on this machine, and stages that kill what runs them, once.

A cluster has a master and workers on addresses of their own (127.0.0.1, 127.0.0.2, ...), as Spark
speculates only between hosts. Everything lies in one folder: settings with a secret of the cluster,
temporary files, logs. Processes are ended by the handles that started them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from tests.conformance.on_spark import ROOT, SHORT_LIVED, own_conf
from thresher.errors import InputError
from thresher.stage import ExchangeStage, MapStage, Receipt, Task, stage_key
from thresher.store import Store

ENDS_WITHIN = 60.0
LINGERS = 45.0


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class Cluster:
    """A standalone cluster.

    Args:
        folder: Its own; all files of all its processes.
        settings: Of Spark, for everything that joins it.
    """

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        conf = self.folder / "conf"
        conf.mkdir(parents=True)
        self.settings = {
            "spark.authenticate": "true",
            "spark.authenticate.secret": secrets.token_hex(16),
            "spark.network.crypto.enabled": "true",
            "spark.master.rest.enabled": "false",
            "spark.ui.enabled": "false",
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            **own_conf(str(self.folder)),
            **self.settings,
        }
        file = conf / "spark-defaults.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in self.settings.items()))

    @property
    def url(self) -> str:
        """Return the address of the master."""
        return f"spark://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of everything that joins the cluster."""
        return {
            **os.environ,
            "SPARK_CONF_DIR": str(self.folder / "conf"),
            "SPARK_LOCAL_DIRS": str(self.folder),
            "SPARK_WORKER_DIR": str(self.folder / "work"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": f"-Djava.io.tmpdir={self.folder} {SHORT_LIVED}",
            "SPARK_LAUNCHER_OPTS": SHORT_LIVED,
            "PYSPARK_PYTHON": sys.executable,
            "PYTHONPATH": str(ROOT),
            "TMPDIR": str(self.folder),
        }

    def start(self, workers: int, cores: int = 1, memory: str = "1g") -> None:
        """Start the master and the workers; return when all have joined."""
        self.start_master()
        for number in range(1, workers + 1):
            self._run_worker(number, cores, memory)
        for number in range(1, workers + 1):
            self._wait(f"Worker-{number}", "Successfully registered with master")

    def start_master(self) -> None:
        """Start the master alone."""
        self._run("Master", "--host", "127.0.0.1", "--port", str(self.port), "--webui-port", "0")
        self._wait("Master", "I have been elected leader")

    def add_worker(self, cores: int = 1, memory: str = "1g") -> None:
        """Start one more worker and wait until it has joined."""
        number = len(self.processes)
        self._run_worker(number, cores, memory)
        self._wait(f"Worker-{number}", "Successfully registered with master")

    def _run_worker(self, number: int, cores: int, memory: str) -> None:
        self._run(
            "Worker", "--host", f"127.0.0.{number}", "--cores", str(cores), "--memory", memory,
            "--webui-port", "0", self.url,
        )  # fmt: skip

    def _run(self, role: str, *arguments: str) -> None:
        spark_class = Path(sys.executable).parent / "spark-class"
        number = len(self.processes)
        name = f"{role}-{number}" if number else role
        with open(self.folder / f"{name}.log", "wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [
                        str(spark_class),
                        f"org.apache.spark.deploy.{role.lower()}.{role}",
                        *arguments,
                    ],
                    env={**self.environment, "SPARK_LOCAL_IP": "127.0.0.1"},
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )

    def _wait(self, name: str, said: str) -> None:
        log = self.folder / f"{name}.log"
        wait_until(lambda: said in log.read_text(), f"{name}: {said}")

    def worker_of(self, pid: int) -> int:
        """Return the number of the worker under which a process runs."""
        above = {pid, *(process.pid for process in psutil.Process(pid).parents())}
        return next(n for n, process in enumerate(self.processes) if process.pid in above)

    def kill_worker(self, number: int) -> None:
        """Take a machine away: SIGKILL to a worker and to the executors that it started."""
        worker = self.processes[number]
        for pid in [worker.pid, *children(worker.pid)]:
            os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End what this cluster started, and what that started."""
        for process in reversed(self.processes):
            for pid in children(process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.kill()
            process.wait()


def children(pid: int) -> list[int]:
    """List the processes that a process has started and that still run."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def wait_until(true: Callable[[], bool], what: str, seconds: float = ENDS_WITHIN) -> None:
    """Return when something has become true."""
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until, f"waited {seconds:.0f} s in vain for: {what}"
        time.sleep(0.05)


# ---- stages that misbehave, by functions that Spark's workers import


@dataclass(frozen=True)
class Harm:
    """What a unit does in its first start: `mark` remembers it; 'always' and 'allocate' again."""

    unit: str
    kind: str
    mark: str

    def strike(self, unit: str) -> None:
        """Do harm if this is the unit and nobody has done it before."""
        if unit != self.unit:
            return
        first = _first(self.mark)
        if not first and self.kind not in ("always", "allocate"):
            Path(f"{self.mark}.again").touch()
            return
        if self.kind in ("python", "always"):
            os.kill(os.getpid(), signal.SIGKILL)
        elif self.kind == "executor":
            os.kill(_parent(os.getppid()), signal.SIGKILL)
        elif self.kind == "allocate":
            held = [np.empty(256 << 20, np.uint8) for _ in range(64)]
            raise AssertionError(f"{len(held)} blocks fit into memory")
        elif self.kind == "linger":
            time.sleep(LINGERS)
        elif self.kind == "refuse":
            raise InputError("planted")


def _first(mark: str) -> bool:
    try:
        with open(mark, "x", encoding="utf-8") as file:
            file.write(str(os.getpid()))
            return True
    except FileExistsError:
        return False


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


@dataclass(frozen=True)
class Counting:
    """Stages that count: task n holds the numbers n, n + 1, ...; partitions are remainders."""

    harm: Harm
    numbers: int = 1000
    partitions: int = 5

    def task(self, store: Store, folder: str, task: Task) -> Receipt:
        """Write the sum of the task's numbers."""
        self.harm.strike(f"task-{task.index}")
        total = sum(range(task.payload, task.payload + self.numbers))
        file = store.put(f"{folder}/sum-{task.index}", str(total).encode())
        return Receipt(task.index, self.numbers, 1, 8, (file,), {"sum": total})

    def emit(self, store: Store, folder: str, task: Task) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Send each number to the partition of its remainder."""
        for partition in range(self.partitions):
            first = task.payload + (partition - task.payload) % self.partitions
            values = range(first, task.payload + self.numbers, self.partitions)
            yield partition, pa.record_batch({"n": pa.array(values, pa.uint64())})
            self.harm.strike(f"emit-{task.index}")

    def reduce(
        self, store: Store, folder: str, partition: int, batches: Iterable[pa.RecordBatch]
    ) -> Receipt:
        """Write the sum of a partition's numbers."""
        held = list(batches)
        self.harm.strike(f"reduce-{partition}")
        total = sum(sum(batch.column("n").to_pylist()) for batch in held)
        file = store.put(f"{folder}/sum-{partition}", str(total).encode())
        rows = sum(batch.num_rows for batch in held)
        return Receipt(partition, rows, 1, 8 * rows, (file,), {"sum": total})

    def map_stage(self, tasks: int = 6) -> MapStage:
        """Return the map stage."""
        return MapStage("sums", stage_key(str(self)), self.task, self._tasks(tasks))

    def exchange(self, tasks: int = 6) -> ExchangeStage:
        """Return the exchange."""
        key = stage_key(str(self))
        return ExchangeStage(
            "remainders", key, self.emit, self.reduce, self._tasks(tasks), self.partitions
        )

    def _tasks(self, num: int) -> tuple[Task, ...]:
        return tuple(Task(n, n * self.numbers) for n in range(num))

    def sums(self, stage: Any) -> list[int]:
        """Return what the units of a stage must have written."""
        everything = range(len(stage.tasks) * self.numbers)
        if stage.kind == "map":
            step = self.numbers
            return [sum(everything[n : n + step]) for n in everything[::step]]
        return [sum(everything[n :: self.partitions]) for n in range(self.partitions)]
