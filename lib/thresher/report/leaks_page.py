"""What the section on leaked test items shows: tables and examples, within fixed bounds of size.

Whatever the data holds, examples and ids together stay below a number of bytes as they are written
in the page; what is left out is counted. Room is given out in turns, so that every benchmark shows
its first items before any shows its last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from markupsafe import Markup, escape

from thresher.report import charts, figures
from thresher.report.diff import Piece
from thresher.report.leaks import BenchmarkLeaks, LeakedItem, LeakingSource, Leaks, MatchKind
from thresher.report.leaks_record import decontamination_record
from thresher.report.leaks_spans import shared_spans

_EXAMPLE_BYTES, _ID_BYTES, _REASON_BYTES = 600_000, 200_000, 60_000
_MOST_BENCHMARKS, _MOST_SOURCES, _MOST_COMMON, _MOST_IDS = 100, 60, 50, 400
_ID_CHARS, _TEXT_CHARS, _NAME_CHARS = 60, 600, 60
_PIECE_BYTES, _FACT_BYTES = 22, 900  # marks around a shared run; what else an example says

# kind -> what the page calls it, and its colour
KINDS: dict[MatchKind, tuple[str, str]] = {
    "exact": ("exact", "bad"),
    "near_verbatim": ("near verbatim", "near"),
    "templated": ("templated", "other"),
    "paraphrase": ("paraphrase", "same"),
    "answer_only": ("answer only", "exact"),
    "passage_only": ("passage only", "kept"),
    "options_only": ("options only", "soft"),
}
_SIDES = {
    "input_only": "in what the model is given",
    "label_only": "in what it learns to write",
    "input_and_label": "in both",
    "text": "in plain text",
}
_DONE = {
    "drop": Markup("Rows<br>removed"),
    "cut": Markup("Rows cut<br>or removed"),
    "truncate": Markup("Rows cut short<br>or removed"),
    "tag": Markup("Rows<br>tagged"),
}

T = TypeVar("T")


@dataclass(frozen=True)
class Example:
    """An item that was hit: what matched in words, and both texts in pieces."""

    item: LeakedItem
    kind: str
    figures: str
    place: str
    train: list[Piece]
    text: list[Piece]


@dataclass(frozen=True)
class Ids:
    """Ids of one verdict and kind, as many as there is room for."""

    label: str
    shown: list[str]
    total: int


@dataclass(frozen=True)
class Card:
    """One benchmark: the line of the table, and what opens below it."""

    leaks: BenchmarkLeaks
    segments: list[charts.Segment]
    said: str
    kinds: list[tuple[str, int]]
    sides: list[tuple[str, int]]
    examples: list[Example]
    left_out: int
    ids: list[Ids]

    @property
    def hit(self) -> bool:
        """Whether any item was hit."""
        return bool(self.leaks.num_contaminated or self.leaks.num_suspect)


def leaks_context(leaks: Leaks, step: str | None = None, steps: int = 1) -> dict[str, Any]:
    """Return what the template needs.

    Args:
        leaks: What was found.
        step: By which step, where there are several.
        steps: How many share the room for examples.
    """
    rows = sum(source.rows_in for source in leaks.sources)
    ranked = sorted(leaks.benchmarks, key=lambda b: (-b.num_contaminated, -b.rows, -b.num_suspect))
    chosen = ranked[:_MOST_BENCHMARKS]
    examples = _fitting([b.examples for b in chosen], _example_bytes, _EXAMPLE_BYTES // steps)
    listed = _listed_ids(chosen, _ID_BYTES // steps)
    cards = [
        _card(benchmark, shown, ids)
        for benchmark, shown, ids in zip(chosen, examples, listed, strict=True)
    ]
    reasons = [(b, entry) for b in leaks.benchmarks for entry in b.unindexable if entry.items]
    room = _REASON_BYTES // steps // max(len(reasons), 1)
    return {
        "step": step,
        "rows": rows,
        "leaks": leaks,
        "leak_cards": cards,
        "leak_totals": _totals(leaks),
        "leak_legend": _legend(leaks),
        "leak_done": _DONE.get(leaks.record.action, Markup("Rows with<br>leaks")),
        "leak_sources": [_source(s, leaks) for s in _ranked_sources(leaks)[:_MOST_SOURCES]],
        "unindexed": [(b, e, *_within(e.examples, room)) for b, e in reasons[:_MOST_BENCHMARKS]],
        "num_unindexed": len(reasons),
        "common_ngrams": leaks.common[:_MOST_COMMON],
        "record": decontamination_record(leaks, rows),
    }


def _ranked_sources(leaks: Leaks) -> list[LeakingSource]:
    return sorted(leaks.sources, key=lambda s: (-s.items, -s.rows, -s.suspect_rows, s.name))


def _source(source: LeakingSource, leaks: Leaks) -> tuple[LeakingSource, str]:
    """A source, and the benchmarks of which it holds more than 2 %."""
    above = [b.title for b in leaks.benchmarks if source.name in b.above]
    shown = ", ".join(figures.one_line(title, _NAME_CHARS) for title in above[:6])
    return source, shown + (f" and {len(above) - 6} more" if len(above) > 6 else "")


def _totals(leaks: Leaks) -> dict[str, int]:
    return {
        name: sum(getattr(benchmark, name) for benchmark in leaks.benchmarks)
        for name in ("items", "indexed", "num_contaminated", "num_suspect")
    } | {"hit": sum(b.num_contaminated > 0 for b in leaks.benchmarks)}


def _legend(leaks: Leaks) -> list[tuple[str, str, int]]:
    """Label, colour and items of each kind that occurs; suspects last."""
    found = [
        (label, colour, sum(len(b.contaminated.get(kind, ())) for b in leaks.benchmarks))
        for kind, (label, colour) in KINDS.items()
    ]
    suspects = sum(b.num_suspect for b in leaks.benchmarks)
    return [entry for entry in [*found, ("suspect", "faint", suspects)] if entry[2]]


def _card(benchmark: BenchmarkLeaks, shown: Sequence[LeakedItem], ids: list[Ids]) -> Card:
    kinds = [
        (label, len(benchmark.contaminated[kind]))
        for kind, (label, _) in KINDS.items()
        if benchmark.contaminated.get(kind)
    ]
    said = ", ".join(f"{count:,} {label}" for label, count in kinds)
    code = benchmark.kind == "code"
    return Card(
        leaks=benchmark,
        segments=_segments(benchmark),
        said=said or ("only suspects" if benchmark.num_suspect else "none"),
        kinds=kinds,
        sides=[(_SIDES[side], rows) for side, rows in benchmark.sides.items() if rows],
        examples=[_example(item, code) for item in shown],
        left_out=len(benchmark.examples) - len(shown),
        ids=ids,
    )


def _segments(benchmark: BenchmarkLeaks) -> list[charts.Segment]:
    """Items by kind, of all items: what is empty was not found."""
    parts = [
        (label, colour, len(benchmark.contaminated.get(kind, ())))
        for kind, (label, colour) in KINDS.items()
    ]
    hits = benchmark.num_contaminated + benchmark.num_suspect
    clean = benchmark.items - hits
    found = charts.stacked([*parts, ("suspect", "faint", benchmark.num_suspect), ("", "", clean)])
    return found[:-1] if clean else found


def _example(item: LeakedItem, code: bool) -> Example:
    match = item.match
    train, text = shared_spans(match.train_text, match.item_text, code=code)
    said = [
        f"{match.tokens:,} tokens",
        f"5-grams cover {figures.share(match.cover_5, digits=0)}",
        f"8-grams {figures.share(match.cover_8, digits=0)}",
        f"longest run {match.longest:,}",
        f"weighted overlap {match.widf:.2f}",
    ]
    if match.numbers:
        said.append(f"numbers equal {figures.one_line(match.numbers, 20)}")
    if match.answer_found:
        said.append("answer found")
    return Example(
        item=item,
        kind=KINDS[match.kind][0],
        figures=" · ".join(said),
        place=f"bytes {match.byte_start:,} to {match.byte_end:,}",
        train=train,
        text=text,
    )


def _fitting(
    groups: Sequence[Sequence[T]], size_of: Callable[[T], int], room: int
) -> list[list[T]]:
    """Take from each group in turn what there is room for, the first of each first."""
    shown: list[list[T]] = [[] for _ in groups]
    for place in range(max(map(len, groups), default=0)):
        for group, taken in zip(groups, shown, strict=True):
            if place < len(group) and len(taken) == place:
                size = size_of(group[place])
                if size <= room:
                    room -= size
                    taken.append(group[place])
    return shown


def _example_bytes(item: LeakedItem) -> int:
    """Bound what an example takes: its texts escaped, and marks around half of their words."""
    match = item.match
    texts = match.train_text, match.item_text
    marks = sum(min(len(text.split()) // 2 + 1, len(text)) for text in texts) * _PIECE_BYTES
    names = (item.id, match.row_id, match.source, match.role, match.field, match.mode)
    return _FACT_BYTES + marks + sum(map(_written, (*texts, *(n[:_TEXT_CHARS] for n in names))))


def _written(text: str) -> int:
    return len(str(escape(figures.visible(text))).encode())


def _listed_ids(benchmarks: Iterable[BenchmarkLeaks], room: int) -> list[list[Ids]]:
    groups = [
        [
            (label, ids)
            for side, word in ((b.contaminated, ""), (b.suspect, "suspect, "))
            for label, ids in ((word + KINDS[kind][0], ids) for kind, ids in side.items())
        ]
        for b in benchmarks
    ]
    room //= max(sum(map(len, groups)), 1)
    return [
        [Ids(label, _within(ids, room)[0], len(ids)) for label, ids in group] for group in groups
    ]


def _within(ids: Sequence[str], room: int) -> tuple[list[str], int]:
    """Return the first ids as shown, and how many there is no room for."""
    shown: list[str] = []
    for item in ids[:_MOST_IDS]:
        short = figures.one_line(item, _ID_CHARS)
        room -= _written(short) + 2
        if room < 0:
            break
        shown.append(short)
    return shown, len(ids) - len(shown)
