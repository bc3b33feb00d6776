"""Answers that begin with their prompt: the prompt was not cut off, or was said again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls
from thresher.signals.spans import spans
from thresher.signals.structure import word_counts
from thresher.text.kernel import allocating
from thresher.text.machine import u8_at
from thresher.text.scratch import address

Column = np.ndarray[Any, Any]
MIN_WORDS = 5  # of a prompt: shorter ones begin answers by chance


def begins_with(texts: pa.Array, prompts: pa.Array) -> Column:
    """Mark texts that begin with their prompt, white space around both apart."""
    held, asked = (spans(pc.utf8_trim_whitespace(each)) for each in (texts, prompts))
    places = (held.starts, held.ends, asked.starts, asked.ends)
    found = _begins(address(held.data), address(asked.data), *places)
    marked: Column = found & (word_counts(prompts) >= MIN_WORDS) & ~nulls(texts)
    return marked


@allocating
def _begins(
    data: Any, other: Any, starts: Any, ends: Any, prompt_starts: Any, prompt_ends: Any
) -> Any:
    found = np.zeros(len(starts), np.bool_)
    for row in range(len(starts)):
        length = prompt_ends[row] - prompt_starts[row]
        same = length > 0 and ends[row] - starts[row] >= length
        place = np.int64(0)
        while same and place < length:
            same = u8_at(data, starts[row] + place) == u8_at(other, prompt_starts[row] + place)
            place += 1
        found[row] = same
    return found
