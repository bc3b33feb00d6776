"""`thresher verify`: check a result against itself, from the files in it alone.

Every file's hash is recomputed and every row is counted. After `dedup` every removal is proven
again: its partner was kept, and the two are equal, or have the same words, or are as similar as
stated and at or above the threshold. After `convert` every added row names the kept row it was made
of.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Result, open_result
from thresher.steps.split_writing import split_folder
from thresher.store import hash_file
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.mix_verify import check_mixture
from thresher_jobs.split_result import part_rows
from thresher_jobs.split_verify import check_split, folders_of
from thresher_jobs.verify_copies import check_removals
from thresher_jobs.verify_leaks import check_leaks
from thresher_jobs.verify_recipe import check_recipe
from thresher_jobs.verify_rules import check_rules

Column = np.ndarray[Any, Any]
VERDICTS = {"data": "kept", "removed": "removed", "quarantine": "quarantined"}


def verify(out: str) -> Iterator[str]:
    """Yield a line for each check that passed.

    Raises:
        InputError: A file is damaged, or a statement in it does not hold.
    """
    result = open_result(out)
    yield _check_hashes(result)
    if result.manifest["job"] == "split":
        yield from check_split(result)
        return
    yield _check_counts(result)
    if result.manifest["job"] == "convert":
        yield _check_added(result)
    elif result.manifest["job"] in ("score", "select"):
        yield check_rules(result)
    elif result.manifest["job"] == "decontaminate":
        yield check_leaks(result)
    elif result.manifest["job"] == "run":
        yield _check_added(result)
        yield from check_recipe(result)
    elif result.manifest["job"] == "mix":
        yield from check_mixture(result)
    else:
        yield check_removals(result, DedupParams.model_validate(result.manifest["params"]))


def _check_hashes(result: Result) -> str:
    total = 0
    for name, size, sha256 in result.manifest["files"]:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise InputError(
                f"the manifest names {name!r}, outside the folder", path=result.store.root
            )
        path = result.store.path(name)
        if not path.exists():
            raise InputError("missing", path=str(path), remedy="run the job again")
        if hash_file(path) != (size, sha256):
            raise InputError("size or hash differs from the manifest", path=str(path))
        total += size
    stated = {name for name, _, _ in result.manifest["files"]}
    split = result.manifest.get("splits")
    for folder in folders_of(result) if split else (*VERDICTS, "ledger"):
        for name in result.store.names(folder):
            if name not in stated:
                raise InputError(
                    "is not in the manifest", path=str(result.store.path(name)), remedy="remove it"
                )
    count = len(result.manifest["files"])
    return f"files       {count} files, {total:,} bytes, hashes as in the manifest"


def _check_counts(result: Result) -> str:
    balance: Counter[str] = Counter()
    rows_in: Counter[str] = Counter()
    added = 0
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["verdict"])
        read = ledger.filter(pc.invert(ledger.column("added")))
        rows_in.update(read.column("file").to_pylist())
        added += len(ledger) - len(read)
        found = Counter(ledger.column("verdict").to_pylist())
        for folder, verdict in VERDICTS.items():
            if folder == "data" and result.manifest.get("splits"):
                rows = _rows_by_split(result, part)
            else:
                rows = result.read(folder, part).num_rows
            if rows != found[verdict]:
                raise InputError(
                    f"part {part}: {rows} rows in {folder}/, {found[verdict]} in the ledger"
                )
        balance.update(found)
    for stated in result.manifest["inputs"]:
        if rows_in[stated["name"]] != stated["rows_in"]:
            raise InputError(
                f"{stated['name']}: {rows_in[stated['name']]} rows in the ledger, "
                f"{stated['rows_in']} in the manifest"
            )
    parts = ", ".join(f"{balance[v]:,} {v}" for v in VERDICTS.values())
    more = f" and {added:,} added" if added else ""
    return f"rows        {sum(balance.values()) - added:,} in{more} = {parts}"


def _rows_by_split(result: Result, part: int) -> int:
    """Return the rows of a part in all splits; each has as many as the ledger names."""
    total = 0
    for found in part_rows(result, part):
        if found.rows.num_rows != len(found.ids):
            raise InputError(
                f"part {part}: {found.rows.num_rows} rows in {split_folder(found.split)}/, "
                f"{len(found.ids)} in the ledger"
            )
        total += len(found.ids)
    return total


def _check_added(result: Result) -> str:
    count = 0
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["verdict", "matched_id"])
        mine = pc.invert(ledger.column("added"))
        own = pc.and_(mine, pc.equal(ledger.column("verdict"), "kept"))
        kept = set(ledger.filter(own).column("_row_id").to_pylist())
        added = ledger.filter(ledger.column("added")).to_pylist()
        lost = next((line for line in added if line["matched_id"] not in kept), None)
        if lost is not None:
            raise InputError(
                f"added row {lost['_row_id']} was made of {lost['matched_id']}, which is not kept"
            )
        count += len(added)
    return f"added       {count:,} checked, each names a kept row" if count else "added       none"
