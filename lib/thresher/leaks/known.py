"""Descriptions of well-known benchmarks that ship with the package: kinds and names of columns.

`gsm8k=PATH` needs no more: of the ways in which a field is written in the wild, the first that the
file has is taken.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import pyarrow as pa
import yaml

from thresher.leaks.benchmarks import Benchmark, Fields, Kind
from thresher.leaks.paths import matched
from thresher.leaks.usual import USUAL, Ways
from thresher.params import Params, build

SPLITS = ("test", "train", "dev", "validation", "valid", "val")


class Known(Params):
    """One bundled description; each field lists the ways it is written, the first is preferred."""

    about: str
    kind: Kind
    aliases: tuple[str, ...] = ()
    question: Ways = ()
    answer: Ways | None = None
    passage: Ways | None = None
    choices: Ways | None = None
    id: Ways = ()
    solution: Ways | None = None
    tests: Ways | None = None
    turns: Ways | None = None  # else as many as the rows have
    strip: tuple[str, ...] = ()

    def fields(self, schema: pa.Schema) -> Fields | None:
        """Return the fields as these columns write them; None without a question."""
        found: dict[str, tuple[str, ...]] = {}
        for field in Fields.model_fields:
            ways: Ways | None = getattr(self, field)
            if ways is None:
                continue
            usual = () if field == "id" else USUAL.get(field, ())
            found[field] = first_way((*ways, *usual), schema) or ()
        fields = Fields(**found)
        return fields if fields.question else None


class Named(NamedTuple):
    """A bundled description and its name."""

    name: str
    known: Known


@cache
def catalogue() -> dict[str, Known]:
    """Return the bundled descriptions by name."""
    text = (files("thresher.leaks") / "known.yaml").read_text("utf-8")
    return {name: build(Known, _ways(values)) for name, values in yaml.safe_load(text).items()}


def _ways(values: dict[str, Any]) -> dict[str, Any]:
    """Make each way a list of columns."""
    made = dict(values)
    for field in Fields.model_fields:
        if field in made:
            made[field] = [[way] if isinstance(way, str) else way for way in made[field]]
    return made


@cache
def _names() -> dict[str, str]:
    names: dict[str, str] = {}
    for name, known in catalogue().items():
        for other in (name, *known.aliases):
            names[_plain(other)] = name
    return names


def look_up(name: str) -> Named | None:
    """Find a description by a name, an alias, or either with a split behind it (gsm8k-test)."""
    words = _words(name)
    while words and words[-1] in SPLITS and "".join(words) not in _names():
        words.pop()
    found = _names().get("".join(words))
    return None if found is None else Named(found, catalogue()[found])


def of_file(name: str) -> Named | None:
    """Find the description that a file's name begins with: `gsm8k_official_test` is GSM8K."""
    words = _words(name)
    for stop in range(len(words), 0, -1):
        found = _names().get("".join(words[:stop]))
        if found is not None:
            return Named(found, catalogue()[found])
    return None


def split_of(name: str) -> str | None:
    """Return the split that a name speaks of: `test` for `gsm8k_official_test`."""
    return next((word for word in reversed(_words(name)) if word in SPLITS), None)


def nearest(name: str) -> str | None:
    """Return the name of the description that a name may have meant."""
    near = difflib.get_close_matches(_plain(name), list(_names()), n=1, cutoff=0.8)
    return _names()[near[0]] if near else None


def _words(name: str) -> list[str]:
    return [word for word in re.split(r"[\W_]+", name.lower()) if word]


def _plain(name: str) -> str:
    return "".join(_words(name))


def first_way(ways: Sequence[Sequence[str]], schema: pa.Schema) -> tuple[str, ...] | None:
    """Return the first way whose columns are all there, as the schema spells them."""
    for way in ways:
        found = [matched(path, schema) for path in way]
        if all(path is not None for path in found):
            return tuple(path for path in found if path is not None)
    return None


def described(benchmark: Benchmark, schema: pa.Schema, known: Named) -> Benchmark | None:
    """Fill in kind, fields and wording; None where the columns are none of those known."""
    fields = benchmark.fields or known.known.fields(schema)
    if fields is None:
        return None
    return benchmark.model_copy(
        update={
            "fields": fields,
            "kind": benchmark.kind or known.known.kind,
            "strip": benchmark.strip or known.known.strip,
        }
    )
