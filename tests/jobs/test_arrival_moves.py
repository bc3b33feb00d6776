"""Rows that moved are followed as a plain loop would follow them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from thresher.transforms.arrivals import Found, Ledger, place_nights, text_nights
from thresher_jobs.arrival_moves import follow

TONIGHT = 9
SEEN = st.tuples(st.integers(0, 2), st.integers(0, 1), st.booleans())
Row = tuple[int, int, bool]


def plainly(rows: list[Row], lines: list[Row], nights: list[int], known: set[int]) -> list[int]:
    """Return the night of each row's place: rows take the oldest free line of their text."""
    free = sorted((n for n in range(len(lines)) if not lines[n][2]), key=lambda n: (nights[n], n))
    told = [1 if stands else TONIGHT for _, _, stands in rows]
    for within in (True, False):
        for number, (text, source, stands) in enumerate(rows):
            if stands or text not in known or told[number] != TONIGHT:
                continue
            for line in free:
                if lines[line][0] == text and (not within or lines[line][1] == source):
                    told[number] = nights[line]
                    free.remove(line)
                    break
    return told


@given(rows=st.lists(SEEN, max_size=12), lines=st.lists(SEEN, max_size=12), data=st.data())
def test_rows_take_over_the_oldest_lines_of_their_text(
    rows: list[Row], lines: list[Row], data: st.DataObject
) -> None:
    lines = sorted(lines)
    nights = [data.draw(st.integers(1, TONIGHT - 1)) for _ in lines]
    known = {text for text, _, _ in lines}
    u64, u32 = np.uint64, np.uint32
    texts = [(1 if text in known else TONIGHT) for text, _, _ in rows]
    places = [1 if stands else TONIGHT for _, _, stands in rows]
    arrived = np.array(texts, u64) << u64(32) | np.array(places, u64)
    found = Found(
        arrived, np.array([r[2] for r in rows], bool), np.array([n[2] for n in lines], bool)
    )
    b0, b1, where = (
        np.array(column, u64)
        for column in ([n[0] for n in lines], [5] * len(lines), range(len(lines)))
    )
    ledger = Ledger(b0, b1, where, np.ones(len(lines), u32), np.array(nights, u32))
    sources = np.array([n[1] for n in lines], u64)
    follow(
        found,
        ledger,
        sources,
        np.array([r[0] for r in rows], u64),
        np.full(len(rows), 5, u64),
        np.array([r[1] for r in rows], u64),
        TONIGHT,
    )
    assert place_nights(found.arrived).tolist() == plainly(rows, lines, nights, known)
    assert text_nights(found.arrived).tolist() == texts
