"""Which format a file has: from its columns, and from whether its rows read well.

Every row of a file is tried with every format that its columns allow, so the answer does not hang
on a lucky sample. The confidence is the share of rows that the found formats read, times the weight
of the columns that speak for the first one against the next: a file with both `output` and
`response` says 0.5, unless the two columns are equal. So does one whose rows hold content that the
format would leave out, by the name of its column: a passage, options, reasoning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import children, is_list, is_string, truth
from thresher.formats.catalogue import FORMATS
from thresher.formats.format import presence
from thresher.formats.messages import REASONING_FIELDS
from thresher.formats.names import MIN_CONFIDENCE

Column = np.ndarray[Any, Any]
# How much a column says about the format: a conversation more than a lone prompt.
_WEIGHTS = {"prompt": 0.5, "text": 1.0, "input": 1.0, "system": 0.5, "tools": 0.5}
_STRONG = frozenset({"messages", "conversations", "chosen", "rejected"})
_DEFAULT_WEIGHT, _STRONG_WEIGHT = 2.0, 3.0
# What rows must not lose unasked, whatever else they hold. A `rationale` or an `explanation` may be
# a judge's, and is not among them.
CONTENT = frozenset(
    {"input", "context", "passage", "choices", "options", "system", "system_prompt", "tools"}
).union(REASONING_FIELDS)
_LEFT_OUT = 0.5  # how sure a format is that reads none of it
# Three words, or as much in a script without blanks: less is a name, a number or a label.
_TEXT = r"\S\s+\S+\s+\S|[^\x00-\x7F]{6}"
_WEAK_SHARE = 0.1  # of rows: fewer are an accident, not a format


@dataclass
class Evidence:
    """What some rows say about their format; evidence of several batches adds up.

    Args:
        rows: Rows seen.
        readable: Rows by the formats that read them, named in order and joined by commas.
        fitting: Rows by the formats that their columns allow, read or not.
        columns: Rows in which a column is not null.
        filled: Rows in which a column that is content by its name is not empty either.
        texts: Values of a column, at any depth, that are text: three words or more.
        equal: Pairs of columns that are equal, to rows; only those of rival formats.
        present: By format, what its rows hold (see `presence`), and its extra columns as
            `extra:NAME`.
    """

    rows: int = 0
    readable: Counter[str] = field(default_factory=Counter)
    fitting: Counter[str] = field(default_factory=Counter)
    columns: Counter[str] = field(default_factory=Counter)
    filled: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    equal: Counter[str] = field(default_factory=Counter)
    present: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, other: Evidence) -> None:
        """Take in what other rows said."""
        self.rows += other.rows
        self.readable += other.readable
        self.fitting += other.fitting
        self.columns += other.columns
        self.filled += other.filled
        self.texts += other.texts
        self.equal += other.equal
        for name, counts in other.present.items():
            self.present[name] = self.present.get(name, Counter()) + counts

    def to_json(self) -> dict[str, Any]:
        """Return the evidence as JSON values."""
        return {
            "rows": self.rows,
            "readable": dict(self.readable),
            "fitting": dict(self.fitting),
            "columns": dict(self.columns),
            "filled": dict(self.filled),
            "texts": dict(self.texts),
            "equal": dict(self.equal),
            "present": {name: dict(counts) for name, counts in self.present.items()},
        }

    @staticmethod
    def from_json(value: dict[str, Any]) -> Evidence:
        """Read what `to_json` made."""
        return Evidence(
            value["rows"],
            Counter(value["readable"]),
            Counter(value["fitting"]),
            Counter(value["columns"]),
            Counter(value["filled"]),
            Counter(value["texts"]),
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
        unread: Columns with values that none of the formats knows.
        texts: Those of them that hold text.
    """

    formats: tuple[str, ...]
    confidence: float
    reasons: tuple[str, ...]
    rivals: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()

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
        found.fitting[name] = len(batch)
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
        found.texts[name] = _count_texts(array)
        if name in CONTENT:
            found.filled[name] = _count_filled(array)
    _compare(batch, names, found)
    return found


def _count_filled(array: pa.Array) -> int:
    """Count the values that are neither null nor empty."""
    if is_string(array.type):
        return int(truth(pc.greater(pc.binary_length(array), 0)).sum())
    if is_list(array.type):
        return int(truth(pc.greater(pc.list_value_length(array), 0)).sum())
    return int(pc.count(array).as_py())


def _count_texts(array: pa.Array) -> int:
    """Count the strings that are text, in lists and objects too; names and numbers are none."""
    if pa.types.is_null(array.type):
        return 0
    if is_string(array.type):
        return int(truth(pc.match_substring_regex(array, _TEXT)).sum())
    if is_list(array.type):
        return _count_texts(array.flatten())
    return sum(_count_texts(child) for child in children(array).values())


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
        totals = _totals(left)
        able = [n for n in totals if not chosen or _joins(n, chosen)]
        able = [n for n in able if not _is_weaker(n, totals, evidence)]
        if not able:
            break
        best = min(able, key=lambda n: (-_worth(n, totals[n], evidence), _place(n)))
        if not chosen:
            margin, rivals, why = _against(best, evidence)
            reasons += why
        chosen.append(best)
        read += totals[best]
        left = Counter({r: c for r, c in left.items() if best not in r.split(",")})
    if not chosen:
        columns = ", ".join(sorted(evidence.columns)) or "none"
        told = f"no format has these columns: {columns}"
        if evidence.fitting:
            told = f"columns of {' or '.join(list(evidence.fitting)[:3])}, but no row can be read"
        return Detected((), 0.0, (told,), tuple(evidence.fitting))
    share = read / evidence.rows if evidence.rows else 0.0
    left_out = unread(chosen, evidence)
    for column in [c for c in left_out if evidence.filled[c] >= _WEAK_SHARE * evidence.rows]:
        margin = min(margin, _LEFT_OUT)
        reasons.append(f"column '{column}' holds text and would be left out")
    reasons.append(f"{read:,} of {evidence.rows:,} rows can be read")
    if len(chosen) > 1:
        reasons.append(f"rows of several formats: {', '.join(chosen)}")
    sure = round(share * margin, 4)
    texts = tuple(c for c in left_out if evidence.texts[c])
    return Detected(tuple(chosen), sure, tuple(reasons), rivals, left_out, texts)


def named(format: str, evidence: Evidence) -> Detected:
    """Return what a file is whose format the user says."""
    left_out = unread((format,), evidence)
    texts = tuple(c for c in left_out if evidence.texts[c])
    return Detected((format,), 1.0, ("as the recipe says",), unread=left_out, texts=texts)


def unread(formats: Sequence[str], evidence: Evidence) -> tuple[str, ...]:
    """List the columns with values that none of these formats knows."""
    known = {c for name in formats for c in (*FORMATS[name].required, *FORMATS[name].optional)}
    return tuple(sorted(c for c, count in evidence.columns.items() if count and c not in known))


def _totals(readable: Counter[str]) -> Counter[str]:
    """Count rows by each format that reads them."""
    totals: Counter[str] = Counter()
    for readers, count in readable.items():
        for name in filter(None, readers.split(",")):
            totals[name] += count
    return totals


def _joins(name: str, chosen: Sequence[str]) -> bool:
    """Tell whether a file may hold rows of one more format: it brings a column of its own, or
    spells the columns of another one in its own way. A weaker view of broken rows is none."""
    required = set(FORMATS[name].required)
    known = {c for n in chosen for c in (*FORMATS[n].required, *FORMATS[n].optional)}
    alike = any(
        set(FORMATS[n].required) == required
        and FORMATS[n].required != FORMATS[name].required
        and FORMATS[n].kind is FORMATS[name].kind
        for n in chosen
    )
    return alike or bool(required - known)


def _is_weaker(name: str, totals: Counter[str], evidence: Evidence) -> bool:
    """Tell whether another format explains more columns of a good part of the rows."""
    mine = _mine(name, evidence)
    return any(
        mine < _mine(other, evidence) and count >= _WEAK_SHARE * totals[name]
        for other, count in totals.items()
    )


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


def _against(best: str, evidence: Evidence) -> tuple[float, tuple[str, ...], list[str]]:
    """Weigh the best format against the others: the margin, who comes near, and why."""
    mine = _mine(best, evidence)
    reasons = [f"columns {', '.join(sorted(mine))}"]
    margin = 1.0
    near: list[tuple[float, str]] = []
    for name in evidence.fitting:
        theirs = _mine(name, evidence) - mine
        for pair, count in evidence.equal.items():
            left, _, right = pair.partition(",")
            if count == evidence.rows and {left, right} & mine and {left, right} & theirs:
                reasons.append(f"columns '{left}' and '{right}' are equal")
                theirs -= {left, right}
        if name == best or not theirs or not _is_rival(best, name, theirs, evidence):
            continue
        ours = _weigh(mine - _mine(name, evidence))
        here = ours / (ours + _weigh(theirs))
        near.append((here, name))
        margin = min(margin, here)
    near.sort()
    if near:
        reasons.append(f"columns of {near[0][1]} are there too")
    return margin, tuple(name for _, name in near), list(dict.fromkeys(reasons))


def _is_rival(best: str, name: str, theirs: set[str], evidence: Evidence) -> bool:
    """Tell whether another format also speaks for the rows of the best one: it reads some of them,
    or it has all of their columns and more, though the values do not fit (scores as labels)."""
    both = any({best, name} <= set(readers.split(",")) for readers in evidence.readable)
    filled = min(evidence.columns[column] for column in theirs)
    more = _mine(best, evidence) < _mine(name, evidence)
    return both or (more and filled >= _WEAK_SHARE * evidence.rows)
