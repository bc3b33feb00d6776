"""How many tokens a row has: the prompt, everything before the final response, and the response.

Counted with a Hugging Face `tokenizer.json` where one is given; otherwise estimated, and then the
counter says so. Messages are counted one by one, without the special tokens that a chat template
puts between them, so the counts of a row add up. A turn's reasoning counts with it.

Shapes: R rows, M messages, T texts.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.errors import ConfigError, EngineError
from thresher.formats.arrays import children, nulls, parts_of, strings
from thresher.formats.format import with_system
from thresher.formats.rows import Kind, Rows, prompt_lengths
from thresher.formats.toolcalls import as_turns
from thresher.formats.turns import STRING, USER, Turns
from thresher.signals.estimate import estimated_tokens
from thresher.signals.signal import Kind as Values
from thresher.signals.signal import Signal

Column = np.ndarray[Any, Any]

SIGNALS = (
    Signal("prompt_tokens", Values.COUNT, "tokens", "tokens of the last user turn"),
    Signal(
        "context_tokens",
        Values.COUNT,
        "tokens",
        "tokens of everything before the final response, the prompt included",
    ),
    Signal(
        "response_tokens",
        Values.COUNT,
        "tokens",
        "tokens of the final response; of the longest where there are several",
    ),
    Signal("tokens", Values.COUNT, "tokens", "tokens of the context and the response; of the text"),
)
INSTALL = "pip install 'thresher[tokens]'"
_BATCH_TEXTS, _BATCH_BYTES = 1024, 4 << 20  # bound what the tokenizer holds at once


class Counter(Protocol):
    """Counts tokens.

    Attributes:
        name: What counts, with its version, for the manifest.
        digest: SHA-256 of its file; None where it has none.
        exact: Whether counts are a tokenizer's own, or an estimate.
    """

    name: str
    digest: str | None
    exact: bool

    def count(self, texts: pa.Array) -> Column:
        """Return the (T,) int64 tokens of each text; a null has none."""


class Estimate:
    """Tokens as a byte-pair vocabulary of a usual size would cut English, by a formula."""

    name = "estimate 1"
    digest: str | None = None
    exact = False

    def count(self, texts: pa.Array) -> Column:
        """Return the (T,) int64 estimated tokens of each text; a null has none."""
        return estimated_tokens(texts)


class TokenizerFile:
    """A Hugging Face tokenizer, made of the bytes of its `tokenizer.json`.

    Texts are cut in this thread alone, unless TOKENIZERS_PARALLELISM says otherwise: a worker is
    meant to take one core.

    Raises:
        EngineError: The package `tokenizers` is not installed.
        ConfigError: The bytes are no tokenizer.
    """

    exact = True

    def __init__(self, content: bytes, path: str | None = None) -> None:
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            package = importlib.import_module("tokenizers")
        except ImportError as error:
            raise EngineError(
                "tokenizers is not installed; it counts tokens", remedy=INSTALL
            ) from error
        try:
            self._tokenizer = package.Tokenizer.from_buffer(content)
        except Exception as error:  # the package raises nothing narrower
            raise ConfigError(
                f"not a tokenizer.json ({error})",
                path=path,
                remedy="name the file that Hugging Face's tokenizers write",
            ) from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.name = f"tokenizers {package.__version__}"
        self.digest: str | None = hashlib.sha256(content).hexdigest()

    def count(self, texts: pa.Array) -> Column:
        """Return the (T,) int64 tokens of each text, without special tokens; a null has none."""
        counts: Column = np.zeros(len(texts), np.int64)
        for start, stop in _batches(texts):
            batch = [text or "" for text in texts[start:stop].to_pylist()]
            cut = self._tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            counts[start:stop] = [len(encoding) for encoding in cut]
        return counts


def _batches(texts: pa.Array) -> Iterator[tuple[int, int]]:
    sizes = pc.fill_null(pc.binary_length(texts), 0).to_numpy(zero_copy_only=False)
    total = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
    start = 0
    while start < len(texts):
        fits = int(np.searchsorted(total, total[start] + _BATCH_BYTES, side="right")) - 1
        stop = min(max(fits, start + 1), start + _BATCH_TEXTS, len(texts))
        yield start, stop
        start = stop


def text_token_signals(text: pa.Array, counter: Counter) -> dict[str, pa.Array]:
    """Return the token signals of rows of plain text: the total alone."""
    counts = pa.array(counter.count(strings(text)), mask=nulls(text))
    nothing = pa.nulls(len(text), pa.int64())
    return {signal.name: counts if signal.name == "tokens" else nothing for signal in SIGNALS}


def token_signals(rows: Rows, counter: Counter) -> dict[str, pa.Array]:
    """Return the token signals of rows of any kind; null where a row has no such part.

    Of a preference or ranked answers the longest answer counts, and judged steps count as one: that
    is what a trainer must have room for.
    """
    if rows.kind is Kind.TEXT:
        return text_token_signals(rows.column("text"), counter)
    first = "messages" if "messages" in rows.turns else "prompt"
    rows = with_system(rows, first, {})
    context, asked = _context(rows, first, counter)
    response = _response(rows, counter)
    tools = rows.column("tools")
    # What a row says before its response is nothing, not unknown, once it has a response.
    before = np.where(context < 0, 0, context) + np.maximum(_by_text(tools, counter), 0)
    known = (context >= 0) | (response >= 0) | ~nulls(tools)
    whole = np.where(known, before + np.maximum(response, 0), -1)
    counts = (asked, np.where(known, before, -1), response, whole)
    return {
        signal.name: pa.array(count, pa.int64(), mask=count < 0)
        for signal, count in zip(SIGNALS, counts, strict=True)
    }


# In the functions below (R,) counts are -1 where a row has no such part.


def _context(rows: Rows, first: str, counter: Counter) -> tuple[Column, Column]:
    """Return the tokens before the response, without tools, and those of the last user turn."""
    turns = rows.turns[first]
    if first == "messages" and rows.kind is not Kind.PROMPT:
        turns = turns.split(prompt_lengths(rows))[0]
    counts = _by_message(turns, counter)
    asked: Column = np.full(len(turns), -1, np.int64)
    users = np.flatnonzero(turns.roles == USER)
    asked[turns.row_of[users]] = counts[users]  # the last of a row stays
    return _summed(counts, turns.offsets), asked


def _response(rows: Rows, counter: Counter) -> Column:
    nothing: Column = np.full(len(rows), -1, np.int64)
    if rows.kind is Kind.PROMPT:
        return nothing
    if rows.kind is Kind.PREFERENCE:
        sides = [rows.turns[side] for side in ("chosen", "rejected")]
        sums = [_summed(_by_message(side, counter), side.offsets) for side in sides]
        return np.maximum(*sums)
    if rows.kind is Kind.RANKED:
        offsets, answers = parts_of(rows.column("answers"))
        counts = _by_text(children(answers)["answer"], counter)
        np.maximum.at(nothing, np.repeat(np.arange(len(rows)), np.diff(offsets)), counts)
        return nothing
    if rows.kind is Kind.STEPS:
        offsets, steps = parts_of(rows.column("steps"))
        return _summed(_by_text(steps, counter), offsets)
    tail = rows.turns["messages"].split(prompt_lengths(rows))[1]
    return _summed(_by_message(tail, counter), tail.offsets)


def _by_text(texts: pa.Array, counter: Counter) -> Column:
    texts = strings(texts)
    return np.where(nulls(texts), -1, counter.count(texts))


def _by_message(turns: Turns, counter: Counter) -> Column:
    """(M,) tokens of each message: what it says, its reasoning, and its tool calls as JSON."""
    called, _, _ = as_turns(turns)
    counts = np.maximum(_by_text(called.field("content"), counter), 0)
    said = turns.field("content")
    swapped = called.roles != turns.roles
    if swapped.any():  # a call takes the place of what its turn says beside it
        beside = pc.if_else(pa.array(swapped), said, pa.scalar(None, STRING))
        counts += np.maximum(_by_text(beside, counter), 0)
    return counts + np.maximum(_by_text(turns.field("reasoning"), counter), 0)


def _summed(counts: Column, offsets: Column) -> Column:
    total = np.concatenate([[0], np.cumsum(np.maximum(counts, 0))])
    sums: Column = total[offsets[1:]] - total[offsets[:-1]]
    return np.where(np.diff(offsets) == 0, -1, sums)
