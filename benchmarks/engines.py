"""The same job on the three engines: beside each other, at scale, and on one node and on two.

    python benchmarks/engines.py compare [--gigabytes 1] [--repeats 2]
    python benchmarks/engines.py scale   [--rows 10000000]
    python benchmarks/engines.py nodes   [--rows 1000000]

* `compare`: local, Ray and Spark on the same Parquet files and the same two cores. Start-up is the
  same command on 1,000 rows; what is beyond it is compared with the local engine. Also bytes that
  exchanges moved, and the memory that one worker process held for itself (USS), sampled.
* `scale`: ten million documents through Ray and through Spark.
* `nodes`: a cluster of one single-core node against one of two, each node pinned to a core of its
  own; the driver shares the first.

Every result is checked against the local engine's manifest. Prints tables and writes
results/engines_SECTION.json. Needs psutil and the extras ray and spark.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import machine
import psutil
import yaml
from corpora import KINDS, Corpus, generate
from nodes import CLUSTERS

from jobs import pinned

CORES = 2
ENGINES: dict[str, dict[str, Any]] = {
    "local": {"engine": "local", "workers": CORES},
    "ray": {"engine": "ray", "workers": CORES},
    "spark": {"engine": "spark", "workers": CORES},
}


class Watch(threading.Thread):
    """Samples the memory of a process and all it started: the largest worker, and the sum."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self._over = threading.Event()
        self.largest: dict[str, int] = {}
        self.together = 0

    def run(self) -> None:
        """Sample until stopped."""
        while not self._over.wait(0.5):
            total = 0
            for process in self._tree():
                try:
                    own = process.memory_full_info().uss
                    kind = _kind_of(process)
                except psutil.Error:
                    continue
                total += own
                self.largest[kind] = max(self.largest.get(kind, 0), own)
            self.together = max(self.together, total)

    def _tree(self) -> list[psutil.Process]:
        try:
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def stop(self) -> None:
        """End sampling."""
        self._over.set()
        self.join()


def _kind_of(process: psutil.Process) -> str:
    """Say what a process is: a worker, Java, or another."""
    command = " ".join(process.cmdline())
    if any(worker in command for worker in ("ray::", "pyspark.daemon", "spark_daemon")):
        return "worker"
    if "java" in process.name():
        return "java"
    return "driver" if "thresher" in command else "other"


def run_job(
    options: argparse.Namespace,
    corpus: Corpus,
    engine: str,
    profile: dict[str, Any],
    env: dict[str, str] | None = None,
    cores: int = CORES,
) -> dict[str, Any]:
    """Run the job as a process, on the stated cores, and return its figures."""
    folder = corpus.folder.parent
    out = folder / f"out-{engine}"
    shutil.rmtree(out, ignore_errors=True)
    cluster = folder / f"{engine}.yaml"
    cluster.write_text(yaml.safe_dump(profile))
    command = [options.thresher, "dedup", str(corpus.folder), "--out", str(out), "--quiet"]
    with pinned(cores), open(folder / f"{engine}.log", "wb") as log:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*command, "--cluster", str(cluster)],
            stdout=log,
            stderr=log,
            env=_environment(folder, env),
        )
        watch = Watch(process.pid)
        watch.start()
        code = process.wait()
        wall = time.perf_counter() - begin
        watch.stop()
    if code:
        raise SystemExit(f"exit {code}\n{(folder / f'{engine}.log').read_text()[-4000:]}")
    report = json.loads((out / "report.json").read_text())
    exchanged = sum(stage["exchanged"] for stage in report["stages"])
    worker = watch.largest.get("driver" if engine == "local" else "worker", 0)
    return {
        "engine": engine,
        "rows": report["rows_in"],
        "wall_s": wall,
        "worker_peak_gb": worker / 1e9,
        "java_peak_gb": watch.largest.get("java", 0) / 1e9,
        "together_peak_gb": watch.together / 1e9,
        "exchanged_bytes_per_row": exchanged / max(1, report["rows_in"]),
        "stages_s": {stage["name"]: stage["seconds"] for stage in report["stages"]},
        "manifest": sha256_of(out / "manifest.json"),
    }


def sha256_of(path: Path) -> str:
    """Return a file's hash."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _environment(folder: Path, given: dict[str, str] | None) -> dict[str, str]:
    """Keep what a driver writes inside the scratch folder."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    return {**os.environ, "TMPDIR": str(temporary), "RAY_TMPDIR": str(temporary), **(given or {})}


def compare_section(options: argparse.Namespace) -> dict[str, Any]:
    """Compare the engines on the same files."""
    results: list[dict[str, Any]] = []
    for kind in options.kinds:
        with tempfile.TemporaryDirectory(prefix="thresher-engines-", dir=options.scratch) as name:
            folder = Path(name)
            small = generate(folder / "small" / "in", kind, 1000, options.words)
            probe = generate(folder / "probe", kind, 50_000, options.words)
            rows = int(options.gigabytes * 1e9 / probe.file_bytes * probe.rows)
            corpus = generate(folder / "whole" / "in", kind, rows, options.words)
            for engine in options.engines:
                profile = ENGINES[engine]
                run_job(options, small, engine, profile)  # compiles kernels, warms the disk cache
                start = min(
                    run_job(options, small, engine, profile)["wall_s"]
                    for _ in range(options.repeats)
                )
                runs = [run_job(options, corpus, engine, profile) for _ in range(options.repeats)]
                best = min(runs, key=lambda run: run["wall_s"])
                text_gb = corpus.text_bytes / 1e9
                results.append({"kind": kind, **best, "startup_s": start, "text_gb": text_gb})
                print(f"{kind} {engine}: {best['wall_s']:.1f} s", file=sys.stderr)
    for result in results:
        yardstick = next(
            r for r in results if r["engine"] == "local" and r["kind"] == result["kind"]
        )
        result["beyond_startup_s"] = result["wall_s"] - result["startup_s"]
        result["times_local"] = result["beyond_startup_s"] / yardstick["beyond_startup_s"]
        result["equal"] = result["manifest"] == yardstick["manifest"]
    _show(results, beside="times_local")
    return {"cores": CORES, "results": results}


def scale_section(options: argparse.Namespace) -> dict[str, Any]:
    """Run ten million documents through each engine; every one is recorded as it ends."""
    results: list[dict[str, Any]] = []
    figures: dict[str, Any] = {"note": options.note, "cores": CORES, "kind": options.kinds[0]}
    with tempfile.TemporaryDirectory(prefix="thresher-engines-", dir=options.scratch) as name:
        corpus = generate(Path(name) / "in", options.kinds[0], options.rows, options.words)
        for engine in options.engines:
            found = run_job(options, corpus, engine, ENGINES[engine])
            results.append({**found, "us_per_row": found["wall_s"] / found["rows"] * 1e6})
            if len(results) > 1:
                results[-1]["equal"] = found["manifest"] == results[0]["manifest"]
            print(f"{engine}: {found['wall_s']:.0f} s", file=sys.stderr)
            shutil.rmtree(Path(name) / f"out-{engine}")
            machine.save("engines_scale", {**figures, "results": results})
    _show(results, beside="us_per_row")
    return {**figures, "results": results}


def nodes_section(options: argparse.Namespace) -> dict[str, Any]:
    """Run the job on a cluster of one single-core node, and of two."""
    results = []
    with tempfile.TemporaryDirectory(prefix="thresher-engines-", dir=options.scratch) as name:
        folder = Path(name)
        small = generate(folder / "small" / "in", options.kinds[0], 1000, options.words)
        corpus = generate(folder / "whole" / "in", options.kinds[0], options.rows, options.words)
        for engine in [e for e in options.engines if e in CLUSTERS]:
            alone = 0.0
            for nodes in (1, 2):
                with CLUSTERS[engine](folder / f"{engine}-{nodes}", nodes) as driver:
                    run_job(options, small, engine, *driver, cores=1)
                    start = run_job(options, small, engine, *driver, cores=1)["wall_s"]
                    found = run_job(options, corpus, engine, *driver, cores=1)
                beyond = found["wall_s"] - start
                alone = alone or beyond
                results.append(
                    {
                        **found,
                        "nodes": nodes,
                        "startup_s": start,
                        "beyond_startup_s": beyond,
                        "times_one_node": alone / beyond,
                    }
                )
                print(f"{engine}, {nodes} nodes: {beyond:.1f} s", file=sys.stderr)
    for result in results:
        result["equal"] = result["manifest"] == results[0]["manifest"]
        for memory in ("worker_peak_gb", "java_peak_gb", "together_peak_gb"):
            del result[memory]  # the nodes' processes are not below the driver that is sampled
    _show(results, beside="times_one_node")
    return {"kind": options.kinds[0], "results": results}


def _show(results: list[dict[str, Any]], beside: str) -> None:
    columns = {
        "engine": "engine",
        "kind": "kind",
        "nodes": "nodes",
        "rows": "rows",
        "s": "wall_s",
        "start-up s": "startup_s",
        "beyond s": "beyond_startup_s",
        beside.replace("_", " "): beside,
        "moved B/row": "exchanged_bytes_per_row",
        "worker GB": "worker_peak_gb",
        "Java GB": "java_peak_gb",
        "all GB": "together_peak_gb",
        "equal": "equal",
    }
    given = {title: key for title, key in columns.items() if any(key in r for r in results)}
    print(machine.table(given, results))


SECTIONS = {"compare": compare_section, "scale": scale_section, "nodes": nodes_section}


def main() -> None:
    """Run the chosen section."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(sys.executable).with_name("thresher")
    parser.add_argument("section", choices=SECTIONS)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=["prose"])
    parser.add_argument("--engines", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--gigabytes", type=float, default=1.0, help="of Parquet files (compare)")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--rows", type=int, default=0, help="(scale: 10,000,000; nodes: 500,000)")
    parser.add_argument("--words", type=int, default=120, help="mean words of a prose document")
    parser.add_argument("--scratch", type=Path, help="where data is generated")
    parser.add_argument("--note", default="", help="about the machine, for the record (scale)")
    parser.add_argument("--thresher", default=str(beside), help="the installed command")
    options = parser.parse_args()
    options.rows = options.rows or {"scale": 10_000_000}.get(options.section, 500_000)
    machine.save(f"engines_{options.section}", SECTIONS[options.section](options))


if __name__ == "__main__":
    main()
