"""A block of matches as numbers: rows, pairs of a row and a benchmark, and items, by verdict.

A pair's verdict is its worst; only matches that have the verdict of their pair say anything else
about it (kind, role, rule), so that a row removed for a copy is not called a paraphrase.

Shapes: M matches, R rows, P pairs of a row and a benchmark, I items that were hit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.leaks.matches import (
    CONTAMINATED,
    LABEL_ROLES,
    MATCH_KINDS,
    MATCHES,
    SIDES,
    SNIPPET_CHARACTERS,
    VERDICTS,
)

Column = np.ndarray[Any, Any]
Rows = Iterator[tuple[int, str, int]]

# What is compared to find an item's strongest match: the first three from high to low, then the
# rest, the other way. All columns: matches equal in all are one match, so the order is total.
NUM_HIGH = 3
_FIRST = ("verdict", "cover_5", "cover_8", "match_kind", "_row_id", "segment", "byte_start")
_OWN = ("benchmark", "split", "item_id")  # equal for all matches of an item
STRENGTH = (*_FIRST, *(name for name in MATCHES.names if name not in {*_FIRST, *_OWN}))
_INPUT, _LABEL, _TEXT = 1, 2, 4
# Of these bits to SIDES. Text beside a role does not occur.
_SIDE_OF = np.array([len(SIDES), 0, 1, 2, 3, 3, 3, 3])


class Hit(NamedTuple):
    """One item of a block: kinds as bits by verdict, rows by verdict, and the columns
    STRENGTH of its strongest match."""

    benchmark: tuple[str, str]
    id: str
    kinds: list[int]
    rows: list[int]
    match: tuple[Any, ...]


class MatchBlock:
    """What the matches of a block say of its rows.

    Attributes:
        benchmarks: (name, split) of those that matched.
    """

    def __init__(self, matches: pa.RecordBatch) -> None:
        self._batch = _filled(matches)
        self._verdict_M = self._batch["verdict"].to_numpy()
        self._kind_M = self._batch["match_kind"].to_numpy()
        names, name_M = self._coded("benchmark")
        splits, split_M = self._coded("split")
        keys, self._bench_M = np.unique(name_M * len(splits) + split_M, return_inverse=True)
        self.benchmarks = [
            (names[key // len(splits)], splits[key % len(splits)]) for key in keys.tolist()
        ]
        rows, self._row_M = self._coded("_row_id")
        self._num_rows = len(rows)
        self._row_verdict_R = _worst(self._row_M, self._verdict_M, len(rows))
        pairs, self._pair_M = np.unique(
            self._bench_M * len(rows) + self._row_M, return_inverse=True
        )
        self._row_P, self._bench_P = pairs % len(rows), pairs // len(rows)
        self._verdict_P = _worst(self._pair_M, self._verdict_M, len(pairs))
        self._decides_M = self._verdict_M == self._verdict_P[self._pair_M]

    def _coded(self, name: str) -> tuple[list[str], Column]:
        """Return the different values of a column, and the place of each row's among them."""
        found = self._batch[name].dictionary_encode()
        return found.dictionary.to_pylist(), found.indices.to_numpy().astype(np.int64)

    def rows(self, code: int | None = None) -> list[int]:
        """Return rows by verdict: of one benchmark, or of all, where a row counts once."""
        verdicts = self._row_verdict_R if code is None else self._verdict_P[self._bench_P == code]
        return np.bincount(verdicts, minlength=len(VERDICTS)).tolist()  # type: ignore[no-any-return]

    def rows_alone(self, code: int) -> int:
        """Count the contaminated rows of a benchmark that no other one contaminates."""
        contaminated_P = self._verdict_P == CONTAMINATED
        benchmarks_R = np.bincount(self._row_P[contaminated_P], minlength=self._num_rows)
        alone_P = contaminated_P & (benchmarks_R[self._row_P] == 1)
        return int((alone_P & (self._bench_P == code)).sum())

    def rows_by_side(self, code: int) -> Iterator[tuple[str, int]]:
        """Count the contaminated rows of a benchmark by which sides of them matched."""
        roles, role_M = self._coded("role")
        bits = np.array([_side(role) for role in roles])
        chosen_M = self._decides_M & (self._verdict_M == CONTAMINATED) & (self._bench_M == code)
        sides_P = np.zeros(len(self._bench_P), np.int64)
        np.bitwise_or.at(sides_P, self._pair_M[chosen_M], bits[role_M[chosen_M]])
        counts = np.bincount(_SIDE_OF[sides_P], minlength=len(SIDES) + 1).tolist()
        return ((side, rows) for side, rows in zip(SIDES, counts, strict=False) if rows)

    def rows_by_kind(self, code: int) -> Rows:
        """Count the rows of a benchmark by verdict and strongest kind."""
        kind_P = np.full(len(self._bench_P), len(MATCH_KINDS), np.int64)
        decides_M = self._decides_M
        np.minimum.at(kind_P, self._pair_M[decides_M], self._kind_M[decides_M])
        chosen_P = np.flatnonzero(self._bench_P == code)
        return self._counted(chosen_P, kind_P[chosen_P], MATCH_KINDS)

    def rows_by_role(self, code: int) -> Rows:
        """Count the rows of a benchmark by verdict and each role that matched."""
        return self._rows_by("role", code)

    def rows_by_mode(self, code: int) -> Rows:
        """Count the rows of a benchmark by verdict and each rule that fired first."""
        return self._rows_by("mode", code)

    def _rows_by(self, column: str, code: int) -> Rows:
        names, name_M = self._coded(column)
        chosen_M = self._decides_M & (self._bench_M == code)
        once = np.unique(self._pair_M[chosen_M] * len(names) + name_M[chosen_M])
        return self._counted(once // len(names), once % len(names), names)

    def _counted(self, pair: Column, name: Column, names: Sequence[str]) -> Rows:
        """Count different (pair, name) by verdict and name."""
        counts = np.bincount(self._verdict_P[pair] * len(names) + name)
        for place in np.flatnonzero(counts).tolist():
            verdict, which = divmod(place, len(names))
            yield verdict, names[which], int(counts[place])

    def items(self) -> Iterator[Hit]:
        """Return the items that were hit, each with its strongest match."""
        ids, id_M = self._coded("item_id")
        hits, hit_M = np.unique(self._bench_M * len(ids) + id_M, return_inverse=True)
        kinds = np.zeros((len(VERDICTS), len(hits)), np.int64)
        np.bitwise_or.at(kinds, (self._verdict_M, hit_M), 1 << self._kind_M)
        once, once_M = np.unique(hit_M * self._num_rows + self._row_M, return_inverse=True)
        rows = np.zeros((len(VERDICTS), len(hits)), np.int64)
        np.add.at(rows, (_worst(once_M, self._verdict_M, len(once)), once // self._num_rows), 1)
        for number, (key, match) in enumerate(
            zip(hits.tolist(), self._strongest(hit_M, len(hits)), strict=True)
        ):
            yield Hit(
                self.benchmarks[key // len(ids)],
                ids[key % len(ids)],
                kinds[:, number].tolist(),
                rows[:, number].tolist(),
                match,
            )

    def _strongest(self, hit_M: Column, num_hits: int) -> Iterator[tuple[Any, ...]]:
        batch = self._batch.append_column("hit", pa.array(hit_M))
        high, low = STRENGTH[:NUM_HIGH], STRENGTH[NUM_HIGH:]
        keys = [("hit", "ascending"), *((name, "descending") for name in high)]
        keys += [(name, "ascending") for name in low]
        ranked = pc.sort_indices(batch, sort_keys=keys).to_numpy()
        firsts = ranked[np.searchsorted(hit_M[ranked], np.arange(num_hits))]
        best = self._batch.take(pa.array(firsts))
        return zip(*(best[name].to_pylist() for name in STRENGTH), strict=True)


def _worst(group_M: Column, verdict_M: Column, num_groups: int) -> Column:
    """Return the worst verdict of each group."""
    found = np.zeros(num_groups, np.int64)
    np.maximum.at(found, group_M, verdict_M)
    return found


def _side(role: str) -> int:
    return _TEXT if role == "text" else _LABEL if role in LABEL_ROLES else _INPUT


def _filled(matches: pa.RecordBatch) -> pa.Table:
    """Return the columns without nulls, verdict and kind as their places."""
    missing = [name for name in MATCHES.names if name not in matches.schema.names]
    if missing:
        raise ValueError(f"matches lack the column {missing[0]!r}")
    columns = {}
    for field in MATCHES:
        column = matches.column(field.name).cast(field.type)
        if pa.types.is_string(field.type):
            column = pc.fill_null(column, "")
            if field.name.endswith("_snippet"):
                column = pc.utf8_slice_codeunits(column, 0, SNIPPET_CHARACTERS)
        elif pa.types.is_floating(field.type):
            column = pc.fill_null(pc.if_else(pc.is_finite(column), column, 0.0), 0.0)
        else:
            column = pc.fill_null(column, False if pa.types.is_boolean(field.type) else 0)
        columns[field.name] = column
    for name, words in (("verdict", VERDICTS), ("match_kind", MATCH_KINDS)):
        places = pc.index_in(columns[name], pa.array(words))
        if places.null_count:
            unknown = columns[name].filter(pc.is_null(places))[0].as_py()
            raise ValueError(f"matches with the {name} {unknown!r}, none of {', '.join(words)}")
        columns[name] = places.cast(pa.int64())
    return pa.record_batch(columns)
