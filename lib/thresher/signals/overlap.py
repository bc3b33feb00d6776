"""What prompt and response have in common: copies of the prompt, words, and whole texts.

Shapes: R rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.formats.arrays import nulls, truth
from thresher.formats.rows import Rows
from thresher.signals.answers import ends_with_colon
from thresher.signals.dialogue import Dialogue
from thresher.signals.signal import Kind, Signal
from thresher.signals.spans import flagged, shared
from thresher.signals.structure import blank, word_counts
from thresher.text.kernel import allocating
from thresher.text.sketch import shingles

Column = np.ndarray[Any, Any]
COPIED_WORDS = 5  # of an n-gram that counts as copied
URL_ONLY = r"^\s*(?:https?://|www\.)\S+\s*$"
ODD_START = r"^\s*(?:[[:punct:]]|[^\x00-\x7F])"
SIGNALS = tuple(
    Signal(name, kind, "chat", about)
    for name, kind, about in (
        ("response_equals_prompt", Kind.FLAG, "the response is the prompt or the instruction"),
        ("response_equals_input", Kind.FLAG, "the response is the column `input`"),
        ("prompt_ends_with_colon", Kind.FLAG, "the prompt, instruction or input ends in a colon"),
        ("prompt_starts_oddly", Kind.FLAG, "the prompt begins with punctuation or beyond ASCII"),
        (
            "url_only_prompt",
            Kind.FLAG,
            "the prompt or the column `input` is a link and nothing else",
        ),
        ("prompt_copied_share", Kind.SHARE, "the prompt's runs of 5 words found in the response"),
        ("prompt_response_overlap", Kind.SHARE, "the response's words found in the prompt"),
    )
)


def overlap_signals(rows: Rows, talk: Dialogue) -> dict[str, pa.Array]:
    """Return the figures of `SIGNALS`."""
    prompt, response = talk.prompt, talk.response
    unasked, unsaid = nulls(prompt), nulls(response)
    instruction, more = (rows.columns.get(name) for name in ("instruction", "input"))
    repeated = same_text(prompt, response)
    colon, link = ends_with_colon(prompt), truth(pc.match_substring_regex(prompt, URL_ONLY))
    if instruction is not None:
        repeated |= same_text(instruction, response)
        colon |= ends_with_colon(instruction)
    no_input = np.ones(len(rows), bool)
    copied = np.zeros(len(rows), bool)
    if more is not None:
        no_input = blank(more)
        copied = same_text(more, response)
        colon |= ends_with_colon(more)
        link |= truth(pc.match_substring_regex(more, URL_ONLY))
    odd = truth(pc.match_substring_regex(prompt, ODD_START))
    return {
        "response_equals_prompt": flagged(repeated, unasked | unsaid),
        "response_equals_input": flagged(copied, no_input | unsaid),
        "prompt_ends_with_colon": flagged(colon, unasked),
        "prompt_starts_oddly": flagged(odd, unasked),
        "url_only_prompt": flagged(link, unasked),
        "prompt_copied_share": copied_share(prompt, response),
        "prompt_response_overlap": contained_share(response, prompt, 1),
    }


def same_text(left: pa.Array, right: pa.Array) -> Column:
    """Mark pairs of texts that are equal but for white space around them, and not empty."""
    mine, theirs = (pc.utf8_trim_whitespace(text) for text in (left, right))
    equal = pc.and_(pc.equal(mine, theirs), pc.greater(pc.binary_length(mine), 0))
    return truth(equal)


def copied_share(prompt: pa.Array, response: pa.Array) -> pa.Array:
    """Return the share of the prompt's n-grams in the response; null for a prompt too short."""
    return contained_share(prompt, response, COPIED_WORDS)


def contained_share(inner: pa.Array, outer: pa.Array, n: int) -> pa.Array:
    """Return the share of each inner text's distinct n-grams that the outer one has; null where
    either is null or the inner one has fewer than n words."""
    offsets, values = shingles(inner, n=n)
    other, theirs = shingles(outer, n=n)
    common = _common(offsets, values, other, theirs)
    missing = nulls(inner) | nulls(outer)
    if n > 1:  # a text of fewer words has one n-gram of all of them
        missing |= word_counts(inner) < n
    return shared(common, np.diff(offsets), missing)


def jaccard(left: pa.Array, right: pa.Array) -> pa.Array:
    """Return the common share of the distinct words of two texts; null where neither has any."""
    offsets, values = shingles(left, n=1)
    other, theirs = shingles(right, n=1)
    common = _common(offsets, values, other, theirs)
    either = np.diff(offsets) + np.diff(other) - common
    return shared(common, either, nulls(left) | nulls(right))


@allocating
def _common(left: Any, mine: Any, right: Any, theirs: Any) -> Any:
    """Count the values that two sorted sets of each row share."""
    found = np.zeros(len(left) - 1, np.int64)
    for row in range(len(found)):
        a, b = left[row], right[row]
        while a < left[row + 1] and b < right[row + 1]:
            if mine[a] == theirs[b]:
                found[row] += 1
                a += 1
                b += 1
            elif mine[a] < theirs[b]:
                a += 1
            else:
                b += 1
    return found
