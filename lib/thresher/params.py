"""Typed parameters: frozen pydantic models, read from YAML and from `--set key=value`.

One way in: defaults, then the file, then the settings of the command line. Unknown keys are errors
that name the nearest known key. `digest` names a parameter set, so that outputs can be named by
what they are made of.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from thresher.errors import ConfigError

P = TypeVar("P", bound="Params")


class Params(BaseModel):
    """A frozen set of parameters; unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def digest(self) -> str:
        """Return 16 hexadecimal digits that change when any field changes."""
        return digest_of(self.model_dump(mode="json"))


def digest_of(value: Any) -> str:
    """Return 16 hexadecimal digits that name a JSON value."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe types; a key given twice is an error, where YAML would take the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping of keys that are all different; `on` and `no` are names, not truths."""
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:bool":
                key.tag = "tag:yaml.org,2002:str"
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for number, key in enumerate(keys):
            if key in keys[:number]:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} is given twice", node.value[number][0].start_mark
                )
        return super().construct_mapping(node, deep)


def load_yaml(path: str) -> dict[str, Any]:
    """Read a YAML mapping.

    Raises:
        ConfigError: The file is missing, is not YAML or is not a mapping.
    """
    try:
        value = yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise ConfigError(f"cannot read the configuration ({why})", path=path) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML ({error})", path=path) from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ConfigError("expected a mapping of names to values at the top", path=path)
    return value


def parse_settings(settings: Sequence[str]) -> dict[str, Any]:
    """Turn `key=value` strings into a mapping; values are read as YAML.

    Raises:
        ConfigError: A setting has no equals sign or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"--set {setting!r} is not of the form key=value")
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ConfigError(f"--set {key}: {text!r} is not a YAML value") from error
    return values


def _put(values: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a value; a dotted name reaches into mappings and leaves their other keys as they are."""
    head, *rest = path
    if not rest:
        values[head] = value
        return
    inner = values.get(head)
    values[head] = dict(inner) if isinstance(inner, Mapping) else {}
    _put(values[head], rest, value)


def build(cls: type[P], *layers: Mapping[str, Any]) -> P:
    """Build parameters from layers of values; later layers win. `a.b: 1` sets one key of `a`.

    Raises:
        ConfigError: An unknown field (with the nearest known one) or a value out of range.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            _put(merged, str(key).split("."), value)
    known = sorted(cls.model_fields)
    for key in merged:
        if key not in cls.model_fields:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            raise ConfigError(f"unknown setting {key!r}", remedy=hint)
    try:
        return cls.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ")
        given = f" (given: {first['input']!r})" if first["loc"] else ""
        raise ConfigError(f"setting {field}: {message}{given}" if field else message) from error
