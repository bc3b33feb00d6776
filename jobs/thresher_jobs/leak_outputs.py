"""Write the outputs of `thresher decontaminate`, and refuse when too much would go."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial

from thresher.errors import ConfigError, LimitError
from thresher.formats.catalogue import FORMATS
from thresher.formats.detection import Detected
from thresher.formats.rows import Kind
from thresher.inputs import check_unchanged
from thresher.leaks.truncating import list_of_messages
from thresher.planning import Plan, agree_on_schema
from thresher.run import Run
from thresher.stage import MapStage, Receipt, stage_key
from thresher.steps.leak_changing import CHANGE_FOLDER
from thresher.steps.leak_searching import SearchStep
from thresher.steps.leak_writing import MATCH_FOLDER, WriteStep, write_task
from thresher.steps.outputs import FOLDERS
from thresher.steps.split_log import encode_schema
from thresher_jobs.first_pass import (
    found_schemas,
    rows_of,
)
from thresher_jobs.searched import Searched

logger = logging.getLogger(__name__)


def check_action(action: str, plan: Plan, detected: Mapping[int, Detected]) -> None:
    """Refuse to cut what is no plain text, and to shorten where there is no conversation.

    Args:
        action: What is to become of leaked rows.
        plan: What is read.
        detected: By file, the formats of its rows.

    Raises:
        ConfigError: A file has rows of another kind.
    """
    if action == "truncate":
        _check_conversations(plan, detected)
    if action != "cut":
        return
    for file, found in sorted(detected.items()):
        other = next((n for n in found.formats if FORMATS[n].kind is not Kind.TEXT), None)
        if other is not None:
            raise ConfigError(
                f"--action cut is for plain text; this file holds rows of format '{other}'",
                path=plan.inputs.files[file].path,
                remedy="--action truncate keeps the turns before the leak, drop removes the row; "
                "name the column with --text-column if it is plain text after all",
            )


def _check_conversations(plan: Plan, detected: Mapping[int, Detected]) -> None:
    """Refuse files of which none can be shortened, and warn of those that cannot.

    Raises:
        ConfigError: Naming the formats.
    """
    known = {file: found.formats for file, found in sorted(detected.items()) if found.formats}
    other = {f: names for f, names in known.items() if not any(map(list_of_messages, names))}
    formats = ", ".join(sorted({name for names in other.values() for name in names}))
    if known and len(other) == len(known):
        raise ConfigError(
            f"--action truncate shortens lists of messages; rows of format {formats} have none, "
            "and would all go as a whole",
            path=plan.inputs.files[next(iter(other))].path,
            remedy="--action drop says so; 'thresher convert --to messages' makes conversations",
        )
    if other:
        logger.warning(
            "%d of %d files hold no lists of messages (%s): leaked rows of these go as a whole",
            len(other), len(known), formats,
        )  # fmt: skip


def write_outputs(
    run: Run, searched: Searched, step: SearchStep, found: str, settled: str, key: str
) -> list[Receipt]:
    """Write every row where it belongs; return the receipts.

    Args:
        run: Where it runs.
        searched: What was searched.
        step: How.
        stage: The search.
        found: Folder of what was found.
        settled: Folder of the matches that count.
        key: Content name of the search.

    Raises:
        LimitError: Too much of a source would go.
    """
    params, plan = searched.params, searched.plan
    text = [] if params.text_column is None else [params.text_column]
    named = [(params.id_column, "--id-column")] if params.id_column else []
    schema = agree_on_schema(
        plan.inputs, found_schemas(plan, searched.read), text, named, params.union_columns
    )
    verdicts = ("contaminated", "suspect") if params.remove == "suspect" else ("contaminated",)
    how = WriteStep(
        step,
        found,
        settled,
        rows_of(plan, searched.read),
        tuple(tuple(r.facts["fingerprints"]) for r in searched.read),
        encode_schema(schema),
        verdicts,
        params.action,
        params.cut,
    )
    made_of = (encode_schema(schema), str(verdicts), params.action, params.cut.digest())
    key = stage_key(key, settled, *made_of)
    run.begin_output()
    written = run.execute(MapStage("write", key, partial(write_task, how), plan.tasks))
    for file in plan.inputs.files:
        check_unchanged(file)
    _check_removed(run, searched, written)
    return written


def _check_removed(run: Run, searched: Searched, written: Sequence[Receipt]) -> None:
    """Refuse when too much of a source would go.

    Raises:
        LimitError: Nothing is published; the outputs are gone.
    """
    sources = searched.plan.inputs.sources
    limit = searched.params.max_removed_fraction
    total, gone = [0] * len(sources), [0] * len(sources)
    for task, receipt in zip(searched.plan.tasks, written, strict=True):
        total[task.payload.source] += receipt.rows_in
        gone[task.payload.source] += sum(s["rows"][1] for s in receipt.facts["splits"])
    for source, rows, removed in zip(sources, total, gone, strict=True):
        if removed > limit * rows:
            for folder in (*FOLDERS, MATCH_FOLDER, CHANGE_FOLDER):
                run.store.remove(folder)
            raise LimitError(
                f"{removed} of {rows} rows of source '{source.name}' hold items of a benchmark, "
                f"more than max_removed_fraction {limit}",
                remedy="is it an evaluation set itself? look with --action tag",
            )
