"""Values of two runs beside each other, as lines to print: `15 → 13`, or `15` where they agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from thresher.report import figures

_MOST_CHARS, _MOST_ENTRIES = 80, 10


def change(before: int, after: int) -> str:
    """Write a count of both runs: once where they agree."""
    return f"{after:,}" if before == after else f"{before:,} → {after:,}"


def settings(before: Mapping[str, Any], after: Mapping[str, Any], inside: str = "") -> list[str]:
    """Write every value that differs, nested ones by their path: `modes.lcs.least: 13 → 20`.

    Of lists what only one of them holds is named: `against: without b.jsonl, with c.jsonl`.
    """
    lines: list[str] = []
    for name in [*before, *(name for name in after if name not in before)]:
        path, left, right = f"{inside}{name}", before.get(name), after.get(name)
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            lines += settings(left, right, f"{path}.")
        elif isinstance(left, Sequence) and isinstance(right, Sequence) and _lists(left, right):
            lines += [f"{shown(path)}: {', '.join(_entries(left, right))}"] if left != right else []
        elif left != right:
            lines.append(f"{shown(path)}: {_value(left)} → {_value(right)}")
    return lines


def shown(text: str) -> str:
    """Shorten a text of the data or the user, and make all of it visible."""
    return figures.visible(figures.one_line(text, _MOST_CHARS))


def _lists(*values: Sequence[Any]) -> bool:
    return not any(isinstance(value, str) for value in values)


def _entries(left: Sequence[Any], right: Sequence[Any]) -> Iterator[str]:
    gone = [entry for entry in left if entry not in right]
    new = [entry for entry in right if entry not in left]
    if not gone and not new:
        yield "in another order"
    for word, entries in (("without", gone), ("with", new)):
        yield from (f"{word} {shown(str(entry))}" for entry in entries[:_MOST_ENTRIES])
        if len(entries) > _MOST_ENTRIES:
            yield f"{word} {len(entries) - _MOST_ENTRIES:,} more"


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            shown(", ".join(f"{name} {_value(inner)}" for name, inner in value.items())) or "none"
        )
    if value is None or value == "":
        return "none"
    return str(value).lower() if isinstance(value, bool) else shown(str(value))
