"""Which input files a night knows: those of the name, size and pin that the version before had, and
those that have another time and the same bytes, as after a copy or a fresh checkout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from thresher.inputs import InputFile
from thresher.readers.streams import is_remote
from thresher.store import hash_file

AT_ONCE = 4  # files that are hashed side by side
MOST_HASHED = 64 << 30  # bytes of new files a night; of others the pin alone is known
UNKNOWN = ""


class Seen(NamedTuple):
    """One file as a version notes it.

    Attributes:
        pin: It had when it was read, or found to hold the same bytes.
        known_as: The pin that it was first read by: what was made of it is named by that.
        sha256: Of its bytes; empty where it was not hashed.
    """

    pin: str
    known_as: str
    sha256: str


class NightInputs:
    """The files of a night beside those of the version before.

    Args:
        before: What that version noted, by name of the file; see `noted`.
        files: Tonight's.

    Attributes:
        hashed_bytes: Of the files that were read for their hash, beside all other reading.
    """

    def __init__(self, before: Mapping[str, Sequence[Any]], files: Sequence[InputFile]) -> None:
        self._files = files
        self.hashed_bytes = 0
        known = {name: (size, Seen(*seen)) for name, (size, *seen) in before.items()}
        self._seen: dict[str, Seen] = {}
        touched = []
        for file in files:
            size, seen = known.get(file.name, (-1, Seen(UNKNOWN, UNKNOWN, UNKNOWN)))
            if size != file.bytes:
                continue
            if seen.pin == file.pin:
                self._seen[file.name] = seen
            elif seen.sha256 and not is_remote(file.path):
                touched.append(file)
        for file, found in zip(touched, self._hashes(touched), strict=True):
            seen = known[file.name][1]
            if found == seen.sha256:
                self._seen[file.name] = seen._replace(pin=file.pin)

    @property
    def known_as(self) -> Mapping[str, str]:
        """By name, the pins that files are known by where those are not theirs."""
        theirs = {file.name: file.pin for file in self._files}
        return {n: s.known_as for n, s in self._seen.items() if s.known_as != theirs[n]}

    def pins(self) -> list[list[Any]]:
        """Return name, size and pin of each file: the same for the same bytes."""
        other = self.known_as
        return [[file.name, file.bytes, other.get(file.name, file.pin)] for file in self._files]

    def noted(self) -> dict[str, list[Any]]:
        """Return what the next night wants to know, by name: size, then `Seen`. New local files are
        hashed for it, which is to be done before one looks whether they are as they were."""
        new = [f for f in self._files if f.name not in self._seen and not is_remote(f.path)]
        hashes: dict[str, str] = {}
        if sum(file.bytes for file in new) <= MOST_HASHED:
            hashes = dict(zip((file.name for file in new), self._hashes(new), strict=True))
        found = {}
        for file in self._files:
            here = Seen(file.pin, file.pin, hashes.get(file.name, UNKNOWN))
            found[file.name] = [file.bytes, *self._seen.get(file.name, here)]
        return found

    def _hashes(self, files: Sequence[InputFile]) -> list[str]:
        self.hashed_bytes += sum(file.bytes for file in files)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            return [found[1] for found in pool.map(lambda file: hash_file(Path(file.path)), files)]
