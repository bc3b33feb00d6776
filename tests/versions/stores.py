"""Small versioned data sets for tests, and checking that a version is whole."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from thresher.versions.history import History, open_history
from thresher.versions.reading import Version
from thresher.versions.writing import Writer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
Content = dict[str, bytes]


def at(hours: float = 0) -> datetime:
    """Return a time some hours after noon."""
    return NOON + timedelta(hours=hours)


def store(folder: Path) -> History:
    """Open a store in a folder."""
    folder.mkdir(exist_ok=True)
    return open_history(str(folder))


def commit(history: History, content: Content, hours: float = 0) -> Version:
    """Commit a version that holds just this."""
    with Writer(history, at(hours)) as writer:
        for name, data in content.items():
            writer.put(name, data)
        return writer.commit(rows={"kept": len(content)})


def content_of(version: Version) -> Content:
    """Read a version, hashes checked."""
    return {name: version.read(name) for name in version.files}


def whole(version: Version) -> None:
    """Check that a version is one that a writer of `made` committed, and all of it."""
    found = content_of(version)
    assert found == made(found["who"].decode()), version.number


def made(who: str) -> Content:
    """Return what one writer commits: every file tells of it."""
    content = {
        f"data/part-{n}.bin": hashlib.sha256(f"{who} {n}".encode()).digest() * 50 for n in range(4)
    }
    return {**content, "same.bin": b"the same in all versions", "who": who.encode()}
