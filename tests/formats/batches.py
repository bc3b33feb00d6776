"""Batches for the tests of formats, and the way from one format to another and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.json as pj
import pytest

from thresher.formats.catalogue import FORMATS
from thresher.formats.conversion import Conversion, Converted, convert
from thresher.formats.detection import Evidence, detect, gather
from thresher.formats.format import Writing

DATA = Path(__file__).parents[2].parent / "shared" / "data"
Row = dict[str, Any]


def sample(name: str, rows: int | None = None) -> pa.RecordBatch:
    """Return the rows of a real data set, or skip the test."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the sample data set {name} is not here")
    batch = pj.read_json(path).combine_chunks().to_batches()[0]
    return batch if rows is None else batch.slice(0, rows)


def batch(*rows: Row, **types: pa.DataType) -> pa.RecordBatch:
    """Return rows as a batch, with the types of some columns given."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = [pa.array([row.get(name) for row in rows], types.get(name)) for name in names]
    return pa.RecordBatch.from_arrays(columns, names)


def present(data: pa.RecordBatch, *formats: str) -> frozenset[str]:
    """Return what the rows hold, as the survey finds it."""
    evidence = gather(data, formats)
    return frozenset(key for name in formats for key in evidence.present.get(name, {}))


def to(data: pa.RecordBatch, source: str, target: str, **how: Any) -> Converted:
    """Convert a batch from one format into another."""
    held = frozenset(key for key in present(data, source) if not key.startswith("extra:"))
    return convert(data, Conversion((source,), target, Writing(held), **how))


def own_columns(data: pa.RecordBatch, name: str) -> pa.RecordBatch:
    """Return the columns that belong to the format."""
    return data.select(FORMATS[name].known(data.schema))


def found_format(data: pa.RecordBatch) -> tuple[tuple[str, ...], float]:
    """Return the formats detected, and the confidence."""
    evidence = Evidence()
    evidence.add(gather(data))
    found = detect(evidence)
    return found.formats, found.confidence


def rows(data: pa.RecordBatch | pa.Table) -> list[Row]:
    """Return rows as Python values, without fields that are null."""
    cleaned = [_clean(row) for row in data.to_pylist()]
    return [row if isinstance(row, dict) else {} for row in cleaned]


def _clean(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _clean(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_clean(v) for v in value]
    return value
