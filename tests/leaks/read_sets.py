"""Benchmarks read in tests, and what holds for all."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.leaks.items import FIELDS
from thresher_jobs.leak_items import ReadBenchmark, read_benchmarks

_WORD = re.compile(r"[^\W_]+")


def count(texts: pa.Array, code: bool) -> npt.NDArray[np.int64]:
    """Count tokens as the index does, roughly: words, and every ideograph."""
    return np.array([_tokens(text) for text in texts.to_pylist()], np.int64)


def _tokens(text: str) -> int:
    return len(_WORD.findall(re.sub(r"[⺀-鿿]", " x ", text)))


def one(spec: str) -> ReadBenchmark:
    """Read one benchmark, and check what holds for all."""
    (found,) = read_benchmarks([spec], count)
    counts = found.counts
    reasons = ("empty", "short", "duplicate")
    assert counts["rows"] == counts["usable"] + sum(counts[r] for r in reasons)
    assert len(found.uids) == len(set(found.uids.to_pylist())) == counts["usable"]
    assert len(found.answers) == len(found.options) == len(found.uids)
    assert sorted(set(found.owner.tolist())) == list(range(len(found.uids)))
    assert (np.diff(found.owner) >= 0).all()
    assert len(found.texts) == len(found.fields) == len(found.owner)
    assert sum(counts["sub_items"].values()) == len(found.texts)
    assert len(found.unusable) == counts["rows"] - counts["usable"]
    return found


def texts_of(found: ReadBenchmark, item: int) -> list[tuple[str, str]]:
    """Return (field, text) of an item's sub-items."""
    places = np.flatnonzero(found.owner == item).tolist()
    return [(FIELDS[found.fields[p]], found.texts[p].as_py()) for p in places]


def lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path
