"""Seeded streams of made-up text with known copies in them, for tests, demos and benchmarks.

No outside data: words are made of syllables and drawn with Zipf-like frequencies. A document is a
run of token numbers, a token is a word with what stands before it (a space, a comma, a full stop),
and one gather turns the tokens of a batch into one Arrow text buffer, so that a stream costs little
more than writing its bytes. Equal arguments give equal bytes on every platform: only integers,
divisions and running sums are used, nothing from the mathematics library. A shorter stream is the
beginning of a longer one with the same seed.

Shapes: T tokens, D documents; ragged documents are (tokens_T, lengths_D).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Script = Literal["latin", "accented", "devanagari", "han"]
Ints = NDArray[np.int32]
Ragged = tuple[Ints, NDArray[np.int64]]
Fresh = Callable[[np.random.Generator, int], Ragged]

BATCH_ROWS = 8192
_POOL_DOCS = 2048  # earlier originals a later batch can still copy; a uniform sample of all of them
_WORDS = 40_000
_FEWEST_WORDS = 12  # one changed word at the end of so few leaves a similarity of 7 / 9
_TABLE_BITS = 18  # of a 32-bit draw: these choose the word, the others what stands before it
_PLAIN, _COMMA, _SENTENCE, _PARAGRAPH, _FIRST, _NUM_FORMS = range(6)
_END, _END_LINE = _NUM_FORMS * _WORDS, _NUM_FORMS * _WORDS + 1
_SLOT, _FIRST_SLOT = -1, -2

# onsets, vowels, codas; before a word that is plain, after a comma, a sentence, a paragraph, first;
# and what ends a document
_LATIN_BEFORE = (" ", ", ", ". ", ".\n\n", "", ".")
_SCRIPTS: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "latin": ("b c d f g h k l m n p r s t v w", "a e i o u ea ou", " n r s l t", _LATIN_BEFORE),
    "accented": (
        "b c ç d f g l m n ñ p r s t v ž",
        "a é è ê ü ö å í ó ã",
        " n r s l t",
        _LATIN_BEFORE,
    ),
    "devanagari": (
        "क ख ग च ज ट ड त द न प ब म य र ल व स ह",
        " ा ि ी ु ू े ो",
        " ं र् न",
        (" ", ", ", "। ", "।\n\n", "", "।"),
    ),
    "han": ("", "", "", ("", "，", "。", "。\n\n", "", "。")),
}


@dataclass(frozen=True)
class Lexicon:
    """The words of one script: every (form, word) as text, and the tables from draws to tokens."""

    words: list[str]
    texts: Any  # pa.StringArray of forms * words, then the two document ends
    word_of_draw: Ints
    form_of_draw: Ints

    def draw(self, rng: np.random.Generator, num: int) -> Ints:
        """Draw `num` words by frequency, each with a space, comma or sentence break before it."""
        draws = rng.integers(0, 1 << 32, num, dtype=np.uint32)
        tokens: Ints = self.word_of_draw[draws & np.uint32((1 << _TABLE_BITS) - 1)]
        tokens += self.form_of_draw[draws >> np.uint32(_TABLE_BITS)]
        return tokens

    def text_array(self, docs: Ragged) -> Any:
        """Write ragged documents as a `pa.StringArray`; one gather, no copy a document."""
        tokens, lengths = docs
        taken = self.texts.take(pa.array(tokens))
        _, offsets, data = taken.buffers()
        token_offsets = np.frombuffer(offsets, np.int32, len(tokens) + 1)
        bounds = np.ascontiguousarray(token_offsets[_bounds(lengths)])
        return pa.StringArray.from_buffers(len(lengths), pa.py_buffer(bounds), data)


@lru_cache(maxsize=4)
def lexicon(script: Script = "latin") -> Lexicon:
    """Build the 40,000 words of a script, the same for every seed; about 0.1 s the first time."""
    rng = np.random.Generator(np.random.PCG64(7))
    words = _han_words(rng) if script == "han" else _syllable_words(rng, script)
    *before, end = _SCRIPTS[script][3]
    forms = [
        b + (w.capitalize() if f >= _SENTENCE else w) for f, b in enumerate(before) for w in words
    ]
    weights = np.cumsum(1.0 / (np.arange(_WORDS) + 2.7))  # Zipf-Mandelbrot with exponent 1
    steps = (np.arange(1 << _TABLE_BITS) + 0.5) * (weights[-1] / (1 << _TABLE_BITS))
    shares = np.cumsum([0.0, 0.845, 0.065, 0.075, 0.015])[1:]
    form_draws = (np.arange(1 << (32 - _TABLE_BITS)) + 0.5) / (1 << (32 - _TABLE_BITS))
    form = np.minimum(np.searchsorted(shares, form_draws), _PARAGRAPH)
    return Lexicon(
        words=words,
        texts=pa.array([*forms, end, end + "\n"], pa.string()),
        word_of_draw=np.searchsorted(weights, steps).astype(np.int32),
        form_of_draw=(form * _WORDS).astype(np.int32),
    )


def _syllable_words(rng: np.random.Generator, script: Script) -> list[str]:
    onsets, vowels, codas = (part.split(" ") for part in _SCRIPTS[script][:3])
    picks = rng.integers(0, 1 << 16, (3 * _WORDS, 3))
    ends = [c if k % 3 == 0 else "" for k, c in enumerate(codas * 3)]
    syllables = [
        onsets[a % len(onsets)] + vowels[b % len(vowels)] + ends[c % len(ends)]
        for a, b, c in picks.tolist()
    ]
    numbers = [
        f"{n // 10}.{n % 10}" if n % 3 == 0 else str(n) for n in rng.permutation(9998).tolist()
    ]
    draws = rng.integers(0, len(syllables) - 4, 2 * _WORDS).tolist()
    words: dict[str, None] = {}
    for draw in draws:
        rank = len(words)
        if rank % 53 == 52:  # years, counts and decimals among the words, at all frequencies
            words[numbers[rank // 53]] = None
        elif rank < _WORDS:
            length = 1 if rank < 80 else 2 if rank < 2000 else 2 + draw % 3
            words["".join(syllables[draw : draw + length])] = None
    return list(words)[:_WORDS]


def _han_words(rng: np.random.Generator) -> list[str]:
    characters = [chr(c) for c in 0x4E00 + rng.permutation(3000)]
    words = dict.fromkeys(characters[:1500])
    while len(words) < _WORDS:
        a, b = rng.integers(0, len(characters), 2).tolist()
        words[characters[a] + characters[b]] = None
    return list(words)


def prose(
    rows: int,
    seed: int = 0,
    *,
    mean_words: int = 120,
    duplicate_share: float = 0.1,
    exact_share: float = 0.05,
    script: Script = "latin",
) -> Iterator[pa.RecordBatch]:
    """Stream prose-like documents of which a share are near or exact copies of earlier ones.

    Args:
        rows: Number of documents.
        seed: Equal seeds give equal bytes.
        mean_words: Mean length; lengths are skewed, from 12 words to four times the mean.
        duplicate_share: Share of near copies. A few words differ: the Jaccard similarity of the
            sets of word 5-grams is about 0.75 to 0.97.
        exact_share: Share of exact copies.
        script: The letters words are made of. `han` writes no spaces.

    Yields:
        Batches of 8,192 rows (the last is shorter) with columns `id` (int64, the row number) and
        `text`.
    """
    lex = lexicon(script)

    def fresh(rng: np.random.Generator, num: int) -> Ragged:
        skew = rng.random(num) * rng.random(num) * 4  # of mean 1
        words = _FEWEST_WORDS + (skew * max(mean_words - _FEWEST_WORDS, 0)).astype(np.int64)
        return _documents(lex, rng, words)

    for first, docs in _stream(rows, seed, fresh, duplicate_share, exact_share):
        yield _batch(first, {"text": lex.text_array(docs)})


def templates(
    rows: int,
    seed: int = 0,
    *,
    rows_per_template: int = 50,
    duplicate_share: float = 0.04,
    exact_share: float = 0.02,
    split: bool = False,
) -> Iterator[pa.RecordBatch]:
    """Stream instruction-like rows of a few hundred templates at a time: hard to deduplicate.

    Two rows of one template share its boilerplate and differ in a payload: their Jaccard similarity
    lies between about 0.3 and 0.65, so most pairs collide in some band and none is a copy at the
    usual threshold of 0.7. Templates retire after two batches, so pairs a row stay constant however
    long the stream is.

    Args:
        rows: Number of rows.
        seed: Equal seeds give equal bytes.
        rows_per_template: Mean size of a family; candidate pairs grow with it.
        duplicate_share: Share of true near copies (a word or a few changed).
        exact_share: Share of exact copies.
        split: Yield columns `instruction`, `input` and `output` instead of one `text`.

    Yields:
        Batches of 8,192 rows (the last is shorter), `id` (int64) first.
    """
    lex = lexicon()
    source = _TemplateRows(lex, max(2, 2 * BATCH_ROWS // rows_per_template))
    for first, docs in _stream(rows, seed, source.fresh, duplicate_share, exact_share):
        columns = _split_lines(docs) if split else {"text": docs}
        yield _batch(first, {name: lex.text_array(part) for name, part in columns.items()})


class _TemplateRows:
    """Fills the slots of the active templates, half of which are new in every batch."""

    def __init__(self, lex: Lexicon, num_active: int) -> None:
        self.lex = lex
        self.num_active = num_active
        self.active: list[Ints] = []

    def fresh(self, rng: np.random.Generator, num: int) -> Ragged:
        self.active = self.active[self.num_active // 2 :]
        while len(self.active) < self.num_active:
            self.active.append(_template(self.lex, rng))
        lengths = np.array([len(t) for t in self.active], np.int64)
        order = rng.permutation(
            self.num_active
        )  # else the oldest template would always be the most used
        popularity = np.cumsum(1.0 / (np.arange(self.num_active) + 20.0))
        chosen = order[np.searchsorted(popularity, rng.random(num) * popularity[-1])]
        tokens, row_lengths = _gather(
            np.concatenate(self.active), _bounds(lengths)[chosen], lengths[chosen]
        )
        slots = np.flatnonzero(tokens < 0)
        begins = tokens[slots] == _FIRST_SLOT
        tokens[slots] = self.lex.draw(rng, len(slots)) % _WORDS + begins * np.int32(_FIRST * _WORDS)
        return tokens, row_lengths


def _template(lex: Lexicon, rng: np.random.Generator) -> Ints:
    """Lay out `boiler SLOT boiler | PAYLOAD | boiler SLOT boiler` for a similarity of 0.3 to 0.62.

    With b words of boilerplate in pieces around three gaps, b - 16 of the 5-grams are shared;
    solving J = shared / (2 n - shared) for the number of 5-grams n gives the words to fill in.
    """
    boiler = int(rng.integers(60, 140))
    similarity = int(rng.integers(300, 620)) / 1000
    total = int((boiler - 16) * (1 + similarity) / (2 * similarity)) + 4
    payload = max(total - boiler - 2, 1)
    cuts = [boiler // 5, boiler // 2, boiler * 3 // 4]
    tokens = lex.draw(rng, boiler)
    head, middle, tail, rest = np.split(tokens, cuts)
    head[0] = head[0] % _WORDS + _FIRST * _WORDS
    tail[0] = tail[0] % _WORDS + _FIRST * _WORDS
    slot = np.full(1, _SLOT, np.int32)
    end, line = np.full(1, _END, np.int32), np.full(1, _END_LINE, np.int32)
    filled = np.full(payload, _SLOT, np.int32)
    filled[0] = _FIRST_SLOT
    return np.concatenate([head, slot, middle, line, filled, line, tail, slot, rest, end])


def _stream(
    rows: int, seed: int, fresh: Fresh, near_share: float, exact_share: float
) -> Iterator[tuple[int, Ragged]]:
    """Mix new documents with copies of earlier ones, of this batch or of a uniform pool."""
    rng = np.random.Generator(np.random.PCG64(seed))
    pool: Ragged = (np.empty(0, np.int32), np.empty(0, np.int64))
    seen = 0
    for first in range(0, rows, BATCH_ROWS):
        kind = rng.random(BATCH_ROWS)
        is_copy = kind < near_share + exact_share
        is_copy[0] &= seen > 0
        new_before: NDArray[np.int64] = np.cumsum(~is_copy) - ~is_copy
        tokens, lengths = fresh(rng, int((~is_copy).sum()))
        num_pool = len(pool[1])
        base_lengths = np.concatenate([pool[1], lengths])
        starts = _bounds(base_lengths)
        own = num_pool + new_before
        source = np.where(is_copy, (rng.random(BATCH_ROWS) * own).astype(np.int64), own)
        base = np.concatenate([pool[0], tokens])
        docs = _gather(base, starts[source], base_lengths[source])
        _edit(rng, docs, np.flatnonzero(is_copy & (kind < near_share)))
        pool = _renew_pool(rng, base, base_lengths, num_pool, seen)
        seen += len(lengths)
        keep = min(BATCH_ROWS, rows - first)
        yield first, (docs[0][: int(docs[1][:keep].sum())], docs[1][:keep])


def _renew_pool(
    rng: np.random.Generator, base: Ints, lengths: NDArray[np.int64], num_pool: int, seen: int
) -> Ragged:
    num_new = len(lengths) - num_pool
    wanted = min(_POOL_DOCS, seen + num_new)
    from_new = wanted * num_new // (seen + num_new)
    old = rng.permutation(num_pool)[: wanted - from_new]
    new = num_pool + rng.permutation(num_new)[: wanted - len(old)]
    picked = np.concatenate([old, new])
    return _gather(base, _bounds(lengths)[picked], lengths[picked])


def _edit(rng: np.random.Generator, docs: Ragged, near: NDArray[np.int64]) -> None:
    """Replace words in place. One inside costs five 5-grams on either side, the last only one."""
    tokens, lengths = docs
    num_words = lengths[near] - 1
    # the share of 5-grams that change, (1 - J) / (1 + J), for J of 0.95 to 0.77
    changed = 0.0256 + rng.random(len(near)) * 0.104
    edits = np.maximum(((num_words - 4) * changed / 5).astype(np.int64), 1)
    doc = np.repeat(np.arange(len(near)), edits)
    inside = 1 + (rng.random(len(doc)) * (num_words[doc] - 1)).astype(np.int64)
    place = np.where(num_words[doc] < 45, num_words[doc] - 1, inside) + _bounds(lengths)[near][doc]
    place = place[tokens[place] < _END]
    old = tokens[place]
    shift = rng.integers(1, _WORDS, len(place), dtype=np.int32)
    tokens[place] = old - old % _WORDS + (old % _WORDS + shift) % _WORDS


def _documents(lex: Lexicon, rng: np.random.Generator, num_words: NDArray[np.int64]) -> Ragged:
    lengths = num_words + 1
    tokens = lex.draw(rng, int(lengths.sum()))
    bounds = _bounds(lengths)
    tokens[bounds[:-1]] = tokens[bounds[:-1]] % _WORDS + _FIRST * _WORDS
    tokens[bounds[1:] - 1] = _END
    return tokens, lengths


def _split_lines(docs: Ragged) -> dict[str, Ragged]:
    """Cut every document at its two line ends into instruction, input and output."""
    tokens, lengths = docs
    bounds = _bounds(lengths)
    lines = np.flatnonzero(tokens == _END_LINE).reshape(len(lengths), 2) + 1
    edges = [bounds[:-1], lines[:, 0], lines[:, 1], bounds[1:]]
    tokens = np.where(tokens == _END_LINE, np.int32(_END), tokens)
    names = ("instruction", "input", "output")
    return {
        name: _gather(tokens, edges[i], edges[i + 1] - edges[i]) for i, name in enumerate(names)
    }


def _gather(tokens: Ints, starts: NDArray[np.int64], lengths: NDArray[np.int64]) -> Ragged:
    index = np.repeat((starts - np.cumsum(lengths) + lengths).astype(np.int32), lengths)
    index += np.arange(len(index), dtype=np.int32)
    return tokens[index], lengths


def _bounds(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])


def _batch(first: int, columns: dict[str, Any]) -> pa.RecordBatch:
    num = len(next(iter(columns.values())))
    ids = pa.array(np.arange(first, first + num, dtype=np.int64))
    return pa.RecordBatch.from_arrays([ids, *columns.values()], names=["id", *columns])
