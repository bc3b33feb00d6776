"""The table of `cluster/README.md`: 10^10 documents on paper, from the constants of the code.

`python -m tests.contracts.cluster_readme` writes it; a test demands that it is there. Speed is the
lowest that `benchmarks/results` holds for prose; what nobody has measured is named an assumption.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from tests.contracts.readme import ROOT
from thresher.engines.options import EngineOptions
from thresher.params import build, load_yaml
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_sizes import (
    BAND_LINE_BYTES,
    KEY_LINE_BYTES,
    WORD_BYTES,
    Sizes,
    sizes,
)

PATH = ROOT / "cluster" / "README.md"
ROWS = 10**10
TEXT_BYTES = 2200 * ROWS
PARAMS = DedupParams(split_bytes=256 << 20)
_GB = 10**9
_TB = 10**12


@dataclass(frozen=True)
class Machines:
    """The cluster that is assumed."""

    nodes: int = 64
    cores: int = 16
    memory_bytes: int = 128 * _GB
    disk_bytes: int = 2 * _TB
    network_bytes_per_s: float = 1.25 * _GB
    folder_bytes_per_s: float = 10.0 * _GB


MACHINES = Machines()
_UNITS = {"g": 1 << 30, "m": 1 << 20}


def profile() -> EngineOptions:
    """Return the profile that the table is about."""
    return build(EngineOptions, load_yaml(str(ROOT / "cluster" / "datacenter.yaml")))


def planned() -> Sizes:
    """Return what the job needs, as `thresher plan` computes it."""
    return sizes(ROWS, TEXT_BYTES, PARAMS, profile())


def conf_bytes(name: str) -> int:
    """Return a size that the profile sets."""
    text = profile().spark.conf[name]
    return int(text[:-1]) * _UNITS[text[-1]]


def executors() -> int:
    """Return the executors of one node."""
    return MACHINES.cores // int(profile().spark.conf["spark.executor.cores"])


def node_bytes() -> int:
    """Return the memory that the executors of a node may take."""
    names = ("memory", "pyspark.memory", "memoryOverhead")
    return executors() * sum(conf_bytes(f"spark.executor.{name}") for name in names)


def measured(name: str, field: str) -> list[float]:
    """Return a field of all prose results of one benchmark."""
    path = ROOT / "benchmarks" / "results" / f"{name}.json"
    results = json.loads(path.read_text(encoding="utf-8"))["results"]
    return [float(r[field]) for r in results if r["kind"] == "prose"]


def core_bytes_per_s() -> float:
    """Return the bytes of text that one core has got through a second, at the slowest."""
    both = [*measured("jobs_copy", "text_mb_per_s_per_core")]
    return min(both + measured("jobs_scale", "text_mb_per_s_per_core")) * 1e6


def stored_bytes() -> int:
    """Return the bytes of the documents as Parquet, at the ratio of the benchmark's prose."""
    ratio = measured("jobs_copy", "file_gb")[0] / measured("jobs_copy", "text_gb")[0]
    return int(TEXT_BYTES * ratio)


def exchanged_bytes(found: Sizes) -> int:
    """Return the bytes of all exchanges, at most; joining takes two half rounds and an audit."""
    near = found.band_bytes + 3 * found.join_bytes + found.screen_bytes + found.decide_bytes
    return found.key_bytes + near


def folder_bytes(found: Sizes) -> int:
    """Return the bytes through the shared folder.

    Rows are read by the first pass, at most once more for their shingles, and by the last pass,
    which writes them; attributes are written once and read by five stages; all other stage files
    are written and read once.
    """
    others = found.work_bytes - found.attribute_bytes
    return 4 * stored_bytes() + 6 * found.attribute_bytes + 2 * others


def hours(found: Sizes) -> dict[str, float]:
    """Return the hours that cores, network and shared folder take, one after the other."""
    of = MACHINES
    cores = TEXT_BYTES / core_bytes_per_s() / (of.nodes * of.cores)
    network = exchanged_bytes(found) / (of.nodes * of.network_bytes_per_s)
    folder = folder_bytes(found) / of.folder_bytes_per_s
    return {"cores": cores / 3600, "network": network / 3600, "folder": folder / 3600}


def table() -> str:
    """Return the table."""
    found, of = planned(), MACHINES
    took = hours(found)
    task = found.task_memory_bytes
    rows: list[tuple[str, str, str]] = [
        ("documents", "2,200 bytes of text each", f"{found.rows:,}"),
        ("text", "as Parquet at the benchmark's ratio: " + _tb(stored_bytes()), _tb(TEXT_BYTES)),
        ("tasks", f"one for each {PARAMS.split_bytes >> 20} MiB of text", f"{found.tasks:,}"),
        ("memory of a task", "7 bytes for each byte of its text", f"{task / 2**30:.2f} GiB"),
        (
            "attributes, in the folder",
            f"{found.attribute_bytes // ROWS} bytes a document",
            _tb(found.attribute_bytes),
        ),
        (
            "keys exchanged",
            f"{KEY_LINE_BYTES} bytes a document, {found.key_partitions:,} partitions",
            _tb(found.key_bytes),
        ),
        (
            "band lines exchanged",
            f"{found.band_lines // ROWS} a document, {BAND_LINE_BYTES} bytes each, "
            f"{found.band_partitions:,} partitions",
            f"{found.band_lines:,} · {_tb(found.band_bytes)}",
        ),
        (
            "edges, one half round of joining",
            "each line an edge, sent to both ends: at most",
            _tb(found.join_bytes),
        ),
        (
            "pictures exchanged",
            f"{found.screen_bytes // ROWS} bytes a document that shares a bucket: at most",
            _tb(found.screen_bytes),
        ),
        (
            "shingles exchanged",
            f"8 bytes a word (one each {WORD_BYTES} bytes) of likely copies: at most",
            _tb(found.decide_bytes),
        ),
        (
            "verdicts",
            f"{found.verdict_bytes // ROWS} bytes a removed row: at most",
            _tb(found.verdict_bytes),
        ),
        (
            "driver",
            f"joined {'by itself' if found.on_driver else 'by stages'}, beyond "
            f"{profile().driver_rows:,} rows",
            f"{found.driver_bytes} bytes a row",
        ),
        (
            "stage files in the folder while it runs",
            "attributes, edges, pieces, verdicts: at most",
            _tb(found.work_bytes),
        ),
        (
            "spill a node",
            f"the largest exchange on {of.nodes} nodes; sent and received: twice that",
            f"{found.spill_bytes / of.nodes / _GB:,.0f} GB",
        ),
        (
            "memory a node",
            f"{executors()} executors; tasks take {of.cores * task / _GB:,.0f} GB of it",
            f"{node_bytes() / _GB:,.0f} of {of.memory_bytes // _GB} GB",
        ),
        (
            "cores",
            f"{core_bytes_per_s() / 1e6:.1f} MB/s a core, measured on one machine; "
            f"{of.nodes * of.cores:,} cores",
            f"{took['cores']:.1f} h",
        ),
        (
            "network",
            f"{_tb(exchanged_bytes(found))} at {of.network_bytes_per_s / _GB} GB/s a node "
            "(assumed)",
            f"{took['network']:.1f} h",
        ),
        (
            "shared folder",
            f"{_tb(folder_bytes(found))} at {of.folder_bytes_per_s / _GB:.0f} GB/s in all "
            "(assumed)",
            f"{took['folder']:.1f} h",
        ),
        ("in all", "if nothing overlaps and nothing is lost", f"{sum(took.values()):.1f} h"),
    ]
    lines = ["| what | from | figure |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {a} | {b} | {c} |" for a, b, c in rows)])


def _tb(num_bytes: float) -> str:
    return f"{num_bytes / _TB:,.2f} TB"


def main() -> None:
    """Write the table."""
    text = PATH.read_text(encoding="utf-8")
    before, _, rest = text.partition("<!-- datacenter -->\n")
    after = rest.partition("\n<!-- /datacenter -->")[2]
    whole = f"{before}<!-- datacenter -->\n{table()}\n<!-- /datacenter -->{after}"
    PATH.write_text(whole, encoding="utf-8")


if __name__ == "__main__":
    main()
