"""Committing a night: the files of a run, what the next night wants, and what this one cost."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from thresher.errors import InternalError
from thresher.store import Store
from thresher.versions.manifest import Changes, File
from thresher.versions.reading import Version
from thresher.versions.writing import Writer
from thresher_jobs.arrival import put_ledgers
from thresher_jobs.night_index import INDEX, TABLES, TASKS, lines_in
from thresher_jobs.planting import COST
from thresher_jobs.version_files import INPUTS

MANIFEST = "manifest.json"
LOCAL = ("report.json", "report.html")  # told by the clock: new every night


@dataclass
class Committing:
    """One night's commit.

    Args:
        writer: Plans on the version before.
        result: The folder of the run.
        fetched: Keeps index files of stores that are not local, by hash.

    Attributes:
        new_bytes: Of files that the version before did not have.
        index_bytes: The same, of the index alone.
    """

    writer: Writer
    result: Store
    fetched: Store
    new_bytes: int = 0
    index_bytes: int = 0
    _index: list[File] = field(default_factory=list)
    _begin: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        base = self.writer.base
        self._had = {file.sha256 for file in base.manifest.files} if base is not None else set()

    def put_result(self) -> None:
        """Put the files of the run; parts that were not written again are in the version before."""
        for name, size, sha256 in self.result.get_json(MANIFEST)["files"]:
            if self.result.exists(name):
                self._put(name)
            elif not self.writer.adopt(name, size, sha256):
                raise InternalError(f"{name} was neither written nor is it in the version before")
        for name in (MANIFEST, *LOCAL):
            self._put(name)

    def put_index(self) -> None:
        """Put what the next night wants."""
        lines = lines_in(self.result.get(TASKS), TASKS)
        names = [TASKS, *(name for line in lines for name in line.names())]
        tables = self.result.path(TABLES)
        names += [
            path.relative_to(self.result.root).as_posix()
            for path in sorted(tables.rglob("*.parquet"))
        ]
        for name in names:
            if self.result.exists(name):
                size = self.new_bytes
                self._index.append(self._put(name))
                self.index_bytes += self.new_bytes - size
            else:
                self.writer.keep(name)
        written = put_ledgers(self.writer, self.result)
        self.new_bytes += written
        self.index_bytes += written

    def put_cost(self, seconds: Mapping[str, float], hashed_bytes: int) -> dict[str, Any]:
        """Put what the night cost, and return it.

        Args:
            seconds: By stage.
            hashed_bytes: Of input files that were read for their hash.
        """
        cost: dict[str, Any] = self.result.get_json(COST)
        cost["input_bytes_hashed"] = hashed_bytes
        cost["index_bytes_written"] = self.index_bytes
        cost["seconds"] = {
            **seconds,
            "files of the version": round(time.monotonic() - self._begin, 3),
        }
        self.writer.put(COST, (json.dumps(cost, indent=1) + "\n").encode())
        return cost

    def commit(
        self,
        inputs: Mapping[str, Any],
        settings: dict[str, Any],
        report: Mapping[str, Any],
        changes: Changes,
    ) -> Version:
        """Commit the version, and keep its index at hand for the next night."""
        self.writer.put(INPUTS, json.dumps(inputs, sort_keys=True).encode())
        counted = ("in", "added", "kept", "removed", "quarantined")
        rows = {key: int(report[f"rows_{key}"]) for key in counted}
        version = self.writer.commit(settings=settings, rows=rows, inputs=changes)
        if self.writer.objects.path(INPUTS) is None:
            self._keep_fetched(version)
        return version

    def _keep_fetched(self, version: Version) -> None:
        """Keep the files of the index by hash, and no others."""
        for file in [f for f in self._index if not self.fetched.exists(f.sha256)]:
            self.fetched.link(file.sha256, self.result.path(file.name))
        wanted = {version.file(name).sha256 for name in version.names(f"{INDEX}/")}
        for path in self.fetched.path(".").iterdir():
            if path.name not in wanted:
                path.unlink()

    def _put(self, name: str) -> File:
        file = self.writer.put(name, self.result.path(name), share=True)
        self.new_bytes += 0 if file.sha256 in self._had else file.bytes
        return file


def drop_unusable(result: Store, before: Version | None) -> None:
    """Remove what a night left that was stopped between its run and its commit, if it counted on
    files of a version that is no longer the one before."""
    if not result.exists(MANIFEST):
        return
    known = before.files if before is not None else {}
    if result.exists(TASKS):
        lines = lines_in(result.get(TASKS), str(result.path(TASKS)))
        names = [name for line in lines for name in line.names()]
        if all(result.exists(name) or name in known for name in names):
            return
    shutil.rmtree(result.root, ignore_errors=True)
