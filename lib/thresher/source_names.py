"""What sources are called, by the addresses that the user gave; nothing is looked at but whether a
path exists.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from thresher.readers.streams import join_local


def has_magic(path: str) -> bool:
    """Tell whether the address is a glob pattern."""
    return any(char in path for char in "*?[")


def fixed_root(pattern: str) -> str:
    """Return the part of a glob before its first wildcard: where names begin."""
    parts = pattern.split("/")
    first = next(i for i, part in enumerate(parts) if has_magic(part))
    return "/".join(parts[:first]) or "/"


def source_name(address: str) -> str:
    """Return the last part of an address: of a glob, of what stands before its wildcards."""
    path = address.split("://", 1)[-1] if "://" in address else join_local(address)
    if has_magic(path) and not os.path.exists(path):
        path = fixed_root(path)
    return os.path.basename(path.rstrip("/")) or "root"


def unique_names(addresses: Sequence[str], said: Sequence[str | None]) -> list[str]:
    """Name the addresses; names that were not said and repeat are numbered: data, data-2, data-3.

    Args:
        addresses: Files, folders, globs, `protocol://` addresses.
        said: What the user calls them; unique where it is not None.
    """
    names = [name or source_name(a) for name, a in zip(said, addresses, strict=True)]
    taken, seen = set(names), {name for name in said if name is not None}
    unique = []
    for name, given in zip(names, said, strict=True):
        candidate, count = name, 1
        while given is None and (candidate in seen or (count > 1 and candidate in taken)):
            count += 1
            candidate = f"{name}-{count}"
        seen.add(candidate)
        unique.append(candidate)
    return unique
