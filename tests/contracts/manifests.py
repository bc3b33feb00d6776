"""What `cluster/` holds, read apart: manifests and their schemas, pods, settings, scripts.

Kubernetes' own kinds are checked with the schemas that the package `kubernetes-validate` brings.
RayCluster, RayJob and SparkApplication have the fields of their published definitions, written down
in `schemas/`; the pods inside them are checked with Kubernetes' schemas again. All of it is strict:
an unknown field is an error.
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
    ("sparkoperator.k8s.io/v1beta2", "SparkApplication"): "sparkapplication.json",
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


def pods(value: Any) -> Iterator[Object]:
    """Yield every pod specification inside an object: whatever has containers."""
    if isinstance(value, dict):
        if isinstance(value.get("containers"), list):
            yield value
        for inner in value.values():
            yield from pods(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from pods(inner)


def containers(pod: Object) -> list[Object]:
    """Return all containers of a pod."""
    return [*pod["containers"], *pod.get("initContainers", [])]


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
