"""`thresher plan mix`: what each source would give, before anything is written.

Sizes decide a mixture, so all sources are read once, here, into a folder that is removed again.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence

from thresher.engines.options import EngineOptions
from thresher.mixing.proportions import Wanted, keeping, missed
from thresher.mixing.targets import Target, columns_of
from thresher.planning import make_plan
from thresher.report.mixture_page import say_rounds
from thresher.run import Listener, open_run
from thresher_jobs.mix_decide import Planned, plan_mixture
from thresher_jobs.mix_params import MixParams, addresses_of, names_of, shares_of
from thresher_jobs.mix_reading import read_sources, read_tokenizer
from thresher_jobs.mix_report import in_columns

_TITLES = ["available", "weight", "cap", "target", "share", "every row", "gives", "short"]


def describe(
    inputs: Sequence[str], params: MixParams, workers: int, listener: Listener | None = None
) -> Iterator[str]:
    """Yield the plan as lines.

    Args:
        inputs: The sources, where `params` names none.
        params: What to mix, and how.
        workers: Tasks at once.
        listener: Called as work goes on.

    Raises:
        ConfigError: The shares contradict each other.
        InputError: A source cannot be read.
        LimitError: There is nothing of a source with a share.
    """
    tokenizer = read_tokenizer(params.tokenizer)
    plan = make_plan(
        addresses_of(params, inputs),
        split_bytes=params.split_bytes,
        skip_unreadable=params.skip_unreadable,
    )
    names = names_of(params, plan.inputs)
    shares = shares_of(params, names)
    columns = columns_of(params, shares)
    with tempfile.TemporaryDirectory(prefix="thresher-plan-") as folder:
        run = open_run(os.path.join(folder, "out"), EngineOptions(workers=workers), listener)
        with run.guard():
            run.claim({"job": "plan mix"})
            read = read_sources(run, plan, params, columns, tokenizer)
            source = read.source(params.seed)
            planned = plan_mixture(run, read.plan, source, params, shares, names, read.key)
            exact = read.step.counter(run.store).exact
    how = " (estimated)" if params.by == "tokens" and not exact else ""
    yield f"mix by {params.by}{how}, {planned.targets.total:,} in all"
    pooled = all(part.source is None for part in planned.parts)
    yield from in_columns([["category" if pooled else "source", *_TITLES], *_rows(planned, names)])
    yield from read.notes
    short = sum(target.wanted - target.given for target in planned.targets.leaves)
    if caps := _changed(planned, names, params.by):
        yield caps
    if planned.targets.unfilled:
        yield f"the caps leave {planned.targets.unfilled:,} {params.by} unfilled"
    if short and not params.allow_short:
        yield f"'thresher mix' would stop: {short:,} {params.by} short (see --allow-short)"


def _changed(planned: Planned, names: Sequence[str], unit: str) -> str | None:
    """Say how caps change the proportions."""
    weights = {id(p): w for p, w in zip(planned.parts, planned.targets.weights, strict=True)}
    leaves = [
        Wanted(
            _label(target, names),
            id(target.part),
            None if (weight := weights[id(target.part)]) is None else float(weight),
            target.part.cap,
            target.wanted,
        )
        for target in planned.targets.leaves
    ]
    if keeping(leaves, planned.targets.total) is None:
        return None
    given = [target.given for target in planned.targets.leaves]
    return missed(leaves, planned.targets.total, given, unit)


def _rows(planned: Planned, names: Sequence[str]) -> Iterator[list[str]]:
    targets = planned.targets
    total = sum(target.wanted for target in targets.leaves)
    weights = {id(p): w for p, w in zip(planned.parts, targets.weights, strict=True)}
    for target in targets.leaves:
        weight, cap = weights[id(target.part)], target.part.cap
        short = target.wanted - target.given
        yield [
            _label(target, names),
            f"{target.available:,}",
            "fixed" if weight is None else f"{100 * float(weight):.1f} %",
            "" if cap is None else f"{cap:,}",
            f"{target.wanted:,}",
            f"{100 * target.wanted / total:.2f} %" if total else "",
            say_rounds(target.full, target.rest > 0),
            f"{target.given:,}",
            f"{short:,}" if short else "",
        ]


def _label(target: Target, names: Sequence[str]) -> str:
    part = target.part
    if part.source is None or target.leaf.category is None:
        return part.name
    return f"{names[part.source]} / {target.leaf.category}"
