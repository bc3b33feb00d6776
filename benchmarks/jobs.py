"""The whole dedup job: beside a plain copy, beside other tools, at scale, and from a cold start.

    python benchmarks/jobs.py copy  [--gigabytes 1] [--cores 2 1] [--repeats 3]
    python benchmarks/jobs.py peers [--documents 50000] [--environments DIR] [--tools NAME...]
    python benchmarks/jobs.py scale [--sizes 1000000 10000000] [--kinds prose templates]
    python benchmarks/jobs.py first [--repeats 5]
    python benchmarks/jobs.py all

* `copy`: the job on Parquet files against `pyarrow` copying the same files with the same cores,
  once with our writer's settings and once with pyarrow's own. Wall clock of whole processes, the
  least of the repeats; the ratio of processor times says more on a machine that is not quiet.
* `peers`: documents a second of the job and of other tools, each in an environment of its own that
  is made with pip (or found in --environments). Theirs is timed after its imports, ours with them.
  Counted exactly: rows removed without a similar kept row (`unfounded`), similar rows `left`.
* `scale`: seconds a million rows and peak memory at each size; `flat` is the cost a row beside the
  smallest size.
* `first`: 1,000 rows, with a kernel cache and on the very first run, when there is none.

Texts come from the seeded `thresher.testing.corpus`. Every process is pinned to the stated number
of cores. Each section prints a table and writes results/jobs_SECTION.json. Generated data lies in a
temporary folder below --scratch.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import machine
from corpora import KINDS, Corpus, generate
from removals import faults

PEERS = Path(__file__).parent / "peers"
TOOLS = ("text-dedup", "datatrove")
WRITERS = ("ours", "pyarrow")  # of peers/pyarrow_copy.py


class Measured(NamedTuple):
    """One process from start to end; `peak_bytes` is the largest of its process tree."""

    wall_s: float
    cpu_s: float
    peak_bytes: int
    output: str


@contextmanager
def pinned(cores: int) -> Iterator[None]:
    """Let this process, and what it starts, run on that many cores only."""
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(allowed)[:cores])
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def measure(command: list[str], cores: int, **environment: str) -> Measured:
    """Run a command on that many cores and wait for it.

    Raises:
        SystemExit: The command failed; its messages are shown.
    """
    env = {**os.environ, **environment}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, pinned(cores):
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdout=out, stderr=err, env=env)
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            told = err.read().decode(errors="replace")[-4000:]
            raise SystemExit(f"exit {process.returncode}: {' '.join(command)}\n{told}")
        cpu_s = usage.ru_utime + usage.ru_stime
        return Measured(wall_s, cpu_s, usage.ru_maxrss * 1024, out.read().decode())


def best(run: Callable[[], Measured], repeats: int) -> Measured:
    """Run several times; return the fastest."""
    return min((run() for _ in range(repeats)), key=lambda measured: measured.wall_s)


@contextmanager
def scratch(options: argparse.Namespace) -> Iterator[Path]:
    """Make a temporary folder and remove it with all it holds."""
    with tempfile.TemporaryDirectory(prefix="thresher-jobs-", dir=options.scratch) as folder:
        yield Path(folder)


def ours(options: argparse.Namespace, corpus: Corpus, cores: int, **env: str) -> Measured:
    """Run the job into a fresh folder beside the corpus."""
    out = output_of(corpus)
    shutil.rmtree(out, ignore_errors=True)
    command = [options.thresher, "dedup", str(corpus.folder), "--out", str(out), "--quiet"]
    return measure([*command, "--workers", str(cores), *options.job], cores, **env)


def output_of(corpus: Corpus) -> Path:
    """Where the job puts its answer."""
    return corpus.folder.with_name("out")


def figures(corpus: Corpus, job: Measured, cores: int) -> dict[str, Any]:
    """The figures of one run of the job, with the counts and stage times of its report."""
    report = json.loads((output_of(corpus) / "report.json").read_text())
    return {
        "cores": cores,
        "rows": corpus.rows,
        "text_gb": corpus.text_bytes / 1e9,
        "file_gb": corpus.file_bytes / 1e9,
        "job_s": job.wall_s,
        "job_cpu_s": job.cpu_s,
        "peak_gb": job.peak_bytes / 1e9,
        "text_mb_per_s_per_core": corpus.text_bytes / 1e6 / job.wall_s / cores,
        "rows_kept": report["rows_kept"],
        "rows_removed": report["rows_removed"],
        "stages_s": {stage["name"]: stage["seconds"] for stage in report["stages"]},
    }


def copy_section(options: argparse.Namespace) -> dict[str, Any]:
    """Compare the job with a copy of the same files."""
    results = []
    for kind in options.kinds:
        with scratch(options) as folder:
            probe = generate(folder / "probe", kind, 50_000, options.words)
            rows = int(options.gigabytes * 1e9 / probe.file_bytes * probe.rows)
            corpus = generate(folder / "in", kind, rows, options.words)
            results += [{"kind": kind, **_beside_copy(options, corpus, n)} for n in options.cores]
    columns = {
        "kind": "kind",
        "cores": "cores",
        "rows": "rows",
        "GB": "file_gb",
        "job s": "job_s",
        "copy s": "copy_s",
        "pyarrow copy s": "pyarrow_copy_s",
        "x copy": "times_copy",
        "x pyarrow copy": "times_pyarrow_copy",
        "x copy, CPU": "times_copy_cpu",
        "text MB/s/core": "text_mb_per_s_per_core",
        "peak GB": "peak_gb",
    }
    print(machine.table(columns, results))
    return {"results": results}


def _beside_copy(options: argparse.Namespace, corpus: Corpus, cores: int) -> dict[str, Any]:
    run = partial(ours, options, corpus, cores)
    run()  # compiles the kernels, brings the files into memory
    job = best(run, options.repeats)
    copies = {w: best(partial(_copy, corpus, cores, w), options.repeats) for w in WRITERS}
    return {
        **figures(corpus, job, cores),
        "copy_s": copies["ours"].wall_s,
        "pyarrow_copy_s": copies["pyarrow"].wall_s,
        "times_copy": job.wall_s / copies["ours"].wall_s,
        "times_pyarrow_copy": job.wall_s / copies["pyarrow"].wall_s,
        "times_copy_cpu": job.cpu_s / copies["ours"].cpu_s,
    }


def _copy(corpus: Corpus, cores: int, writer: str) -> Measured:
    out = corpus.folder.with_name("copied")
    shutil.rmtree(out, ignore_errors=True)
    script = [sys.executable, str(PEERS / "pyarrow_copy.py"), str(corpus.folder), str(out)]
    return measure([*script, "--workers", str(cores), "--writer", writer], cores)


def peers_section(options: argparse.Namespace) -> dict[str, Any]:
    """Compare the job with other tools on the same documents."""
    results = []
    with scratch(options) as folder:
        pythons = {tool: environment(options, tool, folder) for tool in options.tools}
        for kind in options.kinds:
            results += _beside_peers(options, pythons, kind, folder / kind)
    columns = {
        "tool": "tool",
        "kind": "kind",
        "s": "work_s",
        "docs/s": "documents_per_s",
        "text MB/s/core": "text_mb_per_s_per_core",
        "thresher is x": "thresher_is_times",
        "kept": "rows_kept",
        "unfounded": "unfounded",
        "left": "left",
        "peak GB": "peak_gb",
    }
    print(machine.table(columns, results))
    return {"documents": options.documents, "cores": options.cores[0], "results": results}


def environment(options: argparse.Namespace, tool: str, folder: Path) -> Path:
    """Return the interpreter of a tool's environment; make it where there is none yet."""
    home = (options.environments or folder / "environments") / tool
    python = home / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "-r", f"{_peer_file(tool)}.txt"]
        subprocess.run(pip, check=True, stdout=sys.stderr)
    return python


def _peer_file(tool: str) -> Path:
    return PEERS / tool.replace("-", "_")


def _beside_peers(
    options: argparse.Namespace, pythons: dict[str, Path], kind: str, folder: Path
) -> list[dict[str, Any]]:
    cores = options.cores[0]
    per_file = -(-options.documents // cores)  # datatrove's unit of parallel work is a file
    corpus = generate(folder / "in", kind, options.documents, options.words, per_file)
    run = partial(ours, options, corpus, cores)
    run()
    job = best(run, options.repeats)
    runs: list[dict[str, Any]] = [
        {"tool": "thresher", "work_s": job.wall_s, "peak_gb": job.peak_bytes / 1e9}
    ]
    kept = {"thresher": _kept_ids(output_of(corpus) / "data")}
    for tool, python in pythons.items():
        facts, kept[tool] = _peer(tool, python, corpus, cores)
        runs.append(facts)
        print(f"{kind}: {tool} {facts['work_s']:.0f} s", file=sys.stderr)
    wrong = faults(corpus.folder, kept)
    return [
        {
            **run,
            "kind": kind,
            "rows_kept": len(kept[run["tool"]]),
            "documents_per_s": corpus.rows / run["work_s"],
            "text_mb_per_s_per_core": corpus.text_bytes / 1e6 / run["work_s"] / cores,
            "thresher_is_times": run["work_s"] / job.wall_s,
            **wrong[run["tool"]],
        }
        for run in runs
    ]


def _peer(tool: str, python: Path, corpus: Corpus, cores: int) -> tuple[dict[str, Any], set[str]]:
    out = corpus.folder.with_name(tool)
    script = [str(python), f"{_peer_file(tool)}_run.py", str(corpus.folder), str(out)]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(out / "home")}
    done = measure([*script, "--workers", str(cores)], cores, **offline)
    facts: dict[str, Any] = json.loads(done.output.splitlines()[-1])
    kept = set(json.loads((out / "kept_ids.json").read_text()))
    shutil.rmtree(out)
    return {**facts, "peak_gb": done.peak_bytes / 1e9}, kept


def _kept_ids(folder: Path) -> set[str]:
    import pyarrow.parquet as pq

    columns = [pq.ParquetFile(path).read(columns=["id"])["id"] for path in folder.glob("*.parquet")]
    return {row_id for column in columns for row_id in column.to_pylist()}


def scale_section(options: argparse.Namespace) -> dict[str, Any]:
    """Measure cost a row and peak memory at growing sizes."""
    results: list[dict[str, Any]] = []
    for kind in options.kinds:
        smallest = None
        for rows in sorted(options.sizes):
            with scratch(options) as folder:
                corpus = generate(folder / "in", kind, rows, options.words)
                job = ours(options, corpus, options.cores[0])
                per_million = job.wall_s / rows * 1e6
                cpu = job.cpu_s / rows * 1e6
                smallest = smallest or (per_million, cpu)
                costs = {
                    "s_per_million": per_million,
                    "beside_smallest": per_million / smallest[0],
                    "cpu_s_per_million": cpu,
                    "cpu_beside_smallest": cpu / smallest[1],
                }
                results.append({"kind": kind, **figures(corpus, job, options.cores[0]), **costs})
            print(f"{kind}: {rows:,} rows {job.wall_s:.0f} s", file=sys.stderr)
    columns = {
        "kind": "kind",
        "rows": "rows",
        "text GB": "text_gb",
        "job s": "job_s",
        "s/million": "s_per_million",
        "flat": "beside_smallest",
        "cpu flat": "cpu_beside_smallest",
        "text MB/s/core": "text_mb_per_s_per_core",
        "peak GB": "peak_gb",
    }
    print(machine.table(columns, results))
    return {"results": results}


def first_section(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the time to a finished result on 1,000 rows, without and with compiled kernels."""
    cores = options.cores[0]
    with scratch(options) as folder:
        corpus = generate(folder / "in", "prose", 1000, options.words)
        run = partial(ours, options, corpus, cores, NUMBA_CACHE_DIR=str(folder / "kernels"))
        cold, warm = run(), best(run, options.repeats)
    results = [
        {"run": "the very first", "s": cold.wall_s, "cpu_s": cold.cpu_s},
        {"run": "with a kernel cache", "s": warm.wall_s, "cpu_s": warm.cpu_s},
    ]
    print(machine.table({"1,000 rows": "run", "s": "s", "CPU s": "cpu_s"}, results))
    return {"rows": corpus.rows, "cores": cores, "results": results}


SECTIONS = {
    "copy": copy_section,
    "peers": peers_section,
    "scale": scale_section,
    "first": first_section,
}


def arguments() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="section", required=True)
    beside = Path(sys.executable).with_name("thresher")
    for name in (*SECTIONS, "all"):
        section = commands.add_parser(name)
        section.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
        section.add_argument(
            "--cores", type=int, nargs="+", default=[2], help="first one counts but for copy"
        )
        section.add_argument("--repeats", type=int, default=3)
        section.add_argument(
            "--words", type=int, default=120, help="mean words of a prose document"
        )
        section.add_argument("--gigabytes", type=float, default=1.0, help="of Parquet files (copy)")
        section.add_argument("--documents", type=int, default=50_000, help="for each tool (peers)")
        section.add_argument("--tools", nargs="*", choices=TOOLS, default=list(TOOLS))
        section.add_argument("--environments", type=Path, help="folder of the tools' environments")
        section.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 10_000_000])
        section.add_argument(
            "--scratch", type=Path, help="where data is generated; the system's default"
        )
        section.add_argument("--thresher", default=str(beside), help="the installed command")
        section.add_argument("--job", nargs="*", default=[], help="more arguments for the job")
    return parser.parse_args()


def main() -> None:
    """Run the chosen sections."""
    options = arguments()
    for name in SECTIONS if options.section == "all" else (options.section,):
        machine.save(f"jobs_{name}", SECTIONS[name](options))


if __name__ == "__main__":
    main()
