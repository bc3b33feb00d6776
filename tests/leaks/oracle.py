"""What the index, the scan and the evidence mean, in plain Python, over lists of hashable tokens.

Slow and without any index: every rule is written as it is defined.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

Words = Sequence[Hashable]
SCALE, REACH, SKIPS = 1 << 20, 3, 4


class Item(NamedTuple):
    """A sub-item."""

    words: tuple[Hashable, ...]
    bench: int
    uid: int
    numbers: tuple[int, ...] = ()

    def sorted_numbers(self) -> tuple[int, ...]:
        """Return the numbers in any text's order."""
        return tuple(sorted(self.numbers))


def grams(words: Words, n: int) -> list[tuple[Hashable, ...]]:
    """Return all n-grams in order."""
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def window(item: Item) -> int:
    """Return the window's tokens."""
    return len(item.words) + 3 * len(item.words) // 5 + 8


class Oracle:
    """All items, looked at one by one."""

    def __init__(
        self,
        items: Sequence[Item],
        ngrams: tuple[int, ...] = (5, 8),
        common: int | None = 10,
        share: int = 200,
        floors: tuple[int, int] = (45, 30),
        allowed: Sequence[Words] = (),
        plain: Sequence[Hashable] = (),
    ) -> None:
        self.items, self.ngrams, self.floors = items, ngrams, floors
        self.plain = set(plain)
        self.allowed = {n: {g for text in allowed for g in grams(text, n)} for n in ngrams}
        self.size = Counter(b for b, _ in {(i.bench, i.uid) for i in items if i.words})
        self.df = Counter(
            (b, w) for b, _, w in {(i.bench, i.uid, w) for i in items for w in i.words}
        )
        twin: dict[tuple[int, tuple[Hashable, ...]], int] = {}
        for i in items:
            twin[i.bench, i.words] = min(i.uid, twin.get((i.bench, i.words), i.uid))
        owners = {
            (n, i.bench, g, twin[i.bench, i.words])
            for n in ngrams
            for i in items
            for g in grams(i.words, n)
        }
        self.owners = Counter((n, b, g) for n, b, g, _ in owners)
        sets = {
            (i.bench, i.sorted_numbers(), twin[i.bench, i.words])
            for i in items
            if len(i.words) >= 12 and self.lead(i) is i
        }
        self.set_owners = Counter((b, numbers) for b, numbers, _ in sets)
        pairs = {
            (i.bench, pair, twin[i.bench, i.words])
            for i in items
            if len(i.words) >= 12 and self.lead(i) is i
            for pair in self.ranked_pairs(i)
        }
        self.pair_owners = Counter((b, pair) for b, pair, _ in pairs)
        self.limit = {
            b: math.inf if common is None else min(common, max(3, size // share))
            for b, size in self.size.items()
        }

    def idf(self, item: Item, word: Hashable) -> int:
        """Return the weight of a token of the item."""
        return round(math.log(1 + self.size[item.bench] / self.df[item.bench, word]) * SCALE)

    def total(self, item: Item) -> int:
        """Return the weight of the item's distinct tokens."""
        return sum(self.idf(item, w) for w in set(item.words))

    def common(self, item: Item, gram: tuple[Hashable, ...]) -> bool:
        """Tell whether an n-gram of the item is over-common."""
        n = len(gram)
        over = self.owners[n, item.bench, gram] > self.limit[item.bench]
        return over or gram in self.allowed[n]

    def is_rare(self, item: Item, word: Hashable) -> bool:
        """Tell whether so few items of the benchmark have the token that pairs are made of it."""
        df = self.df[item.bench, word]
        return (df <= 3 or df * 50 <= self.size[item.bench]) and word not in self.plain

    def pairs(self, item: Item) -> set[frozenset[Hashable]]:
        """Return those pairs that are not over-common."""
        limit = self.limit[item.bench]
        return {p for p in self.ranked_pairs(item) if self.pair_owners[item.bench, p] <= limit}

    def ranked_pairs(self, item: Item) -> set[frozenset[Hashable]]:
        """Return the pairs of rare tokens that the item is looked for by."""
        ranked = sorted(
            (-self.idf(item, a) - self.idf(item, b), i, d, frozenset((a, b)))
            for i, a in enumerate(item.words)
            for d in range(1, REACH + 1)
            if i + d < len(item.words)
            for b in [item.words[i + d]]
            if a != b and self.is_rare(item, a) and self.is_rare(item, b)
        )
        return set(list(dict.fromkeys(pair for *_, pair in ranked))[: 10 + len(item.words) // 5])

    def lead(self, item: Item) -> Item:
        """Return the sub-item that stands for it where no n-gram is shared."""
        for other in self.items:
            if other is item:
                break
            same = (other.bench, other.uid) == (item.bench, item.uid)
            begins = other.words == item.words[: len(other.words)] and len(other.words) >= 12
            if same and begins and self.lead(other) is other:
                return other
        return item

    def enough(self, text: Words, item: Item, place: int, floor: int) -> bool:
        """Tell whether a window around a place has the floor's weight."""
        wide = window(item)
        near = text[max(0, place - wide + 1) : place + wide]
        best = max(
            sum(self.idf(item, w) for w in set(near[i : i + wide]) & set(item.words))
            for i in range(max(len(near) - wide, 0) + 1)
        )
        return best * 100 >= self.total(item) * floor

    def weak(self, text: Words, item: Item, numbers: Sequence[tuple[int, int]]) -> bool:
        """Tell whether pairs of rare tokens or the numbers lead to the item."""
        wanted, wide = self.pairs(item), window(item)
        hits = [
            (i, pair)
            for i in range(len(text))
            for d in range(1, REACH + 1)
            if i >= d and (pair := frozenset((text[i - d], text[i]))) in wanted
        ]
        follow = {j for (i, a), (j, b) in pairwise(hits) if a != b and j - i <= wide}
        places = set()
        num = len(item.numbers) if len(set(item.numbers) - {0, 1, 2}) >= 2 else 0
        if self.set_owners[item.bench, item.sorted_numbers()] > self.limit[item.bench]:
            num = 0
        for first in range(len(numbers) if 3 <= num <= 12 else 0):
            for more in (0, 1) if num <= 8 else (0,):
                run = numbers[first : first + num + more]
                if len(run) < num + more or run[-1][0] - run[0][0] >= wide:
                    continue
                for out in range(1, num) if more else [None]:
                    values = [value for k, (_, value) in enumerate(run) if k != out]
                    if sorted(values) == sorted(item.numbers):
                        places.add(run[-1][0])
        pairs, sets = self.floors
        return any(self.enough(text, item, place, pairs) for place in follow) or any(
            self.enough(text, item, place, sets) for place in places
        )

    def candidate(self, text: Words, item: Item, numbers: Sequence[tuple[int, int]] = ()) -> bool:
        """Tell whether a text and an item are a candidate pair."""
        length = len(item.words)
        if 0 < length < 3:
            return tuple(text) == item.words
        if length == 0:
            return False
        whole = item.words in grams(text, length)
        if whole or self.shares_gram(text, item):
            return True
        return length >= 12 and self.weak(text, self.lead(item), numbers)

    def shares_gram(self, text: Words, item: Item) -> bool:
        """Tell whether they share an n-gram that is not over-common."""
        return any(
            not self.common(item, gram)
            for n in self.ngrams
            for gram in set(grams(text, n)) & set(grams(item.words, n))
        )

    def scan(
        self, texts: Sequence[Words], numbers: Sequence[Sequence[tuple[int, int]]] | None = None
    ) -> list[tuple[int, int]]:
        """Return the candidate pairs (text, item)."""
        return [
            (row, i)
            for row, text in enumerate(texts)
            for i, item in enumerate(self.items)
            if self.candidate(text, item, numbers[row] if numbers else ())
        ]

    def cover(self, text: Words, item: Item, n: int) -> tuple[int, int, int]:
        """Return tokens covered by shared n-grams, by those not over-common, and shared n-grams."""
        shared = set(grams(text, n))
        places = [i for i, gram in enumerate(grams(item.words, n)) if gram in shared]
        own = [i for i in places if not self.common(item, tuple(item.words[i : i + n]))]
        covered = {i + k for i in places for k in range(n)}
        return len(covered), len({i + k for i in own for k in range(n)}), len(places)

    def exact(self, text: Words, item: Item) -> int:
        """Return where the whole item first stands in the text, or -1."""
        places = [i for i, gram in enumerate(grams(text, len(item.words))) if gram == item.words]
        return places[0] if places else -1

    def longest(self, text: Words, item: Item) -> tuple[int, int]:
        """Return the longest span (length, start in the text) with up to 4 other tokens inside."""
        words, n, at = item.words, self.ngrams[0], self.exact(text, item)
        if at >= 0:
            return len(words), at
        best = (0, -1)
        for shift in range(-len(words) + 1, len(text)):
            same = [
                0 <= i + shift < len(text) and text[i + shift] == word
                for i, word in enumerate(words)
            ]
            ends = [i for i, equal in enumerate(same) if equal]
            for i, j in combinations(ends, 2):
                runs = "".join("x" if equal else " " for equal in same[i : j + 1])
                if runs.count(" ") <= SKIPS and "x" * n in runs:
                    best = max(best, (j + 1 - i, i + shift), key=lambda b: (b[0], -b[1]))
        return best

    def weight(self, text: Words, item: Item) -> tuple[int, int, int]:
        """Return the heaviest window: (weight, first, last), the earliest end, the latest start."""
        wide, best = window(item), (0, -1, -1)
        for last in range(len(text)):
            inside = set(text[max(0, last - wide + 1) : last + 1]) & set(item.words)
            weight = sum(self.idf(item, w) for w in inside)
            if weight > best[0]:
                first = max(
                    i
                    for i in range(max(0, last - wide + 1), last + 1)
                    if set(text[i : last + 1]) & set(item.words) == inside
                )
                best = (weight, first, last)
        return best

    def lcs(self, text: Words, item: Item, last: int) -> int:
        """Return the longest common subsequence with the window that ends at `last`."""
        if len(item.words) < 13 or last < 0:
            return 0
        row = [0] * (len(item.words) + 1)
        for word in text[max(0, last - window(item) + 1) : last + 1]:
            before = row[:]
            for i, own in enumerate(item.words):
                row[i + 1] = before[i] + 1 if word == own else max(row[i], before[i + 1])
        return row[-1]

    def numbers(
        self, item: Item, numbers: Sequence[tuple[int, int]], first: int, last: int
    ) -> tuple[int, int]:
        """Return (equal, extra) of the shortest run of numbers with most of the item's."""
        wide = window(item)
        near = [v for place, v in numbers if last - wide < place < first + wide]
        runs = [
            (sum((Counter(near[i:j]) & Counter(item.numbers)).values()), i - j)
            for i in range(len(near))
            for j in range(i + 1, len(near) + 1)
        ]
        equal, size = max(runs, default=(0, 0))
        return (equal, -size - equal) if equal and last >= 0 else (0, 0)
