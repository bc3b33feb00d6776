"""How two identities of a run differ: in the recipe, the inputs, the version of the program."""

from __future__ import annotations

from typing import Any

from thresher.params import digest_of
from thresher.versions.settings import keyed


def difference(old: Any, new: Any) -> str:
    """Say in a few words which values of two identities differ."""
    differing = sorted(_paths(old, new))
    shown = ", ".join(differing[:4])
    return shown + (f" and {len(differing) - 4} more" if len(differing) > 4 else "")


def _paths(old: Any, new: Any, at: str = "") -> list[str]:
    if old == new:
        return []
    was, now = keyed(old), keyed(new)
    if was is not None and now is not None:
        found = []
        for key in {*was, *now}:
            found += _paths(was.get(key), now.get(key), f"{at}.{key}" if at else str(key))
        return found
    nested = any(isinstance(v, list) and any(isinstance(i, list) for i in v) for v in (old, new))
    if nested or len(str(old)) + len(str(new)) > 120:
        return [f"{at} differs ({digest_of(old)[:8]} there, {digest_of(new)[:8]} now)"]
    return [f"{at} was {old!r}, is now {new!r}"]
