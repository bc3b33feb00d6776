"""`dedup` on a Ray cluster, the ways that users start it: each gives the bytes of a local run."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
import yaml

import thresher
from tests.conformance.on_ray import connect
from tests.faults.on_ray import PYTHON, ROOT, Nodes, outcome
from tests.faults.settings import PARAMS
from tests.jobs import runs
from thresher.engines import ray_dataset
from thresher.engines.ray import load_ray
from thresher.errors import InputError
from thresher.testing.planted import Planted

# ray.data warns about its own settings.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:ray")]


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    """A cluster of a head and two nodes that takes jobs from whoever has the token."""
    made = Nodes(dashboard=True)
    try:
        made.add()
        made.add()
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory, garden: Planted) -> Path:
    return runs.parquet(tmp_path_factory.mktemp("in") / "rows.parquet", garden.table, 100)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, source: Path) -> dict[str, str]:
    out = tmp_path_factory.mktemp("local") / "out"
    runs.run(source, out, **PARAMS)
    return runs.tree(out)


def command(source: Path, out: Path, *more: object) -> list[str]:
    """Return the command line of the job."""
    settings = [f"--set={key}={value}" for key, value in PARAMS.items()]
    job = ["-m", "thresher_jobs.cli", "dedup", source, "--out", out, "--engine", "ray"]
    return [str(a) for a in (*job, *settings, *more)]


def submit(nodes: Nodes, *arguments: str) -> runs.Outcome:
    """Submit a job and wait for its end."""
    address = f"http://{nodes.dashboard}"
    ray = ("-m", "ray.scripts.scripts", "job", "submit", "--address", address)
    return outcome(nodes.driver(*ray, "--", str(PYTHON), *arguments, RAY_ADDRESS=""))


def test_a_job_submitted_with_its_wheel_gives_the_bytes_of_a_local_run_and_shows_its_progress(
    nodes: Nodes, source: Path, local: dict[str, str], tmp_path: Path
) -> None:
    pytest.importorskip("hatchling")
    wheel = [str(PYTHON), "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "dist")]
    subprocess.run(wheel, cwd=ROOT, check=True, capture_output=True)
    out = tmp_path / "out"
    _, _, *job = command(source, out, "--json-logs")
    script = [str(ROOT / "cluster/ray/submit.sh"), *job]
    env = nodes.env | {"RAY_API_SERVER_ADDRESS": f"http://{nodes.dashboard}"}
    done = subprocess.run(
        script, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done
    assert "Uploading package" in done.stderr
    assert runs.tree(out) == local
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"event": "end"')]
    assert {"attributes", "buckets", "select"} <= {json.loads(line)["stage"] for line in lines}


def test_the_submitter_sees_that_a_job_failed_and_why(nodes: Nodes, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 no more")
    out = tmp_path / "out"
    ended = submit(nodes, *command(broken, out))
    assert ended.code == 1
    assert "exit code 3" in ended.out
    assert "InputError" in ended.out
    assert "broken.parquet" in ended.out
    assert runs.status(out)["exit_code"] == 3


def test_a_driver_with_an_address_gives_the_bytes_of_a_local_run(
    nodes: Nodes, source: Path, local: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    ended = outcome(nodes.driver(*command(source, out)))
    assert ended.code == 0, ended.err
    assert runs.tree(out) == local


def test_a_driver_without_an_address_starts_a_cluster_and_ends_it(
    nodes: Nodes, source: Path, local: dict[str, str], tmp_path: Path
) -> None:
    out, place = tmp_path / "out", tmp_path / "spill"
    profile = tmp_path / "cluster.yaml"
    profile.write_text(f"engine: ray\nworkers: 2\nray: {{spill_folder: {place}}}\n")
    before = set(Path("/tmp").glob("thresher-ray-*"))
    ended = outcome(nodes.driver(*command(source, out, "--cluster", profile), RAY_ADDRESS=""))
    assert ended.code == 0, ended.err
    assert "raylet" not in ended.out + ended.err
    assert runs.tree(out) == local
    assert set(Path("/tmp").glob("thresher-ray-*")) <= before


def test_a_signal_ends_the_driver_and_the_next_one_resumes(
    nodes: Nodes, source: Path, local: dict[str, str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    driver = nodes.driver(*command(source, out, "--json-logs"))
    assert driver.stderr is not None
    for line in driver.stderr:
        if line.startswith('{"event": "progress"'):
            driver.send_signal(signal.SIGTERM)
            break
    assert outcome(driver, 30).code == 143
    assert runs.status(out)["state"] == "stopped"
    ended = outcome(nodes.driver(*command(source, out)))
    assert ended.code == 0, ended.err
    assert sum(stage["resumed"] for stage in runs.status(out)["stages"]) >= 1
    assert runs.tree(out) == local


def test_a_dataset_goes_to_files_and_back(garden: Planted, tmp_path: Path) -> None:
    connect()
    data = load_ray().data.from_arrow([garden.table.slice(0, 150), garden.table.slice(150)])
    paths, schema = ray_dataset.write_dataset(data, str(tmp_path))
    again = ray_dataset.read_dataset(paths, schema)
    for path in paths:
        Path(path).unlink()
    assert len(paths) == 2
    tables = load_ray().get(again.to_arrow_refs())
    assert pa.concat_tables(tables).equals(garden.table.cast(schema))


def test_a_dataset_whose_blocks_disagree_is_refused(tmp_path: Path) -> None:
    connect()
    data = load_ray().data.from_arrow([pa.table({"text": ["a"]}), pa.table({"text": [1]})])
    with pytest.raises(InputError, match="text"):
        ray_dataset.write_dataset(data, str(tmp_path))


def test_every_file_for_ray_turns_token_authentication_on() -> None:
    files = {path.name: path.read_text() for path in (ROOT / "cluster" / "ray").iterdir()}
    for name in ("raycluster.yaml", "rayjob.yaml"):
        spec = yaml.safe_load(files[name])["spec"]
        cluster = spec.get("rayClusterSpec", spec)
        assert cluster["authOptions"] == {"mode": "token"}
        assert cluster["rayVersion"] >= "2.60"
        for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
            for container in group["template"]["spec"]["containers"]:
                assert {"name": "RAY_task_oom_retries", "value": "3"} in container["env"]
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
    launcher = yaml.safe_load(files["launcher.yaml"])
    for kind in ("head", "worker"):
        start = launcher[f"{kind}_start_ray_commands"][-1]
        assert "RAY_AUTH_MODE=token" in start
        assert "RAY_task_oom_retries=3" in start
    assert "RAY_AUTH_MODE:=token" in files["submit.sh"]


def test_the_launcher_file_is_one_that_ray_accepts() -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    launcher = yaml.safe_load((ROOT / "cluster/ray/launcher.yaml").read_text())
    validate_config(prepare_config(launcher))


def test_the_runtime_environment_ships_the_wheel_of_this_version() -> None:
    shipped = yaml.safe_load((ROOT / "cluster/ray/runtime-env.yaml").read_text())["py_modules"]
    assert shipped == [f"dist/thresher-{thresher.__version__}-py3-none-any.whl"]
