"""What runs a night, by whatever schedule: the same command, no overlap, alerts by exit code."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.manifests import CLUSTER, Object, check, documents, pods
from thresher import errors

SCHEDULE = CLUSTER / "schedule"
TELLS = [2, 3, 4, 70]  # a person has to change something
NIGHTLY = SCHEDULE / "nightly.sh"


def manifest(name: str) -> Object:
    (found,) = documents(SCHEDULE / name)
    return found


def text(name: str) -> str:
    return (SCHEDULE / name).read_text(encoding="utf-8")


def test_every_schedule_runs_the_same_command() -> None:
    for path in SCHEDULE.iterdir():
        if path.is_file() and path.suffix not in (".timer",):
            words = re.sub(r"[\"',\[\]]", " ", path.read_text(encoding="utf-8"))
            assert re.search(r"rebuild +\S+ +--store|nightly\.sh \S+ \S+", words), path


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["RayCronJob", "ScheduledSparkApplication", "CronJob"])
def test_the_schemas_refuse_what_is_wrong(kind: str) -> None:
    import jsonschema
    import kubernetes_validate

    document = manifest(f"{kind.lower()}.yaml")
    assert document["kind"] == kind
    check(document)
    for wrong in ({"concurrency": "Forbid"}, {"schedule": 5}):
        with pytest.raises((jsonschema.ValidationError, kubernetes_validate.ValidationError)):
            check({**document, "spec": {**document["spec"], **wrong}})


def test_a_night_on_ray_is_the_job_on_ray() -> None:
    (job,) = documents(CLUSTER / "ray" / "rayjob.yaml")
    night = dict(manifest("raycronjob.yaml")["spec"]["jobTemplate"])
    assert night.pop("entrypoint").startswith("thresher rebuild ")
    assert night == {k: v for k, v in job["spec"].items() if k != "entrypoint"}


def test_a_night_on_spark_is_the_job_on_spark() -> None:
    (job,) = documents(CLUSTER / "spark" / "sparkapplication.yaml")
    night = dict(manifest("scheduledsparkapplication.yaml")["spec"]["template"])
    assert night.pop("arguments")[0] == "rebuild"
    assert night == {k: v for k, v in job["spec"].items() if k != "arguments"}
    assert len(pods(manifest("scheduledsparkapplication.yaml"))) == 2


@pytest.mark.parametrize("name", ["cronjob.yaml", "scheduledsparkapplication.yaml"])
def test_nights_do_not_overlap_where_the_scheduler_can_tell(name: str) -> None:
    assert manifest(name)["spec"]["concurrencyPolicy"] == "Forbid"


def test_what_a_person_has_to_change_is_not_tried_again() -> None:
    job = manifest("cronjob.yaml")["spec"]["jobTemplate"]["spec"]
    rule = job["podFailurePolicy"]["rules"][0]
    assert (rule["action"], rule["onExitCodes"]["values"]) == ("FailJob", TELLS)
    assert rule["onExitCodes"]["containerName"] == "thresher"
    assert f"RestartPreventExitStatus={' '.join(map(str, TELLS))}\n" in text(
        "thresher-rebuild.service"
    )
    again = {5: errors.EngineError, 6: errors.ResourceError, 7: errors.StorageError}
    assert all(code == kind.exit_code and code not in TELLS for code, kind in again.items())


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze")
    for name in ("thresher-rebuild.service", "thresher-rebuild.timer"):
        unit = text(name).replace("/opt/thresher/schedule/nightly.sh", "/bin/true")
        (tmp_path / name).write_text(unit, encoding="utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *sorted(map(str, tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "thresher" in line]
    assert ours == [], done.stderr


def test_the_crontab_is_one() -> None:
    for line in text("crontab").splitlines():
        if line.startswith("#"):
            continue
        job = re.fullmatch(
            r"(?:[\d*,/-]+ ){5} *(/opt/thresher/schedule/nightly.sh|thresher) .*", line
        )
        assert job or re.fullmatch(r"[A-Z_]+=.+", line), line
        assert not job or "%" not in line, "cron ends a line at a %"


class Night:
    """`nightly.sh` beside a `thresher` that ends as told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        fake = folder / "thresher"
        fake.write_text('#!/bin/sh\necho "$@" > "$SAID"\necho "oops: $CODE" >&2\nexit "$CODE"\n')
        fake.chmod(0o755)
        self.metrics = folder / "metrics"
        self.metrics.mkdir()

    def run(self, code: int, *arguments: str) -> tuple[int, str]:
        """Return the exit code and the alert."""
        alert = self.folder / "alert"
        alert.unlink(missing_ok=True)
        environ = {
            "PATH": f"{self.folder}:{os.environ['PATH']}",
            "CODE": str(code),
            "SAID": str(self.folder / "said"),
            "THRESHER_ALERT": f'(echo "$THRESHER_SUBJECT"; cat) > {alert}',
            "THRESHER_METRICS": str(self.metrics),
        }
        done = subprocess.run(
            [NIGHTLY, *arguments], env=environ, capture_output=True, text=True, check=False
        )
        return done.returncode, alert.read_text() if alert.exists() else ""

    def figures(self) -> dict[str, str]:
        """Return the metrics by name."""
        (file,) = self.metrics.iterdir()
        pairs = (line.split(" ") for line in file.read_text().splitlines())
        return {name.partition("{")[0].removeprefix("thresher_rebuild_"): v for name, v in pairs}


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_a_good_night_is_quiet_and_counted(night: Night) -> None:
    assert night.run(0, "recipe.yaml", "/srv/store", "--engine", "ray") == (0, "")
    said = (night.folder / "said").read_text()
    told = night.metrics / "thresher-_srv_store-store.prom"
    assert said == f"rebuild recipe.yaml --store /srv/store --engine ray --metrics {told}\n"
    assert (
        'exit_code{store="/srv/store"} 0'
        in (night.metrics / "thresher-_srv_store.prom").read_text()
    )
    figures = night.figures()
    assert figures["exit_code"] == "0"
    assert figures["success_timestamp_seconds"] == figures["end_timestamp_seconds"]


def test_a_store_is_named_by_its_address_from_wherever_the_night_is_started(night: Night) -> None:
    night.run(0, "recipe.yaml", "st")
    (file,) = night.metrics.iterdir()
    assert f'exit_code{{store="{Path.cwd()}/st"}} 0' in file.read_text()


@pytest.mark.parametrize("code", [2, 3, 4, 5, 6, 7, 70, 137])
def test_a_bad_night_alerts_with_its_code_and_reason(night: Night, code: int) -> None:
    night.run(0, "recipe.yaml", "s3://bucket/store")
    good = night.figures()["success_timestamp_seconds"]
    ended, alert = night.run(code, "recipe.yaml", "s3://bucket/store")
    assert ended == code
    assert alert.startswith(f"thresher rebuild: exit {code}, s3://bucket/store\n")
    assert f"oops: {code}" in alert
    figures = night.figures()
    assert (figures["exit_code"], figures["success_timestamp_seconds"]) == (str(code), good)


@pytest.mark.parametrize("code", [130, 143])
def test_a_night_that_was_stopped_alerts_nobody(night: Night, code: int) -> None:
    assert night.run(code, "recipe.yaml", "store") == (code, "")
    assert night.figures()["success_timestamp_seconds"] == "0"


def test_a_night_without_a_store_is_wrong_configuration(night: Night) -> None:
    assert night.run(0, "recipe.yaml")[0] == 2


def test_the_dag_names_the_exit_codes() -> None:
    tree = ast.parse(text("airflow_dag.py"))
    known: dict[str, Any] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            assert isinstance(node.targets[0], ast.Name)
            known[node.targets[0].id] = ast.literal_eval(node.value)
    assert sorted(known["WHY"]) == TELLS
    assert sorted(known["MAY_PASS"]) == [5, 6, 7]


RUN_DAG = """
import runpy, sys, warnings
warnings.simplefilter("error")
found = runpy.run_path(sys.argv[1])
dag = found["thresher_rebuild"]()
assert (dag.max_active_runs, dag.catchup, dag.task_ids) == (1, False, ["rebuild"]), dag
assert dag.get_task("rebuild").retries == 2
try:
    found["rebuild"].function("recipe.yaml", "store")
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "told"),
    [(0, ""), (3, "AirflowFailException exit 3"), (7, "AirflowException exit 7, storage")],
)
def test_airflow_takes_the_dag(night: Night, tmp_path: Path, code: int, told: str) -> None:
    """With the real package, in an environment of its own: THRESHER_AIRFLOW names its Python."""
    python = os.environ.get("THRESHER_AIRFLOW", sys.executable)
    environ = {
        "AIRFLOW_HOME": str(tmp_path / "home"),
        "CODE": str(code),
        "SAID": str(tmp_path / "said"),
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
    }
    there = subprocess.run(
        [python, "-c", "import airflow.sdk"], capture_output=True, env=environ, check=False
    )
    if there.returncode != 0:
        pytest.skip("apache-airflow is not installed")
    command = [python, "-c", RUN_DAG, SCHEDULE / "airflow_dag.py"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 0, done.stderr
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    assert last.startswith(told)
