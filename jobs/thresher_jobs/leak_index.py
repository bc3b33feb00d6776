"""The index of benchmarks: built once on the driver, kept where every worker maps it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa

from thresher.formats.turns import STRING
from thresher.leaks.benchmarks import KINDS
from thresher.leaks.fuzzy import build_sketches
from thresher.leaks.index import IndexOptions, build
from thresher.leaks.indexed import Indexed, Part, arrays_of, part_of, sayings
from thresher.leaks.items import Items
from thresher.leaks.numbers import find_numbers
from thresher.leaks.presets import Preset
from thresher.leaks.templates import build_templates
from thresher.leaks.tokens import tokenise
from thresher.stage import WORK
from thresher.steps.spread import read_table, write_table
from thresher.steps.stored_arrays import keep_arrays, map_arrays
from thresher.store import Store
from thresher_jobs.leak_items import ReadBenchmark

Column = np.ndarray[Any, Any]
CODE = "code"
LISTS = pa.large_list(STRING)


def count_tokens(texts: pa.Array, code: bool) -> Column:
    """Return the tokens of each text, as `read_benchmarks` wants to know them."""
    counts: Column = np.diff(tokenise(texts, code=code).offsets)
    return counts


def build_index(
    read: Sequence[ReadBenchmark],
    ngrams: tuple[int, ...],
    *,
    every: bool = False,
    presets: Sequence[Preset] = (),
) -> Indexed:
    """Build the index of benchmarks in the order they were named.

    Args:
        read: The benchmarks.
        ngrams: Lengths of n-grams that the rules need.
        every: Let n-grams count that many items share, as published rules do.
        presets: The rules, by benchmark; what only some of them need is built for these.
    """
    options = (
        IndexOptions(ngrams=ngrams, common_items=None) if every else IndexOptions(ngrams=ngrams)
    )
    kinds = np.array([KINDS.index(one.benchmark.kind or "generic") for one in read], np.int8)
    firsts = np.cumsum([0, *(len(one.uids) for one in read)])
    parts = [
        _part(read, firsts, code, options, presets)
        for code in (False, True)
        if any((one.benchmark.kind == CODE) == code for one in read)
    ]
    return Indexed(
        tuple(one.benchmark.name for one in read),
        tuple(one.benchmark.split or "" for one in read),
        kinds,
        pa.concat_arrays([one.uids.cast(STRING) for one in read]),
        tuple(parts),
    )


def _part(
    read: Sequence[ReadBenchmark],
    firsts: Column,
    code: bool,
    options: IndexOptions,
    presets: Sequence[Preset],
) -> Part:
    mine = [n for n, one in enumerate(read) if (one.benchmark.kind == CODE) == code]
    texts = pa.concat_arrays([read[n].texts.cast(STRING) for n in mine])
    tokens = tokenise(texts, code=code)
    items = Items(
        tokens,
        np.concatenate([np.full(len(read[n].texts), n, np.int32) for n in mine]),
        np.concatenate([read[n].fields for n in mine]).astype(np.int8),
        np.concatenate([read[n].owner + firsts[n] for n in mine]).astype(np.int64),
        find_numbers(texts, tokens),
    )
    said: dict[str, Any] = {}
    for name in ("answers", "options"):
        lists = [
            getattr(one, name).cast(LISTS) if n in mine else _nothing(len(one.uids))
            for n, one in enumerate(read)
        ]
        flat = pa.concat_arrays([piece.flatten() for piece in lists])
        said[name] = sayings(lists, tokenise(flat, code=code))
    more = _channels(code, texts, items, options, presets)
    turns = np.concatenate([read[n].turns for n in mine])
    return Part(code, build(items, options), texts, turns, **said, **more)


def _channels(
    code: bool,
    texts: pa.Array,
    items: Items,
    options: IndexOptions,
    presets: Sequence[Preset],
) -> dict[str, Any]:
    """Make what some rules alone need; templates are of prose."""
    found: dict[str, Any] = {}
    templated = [n for n, preset in enumerate(presets) if preset.templated.enabled]
    if not code and np.isin(items.bench, templated).any():
        common = options.common_items, options.common_share
        found["templates"] = build_templates(texts, items, common, np.array(templated))
    fuzzy = [n for n, preset in enumerate(presets) if preset.minhash.enabled]
    chosen = np.isin(items.bench, fuzzy)
    if chosen.any():
        found["sketches"] = build_sketches(items.tokens, chosen)
    return found


def _nothing(count: int) -> pa.Array:
    offsets = pa.array(np.zeros(count + 1, np.int64))
    return pa.LargeListArray.from_arrays(offsets, pa.array([], STRING))


def keep_index(store: Store, indexed: Indexed) -> str:
    """Write the index; return the folder, which names its content."""
    folder = f"{WORK}/index-{indexed.digest}"
    for number, part in enumerate(indexed.parts):
        keep_arrays(store, f"{folder}/{number}", arrays_of(part))
        write_table(store, f"{folder}/{number}.arrow", pa.table({"text": part.texts}))
    write_table(store, f"{folder}/uids.arrow", pa.table({"uid": indexed.uids}))
    facts = {
        "names": indexed.names,
        "splits": indexed.splits,
        "kinds": indexed.kinds.tolist(),
        "code": [part.code for part in indexed.parts],
    }
    store.put_if_absent(f"{folder}/index.json", json.dumps(facts).encode())
    return folder


@lru_cache(maxsize=4)
def map_index(root: str, folder: str) -> Indexed:
    """Map the index that `keep_index` wrote, once a process."""
    store = Store(root)
    facts = store.get_json(f"{folder}/index.json")
    parts = [
        part_of(
            code,
            map_arrays(store, f"{folder}/{number}"),
            _column(store, f"{folder}/{number}.arrow"),
        )
        for number, code in enumerate(facts["code"])
    ]
    return Indexed(
        tuple(facts["names"]),
        tuple(facts["splits"]),
        np.array(facts["kinds"], np.int8),
        _column(store, f"{folder}/uids.arrow"),
        tuple(parts),
    )


def _column(store: Store, name: str) -> pa.Array:
    return read_table(store, name).column(0).combine_chunks()
