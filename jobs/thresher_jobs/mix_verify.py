"""`thresher verify` on a result of `mix`: the draw is made again from what is known of every row,
and every row of the data is a row of the input."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import InputError
from thresher.mixing.content import content_hashes
from thresher.mixing.drawing import Key, below, drawing_keys
from thresher.report.mixture import MixedLeaf, Mixture
from thresher.result import Result
from thresher.steps.fates import ADDED
from thresher.steps.mix_writing import DRAWS

Column = np.ndarray[Any, Any]


def check_mixture(result: Result) -> Iterator[str]:
    """Yield a line for each check that passed.

    Raises:
        InputError: A row is written that was not drawn, or not the row it says; counts are not
            those of the plan.
    """
    mixture = Mixture.model_validate(result.manifest["mixture"])
    checked, drawn = 0, 0
    ends: dict[int, int] = {}
    rows = np.zeros((len(mixture.leaves), 3), np.int64)
    for part in range(result.num_parts):
        draws = result.read(DRAWS, part).combine_chunks()
        rows += _check_draw(mixture, draws, part, ends)
        drawn += len(draws)
        checked += _check_rows(result, part, draws)
    found = rows.tolist()
    for number, (leaf, (written, tokens, distinct)) in enumerate(
        zip(mixture.leaves, found, strict=True)
    ):
        stated = (leaf.rows, leaf.tokens, leaf.distinct)
        if (written, tokens, distinct) != stated:
            raise InputError(
                f"{leaf.source or ''} {leaf.category or ''}: {written} rows, {tokens} tokens and "
                f"{distinct} different rows are drawn, the plan says {stated}".strip()
            )
        _check_amount(mixture, leaf, ends.get(number))
    yield f"draw        {drawn:,} rows drawn again by seed and content, as stated"
    yield f"rows        {checked:,} rows of the data are rows of the input, by their content"
    total = sum(leaf.rows for leaf in mixture.leaves)
    yield f"plan        {len(mixture.leaves)} sources or categories give {total:,} rows, as planned"


def _check_draw(mixture: Mixture, draws: pa.Table, part: int, ends: dict[int, int]) -> Column:
    """Draw one part's rows again; return rows, tokens and different rows by leaf.

    `ends` gets the tokens of each leaf's first row that is not drawn.
    """
    leaf = draws.column("leaf").to_numpy()
    copies = draws.column("copies").to_numpy()
    tokens = draws.column("tokens").to_numpy()
    content = np.stack([draws.column(f"content_{n}").to_numpy() for n in (0, 1)], axis=1)
    keys = drawing_keys(content, draws.column("document").to_numpy(), mixture.seed)
    _note_ends(mixture, leaf, keys, tokens, ends)
    rounds = np.array([*(entry.rounds for entry in mixture.leaves), 0])
    expected = rounds[leaf]
    for number, entry in enumerate(mixture.leaves):
        if entry.bound is not None:
            mine = np.flatnonzero(leaf == number)
            expected[mine] += below(keys[mine], _key(entry.bound))
    wrong = np.flatnonzero(expected != copies)
    if len(wrong):
        row = draws.column("_row_id")[int(wrong[0])].as_py()
        raise InputError(
            f"row {row} of part {part} is written {copies[wrong[0]]} times, but its draw says "
            f"{expected[wrong[0]]}"
        )
    found = np.zeros((len(mixture.leaves), 3), np.int64)
    mine = leaf >= 0
    for place, values in enumerate((copies, copies * tokens, (copies > 0).astype(np.int64))):
        np.add.at(found[:, place], leaf[mine], values[mine])
    return found


def _note_ends(
    mixture: Mixture, leaf: Column, keys: Column, tokens: Column, ends: dict[int, int]
) -> None:
    for number, entry in enumerate(mixture.leaves):
        if entry.bound is not None:
            mine = np.flatnonzero(leaf == number)
            bound = np.array(_key(entry.bound), np.uint64)
            for row in mine[(keys[mine] == bound).all(axis=1)].tolist():
                ends[number] = int(tokens[row])


def _key(text: str) -> Key:
    first, second, third = (int(text[n : n + 16], 16) for n in (0, 16, 32))
    return first, second, third


def _check_rows(result: Result, part: int, draws: pa.Table) -> int:
    """Compare each row of the data with what was read of it; return how many there are."""
    ledger = result.read("ledger", part, ["_row_id", "verdict", "reason", "matched_id"])
    kept = ledger.filter(pc.equal(ledger.column("verdict"), "kept")).combine_chunks()
    repeats = pc.fill_null(pc.equal(kept.column("reason"), ADDED), False)
    origin = pc.if_else(repeats, kept.column("matched_id"), kept.column("_row_id"))
    place = pc.index_in(origin, value_set=draws.column("_row_id").combine_chunks())
    if place.null_count:
        raise InputError(f"part {part}: a row of the data has no line in {DRAWS}/")
    places = place.to_numpy()
    times = np.bincount(places, minlength=len(draws))
    if not np.array_equal(times, draws.column("copies").to_numpy()):
        raise InputError(f"part {part}: the ledger's rows are not written as often as drawn")
    content = np.stack([draws.column(f"content_{n}").to_numpy() for n in (0, 1)], axis=1)
    data = result.read("data", part)
    start = 0
    for batch in data.to_batches():
        stop = start + len(batch)
        wrong = np.flatnonzero((content_hashes(batch) != content[places[start:stop]]).any(axis=1))
        if len(wrong):
            row = origin[start + int(wrong[0])].as_py()
            raise InputError(f"part {part}: row {row} is not the row that was read")
        start = stop
    return start


def _check_amount(mixture: Mixture, leaf: MixedLeaf, end: int | None) -> None:
    """Compare what a leaf gives with its plan: all its rounds, and then as much as fits.

    Args:
        mixture: The plan.
        leaf: The leaf.
        end: Tokens of its first row that is not drawn.
    """
    there, given = mixture.amounts(leaf)
    name = f"{leaf.source or ''} {leaf.category or ''}".strip()
    if leaf.rounds * there + leaf.drawn != leaf.planned or leaf.planned > leaf.target:
        raise InputError(f"{name}: the plan does not add up")
    if (leaf.bound is None) != (leaf.drawn == 0) or (leaf.bound is not None and end is None):
        raise InputError(f"{name}: the end of its draw is no row of it")
    least = leaf.planned if mixture.by == "rows" or end is None else leaf.planned - end + 1
    if not least <= given <= leaf.planned:
        raise InputError(f"{name}: {given} {mixture.by} are written, the plan says {leaf.planned}")
