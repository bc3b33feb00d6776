"""How settings differ, key by key: recipes are long, and one key of them changes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

SAID = 12  # keys told of at most
_WIDTH = 80  # of a value
_ABSENT = object()


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Say which keys differ, with both values, a line each; none when none does.

    Steps of a recipe are told by their names, `recipe.steps.dedup.threshold`, wherever they stand.
    """
    lines = list(_lines(old, new, ""))
    more = [f"and {len(lines) - SAID:,} more"] if len(lines) > SAID else []
    return [*lines[:SAID], *more]


def _lines(old: Any, new: Any, at: str) -> Iterator[str]:
    if old == new:
        return
    before, after = keyed(old), keyed(new)
    if before is None or after is None:
        yield f"{at} was {_value(old)}, is {_value(new)}"
        return
    for key in sorted({*before, *after}):
        yield from _lines(
            before.get(key, _ABSENT), after.get(key, _ABSENT), f"{at}.{key}" if at else key
        )
    if isinstance(old, (list, tuple)):
        was = [key for key in before if key in after]
        now = [key for key in after if key in before]
        if was != now:
            yield f"{at} was in the order {', '.join(was)}, is in the order {', '.join(now)}"


def keyed(value: Any) -> dict[str, Any] | None:
    """Return a mapping, or a list of mappings, by keys, steps by their names; None for what has
    none."""
    if isinstance(value, Mapping):
        return dict(value)
    if not isinstance(value, (list, tuple)) or not value:
        return None
    if not all(isinstance(item, Mapping) for item in value):
        return None
    named = _steps(value)
    return named or {str(number): item for number, item in enumerate(value)}


def _steps(items: list[Mapping[str, Any]] | tuple[Mapping[str, Any], ...]) -> dict[str, Any]:
    """Return steps, each `{kind: {name: ..., ...}}`, by name; nothing if they are no steps."""
    found: dict[str, Any] = {}
    for item in items:
        inner = next(iter(item.values()), None)
        if len(item) != 1 or not isinstance(inner, Mapping) or "name" not in inner:
            return {}
        found[str(inner["name"])] = {**inner, "step": next(iter(item))}
    return found if len(found) == len(items) else {}


def _value(value: Any) -> str:
    if value is _ABSENT:
        return "absent"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
