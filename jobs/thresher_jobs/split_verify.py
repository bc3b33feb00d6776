"""`thresher verify` on a result of `split`: every row once, no group torn, nothing similar across
a border.

Equal words are looked for in all rows; similar ones in a sample of the held-out rows, drawn
by content, which is compared exactly with the rows of all other splits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Result
from thresher.splitting.groups import run_starts
from thresher.steps.split_writing import split_folder
from thresher.text.sketch import shingles, sketch
from thresher.transforms.spotcheck import invert, meet
from thresher_jobs.dedup_texts import ResultTexts
from thresher_jobs.split_params import SplitParams
from thresher_jobs.split_result import group_names, part_rows, splits_of

Column = np.ndarray[Any, Any]
SAMPLED_ROWS = 2_000


def folders_of(result: Result) -> list[str]:
    """Return all folders that hold parts."""
    splits = [split_folder(name) for name in splits_of(result)]
    return [*splits, "removed", "quarantine", "ledger", "groups"]


def check_split(result: Result) -> Iterator[str]:
    """Yield a line for each check that passed.

    Raises:
        InputError: A row is lost or there twice, a group or a text lies in several splits.
    """
    yield _check_rows(result)
    yield check_groups(result)
    yield from check_texts(result, SplitParams.model_validate(result.manifest["params"]))


def _check_rows(result: Result) -> str:
    counted: Counter[str] = Counter()
    rows_in: Counter[str] = Counter()
    ids: list[Column] = []
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["verdict"])
        rows_in.update(ledger.column("file").to_pylist())
        ids.append(id_hashes(ledger.column("_row_id")))
        for found in part_rows(result, part):
            if found.rows.num_rows != len(found.ids):
                raise InputError(
                    f"part {part}: {found.rows.num_rows} rows in {split_folder(found.split)}/, "
                    f"{len(found.ids)} in the ledger"
                )
            counted[found.split] += len(found.ids)
        bad = result.read("quarantine", part, ["_row_id"]).num_rows
        verdicts = Counter(ledger.column("verdict").to_pylist())
        if bad != verdicts["quarantined"] or len(ledger) != verdicts.total():
            raise InputError(f"part {part}: {bad} rows in quarantine/, the ledger has others")
        counted["quarantined"] += bad
    for stated in result.manifest["inputs"]:
        if rows_in[stated["name"]] != stated["rows_in"]:
            raise InputError(
                f"{stated['name']}: {rows_in[stated['name']]} rows in the ledger, "
                f"{stated['rows_in']} in the manifest"
            )
    if counted.total() != rows_in.total():
        raise InputError(f"{rows_in.total()} rows in, {counted.total()} in all splits")
    every = np.concatenate(ids)
    if len(np.unique(every, axis=0)) != len(every):
        raise InputError("a row id stands in the ledger twice")
    parts = ", ".join(f"{count:,} {name}" for name, count in counted.items())
    return f"rows        {rows_in.total():,} in = {parts}, each once"


def id_hashes(strings: Any) -> Column:
    column = strings.combine_chunks() if isinstance(strings, pa.ChunkedArray) else strings
    hashed: Column = sketch(column, with_words=False).bytes_hash
    return hashed


def check_groups(result: Result) -> str:
    """Check that every group lies in one split.

    Raises:
        InputError: One does not.
    """
    keys, splits = [], []
    names = pa.array(splits_of(result))
    for part in range(result.num_parts):
        ledger = result.ledger(part, ["verdict", "reason", "matched_id"])
        kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept"))
        keys.append(id_hashes(group_names(kept)))
        splits.append(pc.index_in(kept.column("reason"), value_set=names).to_numpy())
    torn, groups = _torn(np.concatenate(keys), np.concatenate(splits))
    if torn is not None:
        raise InputError("a group of rows that belong together lies in several splits")
    return f"groups      {groups:,} groups, each in one split"


def _torn(keys: Column, splits: Column) -> tuple[int | None, int]:
    """Return a place whose key lies in several splits, or None, and the number of keys."""
    if not len(keys):
        return None, 0
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    begins = run_starts(keys[order, 0], keys[order, 1])
    of = splits[order]
    bad = np.flatnonzero(np.minimum.reduceat(of, begins) != np.maximum.reduceat(of, begins))
    return (int(order[begins[bad[0]]]) if len(bad) else None), len(begins)


def check_texts(result: Result, params: SplitParams) -> Iterator[str]:
    """Check that nothing similar lies across a border, in rows that are as they were judged.

    Raises:
        InputError: Two rows of different splits have the same words, or are similar.
    """
    texts = ResultTexts(result, params.copies)
    words, splits, names, order = [], [], [], []
    held: list[pa.Array] = []
    of_held: list[Column] = []
    for part in range(result.num_parts):
        for number, found in enumerate(part_rows(result, part)):
            if not found.ids:
                continue
            text = texts.of_rows(found.rows, found.files)
            made = sketch(text, n=params.ngram)
            words.append(made.sequence_hash)
            splits.append(np.full(len(found.ids), number))
            names += found.ids
            if number:
                held.append(text)
                of_held.append(np.full(len(text), number))
                order.append(made.bytes_hash[:, 0])
    if words:
        torn, _ = _torn(np.concatenate(words), np.concatenate(splits))
        if torn is not None:
            raise InputError(f"the words of row {names[torn]} stand in another split too")
    yield f"words       {len(names):,} rows, no equal words in two splits"
    if not held:
        yield "similarity  nothing is held out"
        return
    chosen = pa.array(np.sort(np.argsort(np.concatenate(order), kind="stable")[:SAMPLED_ROWS]))
    sample = pa.concat_arrays(held).take(chosen)
    of_sample = np.concatenate(of_held)[chosen.to_numpy()]
    offsets, values = shingles(sample, n=params.ngram)
    inverted = invert(offsets, values)
    compared = 0
    for part in range(result.num_parts):
        for number, found in enumerate(part_rows(result, part)):
            if not found.ids:
                continue
            text = texts.of_rows(found.rows, found.files)
            mine, shared = shingles(text, n=params.ngram)
            met = meet(inverted, mine, shared, params.copies.fraction)
            across = met[of_sample[met[:, 1]] != number]
            compared += len(text)
            if len(across):
                row = found.ids[int(across[0, 0])]
                raise InputError(f"row {row} of {found.split} is similar to a row of another split")
    yield (
        f"similarity  {len(sample):,} held-out rows against {compared:,}, exactly: no pair from "
        f"{params.threshold} on across a border"
    )
