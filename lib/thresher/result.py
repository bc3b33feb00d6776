"""A finished result: opening it, and finding rows in it by their id.

The ledger's k-th kept line of part N is row k of data part N, and likewise for removed rows, so a
row id leads to its row without the inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, InputError
from thresher.parquet import read_table
from thresher.run import MANIFEST
from thresher.steps.outputs import LEDGER
from thresher.store import Store

VERSIONS = "manifests"  # where a store of versions has its records


class Line(NamedTuple):
    """One line of the ledger, with the part it stands in and its place among the rows of its
    verdict. Of a row that was added, `matched_id` is the row it was made of, and `file` and `row`
    are where that one was read."""

    part: int
    place: int
    row_id: str
    file: str
    row: int
    verdict: str
    reason: str | None
    matched_id: str | None
    score: float | None
    added: bool


class Result:
    """A folder with a manifest.

    Args:
        store: The folder.
        manifest: What `manifest.json` says.
    """

    def __init__(self, store: Store, manifest: dict[str, Any]) -> None:
        self.store = store
        self.manifest = manifest

    def report(self) -> dict[str, Any]:
        """Return report.json."""
        try:
            value: dict[str, Any] = self.store.get_json("report.json")
            value["rows_in"], value["job"]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self.store, "report.json") from error
        return value

    @property
    def num_parts(self) -> int:
        """How many parts each output has."""
        return sum(name.startswith("ledger/") for name, _, _ in self.manifest["files"])

    def read(self, folder: str, part: int, columns: list[str] | None = None) -> pa.Table:
        """Read one part of one output; checksums are verified.

        Raises:
            InputError: The part is damaged.
        """
        name = f"{folder}/part-{part:05d}.parquet"
        try:
            return read_table(str(self.store.path(name)), columns)
        except (OSError, pa.ArrowException) as error:
            raise InputError(
                f"unreadable ({error})", path=str(self.store.path(name)), remedy="run the job again"
            ) from error

    def ledger(self, part: int, columns: Sequence[str] = ()) -> pa.Table:
        """Read one part of the ledger: these columns, `_row_id`, `file`, `row`, and `added`, which
        says of a line that its row was made of another one, whose line stands before it.

        Raises:
            InputError: The part is damaged.
        """
        names = list(dict.fromkeys(("_row_id", "file", "row", *columns)))
        table = self.read("ledger", part, names)
        return table.append_column("added", pa.array(_added(table)))

    def find(self, row_ids: set[str]) -> Iterator[Line]:
        """Yield the ledger lines of some row ids, reading the ledger once."""
        wanted = pa.array(sorted(row_ids), pa.string())
        for part in range(self.num_parts):
            table = self.ledger(part, LEDGER.names)
            hits = np.flatnonzero(np.asarray(pc.is_in(table.column("_row_id"), value_set=wanted)))
            if not len(hits):
                continue
            places = _places(table.column("verdict"))
            for hit, line in zip(
                hits.tolist(), table.take(pa.array(hits)).to_pylist(), strict=True
            ):
                yield Line(
                    part,
                    int(places[hit]),
                    line["_row_id"],
                    line["file"],
                    line["row"],
                    line["verdict"],
                    line["reason"],
                    line["matched_id"],
                    line["score"],
                    line["added"],
                )

    def rows(self, lines: list[Line]) -> dict[str, dict[str, Any]]:
        """Return the rows (all columns) of kept and removed lines, by row id."""
        found: dict[str, dict[str, Any]] = {}
        folders = {"kept": "data", "removed": "removed"}
        for verdict, part in sorted({(x.verdict, x.part) for x in lines if x.verdict in folders}):
            mine = [x for x in lines if (x.verdict, x.part) == (verdict, part)]
            table = self.read(folders[verdict], part).take(pa.array([x.place for x in mine]))
            found |= {x.row_id: row for x, row in zip(mine, table.to_pylist(), strict=True)}
        return found


def _added(lines: pa.Table) -> np.ndarray[Any, Any]:
    """Mark the lines whose place in the inputs an earlier line of the part has; parts that an
    earlier release wrote name no file there."""
    found = lines.column("file").combine_chunks()
    files = found.dictionary_encode().indices.fill_null(-1).to_numpy()
    rows = lines.column("row").to_numpy()
    order = np.lexsort((np.arange(len(rows)), rows, files))
    files, rows = files[order], rows[order]
    added: np.ndarray[Any, Any] = np.asarray(found.is_null())
    added[order[1:]] |= (files[1:] == files[:-1]) & (rows[1:] == rows[:-1])
    return added


def _places(verdicts: pa.ChunkedArray) -> np.ndarray[Any, Any]:
    """Number the lines of each verdict."""
    codes = verdicts.combine_chunks().dictionary_encode().indices.to_numpy()
    places = np.empty(len(codes), dtype=np.int64)
    for code in np.unique(codes):
        mine = codes == code
        places[mine] = np.arange(int(mine.sum()))
    return places


def open_result(out: str) -> Result:
    """Open a finished result.

    Raises:
        ConfigError: The folder holds none.
    """
    store = Store(str(Path(out).absolute()))
    if not Path(out).is_dir():
        raise ConfigError("no such folder", path=out)
    if not store.exists(MANIFEST) and store.path(VERSIONS).is_dir():
        raise ConfigError(
            "this is a store of versions, not the folder of a run",
            path=out,
            remedy="'thresher versions STORE --verify' checks its files, 'thresher export STORE "
            "--out DIR' makes a folder of a version",
        )
    if not store.exists(MANIFEST):
        raise ConfigError(
            "no result here: manifest.json is absent",
            path=out,
            remedy="give the --out folder of a finished run; status.json tells what became of it",
        )
    try:
        manifest = store.get_json(MANIFEST)
        manifest["job"], manifest["params"], manifest["inputs"], manifest["files"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(store, MANIFEST) from error
    return Result(store, manifest)


def _damaged(store: Store, name: str) -> InputError:
    return InputError("damaged", path=str(store.path(name)), remedy="run the job again")
