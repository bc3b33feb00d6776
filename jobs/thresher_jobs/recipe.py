"""Recipes: sources and steps under version control.

    sources:
      - {path: alpaca.jsonl, licence: cc-by-nc-4.0}
      - {path: gsm8k/*.parquet, name: maths, format: alpaca}
    steps:
      - dedup: {on: prompt, threshold: 0.8}
      - decontaminate: {against: [gsm8k=evals/gsm8k.jsonl]}
      - score: {profile: sft}
      - split: {test: 0.01}
      - convert: {to: trl-sft}
      - export: {to: s3://bucket/sft}

Earlier sources have priority. A step's settings are those of the command of the same name; how rows
are read is said once, at the top.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from thresher.errors import ConfigError
from thresher.formats.names import MIN_CONFIDENCE
from thresher.inputs import Inputs, list_inputs
from thresher.params import Params, build, load_yaml, parse_settings
from thresher_jobs.read_params import ReadParams, require_format

KINDS = ("dedup", "decontaminate", "score", "mix", "split", "convert", "export")
READ_ONCE = (  # said at the top of a recipe
    "text_column", "id_column", "format", "min_confidence", "union_columns", "skip_unreadable",
    "max_doc_bytes", "split_bytes", "max_quarantined_fraction",
)  # fmt: skip
LANGUAGE_BYTES = 256 << 20
NOT_IN_STEPS = {"annotate": "score", "export_signatures": "dedup"}
_BEHIND = {  # what may come behind a step that decides about what is left
    "mix": (("split", "convert", "export"), "draws from what is left"),
    "split": (("convert", "export"), "divides what is left"),
    "convert": (("split", "export"), "decides how what is left is written"),
    "export": ((), "publishes what was written"),
}
_NAME = re.compile(r"[a-z][a-z0-9-]*")


class RecipeSource(Params):
    """Where rows come from."""

    path: str = Field(description="File, folder, glob or protocol:// address.")
    optional: bool = Field(False, description="May hold no file yet.")
    name: str | None = Field(None, description="What row ids and the report call it.")
    format: str | None = Field(None, description="Its format, instead of the one detected.")
    licence: str | None = Field(None, description="Goes into the card.")
    weight: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="Its share, for the step mix."
    )

    @field_validator("format")
    @classmethod
    def _known_format(cls, value: str | None) -> str | None:
        if value is not None:
            require_format(value)
        return value


class Recipe(ReadParams):
    """What to read, and what to do with it."""

    about: str = Field("", description="A line for the card.")
    sources: tuple[RecipeSource, ...] = Field(description="Earlier ones have priority.")
    steps: tuple[dict[str, dict[str, Any] | None], ...] = Field(
        description="In order; what one removes, the next does not see."
    )
    text_column: str | None = Field(
        None, description="Rows are plain text, in this column; else their formats are detected."
    )
    id_column: str | None = Field(None, description="Column with the rows' own ids.")
    union_columns: bool = Field(
        False, description="Let files lack columns that others have; they read as nulls."
    )
    min_confidence: float = Field(
        MIN_CONFIDENCE,
        ge=0,
        le=1,
        description="Stop when a file's format is less certain than this.",
    )
    max_quarantined_fraction: float = Field(
        0.5, ge=0, le=1, description="Stop (exit 4) when more of a source cannot be read."
    )
    languages: bool | None = Field(
        None,
        description="Tell the languages of rows, where py3langid is there: 25 to 50 us a row; "
        "unsaid, of inputs below 256 MB.",
    )
    category: str | None = Field(
        None, description="Column by whose values the report says what the data is made of."
    )
    format: None = Field(None, description="Formats are said by source.")

    @model_validator(mode="after")
    def _complete(self) -> Recipe:
        if not self.sources:
            raise ValueError("sources: name at least one, as - path: FILE")
        if not self.steps:
            raise ValueError(f"steps: name at least one of {', '.join(KINDS)}")
        names = [source.name for source in self.sources if source.name is not None]
        if len(set(names)) < len(names):
            raise ValueError("sources: two have one name")
        weighed = any(source.weight is not None for source in self.sources)
        if weighed and not any("mix" in step for step in self.steps):
            raise ValueError("sources: a weight is for a step mix, and there is none")
        return self


class Step(Params):
    """One step of a recipe, with its settings typed."""

    name: str
    kind: str
    params: Params


def load_recipe(path: str, settings: Sequence[str] = ()) -> Recipe:
    """Read a recipe; `--set threshold` of a step as `NAME.threshold=0.8`.

    Raises:
        ConfigError: The file, a setting or a value is wrong.
    """
    return parse_recipe(load_yaml(path), path, settings)


def parse_recipe(
    said: Mapping[str, Any], path: str | None = None, settings: Sequence[str] = ()
) -> Recipe:
    """Make a recipe of what its file says; see `load_recipe`."""
    value = dict(said)
    _check_keys(value, path)
    if not isinstance(value.get("steps"), list) or not isinstance(value.get("sources"), list):
        raise ConfigError(
            "a recipe has sources and steps, each a list",
            path=path,
            remedy="see jobs/recipes; one step alone is a command of its own",
        )
    value["sources"] = [{"path": s} if isinstance(s, str) else s for s in value["sources"]]
    value["steps"] = [{s: None} if isinstance(s, str) else s for s in value["steps"]]
    mine: dict[str, Any] = {}
    steps = [dict(step) for step in value["steps"] if isinstance(step, Mapping)]
    names = step_names(steps) if len(steps) == len(value["steps"]) else []
    for key, given in parse_settings(settings).items():
        head, _, rest = key.partition(".")
        if rest and head in names:
            step = steps[names.index(head)]
            kind = next(iter(step))
            inner = dict(step[kind] or {})
            inner[rest] = given
            step[kind] = inner
        else:
            _check_setting(key, steps, names)
            mine[key] = given
    value["steps"] = steps if names else value["steps"]
    try:
        return build(Recipe, value, mine)
    except ConfigError as error:
        raise ConfigError(error.message, path=path, remedy=error.remedy) from error


def _check_keys(value: Mapping[str, Any], path: str | None) -> None:
    """Refuse names that a recipe or a source does not have, before what they leave out is missed.

    Raises:
        ConfigError: Naming the nearest one.
    """
    sources = value.get("sources")
    places: list[tuple[str, Mapping[Any, Any], type[Params]]] = [("", value, Recipe)]
    for number, source in enumerate(sources if isinstance(sources, list) else ()):
        if isinstance(source, Mapping):
            places.append((f"sources.{number}.", source, RecipeSource))
    for place, mapping, cls in places:
        for key in mapping:
            near = difflib.get_close_matches(str(key), [*cls.model_fields], n=1)
            if key not in cls.model_fields and near:
                raise ConfigError(
                    f"unknown setting '{place}{key}'",
                    path=path,
                    remedy=f"did you mean {near[0]!r}?",
                )


def _check_setting(key: str, steps: Sequence[Mapping[str, Any]], names: Sequence[str]) -> None:
    """Refuse a `--set` that is neither the recipe's nor of one of its steps.

    Raises:
        ConfigError: Naming what it may have meant, and the steps.
    """
    head, _, rest = key.partition(".")
    if head in Recipe.model_fields:
        return
    kinds = [next(iter(step), "") for step in steps]
    if rest:
        near = [f"{name}.{rest}" for name in difflib.get_close_matches(head, names, n=1)]
    else:
        near = [
            f"{name}.{field}"
            for name, kind in zip(names, kinds, strict=False)
            if kind in KINDS
            for field in difflib.get_close_matches(key, [*params_class(kind).model_fields], 1, 0.8)
            if field not in READ_ONCE
        ]
        top = difflib.get_close_matches(key, [*Recipe.model_fields], n=1)
        near = near if key in [n.partition(".")[2] for n in near] else [*top, *near]
    guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    raise ConfigError(
        f"--set {key}: no such setting",
        remedy=f"{guess}a setting of a step is NAME.KEY, with NAME one of {', '.join(names)}; "
        f"those of the recipe: {', '.join(sorted(Recipe.model_fields))}",
    )


def step_names(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the steps by what they do: dedup, dedup-2."""
    names: list[str] = []
    for step in steps:
        kind = next(iter(step), "")
        said = (step[kind] or {}).get("name") if isinstance(step.get(kind), Mapping) else None
        if said is not None and not isinstance(said, str):
            raise ConfigError(f"step {kind}: its name {said!r} is not text")
        number = 1 + sum(n == kind or n.startswith(f"{kind}-") for n in names)
        names.append(said or (kind if number == 1 else f"{kind}-{number}"))
    return names


def typed_steps(recipe: Recipe, only: Sequence[str] = ()) -> tuple[Step, ...]:
    """Return the steps with their settings typed.

    Args:
        recipe: The recipe.
        only: Names of the steps wanted; all if empty.

    Raises:
        ConfigError: A step is unknown, or one of its settings is wrong.
    """
    found = []
    for name, given in zip(step_names(recipe.steps), recipe.steps, strict=True):
        if len(given) != 1:
            raise ConfigError(f"step {given!r}: expected one name with its settings")
        ((kind, settings),) = given.items()
        if kind not in KINDS:
            near = difflib.get_close_matches(kind, KINDS, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(KINDS)}"
            raise ConfigError(f"unknown step {kind!r}", remedy=hint)
        if not _NAME.fullmatch(name):
            raise ConfigError(f"step name {name!r}: expected small letters, digits and hyphens")
        found.append(Step(name=name, kind=kind, params=_typed(recipe, name, kind, settings or {})))
    names = [step.name for step in found]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise ConfigError(f"two steps have the name {twice!r}")
    unknown = [name for name in only if name not in names]
    if unknown:
        raise ConfigError(f"--only {unknown[0]}: no such step", remedy=f"steps: {', '.join(names)}")
    _check_last(found)
    return tuple(step for step in found if not only or step.name in only)


def _check_last(found: Sequence[Step]) -> None:
    """Refuse steps behind one that decides about what is left.

    Raises:
        ConfigError: Naming the step.
    """
    for number, step in enumerate(found):
        if step.kind not in _BEHIND:
            continue
        allowed, why = _BEHIND[step.kind]
        later = next((s for s in found[number + 1 :] if s.kind not in allowed), None)
        if later is not None:
            but = f" but {', '.join(allowed)}" if allowed else ""
            raise ConfigError(f"{step.kind} is the last step{but}: it {why}; not {later.name}")


def params_class(kind: str) -> type[Params]:
    """Return the settings of a kind of step; those of other kinds are not loaded."""
    module = import_module(f"thresher_jobs.{kind}_params")
    found: type[Params] = getattr(module, f"{kind.capitalize()}Params")
    return found


def _typed(recipe: Recipe, name: str, kind: str, settings: Mapping[str, Any]) -> Params:
    cls = params_class(kind)
    settings = {key: value for key, value in settings.items() if key != "name"}
    for key in settings:
        if key in READ_ONCE:
            raise ConfigError(f"step {name}: {key} is said once, at the top of the recipe")
        if settings[key] and key in NOT_IN_STEPS:
            raise ConfigError(f"step {name}: {key} is for 'thresher {NOT_IN_STEPS[key]}' alone")
    shared = {
        key: getattr(recipe, key)
        for key in READ_ONCE
        if key in cls.model_fields and getattr(recipe, key) is not None
    }
    if kind == "split" and settings.get("columns"):
        shared.pop("text_column", None)
    if kind == "dedup" and recipe.text_column is None and not {"on", "columns"} & {*settings}:
        shared["on"] = "conversation"
    try:
        return build(cls, shared, settings)
    except ConfigError as error:
        raise ConfigError(f"step {name}: {error.message}", remedy=error.remedy) from error


def resolved(recipe: Recipe, steps: Sequence[Step]) -> dict[str, Any]:
    """Return the recipe with every default said, as values for YAML."""
    top = recipe.model_dump(mode="json", exclude={"steps", "sources", "format"})
    said = {"about": top.pop("about")} if recipe.about else {}
    top.pop("about", None)
    sources = [source.model_dump(mode="json", exclude_defaults=True) for source in recipe.sources]
    shared = {*READ_ONCE, *NOT_IN_STEPS}
    inner = [
        {step.kind: {"name": step.name, **step.params.model_dump(mode="json", exclude=shared)}}
        for step in steps
    ]
    return {**said, "sources": sources, **top, "steps": inner}


def list_sources(recipe: Recipe) -> Inputs:
    """Find and pin the files of the sources.

    Raises:
        ThresherError: As `list_inputs`.
    """
    sources = recipe.sources
    return list_inputs(
        [source.path for source in sources],
        [source.name for source in sources],
        [source.path for source in sources if source.optional],
    )


def with_languages(recipe: Recipe, file_bytes: int) -> Recipe:
    """Return the recipe with a word on languages, where it says none."""
    if recipe.languages is not None:
        return recipe
    return recipe.model_copy(update={"languages": file_bytes < LANGUAGE_BYTES})


def relative_to(recipe: Recipe, path: str) -> Recipe:
    """Return the recipe with local sources found from the folder that it lies in, as a team that
    keeps it under version control expects, where they are not found from here."""
    folder = Path(path).parent

    def place(source: RecipeSource) -> RecipeSource:
        here = Path(source.path)
        if "://" in source.path or here.is_absolute() or here.exists():
            return source
        beside = folder / source.path
        found = beside.exists() or any(folder.glob(source.path))
        return source.model_copy(update={"path": str(beside)}) if found else source

    return recipe.model_copy(update={"sources": tuple(map(place, recipe.sources))})
