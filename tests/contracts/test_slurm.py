"""The Slurm script starts a closed Ray cluster, hands on exit code and signals, and cleans up.

`scontrol`, `srun`, `ray` and `thresher` are stand-ins that write down how they were called.
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.contracts.readme import ROOT

SCRIPT = ROOT / "cluster" / "slurm" / "thresher-ray.sbatch"
STAND_INS = {
    "scontrol": "printf 'node%s\\n' 1 2 3",
    # What follows the options of srun is run here.
    "srun": 'echo "srun $*" >>"$CALLS"; while [[ "$1" == --* ]]; do shift; done; exec "$@"',
    "hostname": "echo 10.0.0.1 10.1.0.1",
    "ray": 'echo "ray $*" >>"$CALLS"\n'
    '[[ "$1" == start ]] || exit "${BROKEN:-0}"\n'
    '[[ -z "${BROKEN:-}" ]] || exit 1\n'
    'mkdir -p "$SLURM_TMPDIR/ray-$SLURM_JOB_ID"\n'
    'trap "echo ended >>\\"$CALLS\\"; exit 0" TERM\n'
    'echo up >>"$CALLS.nodes"\n'
    "sleep 600 & pid=$!; wait $pid; kill $pid",
    # Not before all nodes are up, so that each of them is there to be ended.
    "thresher": 'until [[ "$(wc -l <"$CALLS.nodes")" == "$STARTS" ]]; do :; done\n'
    'echo "thresher $*" >>"$CALLS"\n'
    'echo "$RAY_AUTH_MODE $RAY_ADDRESS $RAY_task_oom_retries" >>"$CALLS"\n'
    'stat -c "%a %s" "$RAY_AUTH_TOKEN_PATH" >>"$CALLS"\n'
    'cp "$RAY_AUTH_TOKEN_PATH" "$CALLS.token"\n'
    'if [[ "${WAIT:-}" ]]; then trap "exit 143" TERM; touch "$CALLS.up"\n'
    "sleep 600 & pid=$!; wait $pid; fi\n"
    'exit "${CODE:-0}"',
}


class Allocation:
    """A folder that stands for an allocation of some nodes."""

    def __init__(self, folder: Path, nodes: int = 3, **environ: str) -> None:
        self.calls = folder / "calls"
        self.home = folder / "home"
        self.home.mkdir()
        (folder / "bin").mkdir()
        for name, body in STAND_INS.items():
            script = folder / "bin" / name
            # Only what sleeps is ended with its parent: each stand-in clears up after itself.
            script.write_text(f"#!/bin/bash\ntrap 'kill $(jobs -p) 2>/dev/null' EXIT\n{body}\n")
            script.chmod(0o755)
        self.environ = {
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
            "HOME": str(self.home),
            "CALLS": str(self.calls),
            "SLURM_JOB_NODELIST": "node[1-3]",
            "SLURM_JOB_ID": "123456",
            "SLURM_TMPDIR": str(folder),
            "SLURM_JOB_NUM_NODES": str(nodes),
            "SLURM_CPUS_PER_TASK": "16",
            "STARTS": "1" if nodes == 1 else "2",
            **environ,
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(SCRIPT), *arguments],
            env=self.environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str) -> int:
        process = self.start(*arguments)
        process.communicate(timeout=60)
        return process.returncode

    def left(self) -> list[Path]:
        """Return what the script has left behind: tokens, and what Ray kept on the nodes."""
        return [*self.home.iterdir(), *self.calls.parent.glob("ray-*")]

    def lines(self) -> list[str]:
        return self.calls.read_text().splitlines() if self.calls.exists() else []


def test_head_and_workers_form_one_closed_cluster(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path)
    assert allocation.run("dedup", "/in", "--out", "/out") == 0
    lines = allocation.lines()
    port = 20000 + 123456 % 10000
    head = next(line for line in lines if line.startswith("ray start --head"))
    assert f"--node-ip-address=10.0.0.1 --port={port} --num-cpus=16" in head
    assert "--include-dashboard=false" in head
    workers = next(line for line in lines if f"ray start --address=10.0.0.1:{port}" in line)
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1 --exclude=node1" in workers
    assert "thresher dedup /in --out /out --engine ray" in lines
    assert f"token 10.0.0.1:{port} 3" in lines


def test_the_token_is_in_a_private_file_and_nowhere_else(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path)
    allocation.run("dedup")
    token = (tmp_path / "calls.token").read_text().strip()
    assert len(token) == 64
    assert "600 65" in allocation.lines()
    assert not any(token in line for line in allocation.lines())
    assert not allocation.left()


def test_one_node_is_a_cluster_too(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path, nodes=1)
    assert allocation.run("dedup") == 0
    assert not any("ray start --address" in line for line in allocation.lines())


@pytest.mark.slow
@pytest.mark.parametrize("code", ["4", "6"])
def test_the_exit_code_is_that_of_the_job(tmp_path: Path, code: str) -> None:
    allocation = Allocation(tmp_path, CODE=code)
    assert allocation.run("dedup") == int(code)
    assert allocation.lines().count("ended") == 2
    assert not allocation.left()


@pytest.mark.slow
def test_a_head_that_does_not_come_up_ends_the_job(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path, BROKEN="1")
    process = allocation.start("dedup")
    _, told = process.communicate(timeout=60)
    assert process.returncode == 5
    assert "the head of the Ray cluster on node1 did not come up" in told
    assert not any(line.startswith("thresher") for line in allocation.lines())
    assert not allocation.left()


def test_nothing_to_do_is_a_usage_error(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path)
    assert allocation.run() == 2
    assert allocation.lines() == []


@pytest.mark.slow
def test_a_signal_reaches_the_job_and_the_nodes_end(tmp_path: Path) -> None:
    allocation = Allocation(tmp_path, WAIT="1")
    process = allocation.start("dedup")
    up = tmp_path / "calls.up"
    while not up.exists() and process.poll() is None:
        pass
    for _ in range(30):  # one that comes before the shell listens is lost
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
            break
    assert process.stderr is not None
    process.stderr.close()  # an orphaned stand-in may hold its other end
    assert process.returncode == 143
    assert allocation.lines().count("ended") == 2
    assert not allocation.left()


def test_the_script_may_be_executed() -> None:
    assert SCRIPT.stat().st_mode & stat.S_IXUSR
