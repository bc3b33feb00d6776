"""`thresher verify` on a result of `decontaminate`: every verdict follows from the matches."""

from __future__ import annotations

from thresher.errors import InputError
from thresher.result import Result
from thresher.steps.leak_writing import MATCH_FOLDER

_GRAVE = {"contaminated": ("contaminated",), "suspect": ("contaminated", "suspect")}


def check_leaks(result: Result) -> str:
    """Compare every row's verdict with its matches; return a line.

    Raises:
        InputError: A row is kept that holds an item, or removed without one.
    """
    params = result.manifest["params"]
    wanted = _GRAVE[params["remove"]]
    tagged = params["action"] == "tag"
    removed = 0
    for part in range(result.num_parts):
        matches = result.read(MATCH_FOLDER, part, ["_row_id", "verdict"]).to_pylist()
        leaking = {match["_row_id"] for match in matches if match["verdict"] in wanted}
        ledger = result.read("ledger", part, ["_row_id", "verdict", "matched_id"]).to_pylist()
        for line in ledger:
            if line["verdict"] == "quarantined":
                continue
            gone = line["matched_id"] is not None if tagged else line["verdict"] == "removed"
            if gone != (line["_row_id"] in leaking):
                raise InputError(
                    f"row {line['_row_id']}: its verdict does not follow from its matches"
                )
            removed += gone
    return f"matches     {removed:,} rows with leaked items, each named with its match"
