"""The first pass over the inputs, made again without the files that turn out to be unreadable."""

from __future__ import annotations

import logging
from collections.abc import Callable

from thresher.planning import Plan, make_plan
from thresher.run import Run
from thresher.splits import Unreadable
from thresher.stage import MapStage, Receipt

logger = logging.getLogger(__name__)


def first_pass(
    run: Run, plan: Plan, stage_of: Callable[[Plan], MapStage], split_bytes: int
) -> tuple[Plan, MapStage, list[Receipt]]:
    """Run the stage that reads all rows first.

    Args:
        run: Where it runs.
        plan: What is to be read.
        stage_of: Makes the stage of a plan. Its receipts name a file that cannot be read as the
            fact `unreadable`, where the user asked to leave such files out.
        split_bytes: How the plan was cut.

    Returns:
        The plan that could be read in full, its stage and the receipts.
    """
    while True:
        stage = stage_of(plan)
        receipts = run.execute(stage)
        bad = sorted({tuple(r.facts["unreadable"]) for r in receipts if "unreadable" in r.facts})
        if not bad:
            return plan, stage, receipts
        logger.warning("left out: %s", ", ".join(path for path, _ in bad))
        plan = make_plan(
            [source.address for source in plan.inputs.sources],
            split_bytes=split_bytes,
            skip_unreadable=True,
            without=[*plan.unreadable, *(Unreadable(*found) for found in bad)],
        )
