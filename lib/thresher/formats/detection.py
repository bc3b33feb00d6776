"""Which format a file has: from its columns, and from whether its rows read well.

Every row of a file is tried with every format that its columns allow, so the answer does not hang
on a lucky sample. The confidence is the share of rows that the found formats read, times the weight
of the columns that speak for the first one against the next: a file with both `output` and
`response` says 0.5, unless the two columns are equal.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import is_string, truth
from thresher.formats.catalogue import FORMATS
from thresher.formats.format import presence

Column = np.ndarray[Any, Any]
MIN_CONFIDENCE = 0.6
# How much a column says about the format: a conversation more than a lone prompt.
_WEIGHTS = {"prompt": 0.5, "text": 1.0, "input": 1.0, "system": 0.5, "tools": 0.5}
_STRONG = frozenset({"messages", "conversations", "chosen", "rejected"})
_DEFAULT_WEIGHT, _STRONG_WEIGHT = 2.0, 3.0


@dataclass
class Evidence:
    """What some rows say about their format; evidence of several batches adds up.

    Args:
        rows: Rows seen.
        readable: Rows by the formats that read them, named in order and joined by commas.
        columns: Rows in which a column is not null.
        equal: Pairs of columns that are equal, to rows; only those of rival formats.
        present: By format, what its rows hold (see `presence`), and its extra columns as
            `extra:NAME`.
    """

    rows: int = 0
    readable: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    equal: Counter[str] = field(default_factory=Counter)
    present: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: Evidence) -> None:
        """Take in what other rows said."""
        self.rows += other.rows
        self.readable += other.readable
        self.columns += other.columns
        self.equal += other.equal
        for name, counts in other.present.items():
            self.present[name] = self.present.get(name, Counter()) + counts

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON values."""
        return {
            "rows": self.rows,
            "readable": dict(self.readable),
            "columns": dict(self.columns),
            "equal": dict(self.equal),
            "present": {name: dict(counts) for name, counts in self.present.items()},
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Evidence:
        """Read what `to_json` made."""
        return Evidence(
            value["rows"],
            Counter(value["readable"]),
            Counter(value["columns"]),
            Counter(value["equal"]),
            {name: Counter(counts) for name, counts in value["present"].items()},
        )


@dataclass(frozen=True)
class Detected:
    """The formats of a file.

    Args:
        formats: The likeliest first; more than one where rows differ.
        confidence: 0 to 1.
        reasons: What speaks for it, in sentences.
        rivals: Formats that would also do.
    """

    formats: tuple[str, ...]
    confidence: float
    reasons: tuple[str, ...]
    rivals: tuple[str, ...] = ()

    @property
    def clear(self) -> bool:
        """Whether the confidence is enough to go on."""
        return bool(self.formats) and self.confidence >= MIN_CONFIDENCE


def gather(batch: pa.RecordBatch, formats: Collection[str] | None = None) -> Evidence:
    """Try a batch with all formats that its columns allow, or with those named."""
    found = Evidence(rows=len(batch))
    names = [
        n for n, f in FORMATS.items() if (formats is None or n in formats) and f.fits(batch.schema)
    ]
    codes = np.zeros(len(batch), np.int64)
    for place, name in enumerate(names):
        made = FORMATS[name].read_all(batch)
        good = made.faults.good
        codes |= good.astype(np.int64) << place
        if good.any():
            rows = made.rows if good.all() else made.rows.take(np.flatnonzero(good))
            counts = presence(rows)
            for extra, values in rows.extra.items():
                counts[f"extra:{extra}"] = len(values) - values.null_count
            found.present[name] = +counts
    kinds, totals = np.unique(codes, return_counts=True)
    for code, count in zip(kinds.tolist(), totals.tolist(), strict=True):
        readers = [name for place, name in enumerate(names) if code >> place & 1]
        found.readable[",".join(readers)] += count
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        found.columns[name] = len(array) - array.null_count
    _compare(batch, names, found)
    return found


def _compare(batch: pa.RecordBatch, names: Sequence[str], found: Evidence) -> None:
    """Count equal rows of the string columns that only one of two formats knows."""
    known = [set(FORMATS[name].known(batch.schema)) for name in names]
    doubtful: set[str] = set()
    if len(known) > 1:
        doubtful = known[0].union(*known) - known[0].intersection(*known)
    columns = sorted(n for n in doubtful if is_string(batch.schema.field(n).type))
    for place, left in enumerate(columns):
        for right in columns[place + 1 :]:
            same = pc.equal(batch.column(left), batch.column(right).cast(batch.column(left).type))
            if count := int(truth(same).sum()):
                found.equal[f"{left},{right}"] = count


def detect(evidence: Evidence) -> Detected:
    """Decide which formats a file has."""
    left = Counter(evidence.readable)
    chosen: list[str] = []
    read = 0
    rivals: tuple[str, ...] = ()
    margin = 1.0
    reasons: list[str] = []
    while True:
        totals: Counter[str] = Counter()
        for readers, count in left.items():
            for name in filter(None, readers.split(",")):
                totals[name] += count
        if not totals:
            break
        best = min(totals, key=lambda n: (-_worth(n, totals[n], evidence), _place(n)))
        if not chosen:
            margin, rivals, why = _against(best, totals, evidence)
            reasons += why
        chosen.append(best)
        read += totals[best]
        left = Counter({r: c for r, c in left.items() if best not in r.split(",")})
    if not chosen:
        columns = ", ".join(sorted(evidence.columns)) or "none"
        return Detected((), 0.0, (f"no format has these columns: {columns}",))
    share = read / evidence.rows if evidence.rows else 0.0
    reasons.append(f"{read:,} of {evidence.rows:,} rows can be read")
    if len(chosen) > 1:
        reasons.append(f"rows of several formats: {', '.join(chosen)}")
    return Detected(tuple(chosen), round(share * margin, 4), tuple(reasons), rivals)


def _place(name: str) -> int:
    return list(FORMATS).index(name)


def _mine(name: str, evidence: Evidence) -> set[str]:
    known = {*FORMATS[name].required, *FORMATS[name].optional}
    return {column for column, count in evidence.columns.items() if count and column in known}


def _weigh(columns: Collection[str]) -> float:
    return sum(
        _STRONG_WEIGHT if name in _STRONG else _WEIGHTS.get(name, _DEFAULT_WEIGHT)
        for name in columns
    )


def _worth(name: str, rows: int, evidence: Evidence) -> float:
    """Rank formats by the weight of their columns in the rows that they read."""
    return rows * _weigh(_mine(name, evidence))


def _against(
    best: str, totals: Counter[str], evidence: Evidence
) -> tuple[float, tuple[str, ...], list[str]]:
    """Weigh the best format against the others: the margin, who comes near, and why."""
    mine = _mine(best, evidence)
    reasons = [f"columns {', '.join(sorted(mine))}"]
    margin = 1.0
    near: list[tuple[float, str]] = []
    for name in totals:
        theirs = _mine(name, evidence) - mine
        for pair, count in evidence.equal.items():
            left, _, right = pair.partition(",")
            if count == evidence.rows and {left, right} & mine and {left, right} & theirs:
                reasons.append(f"columns '{left}' and '{right}' are equal")
                theirs -= {left, right}
        # A rival that reads only the rows that the best one cannot read is no rival.
        both = sum(
            count
            for readers, count in evidence.readable.items()
            if {best, name} <= set(readers.split(","))
        )
        if name == best or not theirs or not both:
            continue
        ours = _weigh(mine - _mine(name, evidence))
        here = ours / (ours + _weigh(theirs))
        near.append((here, name))
        margin = min(margin, here)
    near.sort()
    if near:
        reasons.append(f"columns of {near[0][1]} are there too")
    return margin, tuple(name for _, name in near), list(dict.fromkeys(reasons))
