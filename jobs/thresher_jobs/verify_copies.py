"""`thresher verify` on removed copies: each is compared with its partner once more."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.result import Line, Result
from thresher.text.sketch import shingles, sketch
from thresher.transforms.clusters import overlaps
from thresher_jobs.dedup_params import DedupParams
from thresher_jobs.dedup_texts import ResultTexts

Column = np.ndarray[Any, Any]


class Partners(NamedTuple):
    """The compared text of rows that others were removed for, and which row of it a row id is."""

    place: dict[str, int]
    text: pa.Array


def check_removals(result: Result, params: DedupParams) -> str:
    """Check all removals of a result of `dedup`; return a line.

    Raises:
        InputError: A partner was not kept, or is not as alike as stated.
    """
    wanted: set[str] = set()
    for part in range(result.num_parts):
        matched = result.read("removed", part, ["_matched_id"]).column("_matched_id")
        wanted.update(pc.unique(matched).to_pylist())
    texts = ResultTexts(result, params)
    kept = _kept(texts, list(result.find(wanted)))
    lowest, checked = 1.0, 0
    for part in range(result.num_parts):
        table = result.read("removed", part)
        if len(table):
            text = texts.of_removed(part, table)
            lowest = min(lowest, check_part(table, text, kept, params))
            checked += len(table)
    if not checked:
        return "removals    none"
    return (
        f"removals    {checked:,} checked, each has a kept partner; lowest similarity {lowest:.6f}"
    )


def _kept(of_result: ResultTexts, lines: list[Line]) -> Partners:
    """Return the partners, all of which must be kept."""
    lost = next((line for line in lines if line.verdict != "kept"), None)
    if lost is not None:
        raise InputError(f"row {lost.row_id} has removed rows in its favour but was {lost.verdict}")
    return partners_of(of_result, lines)


def partners_of(of_result: ResultTexts, lines: list[Line]) -> Partners:
    """Return the texts of kept or removed rows, by row id."""
    texts: list[pa.Array] = []
    place: dict[str, int] = {}
    for part, verdict in sorted({(line.part, line.verdict) for line in lines}):
        mine = [line for line in lines if (line.part, line.verdict) == (part, verdict)]
        for line in mine:
            place[line.row_id] = len(place)
        texts.append(of_result.of_lines(mine))
    return Partners(place, pa.concat_arrays(texts) if texts else pa.array([], pa.large_string()))


def check_part(table: pa.Table, text: pa.Array, kept: Partners, params: DedupParams) -> float:
    """Re-check the removals of one part; return the lowest similarity.

    Args:
        table: Removed rows with `_row_id`, `_reason`, `_matched_id`, `_score`.
        text: (R,) their compared text.
        kept: The rows that were kept instead.
        params: How they were compared.

    Raises:
        InputError: A row and its partner are not as alike as stated, or not enough.
    """
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
