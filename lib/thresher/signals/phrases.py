"""Phrase lists: which texts say a thing, such as a refusal, by patterns that live in data files.

A list is a file of RE2 patterns, one a line (`phrase_files` has the format), so matching takes time
linear in the text whatever the pattern. A text's answer depends on that text alone; a null matches
nothing. Patterns of a list that look at the same part of a text are tried together, and lists that
are asked for at once share a first pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from importlib import resources

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.signals.phrase_files import (
    Part,
    PhraseList,
    fault,
    load_phrases,
    matched,
    parse_phrases,
    seen,
)

__all__ = ["PHRASES", "PhraseList", "load_phrases", "match", "match_all", "parse_phrases"]

_FOLDER = "phrase_lists"
# Lists share more varied patterns than one has, so less of them fits RE2's fast machine.
_LONGEST_SHARED = 3_000


class _Shipped(Mapping[str, PhraseList]):
    """The lists in `phrase_lists/`, each read at its first use."""

    def __getitem__(self, name: str) -> PhraseList:
        if name not in _names():
            raise KeyError(name)
        return _shipped(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_names())

    def __len__(self) -> int:
        return len(_names())


PHRASES: Mapping[str, PhraseList] = _Shipped()


def match(phrases: str | PhraseList, texts: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell which texts a list matches.

    Args:
        phrases: A name in `PHRASES`, or a list that `load_phrases` read.
        texts: Array of strings (R,).

    Returns:
        Flags (R,); False where the text is null.
    """
    return (PHRASES[phrases] if isinstance(phrases, str) else phrases).matches(texts)


def match_all(
    lists: Sequence[str | PhraseList], texts: pa.Array
) -> dict[str, npt.NDArray[np.bool_]]:
    """Tell for several lists which texts they match; as `match` one by one, in fewer passes.

    Most texts are matched by no list, which a pass with the patterns of many lists at once finds
    out; only the others are looked at list by list.

    Args:
        lists: Names in `PHRASES`, or lists that `load_phrases` read, with different names.
        texts: Array of strings (R,).

    Returns:
        Name of the list → flags (R,); False where the text is null.
    """
    wanted = tuple(PHRASES[entry] if isinstance(entry, str) else entry for entry in lists)
    found = {entry.name: np.zeros(len(texts), dtype=np.bool_) for entry in wanted}
    for pattern, parts in _shared(wanted):
        rows = np.flatnonzero(matched(texts, pattern, False))
        if len(rows):
            some = texts.take(pa.array(rows))
            for name, part in parts:
                found[name][rows] |= part.matches(some)
    openings: dict[int, pa.Array] = {}
    for entry in wanted:
        for part in entry.parts:
            if part.shared is None:
                found[entry.name] |= part.matches(seen(texts, part.window, openings))
    return found


@lru_cache(maxsize=64)
def _shared(lists: tuple[PhraseList, ...]) -> list[tuple[str, list[tuple[str, Part]]]]:
    """Alternations of whole parts, each with the parts in it and their lists' names."""
    shared: list[tuple[str, list[tuple[str, Part]]]] = []
    for entry in lists:
        for part in entry.parts:
            if part.shared is None:
                continue
            one = f"(?{'i' if part.ignore_case else '-i'}:{part.shared})"
            whole = f"{shared[-1][0]}|{one}" if shared else one
            if shared and len(whole) <= _LONGEST_SHARED and fault(whole) is None:
                shared[-1] = (whole, [*shared[-1][1], (entry.name, part)])
            else:
                shared.append((one, [(entry.name, part)]))
    return shared


@cache
def _names() -> tuple[str, ...]:
    folder = resources.files(__package__) / _FOLDER
    return tuple(
        sorted(entry.name[:-4] for entry in folder.iterdir() if entry.name.endswith(".txt"))
    )


@cache
def _shipped(name: str) -> PhraseList:
    entry = resources.files(__package__) / _FOLDER / f"{name}.txt"
    return parse_phrases(entry.read_text(encoding="utf-8"), name, f"{name}.txt")
