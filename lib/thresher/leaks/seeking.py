"""What the scan of a block reads and writes, as plain addresses.

Numba passes a tuple of arrays by copying eight words of each, and counts references; the scan makes
a call for every thousand tokens or less. An address is one word.

Shapes: R texts, T tokens, I sub-items, G items, N numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from thresher.leaks.keys import room
from thresher.leaks.lanes import FINE, LANES, NUM_GROUPS
from thresher.leaks.needs import GROUP, PRESENT_WORDS, SHORT_TEXT, SKIPS, Needs
from thresher.leaks.pair_scan import MARKS, NEAR, PairHits
from thresher.leaks.screen import STATE_BYTES
from thresher.leaks.weak import NEAR_WORDS, OWN_WORDS, window_of
from thresher.text.scratch import address

if TYPE_CHECKING:
    from thresher.leaks.gram_scan import GramHits
    from thresher.leaks.index import Index
    from thresher.leaks.items import Numbers

Column = np.ndarray[Any, Any]


class Seeking(NamedTuple):
    """Addresses, valid while the arrays live; and figures.

    Those of `Needs` and of the index have their names.

    Attributes:
        first_row, first_token: What to add to numbers of rows and tokens, so that what scratch says
            of other blocks is not taken for this one's.
        texts: (R + 1,) int64 where the tokens of each text begin.
        hashes: (T,) uint64.
        number_starts: (R + 1,) int64 where the numbers of each text begin.
        number_places: (N,) int64 the first token of each within its text.
        number_values: (N,) uint64.
        hit_places, hit_starts, hit_tables, num_grams, table_lengths, table_postings: `GramHits`.
        pair_ends, pair_starts, num_pairs: `PairHits`.
        other_rows, other_items, num_others: Texts and sub-items whose items are kept.
        rows, items, room: (room,) int64 pairs that were found.
        seen: (I,) int32 row + 1 where a sub-item was found with all that it leads, -(row + 1) where
            it was found alone.
        near_enough: Whether no window is longer than the stretch that pairs are counted in.
        pair_marks: (3, MARKS) uint32 which pair of a sub-item a stretch has, and those before and
            behind it, plus 1; SEVERAL where it has two. Several sub-items share a mark.
        latest: (I, 4) int32 the last pair of each sub-item: row + 1 (negative where no window of
            the text is heavy enough), its place in the text, which; row + 1 where it was screened
            out (negative where it was kept after all).
        rejected: (I,) int32 row + 1 where no window of the text is heavy enough, negative where it
            was screened out.
        screened: 1 where only items are kept of which a rule could say something.
        states: (I, 4) int64, see `thresher.leaks.screen`.
        kept: (G,) int32 row + 1 of the last text that an item was kept for.
        present: (PRESENT_WORDS,) uint64 bitmap of the tokens of a stretch.
        fine: (NUM_GROUPS, FINE) uint64 which chunks of a group of its tokens have each token.
        present_at: (1,) int64 where the stretch begins, plus 1.
        fine_at: (2,) int64 where that of `fine` does, and where it ends.
        coarse: (64 * PRESENT_WORDS,) uint64 which stretches of a long text have each token.
        lanes: (LANES,) int16 what each chunk or stretch may yet miss.
        screened_out: (1,) int64 row + 1 of the last text with a sub-item that was left out although
            pairs or numbers may lead to it.
        ends: (2, SKIPS + 1) int64.
        own_hashes, own_stamps, own_counts, own_weights, own_bits: A table of one sub-item's tokens,
            and a bitmap of them.
        near_places, near_slots: int64 where tokens of the sub-item are, and which they are.
        clock: (1,) int64.
        near: (NEAR_WORDS,) uint64 bitmap of the tokens near a place.
        near_chunk: (1,) int64 which chunk of the tokens it is of, -1 for none.
    """

    first_row: int
    first_token: int
    texts: int
    hashes: int
    number_starts: int
    number_places: int
    number_values: int
    hit_places: int
    hit_starts: int
    hit_tables: int
    num_grams: int
    table_lengths: int
    table_postings: int
    pair_ends: int
    pair_starts: int
    num_pairs: int
    other_rows: int
    other_items: int
    num_others: int
    terms: int
    term_hash: int
    offsets: int
    blocks: int
    led_starts: int
    led_items: int
    idf: int
    total: int
    fresh: int
    pair_postings: int
    pair_items: int
    pair_marks: int
    near_enough: int
    set_keys: int
    num_sets: int
    set_starts: int
    set_items: int
    set_sizes: int
    set_bloom: int
    set_bloom_words: int
    set_members: int
    set_member_words: int
    number_offsets: int
    number_keys: int
    mask: np.uint64
    pairs_floor: int
    numbers_floor: int
    rows: int
    items: int
    room: int
    seen: int
    latest: int
    rejected: int
    screened: int
    records: int
    heavy: int
    needed: int
    run: int
    states: int
    kept: int
    present: int
    fine: int
    coarse: int
    lanes: int
    present_at: int
    fine_at: int
    screened_out: int
    ends: int
    own_hashes: int
    own_stamps: int
    own_counts: int
    own_weights: int
    own_bits: int
    near_places: int
    near_slots: int
    clock: int
    near: int
    near_chunk: int


_MOST_ROWS = 1 << 30
_OF_INDEX = (
    "led_starts", "led_items", "idf", "total", "fresh", "pair_postings", "pair_items", "set_keys",
    "set_starts", "set_items", "set_sizes", "set_bloom", "set_members", "number_offsets",
    "number_keys", "terms", "term_hash", "blocks",
)  # fmt: skip

_KINDS = {
    "texts": np.int64,
    "hashes": np.uint64,
    "number_starts": np.int64,
    "number_places": np.int64,
    "number_values": np.uint64,
}


class Scratch:
    """What the scan of a block needs room for, whichever block it is; of one thread at a time."""

    def __init__(self, index: Index, num_groups: int) -> None:
        """Allocate; what says of which row it is begins before all rows."""
        count, longest = index.num_items, int(index.lengths.max(initial=1))
        size, stretch = room(longest, 2.0), max(2 * window_of(longest), SHORT_TEXT)
        self.num_groups = num_groups
        self.rows = self.tokens = 0
        self.near_enough = int(window_of(longest) <= NEAR)
        self.arrays: dict[str, Column] = {
            "seen": np.zeros(count, np.int32),
            "pair_marks": np.zeros((3, MARKS), np.uint32),
            "latest": np.zeros((count, 4), np.int32),
            "rejected": np.zeros(count, np.int32),
            "states": np.zeros((count if num_groups else 0, STATE_BYTES // 8), np.int64),
            "kept": np.zeros(num_groups, np.int32),
            "present": np.zeros(PRESENT_WORDS, np.uint64),
            "fine": np.zeros(NUM_GROUPS * FINE, np.uint64),
            "coarse": np.empty(64 * PRESENT_WORDS, np.uint64),
            "lanes": np.empty(LANES, np.int16),
            "screened_out": np.zeros(1, np.int64),
            "present_at": np.zeros(1, np.int64),
            "fine_at": np.zeros(2, np.int64),
            "ends": np.zeros((2, SKIPS + 1), np.int64),
            "own_hashes": np.zeros(size, np.uint64),
            "own_stamps": np.zeros(size, np.int64),
            "own_counts": np.zeros(size, np.int64),
            "own_weights": np.zeros(size, np.int64),
            "own_bits": np.zeros(OWN_WORDS, np.uint64),
            "near_places": np.empty(stretch, np.int64),
            "near_slots": np.empty(stretch, np.int64),
            "clock": np.zeros(1, np.int64),
            "near": np.zeros(NEAR_WORDS, np.uint64),
            "near_chunk": np.full(1, -1, np.int64),
        }


def take_scratch(index: Index, needs: Needs | None, num_rows: int) -> Scratch:
    """Return scratch of a call before, or new one; the caller gives it back to `index.spare`."""
    num_groups = 0
    if needs is not None:
        num_groups = int(needs.records[:, GROUP].max(initial=-1)) + 1
    while index.spare:
        try:
            found: Scratch = index.spare.pop()
        except IndexError:  # another thread was faster
            break
        if found.num_groups == num_groups and found.rows + num_rows < _MOST_ROWS:
            return found
    return Scratch(index, num_groups)


def make_seeking(
    index: Index,
    needs: Needs | None,
    scratch: Scratch,
    hashes: Column,
    texts: Column,
    numbers: Numbers,
    grams: GramHits,
    pairs: PairHits,
    others: Column,
    num_found: int,
) -> tuple[Seeking, dict[str, Column]]:
    """Return addresses, and the arrays that must outlive them.

    Args:
        index: The items.
        needs: What is needed of each sub-item; None where nothing is dropped.
        scratch: Of this thread.
        hashes, texts, numbers: What is searched.
        grams, pairs: What was found in it, of whichever text.
        others: (2, O) texts and sub-items whose items are not left out, by text.
        num_found: Room for so many pairs.
    """
    held: dict[str, Column] = {name: index[name] for name in _OF_INDEX}
    held |= scratch.arrays
    held |= {
        "offsets": index["offsets"],
        "texts": texts,
        "hashes": hashes,
        "number_starts": numbers.offsets,
        "number_places": numbers.places,
        "number_values": numbers.keys,
        "hit_places": grams.places,
        "hit_starts": grams.starts,
        "hit_tables": grams.tables,
        "table_lengths": grams.lengths,
        "table_postings": np.array([address(one) for one in grams.postings], np.int64),
        "other_rows": others[0],
        "other_items": others[1],
        "pair_ends": pairs.ends,
        "pair_starts": pairs.starts,
        "rows": np.empty(num_found, np.int64),
        "items": np.empty(num_found, np.int64),
    }
    nothing = np.zeros(0, np.int64)
    for name in ("records", "heavy", "needed"):
        held[name] = nothing if needs is None else getattr(needs, name)
    figures: dict[str, Any] = {
        "first_row": scratch.rows,
        "first_token": scratch.tokens,
        "num_grams": len(grams.places),
        "num_pairs": len(pairs.ends),
        "num_others": others.shape[1],
        "num_sets": len(index["set_keys"]),
        "set_bloom_words": len(index["set_bloom"]),
        "set_member_words": len(index["set_members"]),
        "mask": np.uint64((1 << index.hash_bits) - 1),
        "pairs_floor": index.pairs_floor,
        "numbers_floor": index.numbers_floor,
        "room": num_found,
        "near_enough": scratch.near_enough,
        "screened": int(needs is not None),
        "run": 0 if needs is None else needs.run,
    }
    for name, kind in _KINDS.items():
        held[name] = held[name].astype(kind, copy=False)
    held = {name: np.ascontiguousarray(array) for name, array in held.items()}
    if held["fine_at"][0] > 0:
        held["fine"][:] = 0
    held["present_at"][0] = held["fine_at"][0] = 0
    scratch.rows += len(texts) - 1
    scratch.tokens += len(hashes)
    located = {name: address(array) for name, array in held.items()}
    return Seeking(**(located | figures)), held
