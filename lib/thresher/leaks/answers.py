"""What stands beside a match: the item's answer, and the texts of its options.

An answer counts as found where it follows the match closely (within 50 tokens for one of up to
three tokens, else within 100 or twice its own length), or where it stands anywhere in what the
model should write in the same row. Options count within 100 tokens on either side of the match.

Shapes: C matches, S segments, U items, A answers or options.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from thresher.leaks.tokens import Tokens
from thresher.text.kernel import inlined, kernel

Column = np.ndarray[Any, Any]
SHORT_ANSWER, NEAR_SHORT, NEAR_LONG = 3, 50, 100
NEAR_OPTION = 100


class Sayings(NamedTuple):
    """Texts that belong to items: those of item u lie between two offsets.

    Attributes:
        owners: (U + 1,) int64 offsets into the texts.
        offsets: (A + 1,) int64 offsets into the tokens.
        hashes: uint64 tokens.
    """

    owners: Column
    offsets: Column
    hashes: Column


class Beside(NamedTuple):
    """What was found beside matches.

    Attributes:
        answer_found: (C,) bool.
        options_found: (C,) int64 options of the item near the match.
        has_answer: (C,) bool, whether the item has an answer that can be looked for.
    """

    answer_found: Column
    options_found: Column
    has_answer: Column


def look_beside(
    tokens: Tokens,
    rows: Column,
    labels: Column,
    segments: Column,
    first: Column,
    last: Column,
    uids: Column,
    answers: Sayings,
    options: Sayings,
) -> Beside:
    """Look for answers and options.

    Args:
        tokens: Of all S segments.
        rows: (S,) the row of each segment, ascending.
        labels: (S,) bool, whether a segment is what the model should write.
        segments, first, last: (C,) segment of each match, its first and last matched token.
        uids: (C,) item of each match.
        answers, options: Texts by item.
    """
    count = len(segments)
    found = np.zeros(count, bool)
    options_found = np.zeros(count, np.int64)
    row_starts = np.searchsorted(rows, rows[segments], side="left")
    row_stops = np.searchsorted(rows, rows[segments], side="right")
    _look(
        tokens.hashes, tokens.offsets, labels, segments.astype(np.int64),
        first.astype(np.int64), last.astype(np.int64), uids.astype(np.int64),
        row_starts, row_stops, answers.owners, answers.offsets, answers.hashes,
        options.owners, options.offsets, options.hashes, found, options_found,
    )  # fmt: skip
    has_answer = answers.owners[uids + 1] > answers.owners[uids]
    return Beside(found, options_found, has_answer)


@inlined
def _stands(hashes: Any, begin: Any, end: Any, wanted: Any, start: Any, stop: Any) -> Any:
    """Tell whether a run of tokens stands in hashes[begin:end]."""
    length = stop - start
    for at in range(begin, end - length + 1):
        same = True
        for k in range(length):
            if hashes[at + k] != wanted[start + k]:
                same = False
                break
        if same:
            return True
    return False


@kernel
def _look(
    hashes: Any,
    offsets: Any,
    labels: Any,
    segments: Any,
    first: Any,
    last: Any,
    uids: Any,
    row_starts: Any,
    row_stops: Any,
    answer_owners: Any,
    answer_offsets: Any,
    answer_hashes: Any,
    option_owners: Any,
    option_offsets: Any,
    option_hashes: Any,
    found: Any,
    options_found: Any,
) -> None:
    """Fill `found` and `options_found`."""
    for match in range(len(segments)):
        segment = segments[match]
        begin, end = offsets[segment], offsets[segment + 1]
        uid = uids[match]
        for answer in range(answer_owners[uid], answer_owners[uid + 1]):
            start, stop = answer_offsets[answer], answer_offsets[answer + 1]
            length = stop - start
            if length == 0:
                continue
            near = NEAR_SHORT if length <= SHORT_ANSWER else max(NEAR_LONG, 2 * length)
            behind = begin + last[match] + 1
            if _stands(hashes, behind, min(end, behind + near), answer_hashes, start, stop):
                found[match] = True
                break
            for other in range(row_starts[match], row_stops[match]):
                if (
                    labels[other]
                    and other != segment
                    and _stands(
                        hashes, offsets[other], offsets[other + 1], answer_hashes, start, stop
                    )
                ):
                    found[match] = True
                    break
            if found[match]:
                break
        low = max(begin, begin + first[match] - NEAR_OPTION)
        high = min(end, begin + last[match] + 1 + NEAR_OPTION)
        for option in range(option_owners[uid], option_owners[uid + 1]):
            start, stop = option_offsets[option], option_offsets[option + 1]
            if stop > start and _stands(hashes, low, high, option_hashes, start, stop):
                options_found[match] += 1
