"""Input files: which ones a run reads, what they are called, and whether they stay the same.

Addresses (files, folders, globs, `protocol://` addresses) become one sorted list of pinned files.
Nothing found is dropped without a word: what is not read is listed with its reason. A file is named
by its path below the address it came from, so that row ids survive a move of the folder.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Collection, Iterator, Sequence
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import Literal, NamedTuple

from thresher.addresses import check_addresses
from thresher.errors import ChangedInputError, EngineError, InputError, StorageError
from thresher.readers.streams import Remote, head_bytes, is_remote, join_local, remote
from thresher.source_names import did_you_mean, fixed_root, has_magic, source_name, unique_names

Format = Literal["parquet", "jsonl", "json", "csv", "arrow"]
Compression = Literal["gzip", "zstd"] | None

FORMATS: dict[str, Format] = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
}
COMPRESSIONS: dict[str, Compression] = {
    ".gz": "gzip",
    ".gzip": "gzip",
    ".zst": "zstd",
    ".zstd": "zstd",
}
KNOWN = f"{', '.join(FORMATS)}; all but Parquet also with {', '.join(COMPRESSIONS)}"
ARROW_REASON = "Arrow IPC files are only read from a folder saved by datasets"
SAVED_REASON = "belongs to a folder saved by datasets, holds no rows"


class InputFile(NamedTuple):
    """One file to read, pinned.

    Attributes:
        source: Index of its source in `Inputs.sources`.
        name: What row ids are made of: the path below the source, `/` between parts; after the
            source's name where there are several sources.
        path: Local path or `protocol://` address.
        format: How rows are laid out.
        compression: Of the whole file, for text formats.
        bytes: Size as stored.
        pin: What changes when the file does (ETag, checksum or modification time with size).
        expected: What columns of JSON hold, as `thresher.readers.expected` says it, where the job
            knows; rows in which they hold something else are bad.
    """

    source: int
    name: str
    path: str
    format: Format
    compression: Compression
    bytes: int
    pin: str
    expected: tuple[tuple[str, str], ...] = ()


class Source(NamedTuple):
    """One address as the user gave it, and the unique name it goes by."""

    name: str
    address: str


class Ignored(NamedTuple):
    """A path that was found and not read, and why."""

    path: str
    reason: str


class Inputs(NamedTuple):
    """All that a run reads: files sorted by source, then name."""

    sources: tuple[Source, ...]
    files: tuple[InputFile, ...]
    ignored: tuple[Ignored, ...]


class _Found(NamedTuple):
    name: str
    path: str
    format: Format | None
    bytes: int
    pin: str


def list_inputs(
    addresses: Sequence[str],
    names: Sequence[str | None] = (),
    optional: Collection[str] | None = None,
) -> Inputs:
    """Find and pin the files behind the addresses.

    Args:
        addresses: Files, folders, globs, `protocol://` addresses.
        names: What to call them; those that are None or missing are called by their address.
        optional: Addresses behind which there may be no file yet; None where none can be so.

    Raises:
        ConfigError: A protocol is not allowed, or an address is chained, empty or a pipe.
        EngineError: The driver package of a protocol (or `datasets`) is missing.
        InputError: A path does not exist, an address leads to no data file, or one file is reached
            twice.
        StorageError: A folder or file may not be read.
    """
    check_addresses(addresses)
    said = [*names, *[None] * (len(addresses) - len(names))]
    unique = unique_names(addresses, said)
    files: list[InputFile] = []
    ignored: list[Ignored] = []
    for number, address in enumerate(addresses):
        before, source = len(ignored), unique[number]
        try:
            there = sorted(_find(address, ignored))
        except FileNotFoundError as error:
            if address not in (optional or ()):
                raise _missing(error.filename) from error
            there = []
        if not there and address not in (optional or ()):
            raise _nothing_found(source, address, ignored[before:], optional is not None)
        for found in there:
            name = found.name
            if len(addresses) > 1 or said[number] is not None:
                # A source that is one file goes by the source's name.
                name = source if name == source_name(address) else f"{source}/{name}"
            files.append(_pinned(number, name, found))
    _refuse_twice(files, addresses)
    if not files:
        raise _nothing_found(", ".join(unique), ", ".join(addresses), ignored, False)
    sources = tuple(Source(*pair) for pair in zip(unique, addresses, strict=True))
    return Inputs(sources, tuple(files), tuple(ignored))


def check_unchanged(file: InputFile) -> None:
    """Compare the file with its pin.

    Raises:
        ChangedInputError: It was changed, replaced or removed since it was listed.
    """
    try:
        now = remote(file.path).pin(file.path) if is_remote(file.path) else _local_pin(file.path)
    except FileNotFoundError:
        now = None
    except OSError as error:
        raise _denied(file.path, error) from error
    if now != file.pin:
        raise ChangedInputError(
            "changed during the run" if now else "was removed during the run",
            path=file.path,
            remedy="run again with a new --out once the input is at rest",
        )


def _pinned(source: int, name: str, found: _Found) -> InputFile:
    format_, compression = split_extension(found.name)
    if found.format is not None:
        format_, compression = found.format, None
    elif format_ == "json" and head_bytes(found.path, compression)[:1] == b"{":
        format_ = "jsonl"  # JSON lines under the name .json are common on the hub
    assert format_ is not None
    return InputFile(source, name, found.path, format_, compression, found.bytes, found.pin)


def split_extension(name: str) -> tuple[Format | None, Compression]:
    """Read format and compression off a file's name; (None, None) for an unknown one."""
    path = PurePosixPath(name.lower())
    compression = COMPRESSIONS.get(path.suffix)
    if compression:
        path = path.with_suffix("")
    format_ = FORMATS.get(path.suffix)
    if format_ is None or (format_ == "parquet" and compression):
        return None, None
    return format_, compression


def _reason_to_ignore(name: str) -> str | None:
    for part in name.split("/"):
        if part.startswith(("_", ".")):
            return f"{part[:1]!r} at the start of a name marks files that are not data"
    if PurePosixPath(name).suffix.lower() in (".arrow", ".feather"):
        return ARROW_REASON
    return None if split_extension(name)[0] else "unknown extension"


def _find(address: str, ignored: list[Ignored]) -> Iterator[_Found]:
    if is_remote(address):
        return _find_remote(remote(address), address, ignored)
    return _find_local(join_local(address), ignored)


def _find_local(path: str, ignored: list[Ignored]) -> Iterator[_Found]:
    if os.path.isdir(path):
        yield from _walk(path, path, ignored)
    elif os.path.lexists(path):
        yield _local(path, _named(path))
    elif has_magic(path):
        yield from _glob(path, ignored)
    else:
        raise _absent(path)


def _named(path: str) -> str:
    """Return the base name of a file that was named itself; refuse it where it cannot be read."""
    name = os.path.basename(path)
    if split_extension(name)[0] is None:
        arrow = name.lower().endswith((".arrow", ".feather"))
        reason = ARROW_REASON if arrow else "unknown extension"
        raise InputError(reason, path=path, remedy=f"known are {KNOWN}")
    return name


def _local(path: str, name: str, format_: Format | None = None) -> _Found:
    try:
        pin = _local_pin(path)
        size = os.stat(path).st_size
        if not os.access(path, os.R_OK):
            raise PermissionError(13, "Permission denied", path)
    except FileNotFoundError as error:
        raise InputError("a link that leads nowhere", path=path) from error
    except OSError as error:
        raise _denied(path, error) from error
    return _Found(name.replace(os.sep, "/"), path, format_, size, pin)


def _local_pin(path: str) -> str:
    stat = os.stat(path)
    return f"{stat.st_mtime_ns}:{stat.st_size}"


def _walk(folder: str, root: str, ignored: list[Ignored]) -> Iterator[_Found]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise _denied(folder, error) from error
    names = {entry.name for entry in entries}
    if {"state.json", "dataset_info.json"} <= names:
        yield from _saved(folder, root, sorted(names), ignored)
        return
    for entry in entries:
        yield from _entry(entry.path, root, "dataset_dict.json" in names, ignored)


def _entry(path: str, root: str, in_dict: bool, ignored: list[Ignored]) -> Iterator[_Found]:
    """Yield what one path of a folder holds; `root` is where names begin and links must stay."""
    name = os.path.relpath(path, root)
    reason = _link_reason(path, root)
    if reason is None and os.path.isdir(path):
        if os.path.basename(path).startswith(("_", ".")):
            ignored.append(Ignored(path, str(_reason_to_ignore(name))))
        else:
            yield from _walk(path, root, ignored)
        return
    if in_dict and name.endswith("dataset_dict.json"):
        reason = SAVED_REASON
    reason = reason or _reason_to_ignore(name.replace(os.sep, "/"))
    if reason:
        ignored.append(Ignored(path, reason))
    else:
        yield _local(path, name)


def _link_reason(path: str, root: str) -> str | None:
    if not os.path.islink(path):
        return None
    target, home = os.path.realpath(path), os.path.realpath(root)
    if not os.path.exists(target):
        return "a link that leads nowhere"
    if os.path.commonpath([target, home]) != home:
        return "a link that leads outside the folder; name the file itself to read it"
    return f"a link to {os.path.relpath(target, home)}, which is in the folder itself"


def _saved(
    folder: str, root: str, names: Sequence[str], ignored: list[Ignored]
) -> Iterator[_Found]:
    """Yield the data files of a saved folder in the order of its `state.json`."""
    if find_spec("datasets") is None:
        raise EngineError(
            "a folder saved by datasets needs the package datasets",
            path=folder,
            remedy="pip install 'thresher[hub]'",
        )
    try:
        with open(os.path.join(folder, "state.json"), encoding="utf-8") as stream:
            data = [str(entry["filename"]) for entry in json.load(stream)["_data_files"]]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("state.json is damaged", path=folder, remedy="save it again") from error
    for name in data:
        if os.path.basename(name) != name or not name.endswith(".arrow"):
            raise InputError(f"state.json names {name!r}, which is no data file", path=folder)
        path = os.path.join(folder, name)
        if not os.path.exists(path):
            raise InputError("missing, though state.json names it", path=path)
        yield _local(path, os.path.relpath(path, root), "arrow")
    for name in names:
        if name not in data:
            ignored.append(Ignored(os.path.join(folder, name), SAVED_REASON))


def _glob(pattern: str, ignored: list[Ignored]) -> Iterator[_Found]:
    import glob

    root = fixed_root(pattern)
    if not os.path.isdir(root):
        raise _absent(root)
    seen: set[str] = set()
    skipped: list[Ignored] = []
    for path in sorted(glob.glob(pattern, recursive=True, include_hidden=True)):
        for found in _entry(path.rstrip("/"), root, False, skipped):
            if found.path not in seen:
                seen.add(found.path)
                yield found
    ignored.extend(dict.fromkeys(skipped))


def _find_remote(store: Remote, address: str, ignored: list[Ignored]) -> Iterator[_Found]:
    try:
        root, entries = store.find(address, has_magic(address))
    except FileNotFoundError as error:
        raise _absent(address) from error
    except PermissionError as error:
        raise _denied(address, error) from error
    for path, size, pin in entries:
        if path == root:  # a file that was named itself
            yield _Found(_named(path), path, None, size, pin)
            return
        name = path.removeprefix(root.rstrip("/") + "/")
        if reason := _reason_to_ignore(name):
            ignored.append(Ignored(path, reason))
        else:
            yield _Found(name, path, None, size, pin)


def _refuse_twice(files: Sequence[InputFile], addresses: Sequence[str]) -> None:
    """Refuse a file reached by two addresses: its rows would be removed as copies of themselves."""
    first: dict[str, InputFile] = {}
    for file in files:
        real = file.path if is_remote(file.path) else os.path.realpath(file.path)
        other = first.setdefault(real, file)
        if other is not file:
            both = f"{addresses[other.source]!r} and {addresses[file.source]!r}"
            raise InputError(
                f"reached twice, by {both}", path=file.path, remedy="name it by one input only"
            )


def _absent(path: str) -> FileNotFoundError:
    return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


def _missing(path: str) -> InputError:
    try:
        remedy = None if is_remote(path) else did_you_mean(path)
    except OSError:
        remedy = f"nor does its folder {os.path.dirname(path)}"
    return InputError("does not exist", path=path, remedy=remedy)


def _nothing_found(
    source: str, address: str, ignored: Sequence[Ignored], may_be_said: bool
) -> InputError:
    what = "; ".join(f"{path}: {reason}" for path, reason in ignored[:5])
    more = f" and {len(ignored) - 5} more" if len(ignored) > 5 else ""
    found = f"; ignored {what}{more}; read are {KNOWN}" if ignored else ""
    remedy = "correct the path or leave it out"
    if may_be_said:
        remedy = "correct the path, or say `optional: true` beside it if there may be none yet"
    return InputError(
        f"no data file is found for source '{source}'{found}",
        path=address,
        remedy=remedy,
    )


def _denied(path: str, error: OSError) -> StorageError:
    return StorageError(
        error.strerror or str(error), path=path, remedy="check the permissions of the input"
    )
