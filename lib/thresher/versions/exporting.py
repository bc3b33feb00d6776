"""A data set in its published form: all files under their names, or none of them to be seen.

A folder is filled beside its place and gets its name by one rename. An object store has no rename:
`SHA256SUMS`, which tells the bytes of all others, is put first and only if absent, the card last;
without its card a data set is not there. What is there already is never replaced.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from thresher.errors import ConfigError, StorageError, from_os_error
from thresher.store import TEMPORARY, Published, Store, hash_file, sync_folder
from thresher.versions.local_objects import LocalObjects
from thresher.versions.objects import Objects, open_objects

SUMS = "SHA256SUMS"
CARD = "README.md"
REMEDY = "name a new folder or prefix; what is there is never replaced"


def publish(
    address: str,
    parts: Sequence[Published],
    texts: Mapping[str, bytes],
    put: Callable[[Objects], None],
) -> bool:
    """Publish a data set, unless it is there already; say whether this call did.

    Args:
        address: A folder, `s3://bucket/prefix`, or another protocol that can be written.
        parts: The files that `put` writes.
        texts: Further small files by name.
        put: Writes the parts; may be called again after a failure.

    Raises:
        ConfigError: Something else is there.
        StorageError: Not all of it arrived.
    """
    made = [Published(n, len(t), hashlib.sha256(t).hexdigest()) for n, t in texts.items()]
    files = sorted([*parts, *made], key=lambda file: file.name)
    sums = "".join(f"{file.sha256}  {file.name}\n" for file in files).encode()
    files.append(Published(SUMS, len(sums), hashlib.sha256(sums).hexdigest()))
    objects = open_objects(address)
    if isinstance(objects, LocalObjects):
        return _publish_folder(Path(objects.root), files, {**texts, SUMS: sums}, put)
    return _publish_objects(objects, files, {**texts, SUMS: sums}, put)


def _publish_folder(
    target: Path,
    files: Sequence[Published],
    texts: Mapping[str, bytes],
    put: Callable[[Objects], None],
) -> bool:
    if _there(target, files):
        return False
    told = hashlib.sha256(texts[SUMS]).hexdigest()[:12]
    # Named by its content: another attempt goes on in it, and no other data set gets into it.
    beside = LocalObjects(str(target.parent / f"{TEMPORARY}{target.name}-{told}"))
    put(beside)
    for name, text in texts.items():
        beside.put(name, text)
    Store(beside.root).sweep()
    _check(beside, files)
    try:
        os.rename(beside.root, target)
        sync_folder(target.parent)
    except OSError as error:
        if _there(target, files):  # another process was faster
            return False
        raise from_os_error(error, str(target)) from error
    return True


def _there(target: Path, files: Sequence[Published]) -> bool:
    """Say whether a folder holds just these files.

    Raises:
        ConfigError: It holds others.
    """
    try:
        if not target.exists() or (target.is_dir() and not any(target.iterdir())):
            return False
        found = {p.relative_to(target).as_posix() for p in target.rglob("*") if not p.is_dir()}
        same = target.is_dir() and found == {file.name for file in files}
        same = same and all(hash_file(target / f.name) == (f.bytes, f.sha256) for f in files)
    except OSError as error:
        raise from_os_error(error, str(target)) from error
    if not same:
        raise ConfigError("is not empty, and holds other data", path=str(target), remedy=REMEDY)
    return True


def _publish_objects(
    objects: Objects,
    files: Sequence[Published],
    texts: Mapping[str, bytes],
    put: Callable[[Objects], None],
) -> bool:
    sizes = {entry.name: entry.bytes for entry in objects.entries("")}
    sums = objects.get(SUMS)
    strangers = sorted(sizes.keys() - {file.name for file in files})
    if strangers or (sums is None and sizes) or sums not in (None, texts[SUMS]):
        told = f" ({strangers[0]})" if strangers else ""
        raise ConfigError(
            f"is not empty, and holds other data{told}", path=objects.address, remedy=REMEDY
        )
    if all(sizes.get(file.name) == file.bytes for file in files):
        return False
    if (
        sums is None
        and not objects.put_if_absent(SUMS, texts[SUMS])
        and objects.get(SUMS) != texts[SUMS]
    ):
        raise ConfigError(
            "another data set is being published", path=objects.address, remedy=REMEDY
        )
    put(objects)
    for name, text in texts.items():
        if name not in (SUMS, CARD):
            objects.put(name, text)
    _check(objects, [file for file in files if file.name != CARD])
    if CARD in texts:
        objects.put(CARD, texts[CARD])
    return True


def _check(objects: Objects, files: Sequence[Published]) -> None:
    for file in files:
        size = objects.size(file.name)
        if size != file.bytes:
            raise StorageError(
                f"has {size} bytes of {file.bytes}",
                path=objects.address_of(file.name),
                remedy="run the same command again",
            )
