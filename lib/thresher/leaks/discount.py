"""N-grams that many training rows share, and matches judged again without them.

A run of words that stands in many rows says little about any one item: what a match has in common
with it is no sign of a leak. But a real leak is repeated, too. So an n-gram is common when more
than so many rows hold it in matches that cover less than nine tenths of their item, and it is left
out of the figures of such matches only, and only of items that no row holds whole.

Searching keeps what judging again needs (`Doubts`): the pairs of every row and item with a match
that may be discounted. Rows are counted for each n-gram of each benchmark, exactly; the counts of
all tasks add up in any order. Discounting lowers figures, so it never raises a verdict.

Shapes: C pairs, H shared n-grams, G n-grams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from thresher.leaks.decide import CLEAN, CONTAMINATED, MODES, Decision, decide, discountable, groups
from thresher.leaks.decide import MATCH_KINDS as KIND_NAMES
from thresher.leaks.decide import VERDICTS as VERDICT_NAMES
from thresher.leaks.firing import Around
from thresher.leaks.hits import Hits, cover, find_hits
from thresher.leaks.indexed import Indexed, Part
from thresher.leaks.presets import Preset, alike, covered_name, grams_name
from thresher.leaks.scan import Pairs
from thresher.leaks.segments import Segments
from thresher.leaks.tokens import Tokens

Column = np.ndarray[Any, Any]
KEY = ("line", "segment", "part", "item")  # of a match within its task
COUNTS = pa.schema(
    [("part", pa.int64()), ("n", pa.int64()), ("position", pa.int64()), ("rows", pa.int64())]
)
_AROUND = ("segment_tokens", "asked", "answer_found", "options_found", "has_answer")


def discounts(presets: Sequence[Preset]) -> bool:
    """Tell whether any rule leaves common n-grams out."""
    return any(preset.common_rows for preset in presets)


def kind_of_items(indexed: Indexed, part: Part, items: Column) -> dict[str, Column]:
    """Return what rules want to know of sub-items."""
    bench = part.index["bench"][items]
    return {
        "kind": indexed.kinds[bench],
        "field": part.index["field"][items],
        "bench": bench,
        "uid": part.index["uid"][items],
    }


def _by_preset(
    figures: Mapping[str, Column], bench: Column, presets: Sequence[Preset]
) -> tuple[Column, Column]:
    """Tell which pairs may be discounted by their figures, and for which a rule discounts."""
    free, wanted = np.zeros(len(bench), bool), np.zeros(len(bench), bool)
    for preset, numbers in alike(presets):
        mine = np.isin(bench, numbers)
        free |= mine & discountable(figures, preset)
        wanted |= mine & (preset.common_rows > 0)
    return free, wanted


def items_found_whole(
    figures: Mapping[str, Column], items: Mapping[str, Column], rows: Column, decision: Decision,
    presets: Sequence[Preset],
) -> Column:  # fmt: skip
    """Return rows and the items that they hold nearly all of: (2, U), each pair once."""
    free, wanted = _by_preset(figures, items["bench"], presets)
    mine = (decision.verdict == CONTAMINATED) & ~free & wanted
    whole: Column = np.unique(np.stack([rows[mine], items["uid"][mine]]), axis=1)
    return whole


def doubts_of(
    part: Part,
    number: int,
    tokens: Tokens,
    found: Segments,
    pairs: Pairs,
    figures: Mapping[str, Column],
    items: Mapping[str, Column],
    around: Around,
    decision: Decision,
    presets: Sequence[Preset],
) -> pa.Table | None:
    """Return what judging again needs; None where nothing may be discounted.

    Args:
        part, number: What was searched for, and its place.
        tokens, found: What was searched.
        pairs, figures, items, around, decision: What was found, all pairs of the block.
        presets: The rules, by benchmark.
    """
    free, wanted = _by_preset(figures, items["bench"], presets)
    free &= wanted & (decision.verdict > CLEAN)
    if not free.any():
        return None
    together = groups(around.row, items["bench"], items["uid"])
    at = np.flatnonzero(np.isin(together.ids, together.ids[free]))
    columns: dict[str, Any] = {
        "line": around.row[at],
        "segment": found.numbers[pairs.segments[at]].astype(np.int32),
        "part": np.full(len(at), number, np.int64),
        "item": pairs.items[at],
        "free": free[at],
        "verdict": decision.verdict[at],
    }
    columns |= {name: getattr(around, name)[at] for name in _AROUND}
    columns |= {f"figure.{name}": column[at] for name, column in figures.items()}
    index = part.index
    for n in index.ngrams:
        some = at[free[at]]
        hits = find_hits(
            index.stored, index[f"common{n}"], tokens.hashes, tokens.offsets,
            Pairs(pairs.segments[some], pairs.items[some]), n,
        )  # fmt: skip
        columns[f"hits.{n}"] = _lists(hits, free[at])
    return pa.table({name: pa.array(column) for name, column in columns.items()})


def _lists(hits: Hits, free: Column) -> pa.Array:
    """Return the places of hits as lists, empty where a pair may not be discounted."""
    flat = np.flatnonzero(hits.flags)
    ends = np.searchsorted(flat, hits.offsets)
    counts = np.zeros(len(free), np.int64)
    counts[free] = np.diff(ends)
    pair = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
    places = (flat - hits.offsets[pair]).astype(np.int32)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(places))


def joined(tables: Sequence[pa.Table]) -> pa.Table:
    """Put doubts together; figures that a part has not are 0 in it."""
    if not tables:
        return pa.table({})
    whole = pa.concat_tables(tables, promote_options="default")
    columns = {}
    for name in whole.schema.names:
        column = whole[name].combine_chunks()
        if name.startswith("figure.") and column.null_count:
            column = column.fill_null(False if pa.types.is_boolean(column.type) else 0)
        columns[name] = column
    return pa.table(columns)


def _hits_of(doubts: pa.Table, n: int) -> tuple[Column, Column]:
    """Return the pair of each hit, and its place in the sub-item."""
    lists = doubts[f"hits.{n}"].combine_chunks() if f"hits.{n}" in doubts.schema.names else None
    if lists is None or not len(doubts):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    lengths = np.asarray(pc.fill_null(pc.list_value_length(lists), 0)).astype(np.int64)
    places = np.asarray(lists.flatten()).astype(np.int64)
    return np.repeat(np.arange(len(doubts)), lengths), places


def _lengths(doubts: pa.Table) -> tuple[int, ...]:
    """Return the n whose hits doubts hold."""
    names = (name for name in doubts.schema.names if name.startswith("hits."))
    return tuple(sorted(int(name.removeprefix("hits.")) for name in names))


def _grams(part: Part, positions: Column, n: int) -> Column:
    """(H,) number n-grams of stored tokens: equal ones of one benchmark share a number."""
    terms = part.index["terms"]
    return groups(*(terms[positions + k] for k in range(n))).ids


def count_rows(indexed: Indexed, doubts: pa.Table) -> pa.Table:
    """Count for every n-gram the rows of a task that hold it in matches that may be discounted.

    Returns:
        Columns of `COUNTS`; the n-gram begins at a stored token of a part, the first of those hit.
    """
    found = []
    for number, part in enumerate(indexed.parts):
        for n in _lengths(doubts):
            pair, place = _hits_of(doubts, n)
            mine = np.asarray(doubts["part"])[pair] == number
            pair, place = pair[mine], place[mine]
            if not len(pair):
                continue
            items = np.asarray(doubts["item"])[pair]
            positions = part.index["offsets"][items] + place
            ids = _grams(part, positions, n)
            lines = np.asarray(doubts["line"])[pair]
            _, once = np.unique(np.stack([ids, lines]), axis=1, return_index=True)
            found.append(_counted(number, n, ids[once], positions[once], np.ones(len(once), int)))
    return pa.concat_tables(found) if found else COUNTS.empty_table()


def _counted(number: int, n: int, ids: Column, positions: Column, rows: Column) -> pa.Table:
    count = int(ids.max()) + 1
    first = np.full(count, np.iinfo(np.int64).max)
    np.minimum.at(first, ids, positions)
    total = np.zeros(count, np.int64)
    np.add.at(total, ids, rows)
    order = np.argsort(first)
    same = np.full(count, number, np.int64), np.full(count, n, np.int64)
    columns = [pa.array(c) for c in (*same, first[order], total[order])]
    return pa.Table.from_arrays(columns, schema=COUNTS)


def add_counts(indexed: Indexed, counts: Sequence[pa.Table]) -> pa.Table:
    """Add the counts of several tasks; their order does not matter."""
    whole = pa.concat_tables(counts) if counts else COUNTS.empty_table()
    number, n, positions, rows = (np.asarray(whole[name]) for name in COUNTS.names)
    found = []
    for part in np.unique(number).tolist():
        for length in np.unique(n[number == part]).tolist():
            mine = (number == part) & (n == length)
            ids = _grams(indexed.parts[part], positions[mine], length)
            found.append(_counted(part, length, ids, positions[mine], rows[mine]))
    return pa.concat_tables(found) if found else COUNTS.empty_table()


def common_of(indexed: Indexed, counts: pa.Table, presets: Sequence[Preset]) -> pa.Table:
    """Return the n-grams that more rows hold than the rule of their benchmark allows."""
    number, positions = np.asarray(counts["part"]), np.asarray(counts["position"])
    rows = np.asarray(counts["rows"])
    limits = np.array([preset.common_rows or np.iinfo(np.int64).max for preset in presets])
    common = np.zeros(len(rows), bool)
    for place, part in enumerate(indexed.parts):
        mine = np.flatnonzero(number == place)
        first = np.searchsorted(part.index["offsets"], positions[mine], "right") - 1
        common[mine] = rows[mine] > limits[part.index["bench"][first]]
    return counts.filter(pa.array(common))


def judge_again(
    indexed: Indexed,
    presets: Sequence[Preset],
    matches: pa.Table,
    doubts: pa.Table,
    common: pa.Table,
    whole: Column,
) -> pa.Table:
    """Judge the matches of a task again without the n-grams that are common.

    Args:
        indexed, presets: What was searched for, by which rules.
        matches: As they were found, with the columns `KEY`.
        doubts: What was kept of them.
        common: Columns of `COUNTS`.
        whole: Items that some row holds nearly all of.

    Returns:
        The matches that are left, in their order, with the verdict, mode, kind and covers that they
        have without common n-grams.
    """
    if not len(doubts) or not len(common):
        return matches
    figures = {
        name.removeprefix("figure."): np.asarray(doubts[name]).copy()
        for name in doubts.schema.names
        if name.startswith("figure.")
    }
    lines, number = np.asarray(doubts["line"]), np.asarray(doubts["part"])
    items, free = np.asarray(doubts["item"]), np.asarray(doubts["free"])
    segment = groups(lines, np.asarray(doubts["segment"])).ids
    verdict = np.asarray(doubts["verdict"]).copy()
    mode, kind = np.zeros(len(lines), np.uint8), np.zeros(len(lines), np.uint8)
    again = np.zeros(len(lines), bool)
    for place, part in enumerate(indexed.parts):
        mine = np.flatnonzero(number == place)
        about = kind_of_items(indexed, part, items[mine])
        may = free[mine] & ~np.isin(about["uid"], whole)
        own = {name: column[mine] for name, column in figures.items()}
        lowered = _without(part, doubts, common, place, mine, may, own)
        if not lowered.any():
            continue
        around = Around(
            lines[mine], segment[mine], *(np.asarray(doubts[name])[mine] for name in _AROUND)
        )
        decision = decide(own, about, presets, around)
        for name, column in own.items():
            figures[name][mine] = column
        verdict[mine], mode[mine], kind[mine] = decision
        again[mine] = True
    judged = {"verdict": verdict, "mode": mode, "kind": kind}
    return _replaced(matches, doubts, again, judged, figures)


def _without(
    part: Part,
    doubts: pa.Table,
    common: pa.Table,
    number: int,
    mine: Column,
    may: Column,
    figures: dict[str, Column],
) -> Column:
    """Take common n-grams out of the figures of pairs that may be; tell which were changed."""
    lowered = np.zeros(len(mine), bool)
    ours = np.asarray(common["part"]) == number
    place_of = np.full(len(doubts), -1, np.int64)
    mine_places = np.flatnonzero(may)
    place_of[mine[may]] = mine_places
    lost5 = np.zeros(len(mine), np.int64)
    starts = part.index["offsets"][np.asarray(doubts["item"])[mine]]
    lengths = part.index.lengths[np.asarray(doubts["item"])[mine]]
    for n in part.index.ngrams:
        known = np.asarray(common["position"])[ours & (np.asarray(common["n"]) == n)]
        pair, place = _hits_of(doubts, n)
        own = place_of[pair]
        own, place = own[own >= 0], place[own >= 0]
        if not len(known) or not len(own):
            continue
        ids = _grams(part, np.concatenate([known, starts[own] + place]), n)
        out = np.isin(ids[len(known) :], ids[: len(known)])
        offsets = np.concatenate([[0], np.cumsum(lengths[mine_places])])
        rank = np.zeros(len(mine), np.int64)
        rank[mine_places] = np.arange(len(mine_places))
        flags = np.zeros(int(offsets[-1]), np.uint8)
        flags[offsets[rank[own]] + place] = 1
        before, _ = cover(Hits(offsets, flags), n)
        flags[(offsets[rank[own]] + place)[out]] = 0
        after, _ = cover(Hits(offsets, flags), n)
        gone = np.bincount(own[out], minlength=len(mine))
        lost = np.zeros(len(mine), np.int64)
        lost[mine_places] = before - after
        for name, less in ((covered_name(n), lost), (grams_name(n), gone)):
            if name in figures:
                figures[name] = np.maximum(figures[name] - less, 0)
        lost5 = lost if n == part.index.ngrams[0] else lost5
        lowered |= gone > 0
    figures["longest"] = np.maximum(figures["longest"] - lost5, 0)
    return lowered


def _replaced(
    matches: pa.Table,
    doubts: pa.Table,
    again: Column,
    judged: Mapping[str, Column],
    figures: Mapping[str, Column],
) -> pa.Table:
    """Return matches as they were judged again, without those that are clean now."""
    known = np.flatnonzero(again & (np.asarray(doubts["verdict"]) > CLEAN))
    keys = [
        np.concatenate([np.asarray(matches[name]), np.asarray(doubts[name])[known]]) for name in KEY
    ]
    ids = groups(*keys).ids
    at = np.full(int(ids.max(initial=-1)) + 1, -1, np.int64)
    at[ids[len(matches) :]] = known
    which = at[ids[: len(matches)]]  # the pair of each match, -1 where it was not judged again
    new, pair = which >= 0, which[which >= 0]
    length = np.maximum(figures["L"][pair], 1).astype(np.float64)
    grams = np.maximum(figures["total8"][pair], 1)
    values: dict[str, Any] = {
        "verdict": pa.array(VERDICT_NAMES).take(pa.array(judged["verdict"][pair])),
        "mode": pa.array(MODES).take(pa.array(judged["mode"][pair])),
        "match_kind": pa.array(KIND_NAMES).take(pa.array(judged["kind"][pair])),
        "cover_5": pa.array(figures["matched5"][pair] / length),
        "cover_8": pa.array(figures["matched8"][pair] / length),
        "ngram_ratio": pa.array(figures["grams8"][pair] / grams),
    }
    columns = [
        pc.replace_with_mask(column.combine_chunks(), pa.array(new), values[name])
        if name in values
        else column
        for name, column in zip(matches.schema.names, matches.columns, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=matches.schema)
    stays = np.ones(len(matches), bool)
    stays[new] = judged["verdict"][pair] > CLEAN
    return table.filter(pa.array(stays))
