"""Search a block of segments: what matches, how strongly, what it means.

Shapes: S segments, C matches that are suspect or worse.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.leaks import closer
from thresher.leaks.answers import Beside, look_beside
from thresher.leaks.channels import find_others, fired, judged_figures, with_channels
from thresher.leaks.decide import CLEAN, MODES
from thresher.leaks.decide import MATCH_KINDS as KIND_NAMES
from thresher.leaks.decide import VERDICTS as VERDICT_NAMES
from thresher.leaks.discount import discounts, doubts_of, items_found_whole, kind_of_items
from thresher.leaks.evidence import Evidence, evidence
from thresher.leaks.firing import Around
from thresher.leaks.indexed import Indexed, Part
from thresher.leaks.matches import LABEL_ROLES, MATCHES, ROLES, SNIPPET_CHARACTERS
from thresher.leaks.numbers import find_numbers, tell_numbers
from thresher.leaks.presets import Preset, covered_name, grams_name
from thresher.leaks.reach import within_reach
from thresher.leaks.scan import scan
from thresher.leaks.segments import Segments
from thresher.leaks.snippets import snippets
from thresher.leaks.tokens import Tokens, tokenise

Column = np.ndarray[Any, Any]
_ROLES = pa.array(ROLES)
_LABELS = np.array([role in LABEL_ROLES for role in ROLES])
_ROW_NAMES = ("_row_id", "file", "row")  # known to the caller
_KEYS = (("part", pa.int64()), ("item", pa.int64()))
LINES = pa.schema([("line", pa.int64()), *(f for f in MATCHES if f.name not in _ROW_NAMES)])


FOUND = pa.schema([*LINES, *_KEYS])  # with the sub-item, which names a match in its segment


class Findings(NamedTuple):
    """What was found in a block.

    Attributes:
        lines: The matches, columns of `FOUND`.
        doubts: What judging again needs, see `thresher.leaks.discount`.
        whole: (2, U) rows and the items that they hold nearly all of, where rules want to know.
    """

    lines: pa.RecordBatch
    doubts: tuple[pa.Table, ...] = ()
    whole: tuple[Column, ...] = ()


class _Judged(NamedTuple):
    """Matches of one part that are not clean."""

    part: Part
    number: int
    tokens: Tokens
    segments: Column
    items: Column
    figures: dict[str, Column]
    beside: Beside
    verdict: Column
    mode: Column
    kind: Column


def search(indexed: Indexed, presets: Sequence[Preset], found: Segments) -> pa.RecordBatch:
    """Return the matches of a block, in the order of segments and items.

    Args:
        indexed: What is searched for.
        presets: The rules, by benchmark.
        found: The segments; all of a row's are in one block.

    Returns:
        Columns of `LINES`: `line` is the row as the segments number them.
    """
    return find(indexed, presets, found).lines.select(LINES.names)


def find(indexed: Indexed, presets: Sequence[Preset], found: Segments) -> Findings:
    """Search like `search`, and keep what judging again needs."""
    labels = _LABELS[found.roles]
    batches: list[pa.RecordBatch] = []
    doubts: list[pa.Table] = []
    whole: list[Column] = []
    for number, part in enumerate(indexed.parts):
        judged = _judge(indexed, part, number, presets, found, labels, doubts, whole)
        if judged is not None:
            batches.append(_lines(indexed, judged, found))
    if batches:
        lines = _ordered(batches)
    else:
        lines = pa.RecordBatch.from_arrays([pa.nulls(0, f.type) for f in FOUND], schema=FOUND)
    return Findings(lines, tuple(doubts), tuple(whole))


def _ordered(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    """Put the matches of all parts in order."""
    whole = pa.concat_batches(batches)
    if len(batches) == 1:
        return whole
    keys = [("line", "ascending"), ("segment", "ascending"), ("benchmark", "ascending")]
    keys += [("item_id", "ascending"), ("field", "ascending"), ("byte_start", "ascending")]
    return whole.take(pc.sort_indices(whole, sort_keys=keys))


def _judge(
    indexed: Indexed,
    part: Part,
    number: int,
    presets: Sequence[Preset],
    found: Segments,
    labels: Column,
    doubts: list[pa.Table],
    whole: list[Column],
) -> _Judged | None:
    tokens = tokenise(found.texts, code=part.code)
    told = tell_numbers(found.texts, tokens)
    numbers = find_numbers(found.texts, tokens, told)
    others = find_others(part, presets, found.texts, tokens, told)
    scanned = scan(part.index, tokens, numbers, presets, fired(others))
    candidates = with_channels(part, others, scanned)
    candidates = candidates.take(
        within_reach(part.index, presets, tokens, candidates.pairs, candidates.figures)
    )
    pairs = candidates.pairs
    if not len(pairs.segments):
        return None
    measured = evidence(part.index, tokens, pairs, numbers)
    figures = figures_of(measured, presets)
    scored = judged_figures(figures, candidates)
    items = kind_of_items(indexed, part, pairs.items)
    beside = look_beside(
        tokens, found.rows, labels, pairs.segments, figures["first"], figures["last"], items["uid"],
        part.answers, part.options,
    )  # fmt: skip
    around = Around(
        found.rows[pairs.segments],
        pairs.segments,
        np.diff(tokens.offsets)[pairs.segments],
        ~labels[pairs.segments],
        *beside,
    )
    scored, decision = closer.judge(
        part, presets, tokens, numbers, pairs, measured, scored, items, around
    )
    at = np.flatnonzero(decision.verdict != CLEAN)
    if not len(at):
        return None
    if discounts(presets):
        doubt = doubts_of(
            part, number, tokens, found, pairs, scored, items, around, decision, presets
        )
        doubts.extend([] if doubt is None else [doubt])
        whole.append(items_found_whole(scored, items, around.row, decision, presets))
    return _Judged(
        part,
        number,
        tokens,
        pairs.segments[at],
        pairs.items[at],
        {name: column[at] for name, column in figures.items()},
        Beside(*(column[at] for column in beside)),
        *(column[at] for column in decision),
    )


def figures_of(found: Evidence, presets: Sequence[Preset]) -> dict[str, Column]:
    """Return the figures by the names that rules use.

    Our own rules do not count n-grams that too many items share; published ones count all.
    """
    covered = "distinctive" if all(preset.by_kind for preset in presets) else "covered"
    # What runs of 5 tokens cover only because too many items share them (the instruction of 900
    # questions) is no part of a run either.
    common = np.asarray(found.of("covered", 5)) - np.asarray(found.of(covered, 5))
    figures = {
        "L": found.length,
        "matched5": found.of(covered, 5),
        "matched8": found.of(covered, 8),
        "grams8": found.of("shared", 8),
        "total8": found.num_grams(8),
        "run": found.longest,
        "longest": np.maximum(np.asarray(found.longest) - common, 0),
        "lcs": found.lcs,
        "widf_num": found.weight,
        "widf_den": found.total_weight,
        "num_count": found.numbers,
        "num_equal": found.numbers_equal,
        "num_extra": found.numbers_extra,
        "exact": found.exact,
        # Where the item lies: its longest run, or the window that holds most of its words.
        "first": _place(found.span_first, found.first),
        "last": _place(found.span_last, found.last),
    }
    for n in found.ngrams:
        figures[covered_name(n)] = found.of(covered, n)
        figures[grams_name(n)] = found.of("shared", n)
    return {name: np.asarray(column) for name, column in figures.items()}


def _place(span: Column, window: Column) -> Column:
    place: Column = np.maximum(np.where(span >= 0, span, window), 0)
    return place


def _lines(indexed: Indexed, judged: _Judged, found: Segments) -> pa.RecordBatch:
    index, tokens, figures = judged.part.index, judged.tokens, judged.figures
    segments = judged.segments
    base = tokens.offsets[segments]
    starts = tokens.starts[base + figures["first"]]
    stops = tokens.stops[base + figures["last"]]
    bench = index["bench"][judged.items]
    length = figures["L"].astype(np.float64)
    grams = np.maximum(figures["total8"], 1)
    widf = np.where(
        figures["widf_den"] > 0, figures["widf_num"] / np.maximum(figures["widf_den"], 1), 0.0
    )
    columns = {
        "line": found.rows[segments],
        "segment": found.numbers[segments].astype(np.int32),
        "role": _ROLES.take(pa.array(found.roles[segments])),
        "byte_start": starts,
        "byte_end": stops,
        "benchmark": pa.array(indexed.names, pa.string()).take(pa.array(bench)),
        "split": pa.array(indexed.splits, pa.string()).take(pa.array(bench)),
        "item_id": indexed.uids.take(pa.array(index["uid"][judged.items])).cast(pa.string()),
        "field": judged.part.fields_of(judged.items),
        "mode": pa.array(MODES).take(pa.array(judged.mode)),
        "match_kind": pa.array(KIND_NAMES).take(pa.array(judged.kind)),
        "verdict": pa.array(VERDICT_NAMES).take(pa.array(judged.verdict)),
        "tokens": figures["L"].astype(np.int32),
        "cover_5": figures["matched5"] / length,
        "cover_8": figures["matched8"] / length,
        "ngram_ratio": figures["grams8"] / grams,
        "longest": figures["run"].astype(np.int32),
        "lcs": figures["lcs"].astype(np.int32),
        "widf": widf,
        "numbers": _numbers(figures),
        "answer_found": judged.beside.answer_found,
        "train_snippet": snippets(found.texts, segments, starts, stops, SNIPPET_CHARACTERS),
        "eval_snippet": _beginnings(judged.part.texts.take(pa.array(judged.items))),
        "part": np.full(len(segments), judged.number, np.int64),
        "item": judged.items,
    }
    arrays = [pa.array(columns[field.name]).cast(field.type) for field in FOUND]
    return pa.RecordBatch.from_arrays(arrays, schema=FOUND)


def _numbers(figures: dict[str, Column]) -> pa.Array:
    """Return how many of an item's numbers were found, as `3/4`; empty where it has none."""
    count = figures["num_count"]
    said = [
        f"{e}/{n}" if n else ""
        for e, n in zip(figures["num_equal"].tolist(), count.tolist(), strict=True)
    ]
    return pa.array(said, pa.string())


def _beginnings(texts: pa.Array) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, 0, SNIPPET_CHARACTERS)
