"""Disk, memory, permissions and signals: the exit code says which, and the same command resumes."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.jobs import runs
from tests.jobs.sentences import sentence
from thresher.testing.planted import Planted

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
THRESHER = [sys.executable, "-m", "thresher_jobs.cli"]


def limited(file_bytes: int, *arguments: object) -> tuple[int, str, int]:
    """Run a command under limits; returns its exit code, its errors and its peak memory."""
    command = [sys.executable, "-m", "tests.faults.limited", str(file_bytes)]
    command += [str(a) for a in arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode >= 0, done
    *errors, peak = done.stderr.splitlines()
    return done.returncode, "\n".join(errors), int(peak)


@pytest.mark.parametrize(
    "file_bytes",
    [
        pytest.param(6000, id="spill"),
        pytest.param(30_000, id="output", marks=pytest.mark.slow),
        pytest.param(2000, id="first", marks=pytest.mark.slow),
    ],
)
def test_a_full_disk_is_exit_6_and_the_same_command_resumes(
    file_bytes: int, garden: Planted, tmp_path: Path
) -> None:
    file = runs.parquet(tmp_path / "in.parquet", garden.table, 100)
    out = tmp_path / "out"
    command = ("dedup", file, "--out", out, "--quiet", "--set", "split_bytes=98304")
    code, errors, _ = limited(file_bytes, *command)
    assert code == 6
    assert errors.startswith("ResourceError: ")
    assert str(out) in errors
    assert "run the same command again" in errors
    assert len(errors.splitlines()) == 1
    assert not (out / "manifest.json").exists()
    for part in out.rglob("*.parquet"):
        pq.read_table(part)  # what is visible is whole
    report = runs.run(file, out, split_bytes=98304)
    runs.run(file, tmp_path / "whole", split_bytes=98304)
    assert report["rows_in"] == 400
    assert runs.tree(out) == runs.tree(tmp_path / "whole")


def _powerless() -> None:
    """Give up root's right to read and write everything, so that permissions count for it too."""
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def denied(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """Take all permissions of a path for the time of the test."""
    changed: list[Path] = []

    def deny(path: Path) -> None:
        changed.append(path)
        path.chmod(0o555 if path.is_dir() else 0)

    yield deny
    for path in changed:
        path.chmod(0o700)


@pytest.mark.parametrize("where", ["input", pytest.param("output", marks=pytest.mark.slow)])
def test_permission_denied_is_exit_7_and_names_the_path(
    where: str, denied: Callable[[Path], None], tmp_path: Path
) -> None:
    file = runs.texts(tmp_path / "in" / "a.parquet", ["a"])
    (tmp_path / "closed").mkdir()
    out = tmp_path / "closed" / "out"
    denied(file if where == "input" else out.parent)
    command = [*THRESHER, "dedup", str(file.parent), "--out", str(out), "--quiet"]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, preexec_fn=_powerless
    )
    if done.returncode == 0:
        pytest.skip("this process cannot give up its right to everything")
    assert done.returncode == 7
    assert str(file if where == "input" else out) in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.fixture(scope="module")
def long_input(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An input of a hundred tasks and more: even a busy machine signals before they end."""
    rows = [{"text": sentence(n % 350)} for n in range(1500)]
    return runs.jsonl(tmp_path_factory.mktemp("long") / "in.jsonl", rows)


@pytest.mark.parametrize(
    ("number", "stage"),
    [
        (signal.SIGTERM, "attributes"),
        pytest.param(signal.SIGINT, "attributes", marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, "collapse", marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, "select", marks=pytest.mark.slow),
    ],
)
def test_a_signal_stops_the_run_soon_and_it_resumes(
    number: signal.Signals, stage: str, long_input: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [*THRESHER, "dedup", str(long_input), "--out", str(out), "--quiet", "--json-logs"]
    command += ["--set", "split_bytes=4096", "--set", "audit_rows=0"]
    # Under a shell's background job all of this ignores SIGINT, and would hand that on.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        signal.signal(signal.SIGINT, before)
        assert process.stderr is not None
        for line in process.stderr:
            event = json.loads(line)
            if event["event"] == "progress" and event["stage"] == stage:
                break
        process.send_signal(number)
        rest = process.stderr.read()
        assert process.wait(timeout=30) == 128 + number
    last = rest.splitlines()[-1]
    assert last == (
        f"Stopped: stopped by signal {int(number)}; run the same command again to resume"
    )
    assert "Traceback" not in rest
    status = runs.status(out)
    assert (status["state"], status["exit_code"]) == ("stopped", 128 + number)
    assert not (out / "manifest.json").exists()
    report = runs.run(long_input, out, split_bytes=4096, audit_rows=0)
    assert runs.resumed(report)[stage] >= 1
    assert report["rows_kept"] == 350


@pytest.mark.slow
def test_one_row_of_a_gigabyte_is_quarantined_in_bounded_memory(tmp_path: Path) -> None:
    file = tmp_path / "in.jsonl"
    piece = b"x " * (1 << 19)
    with open(file, "wb") as stream:
        stream.write(b'{"text": "before"}\n{"text": "')
        for _ in range(1024):
            stream.write(piece)
        stream.write(b'"}\n{"text": "after"}\n')
    code, errors, peak = limited(0, "dedup", file, "--out", tmp_path / "out", "--quiet")
    file.unlink()
    assert (code, errors) == (0, "")
    assert peak < 1200 << 20
    assert runs.kept_texts(tmp_path / "out") == ["before", "after"]
    (row,) = runs.rows_of(tmp_path / "out", "quarantine")
    assert row["row"] == 1
    assert "above max_doc_bytes" in row["error"]
    assert len(row["raw"]) <= 1 << 20


@pytest.mark.slow
def test_a_dictionary_bomb_is_read_in_bounded_memory(tmp_path: Path) -> None:
    large = pa.array(["x" * (1 << 20)])
    coded = pa.DictionaryArray.from_arrays(pa.array([0] * 2048, pa.int32()), large)
    pq.write_table(pa.table({"text": coded}), tmp_path / "in.parquet", row_group_size=2048)
    assert (tmp_path / "in.parquet").stat().st_size < 500_000
    out = tmp_path / "out"
    code, errors, peak = limited(0, "dedup", tmp_path / "in.parquet", "--out", out, "--quiet")
    assert (code, errors) == (0, "")
    assert peak < 1000 << 20
    assert len(runs.rows_of(out, "data")) == 1


@pytest.mark.slow
def test_a_fresh_process_may_begin_on_many_threads(garden: Planted, tmp_path: Path) -> None:
    file = runs.parquet(tmp_path / "in.parquet", garden.table, 50)
    command = ("dedup", file, "--out", tmp_path / "out", "--quiet", "--workers", 4)
    code, errors, _ = limited(0, *command, "--set", "split_bytes=32768")
    assert (code, errors) == (0, "")
