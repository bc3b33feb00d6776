"""Run datatrove's n-gram decontamination over the texts of Parquet files, on one core.

Called by `leaks.py` with the interpreter of an environment made from `datatrove.txt`; it imports
nothing of Thresher. The settings are datatrove's defaults (12-grams of spaCy's English words),
but that n-grams of questions count too. Its indexer needs lighteval to run, so the n-grams are made
by the indexer's own function, of every `--every`th item: how many there are does not change the
speed of a look-up, only how soon a leaked text ends it.

Standard output ends with one JSON line: `tool, version, ngrams, texts` (by file) and `speeds` (10^6
bytes a second of processor time by file, the best of the repeats, without the making of documents).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path


def main() -> None:
    """Make the index, time the filter on every file, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("items", type=Path)
    parser.add_argument("texts", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()

    import pyarrow.parquet as pq
    from datatrove.data import Document
    from datatrove.pipeline.decont import NGramsDecontConfig, NGramsDecontFilter
    from datatrove.pipeline.decont.n_grams import NGramsDecontIndexer

    NGramsDecontIndexer._requires_dependencies = []  # lighteval is for loading tasks only
    config = NGramsDecontConfig(find_query_ngrams=True)
    items = pq.read_table(options.items)["text"].to_pylist()[:: options.every]
    with contextlib.redirect_stdout(sys.stderr):
        indexer = NGramsDecontIndexer(str(options.items.parent), config=config)
        hashes = {found for item in items for found in indexer.compute_hashes(item)}
        judge = NGramsDecontFilter(str(options.items.parent), config=config)
    judge._index_hashes = dict.fromkeys(hashes, "items")
    counts, speeds = {}, {}
    for path in options.texts:
        texts = pq.read_table(path)["text"].to_pylist()
        size, best = sum(len(text.encode()) for text in texts), float("inf")
        for _ in range(options.repeats):
            documents = [Document(text=text, id=str(n)) for n, text in enumerate(texts)]
            begin = time.process_time()
            with contextlib.redirect_stdout(sys.stderr):
                removed = sum(judge.filter(document) is not True for document in documents)
            best = min(best, time.process_time() - begin)
        counts[path.stem] = {"rows": len(texts), "bytes": size, "removed": removed}
        speeds[path.stem] = round(size / 1e6 / best, 3)
    facts = {
        "tool": "datatrove",
        "version": version("datatrove"),
        "ngrams": len(hashes),
        "texts": counts,
        "speeds": speeds,
    }
    print(json.dumps(facts))


if __name__ == "__main__":
    main()
