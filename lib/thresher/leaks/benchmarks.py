"""Benchmarks as users describe them: where the items are, what kind they are, which columns count.

A description may leave out kind and fields: those of a well-known benchmark are bundled
(`thresher.leaks.known`), others are guessed (`thresher.leaks.guessing`). `split` is a label only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, field_validator

from thresher.errors import ConfigError
from thresher.leaks.paths import find, steps
from thresher.params import Params, build

Kind = Literal["generic", "mcq", "math", "code", "retrieval"]
KINDS: tuple[str, ...] = get_args(Kind)
_WHERE = re.compile(r"\s*(.+?)\s*==\s*(.*?)\s*")


def _listed(value: Any) -> Any:
    """Let one name stand for a list of one, and nothing for none."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Fields(Params):
    """Which columns hold what: a column, several, or paths such as messages[0].content."""

    question: Columns = Field((), description="What is asked; several columns are joined.")
    answer: Columns = Field((), description="The right answer; each column gives further ones.")
    passage: Columns = Field((), description="The text it is asked about; evidence only.")
    choices: Columns = Field((), description="Options: a list, or one column each.")
    id: Columns = Field((), description="What names an item; else the file and row number.")
    solution: Columns = Field((), description="The canonical solution; several are joined.")
    tests: Columns = Field((), description="The tests of a solution; several are joined.")
    turns: Columns = Field((), description="What is asked after that; each is searched for alone.")

    @field_validator("*")
    @classmethod
    def _paths(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for path in value:
            steps(path)
        return value

    def named(self) -> list[tuple[str, str]]:
        """Return (field, path) of every path."""
        return [(field, path) for field in type(self).model_fields for path in getattr(self, field)]


class Benchmark(Params):
    """One benchmark: its files and what they hold."""

    name: str = Field(min_length=1, description="How reports call it; unique.")
    path: Columns = Field(min_length=1, description="Files, folders, globs or addresses.")
    kind: Kind | None = Field(None, description=f"One of {', '.join(KINDS)}; else found out.")
    fields: Fields | None = Field(None, description="Which columns hold what; else found out.")
    split: str | None = Field(None, description="A label, such as test; reported, never a filter.")
    where: str | None = Field(None, description="Only rows with this value: column == value.")
    strip: Columns = Field(
        (), description="Regular expressions of wording around questions that is no part of them."
    )
    overrides: dict[str, dict[str, Any]] = Field(
        {}, description="Parameters of modes for this benchmark alone, by mode."
    )

    @field_validator("where")
    @classmethod
    def _condition(cls, value: str | None) -> str | None:
        if value is not None and not _WHERE.fullmatch(value):
            raise ValueError("not of the form column == value")
        return value

    @field_validator("strip")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression ({error})") from error
        return value

    @property
    def condition(self) -> tuple[str, str] | None:
        """Return the column and value of `where`."""
        if self.where is None:
            return None
        match = _WHERE.fullmatch(self.where)
        assert match is not None
        value = match[2]
        if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        return match[1], value

    def admits(self, row: Mapping[str, Any]) -> bool:
        """Tell whether `where` lets a row through; numbers compare by value, all else as text."""
        if self.condition is None:
            return True
        path, wanted = self.condition
        value = find(row, path)
        if isinstance(value, bool):
            return str(value).lower() == wanted.lower()
        if isinstance(value, int | float):
            try:
                return float(wanted) == value
            except ValueError:
                return False
        return value is not None and str(value) == wanted

    def summary(self) -> str:
        """Return kind and fields in one line: `math: question = Body + Question, id = ID`."""
        named: dict[str, list[str]] = {}
        for field, path in [] if self.fields is None else self.fields.named():
            named.setdefault(field, []).append(path)
        if len(turns := named.get("turns", [])) > 2:
            named["turns"] = [f"{turns[0]} to {turns[-1]}"]
        said = ", ".join(f"{field} = {' + '.join(paths)}" for field, paths in named.items())
        return f"{self.kind}: {said}"

    def paths(self) -> list[tuple[str, str]]:
        """Return (field, path) of every path that the files must have."""
        named = [] if self.fields is None else self.fields.named()
        return named + ([] if self.condition is None else [("where", self.condition[0])])


class BenchmarkSet(Params):
    """All benchmarks that training rows are held against."""

    benchmarks: tuple[Benchmark, ...] = Field(min_length=1, description="One or more.")

    @field_validator("benchmarks")
    @classmethod
    def _unique(cls, value: tuple[Benchmark, ...]) -> tuple[Benchmark, ...]:
        names = [benchmark.name for benchmark in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is given twice")
        return value


def parse_set(values: Mapping[str, Any], path: str | None = None) -> BenchmarkSet:
    """Check the content of a benchmarks.yaml.

    Args:
        values: `benchmarks: [...]`.
        path: The file, for messages.

    Raises:
        ConfigError: What is wrong, in which benchmark; unknown keys with the nearest known one.
    """
    try:
        entries = values.get("benchmarks")
        if not isinstance(entries, list):
            return build(BenchmarkSet, values if "benchmarks" not in values else _no_list(entries))
        made = [_entry(number, entry) for number, entry in enumerate(entries)]
        return build(BenchmarkSet, values, {"benchmarks": made})
    except ConfigError as error:
        raise ConfigError(error.message, path=path, remedy=error.remedy) from error


def _no_list(value: Any) -> dict[str, Any]:
    raise ConfigError(
        f"benchmarks: expected a list, got {type(value).__name__}",
        remedy="write each benchmark as '- name: ...' below 'benchmarks:'",
    )


def _entry(number: int, entry: Any) -> Benchmark:
    where = f"benchmarks[{number}]"
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where}: expected a mapping with name and path, got {entry!r}")
    if isinstance(entry.get("name"), str):
        where = f"benchmark {entry['name']!r}"
    try:
        return make_benchmark(entry)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", remedy=error.remedy) from error


def make_benchmark(values: Mapping[str, Any]) -> Benchmark:
    """Build one description.

    Raises:
        ConfigError: An unknown key (with the nearest known one) or a value that cannot be.
    """
    values = dict(values)
    fields = values.get("fields")
    if isinstance(fields, Mapping):
        try:
            values["fields"] = build(Fields, fields)
        except ConfigError as error:
            raise ConfigError(f"fields: {error.message}", remedy=error.remedy) from error
    return build(Benchmark, values)
