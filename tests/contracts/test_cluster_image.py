"""The image is pinned, nobody's root and holds no secret; its entry point does what Spark asks."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from tests.contracts.readme import ROOT

IMAGE = ROOT / "cluster" / "image"
RECIPE = (IMAGE / "Containerfile").read_text(encoding="utf-8")
LINES = [line for line in RECIPE.replace("\\\n", " ").splitlines() if line[:1].isalpha()]
CONSTRAINTS = dict(
    line.split("==")
    for line in (IMAGE / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
)


def instructions(name: str) -> list[str]:
    return [line.partition(" ")[2].strip() for line in LINES if line.startswith(f"{name} ")]


def test_the_base_is_pinned_by_version() -> None:
    (base,) = instructions("ARG")
    assert re.fullmatch(r"PYTHON=\d+\.\d+\.\d+-slim-\w+", base)
    assert all("${PYTHON}" in source for source in instructions("FROM"))


def test_nobody_is_root_when_it_runs() -> None:
    assert instructions("USER") == ["1000:1000"]
    last_root = max(n for n, line in enumerate(LINES) if "useradd" in line)
    assert last_root < next(n for n, line in enumerate(LINES) if line.startswith("USER"))


def test_kernels_are_compiled_into_a_folder_that_stays_writable() -> None:
    (environment,) = instructions("ENV")
    folder = re.search(r"NUMBA_CACHE_DIR=(\S+)", environment)
    assert folder
    made = next(line for line in LINES if "install --directory" in line)
    assert "--owner=1000" in made and folder[1] in made
    after_user = LINES[next(n for n, line in enumerate(LINES) if line.startswith("USER")) :]
    assert any("thresher demo" in line for line in after_user)


def test_the_wheel_comes_from_this_repository_with_both_extras() -> None:
    assert any("pip wheel" in line and line.endswith(" .") for line in LINES)
    assert any("--constraint" in line and "[ray,spark]" in line for line in LINES)
    assert not instructions("ADD")


def test_only_what_is_copied_enters_the_build() -> None:
    allowed = (IMAGE / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[0] == "*"
    entering = {line[1:] for line in allowed if line.startswith("!")}
    copied: set[str] = set()
    for line in instructions("COPY"):
        words = [word for word in line.split() if not word.startswith("--")]
        if "--from=" not in line:
            copied |= set(words[:-1])
    assert copied == entering
    assert all((ROOT / name).exists() for name in copied)


def test_every_direct_dependency_is_pinned_within_its_range() -> None:
    requirements = pytest.importorskip("packaging.requirements")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    for text in [*project["dependencies"], *extras["ray"], *extras["spark"]]:
        requirement = requirements.Requirement(text)
        assert requirement.name in CONSTRAINTS, text
        assert requirement.specifier.contains(CONSTRAINTS[requirement.name]), text


def stand_in(folder: Path, name: str) -> None:
    """Make a command that prints its arguments, one a line."""
    folder.mkdir(exist_ok=True)
    script = folder / name
    script.write_text(f'#!/bin/bash\nprintf "%s\\n" {name} "$@"\n')
    script.chmod(0o755)


def start(tmp_path: Path, *arguments: str, **environ: str) -> list[str]:
    stand_in(tmp_path / "bin", "java")
    stand_in(tmp_path / "bin", "spark-submit")
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    finished = subprocess.run(
        [IMAGE / "entrypoint.sh", *arguments],
        env={"PATH": path, "SPARK_HOME": str(tmp_path), **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.splitlines()


def test_the_entry_point_runs_any_command(tmp_path: Path) -> None:
    assert start(tmp_path, "echo", "a b", "c") == ["a b c"]


def test_the_entry_point_starts_a_spark_driver(tmp_path: Path) -> None:
    told = start(tmp_path, "driver", "--class", "X", SPARK_DRIVER_BIND_ADDRESS="10.0.0.7")
    assert told[0] == "spark-submit"
    assert "spark.driver.bindAddress=10.0.0.7" in told
    assert told[-4:] == ["--deploy-mode", "client", "--class", "X"]


def test_the_entry_point_starts_a_spark_executor(tmp_path: Path) -> None:
    told = start(
        tmp_path,
        "executor",
        SPARK_JAVA_OPT_0="-Dspark.authenticate=true",
        SPARK_JAVA_OPT_1="-Dname=two words",
        SPARK_EXECUTOR_MEMORY="4g",
        SPARK_DRIVER_URL="spark://driver:7078",
        SPARK_EXECUTOR_ID="3",
        SPARK_EXECUTOR_CORES="2",
        SPARK_APPLICATION_ID="app",
        SPARK_EXECUTOR_POD_IP="10.0.0.8",
        SPARK_RESOURCE_PROFILE_ID="0",
        SPARK_EXECUTOR_POD_NAME="pod-3",
    )
    assert told[:5] == ["java", "-Dspark.authenticate=true", "-Dname=two words", "-Xms4g", "-Xmx4g"]
    assert told[told.index("--driver-url") + 1] == "spark://driver:7078"
    assert told[told.index("--podName") + 1] == "pod-3"
