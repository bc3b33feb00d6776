"""Shared beginnings of texts, against the plain way."""

from __future__ import annotations

import os.path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from thresher.formats.prefixes import cut_texts, shared_bytes
from thresher.formats.turns import STRING

word = st.text("ab é👋ü", max_size=6)


@given(st.lists(st.tuples(word, word, word), min_size=1, max_size=6), st.integers(0, 2))
def test_shared_beginnings_are_whole_characters_less_a_space(
    made: list[tuple[str, str, str]], skipped: int
) -> None:
    pairs = [(head + left, head + right) for head, left, right in made]
    sides = [pa.array(side, STRING).slice(skipped) for side in zip(*pairs, strict=True)]
    heads = shared_bytes(*sides)
    for side in sides:
        before, after = cut_texts(side, heads)
        for text, head, tail, others in zip(
            side.to_pylist(), before.to_pylist(), after.to_pylist(), pairs[skipped:], strict=True
        ):
            shared = os.path.commonprefix(others)  # noqa: RUF071 (of characters is meant)
            assert head == (shared[:-1] if shared.endswith(" ") else shared)
            assert head + tail == text
