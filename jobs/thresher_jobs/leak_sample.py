"""A sample of the inputs, searched for items of benchmarks here and now.

A piece is what a task could read alone: a row group of Parquet, some JSON lines (16 KiB to 1 MiB),
a whole compressed file. Which pieces are read follows from the names of files and the cuts alone,
so the same command says the same. Rows of a piece are alike: counts are given, and no interval.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from thresher.engines import make_engine
from thresher.engines.options import EngineOptions
from thresher.leaks.indexed import Indexed
from thresher.leaks.presets import Preset
from thresher.leaks.search import search
from thresher.planning import Plan, expecting_texts, plan_inputs
from thresher.run import Run
from thresher.splits import Split
from thresher.steps.leak_searching import SearchStep, pieces
from thresher.steps.reading import ReadTask, read_task
from thresher.store import Store
from thresher_jobs.decontaminate import reader_of
from thresher_jobs.decontaminate_params import DecontaminateParams
from thresher_jobs.detecting import peek_readable
from thresher_jobs.leak_index import map_index

WANTED_PIECES = 1024
LEAST_PIECE_BYTES, MOST_PIECE_BYTES = 1 << 14, 1 << 20


class Sampled(NamedTuple):
    """What a sample holds.

    Attributes:
        pieces, of_pieces: Pieces that were read, and all.
        bytes, of_bytes: Their uncompressed bytes, estimated.
        rows: Rows that were read; those that could not be are counted, too.
        unjudged: Rows among them that cannot be judged.
        contaminated, suspect: Rows by verdict, each once.
        items, of_items: Items of benchmarks that leaked, and all that are searched for.
    """

    pieces: int
    of_pieces: int
    bytes: int
    of_bytes: int
    rows: int
    unjudged: int
    contaminated: int
    suspect: int
    items: int
    of_items: int


def search_sample(
    plan: Plan,
    params: DecontaminateParams,
    presets: tuple[Preset, ...],
    indexed: Indexed,
    share: float,
) -> Sampled:
    """Search pieces of the inputs that make up at least `share` of their bytes.

    Raises:
        ThresherError: What the job would raise for these rows.
    """
    plan, how = _step(plan, params, presets)
    fine = plan_inputs(
        plan.inputs,
        split_bytes=min(max(plan.bytes // WANTED_PIECES, LEAST_PIECE_BYTES), MOST_PIECE_BYTES),
        skip_unreadable=params.skip_unreadable,
        without=plan.unreadable,
    )
    chosen = choose(fine, share)
    rows = unjudged = 0
    worst: dict[tuple[int, int], str] = {}
    items: set[tuple[str, str]] = set()
    for number, split in enumerate(chosen):
        file = fine.inputs.files[split.file]
        read = ReadTask(file.source, (file,), (split,))
        for block in read_task(read, None, None, params.max_doc_bytes):
            texts = how.reader.texts(block, read)
            rows += len(block.rows) + len(block.bad)
            unjudged += len(block.bad) + len(block.rows) - texts.errors().null_count
            for found, places in pieces(how, texts):
                matches = search(indexed, presets, found)
                lines = block.rows[places][matches.column("line").to_numpy()].tolist()
                for line, match in zip(lines, _short(matches), strict=True):
                    if match["verdict"] == "contaminated":
                        items.add((match["benchmark"], match["item_id"]))
                        worst[number, line] = "contaminated"
                    worst.setdefault((number, line), "suspect")
    leaked = sum(verdict == "contaminated" for verdict in worst.values())
    return Sampled(
        len(chosen),
        len(fine.splits()),
        sum(split.bytes for split in chosen),
        fine.bytes,
        rows,
        unjudged,
        leaked,
        len(worst) - leaked,
        len(items),
        len(indexed.uids),
    )


def choose(plan: Plan, share: float) -> list[Split]:
    """Return the pieces of a sample, in the order of the inputs; one at least.

    Pieces come in the order of a hash of file name and place, until they have the bytes.
    """
    splits = plan.splits()

    def lot(number: int) -> bytes:
        name = plan.inputs.files[splits[number].file].name
        return hashlib.sha256(f"{name}:{splits[number].start}".encode()).digest()

    taken: list[int] = []
    held = 0
    for number in sorted(range(len(splits)), key=lot):
        if taken and held >= share * plan.bytes:
            break
        taken.append(number)
        held += splits[number].bytes
    return [splits[number] for number in sorted(taken)]


def _step(
    plan: Plan, params: DecontaminateParams, presets: tuple[Preset, ...]
) -> tuple[Plan, SearchStep]:
    """Return how rows are read and searched; formats are found as the job finds them."""
    detected = None
    if params.text_column is None:
        with tempfile.TemporaryDirectory(prefix="thresher-plan-") as folder:
            run = Run(Store(folder), make_engine(EngineOptions()))
            with run.guard():
                plan, detected = peek_readable(run, plan, params)
    else:
        plan = expecting_texts(plan, [params.text_column])
    return plan, SearchStep(
        "",
        map_index,
        presets,
        reader_of(params, detected),
        params.roles,
        params.join_user_turns,
        params.id_column,
        params.max_doc_bytes,
    )


def _short(matches: pa.RecordBatch) -> Sequence[dict[str, str]]:
    rows: list[dict[str, str]] = matches.select(["benchmark", "item_id", "verdict"]).to_pylist()
    return rows
