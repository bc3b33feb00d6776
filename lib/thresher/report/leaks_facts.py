"""Makes `plan.leaks` of a report from what workers counted of their matches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from thresher.leaks.matches import CONTAMINATED, MATCH_KINDS, SUSPECT, VERDICTS
from thresher.leaks.tallies import BenchmarkTally, ItemTally, LeakTally
from thresher.report.leaks import Leaks

MOST_SOURCES = 40  # the rest are one: the report grows with sources times benchmarks
MOST_EXAMPLES, MOST_SUSPECTS = 20, 5
LEAST_OF_KIND = 2  # examples, too: what is rare is what has to be looked at
MOST_COMMON = 50
MOST_UNINDEXED = 20  # items named for one reason
DUPLICATE = "duplicate"  # a reason that hides nothing: the text is that of an item searched for

# True of every preset; what else a run cannot see, its caller adds.
BLIND_SPOTS = (
    "Only the benchmarks listed here were searched for, with the items that their files hold.",
    "What is compared is words: items told in other words are found in part, the shorter the fewer,"
    " and translations or other programming languages hardly ever.",
)


def leaks_section(
    tally: LeakTally,
    benchmarks: Sequence[Mapping[str, Any]],
    sources: Sequence[tuple[str, int]],
    *,
    record: Mapping[str, Any],
    common: Sequence[Mapping[str, Any]] = (),
    num_common: int | None = None,
    blind_spots: Iterable[str] = (),
    warnings: Iterable[str] = (),
    changed: Sequence[int] = (),
) -> dict[str, Any]:
    """Return what `Report.plan["leaks"]` holds.

    Args:
        tally: The counts of all rows.
        benchmarks: Every benchmark and split that was searched for, hit or not: name, split, kind,
            items, indexed, unindexable (reason, items and a few of their ids as examples), and
            maybe files (sha256 by name).
        sources: Name and number of rows of each source, at the place that is its number.
        record: The fields of `LeakRecord`.
        common: N-grams too common to tell items apart, worst first: benchmark, text, items, and
            maybe rows.
        num_common: How many there are, where these are the first of them only.
        blind_spots: What a reader must not take for clean, beyond what is always so.
        warnings: What else the reader has to know.
        changed: By source, rows that were changed instead of removed; none if empty.

    Raises:
        ValueError: The tally is of other benchmarks or sources.
    """
    places = _few(tally, sources)
    names = _names(sources, places)
    known = {(str(about["name"]), str(about.get("split") or "")) for about in benchmarks}
    unknown = sorted(tally.benchmarks.keys() - known)
    if unknown:
        raise ValueError(f"matches of a benchmark that was not searched for: {unknown[0]}")
    made = [_benchmark(about, tally, places, names) for about in benchmarks]
    rows = [sum(counts) for counts in zip([0, 0], *tally.rows.values(), strict=True)]
    facts = {
        "record": dict(record),
        "rows": rows[CONTAMINATED],
        "suspect_rows": rows[SUSPECT],
        "rows_changed": sum(changed),
        "benchmarks": made,
        "sources": _sources(tally, sources, places, names, changed or [0] * len(sources)),
        "common": [dict(ngram) for ngram in common[:MOST_COMMON]],
        "num_common": len(common) if num_common is None else num_common,
        "blind_spots": [*BLIND_SPOTS, *_not_indexed(made), *blind_spots],
        "warnings": [*warnings],
    }
    return Leaks.model_validate(facts).model_dump(mode="json", exclude_defaults=True)


def _few(tally: LeakTally, sources: Sequence[tuple[str, int]]) -> list[int]:
    """Return each source's place among those shown; of too many, those that leak least share the
    last."""
    beyond = [source for source in tally.rows if not 0 <= source < len(sources)]
    if beyond:
        raise ValueError(f"matches in source {beyond[0]} of {len(sources)}")
    if len(sources) <= MOST_SOURCES:
        return list(range(len(sources)))
    counts = [tally.rows.get(source, [0, 0]) for source in range(len(sources))]
    ranked = sorted(
        range(len(sources)), key=lambda i: (-counts[i][CONTAMINATED], -counts[i][SUSPECT], i)
    )
    shown = {source: place for place, source in enumerate(sorted(ranked[: MOST_SOURCES - 1]))}
    return [shown.get(source, MOST_SOURCES - 1) for source in range(len(sources))]


def _names(sources: Sequence[tuple[str, int]], places: Sequence[int]) -> list[str]:
    shown = max(places, default=-1) + 1
    joined = [
        [name for (name, _), place in zip(sources, places, strict=True) if place == wanted]
        for wanted in range(shown)
    ]
    return [names[0] if len(names) == 1 else f"{len(names):,} other sources" for names in joined]


def _sources(
    tally: LeakTally,
    sources: Sequence[tuple[str, int]],
    places: Sequence[int],
    names: Sequence[str],
    changed: Sequence[int],
) -> list[dict[str, Any]]:
    counts = ("rows_in", "rows", "suspect_rows", "items", "rows_changed")
    found = [{"name": name, **dict.fromkeys(counts, 0)} for name in names]
    for number, (_, rows_in) in enumerate(sources):
        one, rows = found[places[number]], tally.rows.get(number, [0, 0])
        one["rows_in"] += rows_in  # type: ignore[operator]
        one["rows"] += rows[CONTAMINATED]  # type: ignore[operator]
        one["suspect_rows"] += rows[SUSPECT]  # type: ignore[operator]
        one["rows_changed"] += changed[number]  # type: ignore[operator]
    for benchmark in tally.benchmarks.values():
        for item in benchmark.items.values():
            for place in _holding(item, places):
                found[place]["items"] += 1  # type: ignore[operator]
    return found


def _holding(item: ItemTally, places: Sequence[int]) -> set[int]:
    """Return the places of sources that contaminate an item."""
    return {places[source] for source, rows in item.rows.items() if rows[CONTAMINATED]}


def _benchmark(
    about: Mapping[str, Any], tally: LeakTally, places: Sequence[int], names: Sequence[str]
) -> dict[str, Any]:
    name, split = str(about["name"]), str(about.get("split") or "")
    one = tally.benchmarks.get((name, split), BenchmarkTally())
    rows = [sum(counts) for counts in zip([0, 0], *one.rows.values(), strict=True)]
    return {
        "name": name,
        "split": split,
        "kind": about["kind"],
        "items": about["items"],
        "indexed": about["indexed"],
        "unindexable": [
            dict(entry) | {"examples": list(entry.get("examples", ()))[:MOST_UNINDEXED]}
            for entry in about.get("unindexable", ())
        ],
        "files": dict(about.get("files", {})),
        "contaminated": _ids(one, CONTAMINATED),
        "suspect": _ids(one, SUSPECT),
        "rows": rows[CONTAMINATED],
        "suspect_rows": rows[SUSPECT],
        "alone": sum(one.alone.values()),
        "sides": dict(sorted(one.sides.items())),
        "roles": _ranked(one.roles[CONTAMINATED]),
        "kinds": {k: one.kinds[CONTAMINATED][k] for k in MATCH_KINDS if one.kinds[CONTAMINATED][k]},
        "modes": _ranked(one.modes[CONTAMINATED]),
        "suspect_modes": _ranked(one.modes[SUSPECT]),
        "by_source": _by_source(one, places, names),
        "examples": _examples(one, places, names),
    }


def _ids(one: BenchmarkTally, verdict: int) -> dict[str, list[str]]:
    """Return the ids of items with a verdict, by kind, in alphabetical order."""
    found: dict[str, list[str]] = {}
    for item_id in sorted(i for i, item in one.items.items() if item.verdict == verdict):
        found.setdefault(one.items[item_id].kind, []).append(item_id)
    return {kind: found[kind] for kind in MATCH_KINDS if kind in found}


def _ranked(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _by_source(
    one: BenchmarkTally, places: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the sources that hold some of it, those with most items first."""
    found: dict[int, list[int]] = {}
    for source, (suspects, rows) in one.rows.items():
        entry = found.setdefault(places[source], [0, 0, 0])
        entry[1] += rows
        entry[2] += suspects
    for item in one.items.values():
        for place in _holding(item, places):
            found[place][0] += 1
    ranked = sorted(found.items(), key=lambda entry: ([-count for count in entry[1]], entry[0]))
    return [
        {"source": names[place], "items": items, "rows": rows, "suspect_rows": suspects}
        for place, (items, rows, suspects) in ranked
    ]


def _examples(
    one: BenchmarkTally, places: Sequence[int], names: Sequence[str]
) -> list[dict[str, Any]]:
    """Return the items that most rows hold, some of each rarer kind, some only suspect."""
    totals = {
        item_id: [sum(counts) for counts in zip(*item.rows.values(), strict=True)]
        for item_id, item in one.items.items()
    }
    ranked = sorted(
        (item_id for item_id, item in one.items.items() if item.best is not None),
        key=lambda i: (-one.items[i].verdict, -totals[i][CONTAMINATED], -totals[i][SUSPECT], i),
    )
    leaked = [i for i in ranked if one.items[i].verdict == CONTAMINATED]
    chosen = leaked[:MOST_EXAMPLES]
    for item_id in leaked[MOST_EXAMPLES:]:
        kind = one.items[item_id].kind
        if sum(one.items[i].kind == kind for i in chosen) < LEAST_OF_KIND:
            chosen.append(item_id)
    chosen += ranked[len(leaked) :][:MOST_SUSPECTS]
    return [
        {
            "id": item_id,
            "verdict": VERDICTS[one.items[item_id].verdict],
            "kind": one.items[item_id].kind,
            "rows": totals[item_id][CONTAMINATED],
            "suspect_rows": totals[item_id][SUSPECT],
            "match": _match(one.items[item_id], places, names),
        }
        for item_id in chosen
    ]


def _match(item: ItemTally, places: Sequence[int], names: Sequence[str]) -> dict[str, Any]:
    assert item.best is not None
    found = item.best.match
    renamed = {
        "row_id": found.pop("_row_id"),
        "kind": found.pop("match_kind"),
        "train_text": found.pop("train_snippet"),
        "item_text": found.pop("eval_snippet"),
    }
    return found | renamed | {"source": names[places[item.best.source]]}


def _not_indexed(benchmarks: Sequence[Mapping[str, Any]]) -> list[str]:
    missing = sum(
        entry["items"]
        for one in benchmarks
        for entry in one["unindexable"]
        if entry["reason"] != DUPLICATE
    )
    if not missing:
        return []
    what = "1 item was" if missing == 1 else f"{missing:,} items were"
    return [f"{what} not indexed: a copy of one is not found."]
