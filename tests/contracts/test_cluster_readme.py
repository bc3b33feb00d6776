"""The page on clusters cannot rot: its table is computed, and its cluster has room for the job."""

from __future__ import annotations

import re
from pathlib import Path

from tests.contracts.cluster_readme import (
    MACHINES,
    PARAMS,
    PATH,
    ROWS,
    conf_bytes,
    node_bytes,
    planned,
    profile,
    table,
)
from tests.contracts.readme import ROOT, section
from tests.jobs import runs
from thresher_jobs.dedup_plan import describe

PAGE = PATH.read_text(encoding="utf-8")


def test_the_table_is_what_the_code_computes() -> None:
    assert section(PAGE, "datacenter") == table()


def test_thresher_plan_says_the_same_a_row(tmp_path: Path) -> None:
    rows = 1000
    source = runs.texts(tmp_path / "in.parquet", [f"this is row {row}" for row in range(rows)])
    said = "\n".join(describe([str(source)], PARAMS, profile()))
    found = planned()
    for name, total in (
        ("attributes ", found.attribute_bytes),
        ("keys ", found.key_bytes),
        ("bands at most ", found.band_bytes),
        ("pictures at most ", found.screen_bytes),
    ):
        match = re.search(rf"{name} *([\d,]+) bytes", said)
        assert match, (name, said)
        assert int(match[1].replace(",", "")) * (ROWS // rows) == total


def test_the_cluster_on_paper_has_room_for_the_job() -> None:
    found, of = planned(), MACHINES
    assert profile().workers == of.nodes * of.cores
    cores = int(profile().spark.conf["spark.executor.cores"])
    assert found.task_memory_bytes <= conf_bytes("spark.executor.pyspark.memory") / cores
    assert node_bytes() <= 0.9 * of.memory_bytes
    assert 2 * found.spill_bytes / of.nodes <= of.disk_bytes
    assert not found.on_driver


def test_the_page_runs_the_job_it_is_about() -> None:
    assert f"--set split_bytes={PARAMS.split_bytes}" in PAGE
    assert f"--set split_bytes={PARAMS.split_bytes}" in (
        ROOT / "cluster" / "datacenter.yaml"
    ).read_text(encoding="utf-8")


def test_every_file_the_page_names_is_there() -> None:
    for name in re.findall(
        r"`(?:cluster/)?((?:ray|spark|slurm|image)/[\w./-]+|[\w-]+\.yaml)`", PAGE
    ):
        assert (ROOT / "cluster" / name).exists(), name
