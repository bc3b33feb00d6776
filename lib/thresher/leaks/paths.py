"""Paths into rows: a column, or a way into a nested one such as `messages[0].content`.

A name on a list is looked up in each of its items. A column whose own name holds dots or brackets
is found by that name first. Text that holds JSON can be stepped into like the value it spells.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa

_STEPS = re.compile(r"\.?([^.\[\]]+)|\[(-?\d+|\*)\]")
Step = str | int | None  # a name, a place in a list, or every item of it


@lru_cache(maxsize=4096)
def steps(path: str) -> tuple[Step, ...]:
    """Cut a path into its steps.

    Raises:
        ValueError: It is no path.
    """
    found: list[Step] = []
    place = 0
    while place < len(path):
        match = _STEPS.match(path, place)
        if match is None or (not found and match[1] is None):
            raise ValueError(f"{path!r} is no column and no path such as messages[0].content")
        name, index = match[1], match[2]
        found.append(name if name is not None else None if index == "*" else int(index))
        place = match.end()
    if not found:
        raise ValueError("a column is named by an empty text")
    return tuple(found)


def find(row: Mapping[str, Any], path: str) -> Any:
    """Return what a row holds at a path; None where there is nothing."""
    if path in row:
        return row[path]
    value: Any = row
    for step in steps(path):
        value = _step(value, step)
    return value


def _step(value: Any, step: Step) -> Any:
    value = spelled(value)
    if isinstance(step, int):
        inside = isinstance(value, list) and -len(value) <= step < len(value)
        return value[step] if inside else None
    if step is None:
        return value if isinstance(value, list) else None
    if isinstance(value, list):
        return [_step(item, step) for item in value]
    return value.get(step) if isinstance(value, Mapping) else None


def spelled(value: Any) -> Any:
    """Return the list or object that a text spells as JSON; any other value as it is."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        try:
            made = json.loads(value)
        except ValueError:
            return value
        return made if isinstance(made, list | dict) else value
    return value


def fault(path: str, schema: pa.Schema) -> str | None:
    """Say which part of a path the columns lack, with the nearest there is; None if none."""
    if path in schema.names:
        return None
    first, *rest = steps(path)
    if first not in schema.names:
        return f"no column '{first}'{_near(str(first), schema.names)}"
    kind, done = schema.field(first).type, str(first)
    for step in rest:
        if isinstance(step, str):
            while _is_list(kind):
                kind = kind.value_type
            if pa.types.is_struct(kind):
                names = [kind.field(i).name for i in range(kind.num_fields)]
                if step not in names:
                    return f"'{done}' has no '{step}'{_near(step, names)}"
                kind, done = kind.field(step).type, f"{done}.{step}"
                continue
        elif _is_list(kind):
            kind, done = kind.value_type, f"{done}[{'*' if step is None else step}]"
            continue
        if _may_spell(kind):
            return None
        return f"'{done}' is {kind}, which has no {'item' if step is None else repr(step)}"
    return None


def matched(path: str, schema: pa.Schema) -> str | None:
    """Return the path with names as the columns spell them, whatever the case; None if absent.

    `Best Answer`, `best_answer` and `BestAnswer` are one name.
    """
    if path in schema.names:
        return path
    name = _same(path, schema.names)
    if name is not None:
        return name
    first, *rest = steps(path)
    name = _same(str(first), schema.names)
    if name is None:
        return None
    kind, made = schema.field(name).type, name
    for step in rest:
        if not isinstance(step, str):
            if not _is_list(kind):
                return None
            kind, made = kind.value_type, f"{made}[{'*' if step is None else step}]"
            continue
        while _is_list(kind):
            kind = kind.value_type
        if not pa.types.is_struct(kind):
            return None
        inner = _same(step, [kind.field(i).name for i in range(kind.num_fields)])
        if inner is None:
            return None
        kind, made = kind.field(inner).type, f"{made}.{inner}"
    return made


def _same(name: str, names: Collection[str]) -> str | None:
    if name in names:
        return name
    plain = _plain(name)
    return next((other for other in names if _plain(other) == plain), None)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _near(name: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(name, list(names), n=1)
    hint = f": did you mean '{near[0]}'?" if near else ";"
    return f"{hint} there are {', '.join(names) or 'none'}"


def _is_list(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )


def _may_spell(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_null(kind)
        or pa.types.is_map(kind)
    )
