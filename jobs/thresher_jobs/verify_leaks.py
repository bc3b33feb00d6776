"""`thresher verify` on a result of `decontaminate`: every verdict follows from the matches, and
nothing that matched stands in a row that was changed."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Result
from thresher.steps.leak_changing import CHANGE_FOLDER, WORDS
from thresher.steps.leak_writing import MATCH_FOLDER

GRAVE = {"contaminated": ("contaminated",), "suspect": ("contaminated", "suspect")}
_MATCHES = ["_row_id", "verdict", "byte_start", "byte_end"]
Row = dict[str, Any]
Lengths = defaultdict[tuple[str, str], list[int | None]]


def check_leaks(result: Result) -> str:
    """Compare every row's verdict with its matches; return a line.

    Raises:
        InputError: A row is kept that holds an item, or removed without one, or a changed row still
            holds what was to be taken out.
    """
    params = result.manifest["params"]
    wanted = GRAVE[params["remove"]]
    word = WORDS.get(params["action"])
    found, changed = 0, 0
    for part in range(result.num_parts):
        matches = result.read(MATCH_FOLDER, part, _MATCHES).to_pylist()
        leaking = {match["_row_id"] for match in matches if match["verdict"] in wanted}
        lines = result.ledger(part, ["verdict", "reason", "matched_id"])
        for line in lines.to_pylist():
            if line["verdict"] == "quarantined" or line["added"]:
                continue
            if params["action"] == "tag":
                gone = line["matched_id"] is not None
            else:
                gone = line["verdict"] == "removed" or (word is not None and line["reason"] == word)
            if gone != (line["_row_id"] in leaking):
                raise InputError(
                    f"row {line['_row_id']}: its verdict does not follow from its matches"
                )
            found += gone
        if word:
            grave = [match for match in matches if match["verdict"] in wanted]
            changed += _check_changes(result, part, lines, grave, word)
    more = f"; {changed:,} of them {word}, and what matched is gone" if changed else ""
    return f"matches     {found:,} rows with leaked items, each named with its match{more}"


def _check_changes(
    result: Result, part: int, ledger: pa.Table, matches: list[Row], word: str
) -> int:
    """Check that what is left of changed rows is what was not taken out; return their number."""
    taken: dict[str, list[Row]] = defaultdict(list)
    for change in result.read(CHANGE_FOLDER, part).to_pylist():
        taken[change["_row_id"]].append(change)
    lengths = _lengths(result, part, ledger, {c["column"] for t in taken.values() for c in t})
    own = ledger.filter(pc.equal(pc.fill_null(ledger.column("reason"), ""), word))
    if set(own.column("_row_id").to_pylist()) != set(taken):
        raise InputError(f"part {part}: {CHANGE_FOLDER}/ does not name the rows that were changed")
    for row_id, changes in taken.items():
        _check_row(row_id, changes, lengths)
    if word == WORDS["cut"]:
        for match in matches:
            changes = taken.get(match["_row_id"], [])
            start, end = match["byte_start"], match["byte_end"]
            if changes and not any(c["start"] <= start and end <= c["end"] for c in changes):
                raise InputError(f"row {match['_row_id']}: bytes {start} to {end} were not cut out")
    return len(taken)


def _check_row(row_id: str, changes: list[Row], lengths: Lengths) -> None:
    """Compare the pieces that are kept with the gaps between those taken out."""
    at, left = 0, list[int | None]()
    for change in changes:
        size = change["end"] - change["start"]
        cut = change["action"] == "cut"
        said = len(change["removed"].encode()) if cut else len(json.loads(change["removed"]))
        if change["start"] < at or said != size:
            raise InputError(f"row {row_id}: what was taken out is not what stood there")
        left += [change["start"] - at] if change["start"] > at else []
        at = change["end"]
    left += [changes[0]["length"] - at] if changes[0]["length"] > at else []
    if lengths[row_id, changes[0]["column"]] != left:
        raise InputError(f"row {row_id}: what is kept and what was taken out are not the whole")


def _lengths(result: Result, part: int, ledger: pa.Table, columns: set[str]) -> Lengths:
    """Return, by row and column, the bytes of texts or the elements of lists that stand in the
    data, for each piece."""
    found: Lengths = defaultdict(list)
    if not columns:
        return found
    kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept"))
    names = [line["matched_id" if line["added"] else "_row_id"] for line in kept.to_pylist()]
    data = result.read("data", part, sorted(columns))
    for column in sorted(columns):
        values = data.column(column)
        text = pa.types.is_string(values.type) or pa.types.is_large_string(values.type)
        sizes = pc.binary_length(values) if text else pc.list_value_length(values)
        for name, size in zip(names, sizes.to_pylist(), strict=True):
            found[name, column].append(size)
    return found
