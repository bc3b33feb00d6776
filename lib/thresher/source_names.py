"""What sources are called, by the addresses that the user gave, and which were meant by those that
lead nowhere.
"""

from __future__ import annotations

import difflib
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


def did_you_mean(path: str, *names: str) -> str | None:
    """Ask for up to three siblings of a local path that is not there: those that begin with its
    stem or one of the names, or hold it; else the nearest by spelling.

    Raises:
        OSError: The folder cannot be listed.
    """
    folder, name = os.path.split(path)
    siblings = sorted(n for n in os.listdir(folder) if not n.startswith((".", "_")))
    words = [word.casefold() for word in (name.partition(".")[0], *names) if len(word) > 2]
    alike = (
        [sibling for sibling in siblings if fits(sibling.casefold(), word)]
        for word in words
        for fits in (str.startswith, str.__contains__)
    )
    found = next(filter(None, alike), [])
    near = difflib.get_close_matches(name, found, 3, 0) or difflib.get_close_matches(
        name, siblings, 1
    )
    told = " or ".join(os.path.join(folder, one) for one in near)
    return f"did you mean {told}?" if near else None
