"""Pieces of texts around matches are what Python cuts, to the byte."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from thresher.leaks.snippets import snippets

TEXTS = st.lists(st.text(alphabet="ab é€😀\u0301", max_size=60), min_size=1, max_size=6)


def plain(text: str, start: int, stop: int, characters: int) -> str:
    data = text.encode()
    low = max(0, start - max(0, characters - (stop - start)) // 2)
    return data[low : low + 4 * characters].decode("utf-8", "ignore")[:characters]


@given(TEXTS, st.data(), st.integers(1, 12), st.integers(0, 3))
def test_snippets_are_whole_code_points_around_a_match(
    texts: list[str], data: st.DataObject, characters: int, before: int
) -> None:
    rows, starts, stops = [], [], []
    for _ in range(data.draw(st.integers(0, 8))):
        row = data.draw(st.integers(0, len(texts) - 1))
        text = texts[row]
        first = data.draw(st.integers(0, len(text)))
        last = data.draw(st.integers(first, len(text)))
        rows.append(row)
        starts.append(len(text[:first].encode()))
        stops.append(len(text[:last].encode()))
    whole = pa.array(["x"] * before + texts, pa.large_string()).slice(before)
    columns = (np.array(column, np.int64) for column in (rows, starts, stops))
    found = snippets(whole, *columns, characters)
    assert found.type == pa.string()
    assert found.to_pylist() == [
        plain(texts[row], start, stop, characters)
        for row, start, stop in zip(rows, starts, stops, strict=True)
    ]
