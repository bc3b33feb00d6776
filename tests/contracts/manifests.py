"""What `cluster/` holds, read apart: manifests and their schemas, pods, settings, scripts.

Kubernetes' own kinds are checked with the schemas that the package `kubernetes-validate` brings.
The kinds of KubeRay and of the Spark operator have the fields of their published definitions,
written down in `schemas/`; the pods inside them are checked with Kubernetes' schemas again. All of
it is strict: an unknown field is an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.contracts.readme import ROOT

CLUSTER = ROOT / "cluster"
SCHEMAS = Path(__file__).parent / "schemas"
KUBERNETES = "1.37"
CUSTOM = {
    ("ray.io/v1", "RayCluster"): "raycluster.json",
    ("ray.io/v1", "RayJob"): "rayjob.json",
    ("ray.io/v1", "RayCronJob"): "raycronjob.json",
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication"): "sparkapplication.json",
    ("sparkoperator.k8s.io/v1beta2", "ScheduledSparkApplication"): "scheduledsparkapplication.json",
}
Object = dict[str, Any]
_SPARK_SETTING = re.compile(r"""(?:--conf\s+|-D)["']?(spark\.[\w.]+)=([^"'\s\\]*)""")


def files() -> list[Path]:
    """Return all files of the folder."""
    found = (p for p in CLUSTER.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    return sorted(found)


def yaml_files() -> list[Path]:
    """Return the YAML files that are no profiles."""
    return [p for p in files() if p.suffix in (".yaml", ".yml") and p.parent != CLUSTER]


def documents(path: Path) -> list[Object]:
    """Return the mappings of a YAML file."""
    found = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    return [document for document in found if isinstance(document, dict)]


def manifests() -> list[tuple[str, Object]]:
    """Return (where, object) of every Kubernetes object."""
    return [
        (f"{path.relative_to(CLUSTER)}:{document['kind']}", document)
        for path in yaml_files()
        for document in documents(path)
        if "apiVersion" in document and "kind" in document
    ]


def check(document: Object) -> None:
    """Validate an object against its published schema.

    Raises:
        jsonschema.ValidationError: It does not fit.
    """
    import jsonschema
    import kubernetes_validate
    from referencing import Registry, Resource

    name = CUSTOM.get((document["apiVersion"], document["kind"]))
    if name is None:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    folder = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    core = folder / f"v{KUBERNETES}.0-local-strict"
    loaded = [json.loads(p.read_text(encoding="utf-8")) for p in SCHEMAS.glob("*.json")]
    loaded.append(json.loads((core / "_definitions.json").read_text(encoding="utf-8")))
    registry: Any = Registry().with_resources(
        [(schema["$id"], Resource.from_contents(schema)) for schema in loaded]
    )
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema, registry=registry).validate(document)


def pods(document: Object) -> list[Object]:
    """Return every pod specification inside an object, with what the Spark operator makes of it."""
    spec = document["spec"]
    if document["kind"] == "ScheduledSparkApplication":
        spec = spec["template"]
    elif document["kind"] != "SparkApplication":
        return list(_with_containers(document))
    return [_spark_pod(spec, spec[who]) for who in ("driver", "executor")]


def _with_containers(value: Any) -> Iterator[Object]:
    if isinstance(value, dict):
        if isinstance(value.get("containers"), list):
            yield value
        for inner in value.values():
            yield from _with_containers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _with_containers(inner)


def _spark_pod(spec: Object, half: Object) -> Object:
    """Return the pod that a driver or an executor becomes; what a template adds counts too."""
    template = (half.get("template") or {}).get("spec", {})
    (inside, *_) = template.get("containers") or [{}]
    main = {
        "image": half.get("image", spec.get("image", "")),
        "env": [*half.get("env", []), *inside.get("env", [])],
        "securityContext": {**inside.get("securityContext", {}), **half.get("securityContext", {})},
        "resources": {"limits": {"cpu": half.get("coreLimit"), "memory": half.get("memory")}},
    }
    whole = {**template.get("securityContext", {}), **half.get("podSecurityContext", {})}
    volumes = [*spec.get("volumes", []), *template.get("volumes", [])]
    host = {"hostNetwork": half.get("hostNetwork", template.get("hostNetwork"))}
    more = {"initContainers": half.get("initContainers", [])}
    return {"containers": [main], "securityContext": whole, "volumes": volumes, **host, **more}


def open_doors(pod: Object, *, limits: bool = True) -> list[str]:
    """Say what a pod leaves open.

    Args:
        pod: Its specification.
        limits: Whether its containers have to state limits.
    """
    found = [name for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    found += ["hostPath" for volume in pod.get("volumes", []) if "hostPath" in volume]
    whole = pod.get("securityContext", {})
    for container in [*pod["containers"], *pod.get("initContainers", [])]:
        own = container.get("securityContext", {})
        both = {**whole, **own}
        given = container.get("resources", {}).get("limits", {})
        image = container.get("image", "")
        doors = {
            "may be root": both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0,
            "privileged": bool(own.get("privileged")),
            "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
            "capabilities": own.get("capabilities", {}).get("drop") != ["ALL"],
            "no limits": limits and not (given.get("cpu") and given.get("memory")),
            "image without version": bool(image)
            and (not re.search(r":[\w.-]+$|@sha256:", image) or image.endswith(":latest")),
        }
        found += [door for door, is_open in doors.items() if is_open]
        found += [f"{item['name']} in clear" for item in container.get("env", []) if _clear(item)]
    return found


def _clear(item: Object) -> bool:
    """Say whether an environment variable that holds a secret states it."""
    if not re.search("TOKEN|SECRET|PASSWORD", item["name"]):
        return False
    hidden = "secretKeyRef" in item.get("valueFrom", {})
    return not hidden and not item["name"].endswith(("_PATH", "_FILE"))


def spark_settings(path: Path) -> dict[str, str]:
    """Return the Spark settings that a file states or takes from a file beside it."""
    text = path.read_text(encoding="utf-8")
    found: dict[str, str] = {}
    if path.suffix == ".conf":
        for line in text.splitlines():
            if line.startswith("spark."):
                name, _, value = line.partition("=") if "=" in line else line.partition(" ")
                found[name.strip()] = value.strip()
        return found
    if path.suffix in (".yaml", ".yml"):
        for document in documents(path):
            spec = document.get("spec")
            found |= (spec.get("sparkConf") or {}) if isinstance(spec, dict) else {}
            found |= (document.get("spark") or {}).get("conf") or {}
        return found
    for other in files():
        if other.suffix == ".conf" and other.name in text:
            found |= spark_settings(other)
    return found | dict(_SPARK_SETTING.findall(text))


def scripts() -> list[Path]:
    """Return the shell scripts."""
    shells = (b"#!/usr/bin/env bash", b"#!/bin/bash", b"#!/bin/sh")
    return [p for p in files() if p.suffix == ".sh" or p.read_bytes().startswith(shells)]
