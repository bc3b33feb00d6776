"""Which rows came and went between two versions, by the row ids of their ledgers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.parquet import read_table
from thresher.versions.manifest import File
from thresher.versions.reading import Version

LEDGER = "ledger/part-"
MOST_BYTES = 64 << 20  # of ledgers that are read: about 15 million rows and some seconds


class RowsChanged(NamedTuple):
    """Ids of rows that one of two versions keeps and the other does not, as Arrow strings.

    Attributes:
        came: Kept by the second alone, as the second has them in order.
        went: Kept by the first alone.
    """

    came: Any
    went: Any


def rows_changed(a: Version, b: Version) -> RowsChanged | None:
    """Compare the rows that two versions keep; parts of ledgers that both have are not read.

    Returns:
        None when more than `MOST_BYTES` would have to be read.

    Raises:
        InputError: A ledger is damaged.
    """
    old, new = _parts(a), _parts(b)
    mine = [file for key, file in old.items() if key not in new]
    theirs = [file for key, file in new.items() if key not in old]
    if sum(file.bytes for file in (*mine, *theirs)) > MOST_BYTES:
        return None
    before, after = _kept(a, mine), _kept(b, theirs)
    return RowsChanged(_without(after, before), _without(before, after))


def _parts(version: Version) -> dict[str, File]:
    return {version.file(name).sha256: version.file(name) for name in version.names(LEDGER)}


def _kept(version: Version, files: Iterable[File]) -> Any:
    """Return the ids of kept rows, in order."""
    found = []
    for file in files:
        try:
            with version.open(file.name) as source:
                table = read_table(source, ["_row_id", "verdict"])
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"unreadable ({error})", path=version.address_of(file.name)) from error
        kept = table.filter(pc.equal(table.column("verdict"), "kept"))
        found += kept.column("_row_id").chunks
    return pa.chunked_array(found, pa.string())


def _without(ids: Any, others: Any) -> Any:
    return ids.filter(pc.invert(pc.is_in(ids, value_set=others)))
