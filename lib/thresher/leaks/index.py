"""The index of evaluation items: built once, immutable, shared without copies.

What a look-up finds depends on the benchmarks one by one: another benchmark's items never change
what is found of this one's. Everything is in flat arrays, `Index.arrays()`, which may lie in shared
memory or in memory-mapped files; `digest` names their content.

Shapes: I sub-items, T tokens, K terms (tokens of one benchmark), V distinct tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from thresher.leaks import vocabulary as v
from thresher.leaks.items import FIELDS, Items, Numbers, no_numbers
from thresher.leaks.keys import REACH, TOKENS_LIMIT, mark, mixed, room, set_token_bit
from thresher.leaks.numbers import LEAST_TELLING, telling_numbers
from thresher.leaks.plain_words import plain_hashes
from thresher.leaks.sieve import TRIPLE, triples_of
from thresher.leaks.tables import (
    LEAST_WEAK,
    LEAST_WHOLE,
    NO_TABLE,
    Counting,
    Stored,
    Table,
    blocks_of,
    gram_table,
    pair_table,
    with_wholes,
)
from thresher.text.kernel import allocating, kernel

if TYPE_CHECKING:
    from thresher.leaks.tokens import Tokens

__all__ = ["FIELDS", "Index", "IndexOptions", "Items", "Numbers", "build"]

Column = np.ndarray[Any, Any]
VERSION = 4
LEAST_NUMBERS, MOST_NUMBERS = 3, 12  # of a sub-item that is looked for by its numbers
_U, _I = np.uint64, np.int64


class IndexOptions(BaseModel):
    """What is looked up, and what is too common to be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ngrams: tuple[int, ...] = Field((5, 8), description="lengths of n-grams, ascending")
    common_items: int | None = Field(
        10, ge=1, description="an n-gram of more items of a benchmark is over-common; null: none is"
    )
    common_share: int = Field(
        200, ge=1, description="so is an n-gram of more than one item in this many (but at least 4)"
    )
    pairs_floor: int = Field(
        45, ge=1, le=100, description="percent of the weight that pairs of rare tokens must lead to"
    )
    numbers_floor: int = Field(
        30, ge=1, le=100, description="percent of the weight that equal numbers must lead to"
    )
    pairs: bool = Field(True, description="look for pairs of rare tokens, and for equal numbers")
    hash_bits: int = Field(64, ge=1, le=64, description="bits of keys; fewer only in tests")


def _frozen(array: Any) -> Column:
    view = np.ascontiguousarray(array).view(np.ndarray)
    view.flags.writeable = False
    return view


class Index:
    """Evaluation items, ready to be looked up; made by `build` or `from_arrays`."""

    def __init__(self, arrays: Mapping[str, Column]) -> None:
        """Take the arrays that `arrays()` of an index returned."""
        self._arrays = {name: _frozen(array) for name, array in sorted(arrays.items())}
        meta = [int(value) for value in self["meta"]]
        if meta[0] != VERSION:
            raise ValueError(f"an index of version {meta[0]}, expected {VERSION}")
        self.hash_bits, self.pairs_floor, self.numbers_floor, num_grams = meta[1:5]
        self.ngrams = tuple(meta[5 : 5 + num_grams])
        self.whole_lengths = tuple(meta[5 + num_grams :])
        self.needs: dict[tuple[int, ...], Any] = {}  # see `thresher.leaks.needs`
        self.spare: list[Any] = []  # scratch, see `thresher.leaks.seeking`

    def __reduce__(self) -> tuple[type[Index], tuple[dict[str, Column]]]:
        """Travel as arrays."""
        return Index, (self._arrays,)

    def __getitem__(self, name: str) -> Column:
        """Return one array."""
        return self._arrays[name]

    def arrays(self) -> dict[str, Column]:
        """Return all arrays by name, none of them copied."""
        return dict(self._arrays)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Column]) -> Index:
        """Return the index whose `arrays()` these are, memory-mapped or not; nothing is copied."""
        return cls(arrays)

    @property
    def num_items(self) -> int:
        """Return the number of sub-items."""
        return len(self["bench"])

    @property
    def num_bytes(self) -> int:
        """Return the size of all arrays."""
        return sum(array.nbytes for array in self._arrays.values())

    @cached_property
    def digest(self) -> str:
        """Return the name of the content: equal for equal arrays."""
        state = sha256()
        for name, array in self._arrays.items():
            state.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            state.update(array.data if array.size else b"")
        return state.hexdigest()

    @cached_property
    def lengths(self) -> Column:
        """(I,) tokens of each sub-item."""
        return _frozen(np.diff(self["offsets"]))

    @cached_property
    def uids_ascend(self) -> bool:
        """Whether sub-items of one item lie together."""
        return bool((np.diff(self["uid"]) >= 0).all())

    @cached_property
    def stored(self) -> Stored:
        """Return the stored tokens, as kernels read them."""
        mask = np.uint64((1 << self.hash_bits) - 1)
        tokens = self["terms"], self["term_hash"], self["offsets"], self["blocks"]
        return Stored(*tokens, self.num_items, mask)

    def table(self, name: str) -> Table:
        """Return the table of `gram5`, `whole3`, `pair`, ..."""
        return Table(*(self[f"{name}_{part}"] for part in Table._fields))


def build(
    items: Items, options: IndexOptions | None = None, allowed: Tokens | None = None
) -> Index:
    """Build the index of `items`.

    Args:
        items: Sub-items of all benchmarks; those without tokens are never found.
        options: What is looked up.
        allowed: Texts that anyone may have: an n-gram within one of them is over-common.
    """
    options = options or IndexOptions()
    ngrams = tuple(sorted(set(options.ngrams)))
    if not ngrams or ngrams[0] < LEAST_WHOLE:
        raise ValueError(f"n-grams of {options.ngrams}: each n must be {LEAST_WHOLE} or more")
    offsets, hashes, bench = items.tokens.offsets, items.tokens.hashes, items.bench
    num_items, extra_benches = len(bench), int(bench.max(initial=-1)) + 1
    if bench.min(initial=0) < 0:
        raise ValueError("a benchmark's number is negative")
    if allowed is not None:
        hashes = np.concatenate([hashes[offsets[0] : offsets[-1]], allowed.hashes])
        offsets = np.concatenate([offsets - offsets[0], allowed.offsets[1:] + offsets[-1]])
        num_allowed = len(allowed.offsets) - 1
        bench = np.concatenate([bench, np.full(num_allowed, extra_benches, np.int32)])
    if offsets[-1] >= TOKENS_LIMIT:
        raise ValueError(f"{offsets[-1]:,} tokens of items; an index holds {TOKENS_LIMIT:,}")
    words = v.find_vocabulary(hashes, offsets, bench.astype(np.int32))
    own = offsets[: num_items + 1]
    groups = v.find_groups(words, own, items.bench, items.uid)
    sizes = np.append(groups.sizes, 1)[words.term_bench]
    frequencies = np.maximum(v.document_frequencies(words, groups, own), 1)
    idf = v.weights(frequencies, sizes)
    mask = np.uint64((1 << options.hash_bits) - 1)
    stored = Stored(words.terms, words.term_hash, offsets, blocks_of(offsets), num_items, mask)
    limits = np.empty(0, np.int64)
    if options.common_items is not None:
        share = np.maximum(groups.sizes // options.common_share, 3)
        limits = np.minimum(options.common_items, share)
    counting = Counting(items.bench.astype(np.int32), groups.twin, limits)
    lead = v.leads(words, groups, own, LEAST_WEAK)
    leading = lead == np.arange(num_items)
    shared = np.where(leading, 0, np.diff(own)[lead])
    arrays, lengths = _tables(stored, counting, shared, ngrams)
    arrays |= _numbers(
        items.numbers or no_numbers(num_items),
        mask,
        counting,
        leading & (np.diff(own) >= LEAST_WEAK),
    )
    total = np.zeros(num_items, np.int64)
    fresh = np.zeros((int(own[-1]) >> 3) + 1, np.uint8)
    _sum_weights(words.terms, own, idf, np.zeros(len(idf), np.int64), total, fresh)
    telling = v.rare(frequencies, sizes, v.PAIR_EVERY) & ~np.isin(words.term_hash, plain_hashes())
    pair_marks = np.zeros(room(int(telling.sum()), 8.0, 64) // 64, np.uint64)
    pairs = NO_TABLE
    if options.pairs:
        pairs = pair_table(stored, counting, leading, telling, idf, REACH)
        _mark_pairs(words.terms, words.term_hash, pairs.postings, pair_marks)
    arrays |= _named("pair", pairs)
    owners = np.searchsorted(own, pairs.postings.astype(np.int64) >> 3, "right") - 1
    arrays["pair_items"] = owners.astype(np.uint32)
    arrays |= {
        "meta": np.array([*_meta(options), len(ngrams), *ngrams, *lengths], np.int64),
        "offsets": own.astype(np.int64),
        "terms": words.terms[: own[-1]],
        "blocks": stored.blocks,
        "term_hash": words.term_hash,
        "term_token": words.term_token,
        "idf": idf,
        "token_hash": words.token_hash,
        "token_slots": words.token_slots,
        "bench": counting.bench,
        "field": items.field.astype(np.int8),
        "uid": items.uid.astype(np.int64),
        "total": total,
        "fresh": fresh,
        "pair_tokens": pair_marks,
        "led_items": np.argsort(lead, kind="stable").astype(np.int64),
        "led_starts": np.searchsorted(np.sort(lead), np.arange(num_items + 1)),
    }
    return Index(arrays)


def _meta(options: IndexOptions) -> tuple[int, ...]:
    return VERSION, options.hash_bits, options.pairs_floor, options.numbers_floor


def _named(name: str, table: Table) -> dict[str, Column]:
    return {f"{name}_{part}": array for part, array in table._asdict().items()}


def _tables(
    stored: Stored, counting: Counting, shared: Column, ngrams: tuple[int, ...]
) -> tuple[dict[str, Column], list[int]]:
    """Make the tables of n-grams, and of whole sub-items where no n-gram can find them."""
    arrays: dict[str, Column] = {}
    num_bytes = (len(stored.terms) >> 3) + 1
    seeded = np.zeros(stored.num_items, np.uint8)
    shorter = None
    for n in ngrams:
        common = np.zeros(num_bytes, np.uint8)
        table = gram_table(stored, counting, shared, n, shorter, common, seeded)
        arrays |= _named(f"gram{n}", table)
        arrays[f"common{n}"] = common
        shorter = (n, common)
    arrays["seeded"] = seeded
    lengths = np.diff(stored.offsets[: stored.num_items + 1])
    size = np.minimum(lengths, ngrams[0])
    for n in ngrams:
        size[lengths >= n] = n
    whole: list[int] = []
    for n in sorted(set(range(1, ngrams[0])) | set(ngrams)):
        chosen = np.flatnonzero((size == n) & (seeded == 0))
        if len(chosen):
            found = Table(*(arrays[f"gram{n}_{p}"] for p in Table._fields)) if n in ngrams else None
            arrays |= _named(f"gram{n}", with_wholes(stored, counting, n, found, chosen))
            whole.append(n)
    wholes = [n for n in whole if n not in ngrams]
    others = [n for n in (*ngrams[1:], *wholes) if n >= LEAST_WHOLE]
    main = arrays[f"gram{ngrams[0]}_postings"]
    arrays["triples"] = triples_of(stored, [main], ngrams[0] - TRIPLE + 1, 4.0)
    seldom = [arrays[f"gram{n}_postings"] for n in others]
    arrays["openings"] = triples_of(stored, seldom, 1, 16.0)
    return arrays, wholes


@kernel
def _sum_weights(
    terms: Column, offsets: Column, idf: Column, last: Column, total: Column, fresh: Column
) -> None:
    """Sum the weights of each sub-item's distinct tokens; mark where each is for the first time."""
    for item in range(total.shape[0]):
        for position in range(offsets[item], offsets[item + 1]):
            if last[terms[position]] != item + 1:
                last[terms[position]] = item + 1
                total[item] += idf[terms[position]]
                fresh[position >> 3] |= 1 << (position & 7)


@kernel
def _mark_pairs(terms: Column, term_hash: Column, postings: Column, marks: Column) -> None:
    """Enter the tokens of pairs into a bitmap."""
    for posting in postings:
        position, distance = _I(posting) >> 3, (_I(posting) >> 1) & 3
        set_token_bit(marks, term_hash[terms[position]])
        set_token_bit(marks, term_hash[terms[position + distance]])


@allocating
def _sort_numbers(offsets: Column, keys: Column, least: Any, most: Any, sets: Column) -> None:
    """Sort each sub-item's numbers; hash them in any order, 0 where they are too few or many."""
    for item in range(sets.shape[0]):
        own = keys[offsets[item] : offsets[item + 1]]
        own.sort()
        sets[item] = 0
        if least <= own.shape[0] <= most:
            total = _U(own.shape[0])
            for key in own:
                total += mixed(key)
            sets[item] = mixed(total)


@kernel
def _mark_sets(
    set_keys: Column, bloom: Column, chosen: Column, offsets: Column, keys: Column, members: Column
) -> None:
    for key in set_keys:
        mark(bloom, key)
    for item in chosen:
        for place in range(offsets[item], offsets[item + 1]):
            set_token_bit(members, keys[place])


def _common_sets(sets: Column, chosen: Column, counting: Counting) -> Column:
    """Tell which of the chosen sub-items have numbers that are those of too many items."""
    if not len(counting.limits):
        return np.zeros(len(chosen), bool)
    bench, twin = counting.bench[chosen].astype(np.uint64), counting.twin[chosen]
    _, which = np.unique(np.stack([bench, sets[chosen]]), axis=1, return_inverse=True)
    _, first = np.unique(np.stack([which.reshape(-1), twin]), axis=1, return_index=True)
    owners = np.bincount(which.reshape(-1)[first])
    over: Column = owners[which.reshape(-1)] > counting.limits[counting.bench[chosen]]
    return over


def _numbers(
    numbers: Numbers, mask: np.uint64, counting: Counting, long: Column
) -> dict[str, Column]:
    """Make the arrays of numbers, and the look-up from a set of numbers to sub-items."""
    offsets, keys = numbers.offsets.astype(np.int64), numbers.keys.copy()
    counts = np.diff(offsets)
    sets = np.empty(len(counts), np.uint64)
    _sort_numbers(offsets, keys, LEAST_NUMBERS, MOST_NUMBERS, sets)
    told = telling_numbers(offsets, keys) >= LEAST_TELLING
    chosen = np.flatnonzero(long & told & (counts >= LEAST_NUMBERS) & (counts <= MOST_NUMBERS))
    chosen = chosen[~_common_sets(sets, chosen, counting)]
    order = chosen[np.argsort(sets[chosen] & mask, kind="stable")]
    set_keys, starts = np.unique(sets[order] & mask, return_index=True)
    sizes = np.zeros(MOST_NUMBERS + 2, np.uint8)
    sizes[np.unique(counts[chosen])] = 1
    bloom = np.zeros(room(len(set_keys), 16.0, 64) // 64, np.uint64)
    members = np.zeros(room(int(counts[chosen].sum()), 4.0, 64) // 64, np.uint64)
    _mark_sets(set_keys, bloom, chosen, offsets, keys, members)
    return {
        "number_offsets": offsets,
        "number_keys": keys,
        "set_keys": set_keys,
        "set_starts": np.append(starts, len(order)).astype(np.int64),
        "set_items": order.astype(np.uint32),
        "set_sizes": sizes,
        "set_bloom": bloom,
        "set_members": members,
    }
