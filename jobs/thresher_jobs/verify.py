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
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Line, Result, open_result
from thresher.steps.split_writing import split_folder
from thresher.store import hash_file
from thresher.text.sketch import shingles, sketch
from thresher.transforms.clusters import overlaps
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_texts import ResultTexts
from thresher_jobs.mix_verify import check_mixture
from thresher_jobs.split_result import part_rows
from thresher_jobs.split_verify import check_split, folders_of
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
        yield _check_removals(result, DedupParams.model_validate(result.manifest["params"]))


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


def _check_removals(result: Result, params: DedupParams) -> str:
    wanted: set[str] = set()
    for part in range(result.num_parts):
        matched = result.read("removed", part, ["_matched_id"]).column("_matched_id")
        wanted.update(pc.unique(matched).to_pylist())
    texts = ResultTexts(result, params)
    kept = _Kept(texts, list(result.find(wanted)))
    lowest, checked = 1.0, 0
    for part in range(result.num_parts):
        table = result.read("removed", part)
        if len(table):
            text = texts.of_removed(part, table)
            lowest = min(lowest, _check_part(table, text, kept, params))
            checked += len(table)
    if not checked:
        return "removals    none"
    return (
        f"removals    {checked:,} checked, each has a kept partner; lowest similarity {lowest:.6f}"
    )


class _Kept:
    """The compared text of the partners, and which row of it a row id is."""

    def __init__(self, of_result: ResultTexts, lines: list[Line]) -> None:
        texts: list[pa.Array] = []
        self.place: dict[str, int] = {}
        for part in sorted({line.part for line in lines}):
            mine = [line for line in lines if line.part == part]
            lost = next((line for line in mine if line.verdict != "kept"), None)
            if lost is not None:
                raise InputError(
                    f"row {lost.row_id} has removed rows in its favour but was {lost.verdict}"
                )
            for line in mine:
                self.place[line.row_id] = len(self.place)
            texts.append(of_result.of_lines(mine))
        self.text = pa.concat_arrays(texts) if texts else pa.array([], pa.large_string())


def _check_part(table: pa.Table, text: pa.Array, kept: _Kept, params: DedupParams) -> float:
    """Re-check the removals of one part; return the lowest similarity."""
    ids = table.column("_row_id").to_pylist()
    matched = table.column("_matched_id").to_pylist()
    unknown = next((m for m in matched if m not in kept.place), None)
    if unknown is not None:
        raise InputError(f"partner {unknown!r} is not among the kept rows")
    places = np.array([kept.place[m] for m in matched])
    partner = kept.text.take(pa.array(places))
    reasons = np.array(table.column("_reason").to_pylist())
    scores = table.column("_score").to_numpy()
    mine, theirs = sketch(text, n=params.ngram), sketch(partner, n=params.ngram)
    _require(reasons != "exact_copy", mine.bytes_hash, theirs.bytes_hash, ids, "equal bytes")
    _require(reasons != "same_words", mine.sequence_hash, theirs.sequence_hash, ids, "equal words")
    near = np.flatnonzero(reasons == "near_copy")
    if not len(near):
        return 1.0
    return _check_near(text, partner, near, scores, ids, params)


def _require(excused: Column, left: Column, right: Column, ids: list[str], what: str) -> None:
    wrong = np.flatnonzero(~excused & (left != right).any(axis=1))
    if len(wrong):
        raise InputError(f"row {ids[wrong[0]]} and its partner do not have {what}")


def _check_near(
    text: pa.Array,
    partner: pa.Array,
    near: Column,
    scores: Column,
    ids: list[str],
    params: DedupParams,
) -> float:
    offsets, values = shingles(
        pa.concat_arrays([text.take(near), partner.take(near)]), n=params.ngram
    )
    num = len(near)
    rows = np.arange(num)
    shared = overlaps(offsets[:-1], offsets[1:], values, rows, rows + num)
    sizes = np.diff(offsets)
    union = sizes[:num] + sizes[num:] - shared
    wrong = np.flatnonzero(shared / np.maximum(union, 1) != scores[near])
    if len(wrong):
        row = near[wrong[0]]
        raise InputError(f"row {ids[row]}: stated similarity {scores[row]} is not the real one")
    numerator, denominator = params.fraction
    below = np.flatnonzero(denominator * shared < numerator * union)
    if len(below) and params.clusters == "greedy":
        raise InputError(f"row {ids[near[below[0]]]} was removed below the threshold")
    return float(scores[near].min())
