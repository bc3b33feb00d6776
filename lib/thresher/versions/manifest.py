"""A record of the store: numbered, written once, never changed but to forget its list of files.

Record N is the object `manifests/0000000N.json`. Its number is the only order there is; the time is
what the writer's clock said. Three kinds: `data` (a new version), `rollback` (a new version with
the content of an older one) and `gc` (no version: it says which files a clean-up takes, and from
which version on the history can be read).
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from thresher.errors import StorageError

FORMAT = 1
FOLDER = "manifests"
FILES = "files"
_NAME = re.compile(rf"{FOLDER}/(\d{{8,}})\.json")
_PATH = re.compile(rf"{FILES}/[0-9a-f]{{2}}/[0-9a-f]{{64}}-[0-9a-f]{{16}}(\.[A-Za-z0-9.]{{1,32}})?")


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class File(_Frozen):
    """One file of a version: its name for readers, and the immutable object that holds it."""

    name: str
    path: str
    bytes: int = Field(ge=0)
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    rows: int | None = None

    @field_validator("name")
    @classmethod
    def _inside(cls, name: str) -> str:
        return checked_name(name)

    @field_validator("path")
    @classmethod
    def _known(cls, path: str) -> str:
        if not _PATH.fullmatch(path):
            raise ValueError(f"{path!r} is no path of a file of this store")
        return path


def for_nights(name: str) -> bool:
    """Say whether a version keeps a file for the nights to come, not for readers of the data."""
    return name.startswith("index/") or name in ("inputs.json", "night.json")


class Changes(_Frozen):
    """What changed in the inputs since the parent version."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Manifest(_Frozen):
    """One record.

    Attributes:
        format: Of the record; a newer one is refused.
        version: The number; record N+1 follows record N.
        kind: What the record is.
        writer: Who wrote it, unique to one attempt: how a writer recognises its own commit.
        time: ISO 8601 with zone, by the writer's clock.
        parent: The version it was planned on, 0 for none; for `gc`, the version that stays in
            force.
        first: The oldest version that can be read from this record on.
        of: The version a rollback took its content from.
        settings: What the content depends on; another set of them is not mixed with it.
        rows: Counts, by name.
        inputs: What changed in the inputs since the parent.
        note: What the writer had to say.
        files: All files of the version, sorted by name.
        removed: Of `gc`: the objects it takes away.
        forgotten: Whether the files are no longer listed, since the version cannot be read.
    """

    format: Literal[1] = 1
    version: int = Field(ge=1)
    kind: Literal["data", "rollback", "gc"]
    writer: str
    time: str
    parent: int = Field(ge=0)
    first: int = Field(ge=1)
    of: int | None = None
    settings: dict[str, Any] = {}
    rows: dict[str, int] = {}
    inputs: Changes = Changes()
    note: str = ""
    files: tuple[File, ...] = ()
    removed: tuple[str, ...] = ()
    forgotten: bool = False

    @property
    def content(self) -> int:
        """The version in force once this record stands."""
        return self.parent if self.kind == "gc" else self.version

    @property
    def when(self) -> datetime:
        """The time, as a point in time."""
        return datetime.fromisoformat(self.time)

    @property
    def total_bytes(self) -> int:
        """Bytes of all files, each counted once."""
        return sum({file.path: file.bytes for file in self.files}.values())

    def forget(self) -> Manifest:
        """Return the record without what only readers need."""
        return self.model_copy(update={"files": (), "removed": (), "forgotten": True})


def record_name(number: int) -> str:
    """Return the name of a record's object."""
    return f"{FOLDER}/{number:08d}.json"


def record_number(name: str) -> int:
    """Return the number of a record's object; 0 for a name that is none."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else 0


def checked_name(name: str) -> str:
    """Return a file's name for readers, if it stays below the folder it is exported to."""
    parts = name.split("/")
    if not name or any(part in ("", ".", "..") for part in parts) or not name.isprintable():
        raise ValueError(f"{name!r} is no name of a file: plain parts joined by '/' are")
    if "\\" in name:
        raise ValueError(f"{name!r} is no name of a file: it holds a backslash")
    return name


def encode(manifest: Manifest) -> bytes:
    """Write a record as JSON that tells its own hash."""
    value = manifest.model_dump(mode="json")
    value["digest"] = _digest(value)
    return (json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n").encode()


def decode(data: bytes, number: int, where: str) -> Manifest:
    """Read a record.

    Raises:
        StorageError: It is damaged, of a newer format, or another record than its name says.
    """
    try:
        value = json.loads(data)
        if value.get("format") != FORMAT:
            raise StorageError(
                f"is of format {value.get('format')!r}, this version of Thresher reads {FORMAT}",
                path=where,
                remedy="use the version that wrote it, or a later one",
            )
        if value.pop("digest", None) != _digest(value):
            raise ValueError("its hash does not match")
        manifest = Manifest.model_validate(value)
        if manifest.version != number:
            raise ValueError(f"it says that it is record {manifest.version}")
    except (ValueError, AttributeError, ValidationError) as error:
        told = " ".join(str(error).split())
        raise StorageError(f"damaged record ({told})", path=where) from error
    return manifest


def _digest(value: dict[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
