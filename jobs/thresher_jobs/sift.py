"""From signals to a result: what `thresher score` does last, and `thresher select` does alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import thresher
from thresher.errors import LimitError
from thresher.inputs import check_unchanged
from thresher.params import digest_of
from thresher.run import Run
from thresher.signals.profile import check_rules
from thresher.signals.prompts import FOUND
from thresher.stage import ExchangeStage, MapStage, Receipt, stage_key
from thresher.steps.meeting import emit_prompts, reduce_prompts
from thresher.steps.outputs import FOLDERS
from thresher.steps.owned import Owned, emit_home, part_tasks, reduce_home
from thresher.steps.scored import SIGNALS
from thresher.steps.sifting import SiftStep, sift_task
from thresher.steps.split_log import encode_schema
from thresher_jobs import score_report
from thresher_jobs.dedup_state import partitions_of
from thresher_jobs.score_params import SiftParams
from thresher_jobs.scored import Scored, remember

CODE_VERSION = "sift-2"  # raised when the same signals and rules give other bytes
ROWS_PER_PARTITION = 1 << 20
HOME_ROWS = 1 << 20


def sift(run: Run, scored: Scored, params: SiftParams, begin: float) -> dict[str, Any]:
    """Let the rules decide, write all rows and publish; return the report."""
    how = sift_step(run, scored, params.annotate)
    rules = scored.profile.model_dump(mode="json", by_alias=True)["rules"]
    made_of = [digest_of(rules), encode_schema(scored.schema), str(params.annotate)]
    key = stage_key(CODE_VERSION, thresher.__version__, scored.key, *made_of)
    run.begin_output()
    written = run.execute(MapStage("sift", key, partial(sift_task, how), scored.plan.tasks))
    for file in scored.plan.inputs.files:
        check_unchanged(file)
    _check_removed(run, scored, params, written)
    remember(run, scored)
    return score_report.publish(run, scored, params, how, written, begin)


def sift_step(run: Run, scored: Scored, annotate: bool) -> SiftStep:
    """Check the rules, let rows of one prompt meet where a rule asks for it, and return how rows
    are judged."""
    check_rules(scored.profile, scored.signals)
    return SiftStep(
        scored.step,
        scored.source,
        _meet(run, scored) if "prompts" in scored.profile.groups else None,
        scored.signals,
        tuple(scored.profile.rules),
        tuple(scored.profile.rules.values()),
        scored.rows,
        tuple(tuple(r.facts["fingerprints"]) for r in scored.read),
        encode_schema(scored.schema),
        annotate,
        scored.params.id_column is not None,
    )


def _meet(run: Run, scored: Scored) -> Owned:
    """Bring all answers to one prompt together; send what is found home to the rows' tasks."""
    rules = tuple(scored.profile.rules.values())
    total = sum(receipt.rows_in for receipt in scored.read)
    partitions = partitions_of(total, ROWS_PER_PARTITION)
    said = digest_of(scored.profile.model_dump(mode="json", by_alias=True)["rules"])
    key = stage_key(CODE_VERSION, thresher.__version__, scored.key, said, str(partitions))
    emit = partial(emit_prompts, scored.source, rules, partitions, scored.alive)
    tasks = scored.plan.tasks
    stage = ExchangeStage("prompts", key, emit, reduce_prompts, tasks, partitions)
    found = part_tasks(run.execute(stage))
    span = max(1, HOME_ROWS // max(1, total // len(tasks)))
    home = ExchangeStage(
        "prompts-home",
        stage_key(key, str(span)),
        partial(emit_home, "id", span),
        partial(reduce_home, FOUND),
        found,
        -(-len(tasks) // span),
    )
    run.execute(home)
    return Owned(home.folder, span)


def _check_removed(
    run: Run, scored: Scored, params: SiftParams, written: Sequence[Receipt]
) -> None:
    """Refuse when too much of a source would go, naming the rules to blame.

    Raises:
        LimitError: Nothing is published; the outputs are gone.
    """
    if params.annotate:
        return
    sources = scored.plan.inputs.sources
    total, gone = [0] * len(sources), [0] * len(sources)
    blamed: list[dict[str, int]] = [{} for _ in sources]
    for task, receipt in zip(scored.plan.tasks, written, strict=True):
        source = task.payload.source
        total[source] += receipt.rows_in
        gone[source] += sum(split["rows"][1] for split in receipt.facts["splits"])
        for name, rows in receipt.facts["first"].items():
            blamed[source][name] = blamed[source].get(name, 0) + rows
    for number, source in enumerate(sources):
        if gone[number] <= params.max_removed_fraction * total[number]:
            continue
        worst = sorted(blamed[number].items(), key=lambda item: (-item[1], item[0]))[:4]
        for folder in (*FOLDERS, SIGNALS):
            run.store.remove(folder)
        raise LimitError(
            f"{gone[number]} of {total[number]} rows of source '{source.name}' would be removed, "
            f"more than max_removed_fraction {params.max_removed_fraction}; first of all by "
            + ", ".join(f"{name} ({rows})" for name, rows in worst),
            remedy="is the profile for such rows? change its rules, look with --annotate, or raise "
            "the limit with --set",
        )
