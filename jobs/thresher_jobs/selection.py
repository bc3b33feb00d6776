"""`thresher select`: other rules for rows that are scored already, without computing signals again.

prompts, prompts-home  exchange  all answers to one prompt meet (only where a rule asks for it)
sift                   map       rows go to data, removed and quarantine
"""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from typing import Any

from pydantic import Field

import thresher
from thresher.engines.options import EngineOptions
from thresher.errors import ConfigError
from thresher.planning import check_apart
from thresher.result import open_result
from thresher.run import Listener, Run, open_run
from thresher.signals.profile import Profile
from thresher_jobs.profiles import changed, load_profile
from thresher_jobs.score_params import SiftParams
from thresher_jobs.scored import Scored, recall
from thresher_jobs.sift import sift

logger = logging.getLogger(__name__)


class SelectParams(SiftParams):
    """Which rules decide."""

    profile: str | None = Field(
        None, description="Take the rules of this profile instead of those it was scored with."
    )


def select(
    scored: str,
    out: str,
    params: SelectParams,
    options: EngineOptions,
    listener: Listener | None = None,
    *,
    run: Run | None = None,
) -> dict[str, Any]:
    """Run the job and return its report.

    Args:
        scored: The OUT of `score`; its inputs must be where they were.
        out: The folder to write.
        params: Which rules decide.
        options: Where to run.
        listener: Called as work goes on.
        run: A prepared run (other engines, tests); made from `out` and `options` if absent.

    Raises:
        ThresherError: One of its classes; the exit code says which kind.
    """
    run = run or open_run(out, options, listener)
    with run.guard():
        begin = time.monotonic()
        known = recall(open_result(scored))
        check_apart(known.plan, run.store.root)
        if os.path.realpath(out).startswith(os.path.realpath(scored) + os.sep):
            raise ConfigError("lies inside the scored result", path=out, remedy="choose another")
        wanted = replace(known, profile=_profile(known, params), name=params.profile or known.name)
        if run.claim(_identity(wanted, params)):
            logger.info("%s is complete already; nothing to do", run.store.root)
            report: dict[str, Any] = run.store.get_json("report.json")
            return report
        run.state("running")
        return sift(run, wanted, params, begin)


def _profile(known: Scored, params: SelectParams) -> Profile:
    """Return the profile that the rows were scored with, under other rules.

    Raises:
        ConfigError: A rule looks at all answers to a prompt, and rows were scored without that.
    """
    profile = known.profile
    if params.profile is not None:
        profile = profile.model_copy(update={"rules": load_profile(params.profile).rules})
    wanted = changed(profile, params)
    if wanted.groups != known.profile.groups:
        raise ConfigError(
            "the rows were scored without the group 'prompts', which per_prompt needs",
            remedy="score them again with --set groups=[prompts]",
        )
    return wanted


def _identity(wanted: Scored, params: SelectParams) -> dict[str, Any]:
    return {
        "job": "select",
        "version": thresher.__version__,
        "params": params.model_dump(mode="json"),
        "profile": wanted.profile.model_dump(mode="json", by_alias=True),
        "scored": wanted.key,
        "inputs": wanted.plan.pins(),
    }
