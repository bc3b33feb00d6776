"""The text signals: figures that the published rules for web text are made of.

One pass over the Arrow buffers counts whole numbers for each row (`counters.COUNTERS`); the figures
are taken from them at the end (`text_catalogue`). What a word, a line or a repeated n-gram is,
`text_options` says.

Shapes: R rows.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from thresher.signals.counters import NUM_COUNTERS, make_room
from thresher.signals.lines import measure_shape
from thresher.signals.lookup import Lookup, make_lookup
from thresher.signals.repetition import repeat_words
from thresher.signals.scanning import PHRASE_TABLE, copy_text, scan
from thresher.signals.signal import Kind, Signal
from thresher.signals.text_catalogue import TEXT_SIGNALS, Counted, values_of
from thresher.signals.text_options import Flavor, TextOptions
from thresher.signals.windows import repeat_characters
from thresher.signals.words import measure_words
from thresher.text.kernel import kernel
from thresher.text.machine import i64_at
from thresher.text.scratch import address
from thresher.text.sketch import _row_bounds

SIGNALS: tuple[Signal, ...] = tuple(text.signal for text in TEXT_SIGNALS)
_FLAVORS = (Flavor.DCLM, Flavor.DATATROVE, Flavor.DOLMA, Flavor.RPV2, Flavor.NEMO)

__all__ = ["SIGNALS", "TextOptions", "text_signals"]


@kernel
def measure_rows(
    data: Any,
    starts: Any,
    ends: Any,
    num_rows: Any,
    phrases: Any,
    lexicon: Any,
    rules: Any,
    whitespace: Any,
    room: Any,
    state: Any,
    counters: Any,
) -> None:
    """Count everything for every row; `counters` is (num_rows, NUM_COUNTERS) zeros."""
    for row in range(num_rows):
        begin = i64_at(starts, row)
        length = i64_at(ends, row) - begin
        if length == 0:
            continue
        tally = counters + 8 * NUM_COUNTERS * row
        copy_text(room, data + begin, length)
        spaced = rules.flavor == 0
        scan(rules.kinds, phrases, room, length, whitespace, spaced, tally, state)
        num_words, _ = measure_words(lexicon, room, length, whitespace, tally)
        measure_shape(rules, room, length, tally)
        repeat_words(room, length, num_words, rules.flavor, tally)
        repeat_characters(room, length, tally)


def text_signals(text: pa.Array, options: TextOptions | None = None) -> dict[str, pa.Array]:
    """Return the text signals of every row, by name.

    Linear in the bytes. Releases the GIL, keeps no state. A null row has no signals; an empty one
    has counts of 0 and no shares.

    Args:
        text: (R,) strings, large or not, sliced or not.
        options: Whose definitions, and their settings.

    Raises:
        ValueError: For an array of another type.
    """
    options = options or TextOptions()
    counted = Counted(count_rows(text, options), options.flavor)
    nulls = text.is_null().to_numpy(zero_copy_only=False) if text.null_count else None
    return {
        entry.signal.name: _column(entry.signal, *values_of(entry, counted), nulls)
        for entry in TEXT_SIGNALS
    }


def count_rows(text: pa.Array, options: TextOptions) -> npt.NDArray[np.int64]:
    """Return the counters of every row: (R, NUM_COUNTERS)."""
    starts, ends, _ = _row_bounds(text)
    counters = np.zeros((len(text), NUM_COUNTERS), np.int64)
    buffer = text.buffers()[2] if len(text) else None
    if buffer is None:
        return counters
    lookup = _lookup(options)
    room = make_room(int((ends - starts).max(initial=0)))
    state = np.zeros(3, np.int64)
    measure_rows(
        buffer.address,
        address(starts),
        address(ends),
        len(starts),
        address(PHRASE_TABLE),
        lookup.lexicon,
        lookup.rules,
        int(options.flavor.whitespace),
        room.addresses,
        address(state),
        address(counters),
    )
    return counters


@lru_cache(maxsize=16)
def _lookup(options: TextOptions) -> Lookup:
    return make_lookup(options)


def _column(
    signal: Signal,
    values: npt.NDArray[np.generic],
    missing: npt.NDArray[np.int64],
    nulls: npt.NDArray[np.bool_] | None,
) -> pa.Array:
    mask = missing.astype(np.bool_)
    if nulls is not None:
        mask |= nulls
    if signal.kind is Kind.FLAG:
        values = values != 0
    return pa.array(values, signal.kind.type, mask=mask if mask.any() else None)
