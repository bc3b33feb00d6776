"""Rows whose signals are known: what lies between the pass over the text and the rules, and how a
result remembers it for `thresher select`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from thresher.errors import ConfigError, InputError
from thresher.formats.expected import expected_of
from thresher.inputs import list_inputs
from thresher.planning import Plan, expecting, expecting_texts, plan_inputs
from thresher.result import Result
from thresher.run import Run
from thresher.signals.profile import Profile
from thresher.signals.prompts import Preference
from thresher.signals.signal import Kind, Signal
from thresher.splits import Unreadable
from thresher.stage import Receipt
from thresher.steps.attributes import Alive
from thresher.steps.row_texts import RowReader
from thresher.steps.rows import RowMap
from thresher.steps.scored import Lines
from thresher.steps.scoring import ScoreStep
from thresher.steps.split_log import decode_schema, encode_schema
from thresher_jobs.first_pass import rows_of
from thresher_jobs.score_params import ScoreParams

MEMORY = "signals.json"


@dataclass(frozen=True)
class Scored:
    """Rows whose signals are known.

    Args:
        params: How they were scored.
        name: The profile's name.
        profile: The profile in force.
        signals: The signals, those of prompts included.
        models: What was learnt from data: name, version and hash of each.
        estimated: Whether token counts are estimates.
        step: How rows are read as text.
        source: Where the signals are.
        plan: What was read.
        read: The first pass's receipts: rows and fingerprints by split.
        schema: Columns of the inputs.
        key: Content name of the signals.
        formats: By file number, the formats found.
        alive: Earlier steps of a recipe; rows that one leaves out take no part.
    """

    params: ScoreParams
    name: str
    profile: Profile
    signals: tuple[Signal, ...]
    models: Sequence[Mapping[str, str]]
    estimated: bool
    step: ScoreStep
    source: Lines
    plan: Plan
    read: Sequence[Receipt]
    schema: pa.Schema
    key: str
    formats: Mapping[int, tuple[str, ...]]
    alive: tuple[Alive, ...] = ()

    @property
    def rows(self) -> RowMap:
        """The way from document ids to row ids."""
        return rows_of(self.plan, self.read)

    def file_formats(self) -> dict[str, list[str]]:
        """Return the formats by the name of the file."""
        files = self.plan.inputs.files
        return {files[file].name: list(names) for file, names in sorted(self.formats.items())}


def remember(run: Run, scored: Scored) -> None:
    """Write what `recall` needs; it names paths, so it is no part of the manifest."""
    run.store.put_json(
        MEMORY,
        {
            "addresses": [source.address for source in scored.plan.inputs.sources],
            "unreadable": [list(found) for found in scored.plan.unreadable],
            "plan": scored.plan.digest(),
            "key": scored.key,
            "params": scored.params.model_dump(mode="json"),
            "name": scored.name,
            "profile": scored.profile.model_dump(mode="json", by_alias=True),
            "signals": [[s.name, s.kind, s.group, s.about] for s in scored.signals],
            "models": [dict(model) for model in scored.models],
            "estimated": scored.estimated,
            "schema": encode_schema(scored.schema),
            "formats": {str(file): list(names) for file, names in scored.formats.items()},
            "tasks": [
                {name: receipt.facts[name] for name in ("rows", "fingerprints")}
                for receipt in scored.read
            ],
        },
    )


def recall(result: Result) -> Scored:
    """Return the scored rows of a result; the inputs must be as they were.

    Raises:
        ConfigError: The result holds no signals.
        InputError: An input is gone or was changed.
    """
    if not result.store.exists(MEMORY):
        raise ConfigError(
            "no signals here", path=result.store.root, remedy="name the OUT of 'thresher score'"
        )
    known = result.store.get_json(MEMORY)
    params = ScoreParams.model_validate(known["params"])
    plan = plan_inputs(
        list_inputs(known["addresses"]),
        split_bytes=params.split_bytes,
        skip_unreadable=params.skip_unreadable,
        without=[Unreadable(*found) for found in known["unreadable"]],
    )
    if plan.digest() != known["plan"]:
        raise InputError(
            "the inputs are not as they were when they were scored",
            path=", ".join(known["addresses"]),
            remedy="score them again",
        )
    profile = Profile.model_validate(known["profile"])
    formats = {int(file): tuple(names) for file, names in known["formats"].items()}
    if profile.uses_formats:
        plan = expecting(plan, {file: expected_of(names) for file, names in formats.items()})
    else:
        plan = expecting_texts(plan, [params.text_column])
    step = ScoreStep(
        profile,
        {},
        RowReader(formats if profile.uses_formats else None, params.text_column),
        params.id_column,
        Preference(params.prefer),
        params.max_doc_bytes,
    )
    return Scored(
        params,
        known["name"],
        profile,
        tuple(
            Signal(name, Kind(kind), group, about) for name, kind, group, about in known["signals"]
        ),
        known["models"],
        known["estimated"],
        step,
        Lines(result=result.store.root),
        plan,
        [
            Receipt(task=number, rows_in=sum(facts["rows"]), facts=facts)
            for number, facts in enumerate(known["tasks"])
        ],
        decode_schema(known["schema"]),
        known["key"],
        formats,
    )
