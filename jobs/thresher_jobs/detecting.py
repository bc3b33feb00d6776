"""Which formats the files have: decided by what their rows say, or refused with the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType
from typing import Protocol

import thresher
from thresher.errors import ConfigError, InputError
from thresher.formats.catalogue import FORMATS
from thresher.formats.detection import Detected, Evidence, detect, named
from thresher.formats.expected import expected_of
from thresher.planning import Plan, expecting, plan_inputs
from thresher.readers.block import TWO_TYPES
from thresher.run import Run
from thresher.splits import Unreadable
from thresher.stage import MapStage, stage_key
from thresher.steps.peeking import peek
from thresher_jobs.first_pass import READS_TYPES

CODE_VERSION = "formats-3"  # raised when the same rows give other evidence


def peek_formats(
    run: Run,
    plan: Plan,
    format: str | None,
    min_confidence: float,
    max_doc_bytes: int,
    said: Mapping[int, str] | None = None,
) -> dict[int, Detected]:
    """Decide on each file's formats by its first rows.

    Args:
        run: Where to look.
        plan: The files.
        format: The format of all of them, where the user says so.
        min_confidence: What a detected format needs.
        max_doc_bytes: Rows with a larger value are bad.
        said: By file, the formats that the user states.

    Raises:
        InputError: A file has no format that is known.
        ConfigError: It may have one of several.
    """
    formats = None if format is None else (format,)
    key = stage_key(
        CODE_VERSION, thresher.__version__, plan.digest(), str(format), str(max_doc_bytes)
    )
    tasks = tuple(task for task in plan.tasks if any(s.start == 0 for s in task.payload.splits))
    receipts = run.execute(MapStage("formats", key, partial(peek, formats, max_doc_bytes), tasks))
    evidence = {
        int(file): Evidence.from_json(found)
        for receipt in receipts
        for file, found in receipt.facts["evidence"].items()
    }
    errors = [receipt.facts["error"] for receipt in receipts if receipt.facts["error"]]
    if errors and not any(known.rows for known in evidence.values()):
        path, message = errors[0]
        raise InputError(
            f"no row can be read, the first one since: {message}",
            path=path,
            remedy=READS_TYPES if TWO_TYPES in message else "look at the file",
        )
    return decide_formats(plan, evidence, format, min_confidence, said or {})


class Peeking(Protocol):
    """The parameters of a job that looks at formats first."""

    @property
    def format(self) -> str | None:
        """The format of all inputs."""

    @property
    def min_confidence(self) -> float:
        """What a detected format needs."""

    @property
    def max_doc_bytes(self) -> int:
        """Rows with a larger value are bad."""

    @property
    def skip_unreadable(self) -> bool:
        """Whether unreadable files are left out."""

    @property
    def split_bytes(self) -> int:
        """How the plan was cut."""


def peek_readable(
    run: Run, plan: Plan, params: Peeking, said: Mapping[int, str] | None = None
) -> tuple[Plan, dict[int, Detected]]:
    """Decide on each file's formats by its first rows; plan again without files that turn out to be
    unreadable, where the user wants them left out.

    Args:
        run: Where to look.
        plan: The files.
        params: How.
        said: By file, the formats that the user states.

    Returns:
        The plan, which knows what the formats' columns hold, and the formats by file.
    """
    while True:
        try:
            found = peek_formats(
                run, plan, params.format, params.min_confidence, params.max_doc_bytes, said
            )
            held = {file: expected_of(known.formats) for file, known in found.items()}
            return expecting(plan, held), found
        except InputError as error:
            known = {file.path for file in plan.inputs.files} - {u.path for u in plan.unreadable}
            if not (params.skip_unreadable and error.skippable and error.path in known):
                raise
            lost = Unreadable(str(error.path), error.message)
        plan = plan_inputs(
            plan.inputs,
            split_bytes=params.split_bytes,
            skip_unreadable=True,
            without=[*plan.unreadable, lost],
        )


def decide_formats(
    plan: Plan,
    evidence: Mapping[int, Evidence],
    format: str | None,
    min_confidence: float,
    said: Mapping[int, str] = MappingProxyType({}),
) -> dict[int, Detected]:
    """Decide on each file's formats by what its rows say.

    Raises:
        InputError: A file has no format that is known, or no file has a row.
        ConfigError: It may have one of several.
    """
    if not any(known.rows for known in evidence.values()):
        raise InputError("no rows that can be read in any input", path=plan.inputs.files[0].path)
    detected = {file: detect(known) for file, known in sorted(evidence.items())}
    for file, name in said.items():
        if file in detected:
            detected[file] = named(name, evidence[file])
    for file, found in detected.items():
        if evidence[file].rows:
            _check(found, plan.inputs.files[file].path, format, min_confidence)
    return detected


def _check(found: Detected, path: str, format: str | None, min_confidence: float) -> None:
    if format is not None:
        if not found.formats:
            raise InputError(
                f"no row is of the format {format} ({FORMATS[format].about}); {found.reasons[0]}",
                path=path,
            )
    elif not found.formats:
        raise InputError(
            f"of no known format: {found.reasons[0]}",
            path=path,
            remedy="rename the columns, or name the format with --format",
        )
    elif found.confidence < min_confidence:
        rivals = " or ".join([found.formats[0], *found.rivals[:3]])
        raise ConfigError(
            f"the format is not certain: {rivals} (confidence {found.confidence:.2f}, wanted "
            f"{min_confidence}; {'; '.join(found.reasons)})",
            path=path,
            remedy="say which with --format",
        )
