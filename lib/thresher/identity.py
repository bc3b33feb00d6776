"""How two identities of a run differ: in the recipe, the inputs, the version of the program."""

from __future__ import annotations

from typing import Any

from thresher.params import digest_of


def difference(old: Any, new: Any) -> str:
    """Say in a few words which values of two identities differ."""
    differing = sorted(_paths(old, new))
    shown = ", ".join(differing[:4])
    return shown + (f" and {len(differing) - 4} more" if len(differing) > 4 else "")


def _paths(old: Any, new: Any, at: str = "") -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in {*old, *new}:
            found += _paths(old.get(key), new.get(key), f"{at}.{key}" if at else str(key))
        return found
    if old == new:
        return []
    nested = any(isinstance(v, list) and any(isinstance(i, list) for i in v) for v in (old, new))
    if nested or len(str(old)) + len(str(new)) > 120:
        return [f"{at} differs ({digest_of(old)[:8]} there, {digest_of(new)[:8]} now)"]
    return [f"{at} was {old!r}, is now {new!r}"]
