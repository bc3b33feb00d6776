"""A small data set with planted copies and a list of what was planted.

The truth holds for the default definition: the Jaccard similarity of the sets of word 5-grams,
threshold 0.7, and earlier rows preferred to later ones. Every figure in it is computed from the
finished texts by the plain definition below, not assumed from how they were made.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.testing.corpus import lexicon

THRESHOLD = 0.7
_WORD = re.compile(r"\w+")
_SOURCES = ("forum", "wiki", "books", "questions")

# Texts that careless normalisation folds together or drops; each must be kept.
_ODD_TEXTS = (
    ("empty", ""),
    ("blank", "   "),
    ("marks only", "?!"),
    ("marks only", "..."),
    ("emoji", "👍"),
    ("emoji", "👎"),
    ("short", "Yes"),
    ("short", "No"),
    ("short", "Yes, please."),
    ("number", "42"),
    ("number", "43"),
    ("number", "3.14"),
    ("number", "2 + 2 = 4"),
    ("number", "2 + 3 = 5"),
    ("number", "2024-01-31 17:45:00 GET /index 200"),
    ("number", "2024-02-01 17:45:00 GET /index 404"),
    ("number", "Invoice 10017: 12 boxes at 7.50 make 90.00 in total."),
    ("number", "Invoice 10018: 13 boxes at 7.50 make 97.50 in total."),
    ("code", "for i in range(10): print(i)"),
    ("code", "for j in range(20): print(j)"),
    ("Chinese", "今天天气很好，我们去公园散步。"),
    ("Chinese", "昨天下雨了，我们在家里看书。"),
    ("Chinese", "北京是中华人民共和国的首都。"),
    ("Japanese", "東京は日本の首都です。"),
    ("Japanese", "春になると桜の花が咲きます。"),
    ("Thai", "วันนี้อากาศดีมากเราไปเดินเล่นที่สวนสาธารณะ"),
    ("Thai", "เมื่อวานฝนตกเราอ่านหนังสืออยู่ที่บ้าน"),
    ("Hindi", "आज मौसम बहुत अच्छा है।"),
    ("Hindi", "कल बारिश हुई और हम घर पर रहे।"),
    ("Arabic", "الطقس جميل اليوم."),
    ("Hebrew", "שלום עולם"),
    ("Greek", "Καλημέρα κόσμε"),
)


@dataclass(frozen=True)
class Pair:
    """A row, the earlier row it was made from, and the similarity of the two."""

    id: str
    original: str
    similarity: float


@dataclass(frozen=True)
class Truth:
    """What was planted, by row id. Rows named nowhere are unrelated prose and must be kept."""

    exact_copies: tuple[Pair, ...]
    """Byte for byte the same; must be removed."""
    variants: tuple[Pair, ...]
    """The same words in other case, spacing or punctuation; must be removed."""
    near_copies: tuple[Pair, ...]
    """A few words differ, at or above the threshold; must be removed."""
    near_misses: tuple[Pair, ...]
    """Below the threshold, if only just; both rows must be kept."""
    templates: tuple[tuple[str, ...], ...]
    """Families of one wording and different payloads, all pairs below the threshold; all kept."""
    odd: tuple[tuple[str, str], ...]
    """(row id, kind): empty, short, numeric and unspaced texts; must be kept."""
    leaks: tuple[tuple[str, str], ...]
    """(row id, benchmark id): rows that quote a test question. Deduplication keeps them."""

    @property
    def removable(self) -> frozenset[str]:
        """Ids of the rows that a sound and complete run removes."""
        return frozenset(p.id for p in (*self.exact_copies, *self.variants, *self.near_copies))


@dataclass(frozen=True)
class Planted:
    """A table of `id`, `source` and `text`, the truth about it, and the leaked benchmark."""

    table: Any  # pa.Table
    truth: Truth
    benchmark: Any  # pa.Table of id, question


def jaccard(left: str, right: str, n: int = 5) -> float:
    """Compute the similarity of two texts: sets of runs of n words; fewer words make one run.

    Plain on purpose, and independent of what it checks. It knows words as runs of letters, so it
    holds for texts written with spaces.
    """
    a, b = _shingles(left, n), _shingles(right, n)
    return len(a & b) / len(a | b) if a | b else float(left == right)


def _shingles(text: str, n: int) -> set[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    return {tuple(words[i : i + n]) for i in range(max(len(words) - n + 1, min(len(words), 1)))}


def planted(rows: int = 2000, seed: int = 0) -> Planted:
    """Make a data set of `rows` rows (at least 400) with planted truth.

    Of 1,000 rows about 60 are exact copies, 30 variants, 60 near copies, 60 near misses, 72 rows of
    templates and 20 leaks; 32 odd texts are always there. Originals stand before their copies.

    Raises:
        ValueError: `rows` is below 400.
    """
    if rows < 400:
        raise ValueError(f"planted needs at least 400 rows to have room for every kind, got {rows}")
    garden = _Garden(np.random.Generator(np.random.PCG64(seed)))
    garden.plant_copies("exact", rows * 35 // 1000, lambda text: text)
    crowd = garden.row(garden.prose(40))
    for _ in range(rows * 25 // 1000):
        garden.row(garden.texts[crowd], kind="exact", original=crowd)
    garden.plant_copies("variant", rows * 30 // 1000, garden.variant)
    garden.plant_copies(
        "near", rows * 60 // 1000, lambda text: garden.altered(text, THRESHOLD, 0.97)
    )
    garden.plant_copies(
        "miss", rows * 30 // 1000, lambda text: garden.altered(text, 0.58, THRESHOLD)
    )
    families = [garden.family(12) for _ in range(rows * 6 // 1000)]
    odd = [(garden.row(text), kind) for kind, text in _ODD_TEXTS]
    questions = [garden.question() for _ in range(rows * 40 // 1000)]
    leaks = [(garden.leak(q), k) for k, q in enumerate(questions) if k % 2 == 0]
    while len(garden.texts) < rows:
        garden.row(garden.prose(garden.between(8, 200)))
    return garden.harvest(families, odd, leaks, questions)


class _Garden:
    """Collects rows by number; their order and ids are decided at the end."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.lexicon = lexicon()
        self.texts: list[str] = []
        self.sources: list[str] = []
        self.keys: list[float] = []
        self.pairs: list[tuple[str, int, int]] = []

    def between(self, low: int, high: int) -> int:
        return int(self.rng.integers(low, high))

    def row(self, text: str, *, kind: str = "", original: int = -1, source: str = "") -> int:
        """Add a row; a copy gets a sort key after its original's."""
        key = self.keys[original] if original >= 0 else 0.0
        self.keys.append(key + float(self.rng.random()) * (1.0 - key))
        self.texts.append(text)
        self.sources.append(source or _SOURCES[self.between(0, len(_SOURCES))])
        if kind:
            self.pairs.append((kind, len(self.texts) - 1, original))
        return len(self.texts) - 1

    def plant_copies(self, kind: str, num: int, change: Callable[[str], str]) -> None:
        for k in range(num):
            if (
                k % 3 == 0 or kind == "miss"
            ):  # three copies an original; a near miss has one partner only
                original = self.row(self.prose(self.between(40, 160)))
            self.row(change(self.texts[original]), kind=kind, original=original)

    def prose(self, num_words: int) -> str:
        tokens = self.lexicon.draw(self.rng, num_words)
        text = "".join(self.lexicon.texts.take(pa.array(tokens)).to_pylist())
        text = text.lstrip(" ,.\n")
        return text[:1].upper() + text[1:] + "."

    def variant(self, text: str) -> str:
        changes: list[Callable[[str], str]] = [
            str.upper,
            str.lower,
            lambda t: t.replace(" ", "  "),
            lambda t: t.replace(". ", "!\n"),
            lambda t: f"\t{t}\n",
            lambda t: t.replace(", ", " — "),
        ]
        while (changed := changes[self.between(0, len(changes))](text)) == text:
            continue
        return changed

    def altered(self, text: str, low: float, high: float) -> str:
        """Change words until low <= similarity < high; past the goal, start again."""
        words = text.split(" ")
        while True:
            changed = list(words)
            similarity = 1.0
            while similarity >= high:
                self._edit(changed)
                similarity = jaccard(text, " ".join(changed))
            if similarity >= low:
                return " ".join(changed)

    def _edit(self, words: list[str]) -> None:
        place, new = self.between(1, len(words) - 1), self.lexicon.words[self.between(0, 5000)]
        match self.between(0, 4):
            case 0 | 1:
                words[place] = new
            case 2:
                words.insert(place, new)
            case _:
                del words[place]

    def family(self, size: int) -> tuple[int, ...]:
        """Add rows that share 36 to 70 words around two payloads, pairwise below the threshold."""
        head, middle, tail = (self.prose(self.between(12, 24)) for _ in range(3))
        payload = 8 + len(f"{head} {middle} {tail}".split()) // 12
        made: list[str] = []
        while len(made) < size:
            text = f"{head} {self.prose(payload)}\n{middle} {self.prose(payload)} {tail}"
            if all(jaccard(text, other) < THRESHOLD for other in made):
                made.append(text)
        return tuple(self.row(text, source="questions") for text in made)

    def question(self) -> str:
        return self.prose(self.between(14, 30)).rstrip(".") + "?"

    def leak(self, question: str) -> int:
        if self.rng.random() < 0.5:
            return self.row(question, source="questions")
        return self.row(
            f"{self.prose(self.between(20, 60))}\n\n{question} {self.prose(self.between(5, 40))}",
            source="forum",
        )

    def harvest(
        self,
        families: list[tuple[int, ...]],
        odd: list[tuple[int, str]],
        leaks: list[tuple[int, int]],
        questions: list[str],
    ) -> Planted:
        """Order the rows by key, number them, and translate the truth into ids."""
        order = np.argsort(np.array(self.keys), kind="stable").tolist()
        ids = [""] * len(order)
        for place, row in enumerate(order):
            ids[row] = f"row-{place:05d}"

        def pairs(kind: str) -> tuple[Pair, ...]:
            found = [(row, original) for k, row, original in self.pairs if k == kind]
            return tuple(
                Pair(ids[r], ids[o], jaccard(self.texts[r], self.texts[o])) for r, o in found
            )

        truth = Truth(
            exact_copies=pairs("exact"),
            variants=pairs("variant"),
            near_copies=pairs("near"),
            near_misses=pairs("miss"),
            templates=tuple(tuple(ids[row] for row in family) for family in families),
            odd=tuple((ids[row], kind) for row, kind in odd),
            leaks=tuple((ids[row], f"question-{k:03d}") for row, k in leaks),
        )
        table = pa.table(
            {
                "id": [ids[row] for row in order],
                "source": [self.sources[row] for row in order],
                "text": [self.texts[row] for row in order],
            }
        )
        benchmark = {
            "id": [f"question-{k:03d}" for k in range(len(questions))],
            "question": questions,
        }
        return Planted(table, truth, pa.table(benchmark))
