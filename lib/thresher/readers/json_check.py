"""Rules for single JSON records that Arrow's parser does not check, or must not see.

Each looks at one record only, so that neither the size of blocks nor the neighbours of a record
decide whether it is good.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.readers.lines import Records, record

MAX_DEPTH = 64
_EXACT = 2.0**53
_WHITE = b" \t\r\n"


def is_utf8(data: bytes) -> bool:
    """Tell whether bytes are valid UTF-8; Arrow checks at about 4.5 GB/s."""
    offsets = pa.py_buffer(np.array([0, len(data)], np.int64))
    text = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        text.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def fault(line: bytes) -> str | None:
    """Say what is wrong with a line that looks suspicious, or None if Arrow may try it."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return f"invalid UTF-8 at byte {error.start} of the line"
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and _depth(text) > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH} levels"
    stripped = line.strip(_WHITE)
    if stripped.startswith(b"{") and stripped.endswith(b"}"):
        return None
    try:
        kind = type(json.loads(text)).__name__
    except ValueError as error:
        return f"broken JSON: {error}"
    return f"a JSON {kind}, not an object"


def _depth(text: str) -> int:
    """Measure the nesting of brackets outside strings."""
    depth = deepest = 0
    in_string = escaped = False
    for char in text:
        if in_string:
            in_string = escaped or char != '"'
            escaped = char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif char in "]}":
            depth -= 1
    return deepest


def inexact(table: pa.Table, records: Records, good: list[int]) -> dict[int, str]:
    """Find integers that became doubles: Arrow reads any number beyond int64 as one."""
    if not any(_has_large_double(chunk) for column in table.columns for chunk in column.chunks):
        return {}
    found = {}
    rows = table.to_pylist()
    for i, row in zip(good, rows, strict=True):
        value = json.loads(record(records, i))
        if error := _rounded(value, row, None):
            found[i] = error
    beyond = {i: e for i, e in found.items() if e.startswith("integer")}
    return beyond or found  # a column is judged only by the rows that stay


def _has_large_double(array: pa.Array) -> bool:
    if pa.types.is_floating(array.type):
        values = array.drop_null().to_numpy(zero_copy_only=False)
        return bool((np.abs(values) >= _EXACT).any())
    if pa.types.is_struct(array.type):
        return any(_has_large_double(child) for child in array.flatten())
    if pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
        return _has_large_double(array.flatten())
    return False


def _rounded(source: Any, parsed: Any, column: str | None) -> str | None:
    if isinstance(source, dict):
        pairs = [(source[k], (parsed or {}).get(k), column or k) for k in source]
    elif isinstance(source, list):
        pairs = [(s, p, column) for s, p in zip(source, parsed or [], strict=False)]
    elif isinstance(source, int) and isinstance(parsed, float):
        if int(parsed) == source and abs(source) < 2**63:
            return None
        if -(2**63) <= source < 2**63:
            return (
                f"column {column!r} holds decimals and the integer {source}, which a double rounds"
            )
        return f"integer of {len(str(abs(source)))} digits in column {column!r} is beyond 64 bits"
    else:
        return None
    return next((e for s, p, c in pairs if (e := _rounded(s, p, c))), None)
