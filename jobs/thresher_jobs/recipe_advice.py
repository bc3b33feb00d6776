"""Advice of jobs, in the words of a recipe: its commands have a key where a job has a flag."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from thresher.errors import InputError, ThresherError
from thresher.params import Params
from thresher_jobs.recipe import KINDS, READ_ONCE, Recipe, params_class, step_names

_ADVICE = re.compile(
    r"(?P<quoted>'thresher [^']*'|`thresher [^`]*`)"
    r"|--set (?P<setting>\w+)(?==)"
    r"|--(?P<flag>[a-z][a-z-]*)(?: (?P<value>\d+))?"
)


@contextlib.contextmanager
def advised(recipe: Recipe, step: str = "") -> Iterator[None]:
    """Let errors that pass name what a recipe has: `--skip-unreadable` is one of its keys.

    Args:
        recipe: The recipe.
        step: Which step is at work, if one is: settings that several have are its own.
    """
    try:
        yield
    except ThresherError as error:
        if error.remedy is not None:
            error.remedy = in_words_of(recipe, error.remedy, step)
        raise


@contextlib.contextmanager
def unconverted(recipe: Recipe) -> Iterator[None]:
    """Let files that do not agree name the step that makes them, if it is left out."""
    try:
        yield
    except InputError as error:
        converts = next((name for name, kind in _steps(recipe) if kind == "convert"), None)
        if converts is not None:
            error.remedy = f"step {converts} makes the columns agree: add --only {converts}"
        raise


def in_words_of(recipe: Recipe, remedy: str, step: str = "") -> str:
    """Return a remedy with flags of jobs as keys of the recipe, once however often it is done."""

    def said(match: re.Match[str]) -> str:
        if match["quoted"]:
            return match[0]
        if match["setting"]:
            return f"--set {_key(recipe, match['setting'], step) or match['setting']}"
        field = match["flag"].replace("-", "_")
        key = _key(recipe, field, step)
        if key is None:
            return match[0]
        if match["value"]:
            return f"--set {key}={match['value']}"
        return f"--set {key}=true" if _is_switch(recipe, field) else key

    return _ADVICE.sub(said, remedy)


def _key(recipe: Recipe, field: str, step: str) -> str | None:
    """Return what a recipe calls a setting; None if neither it nor one of its steps has it."""
    if field == "format":
        return "format: beside the source's path"
    if field in READ_ONCE:
        return field
    having = [name for name, kind in _steps(recipe) if field in params_class(kind).model_fields]
    if len(having) == 1 or step in having:
        return f"{step if step in having else having[0]}.{field}"
    return f"STEP.{field}" if having else None


def _is_switch(recipe: Recipe, field: str) -> bool:
    classes: list[type[Params]] = [Recipe, *(params_class(kind) for _, kind in _steps(recipe))]
    known = (cls.model_fields[field] for cls in classes if field in cls.model_fields)
    return next((info.annotation is bool for info in known), False)


def _steps(recipe: Recipe) -> list[tuple[str, str]]:
    """Return names and kinds of the steps."""
    kinds = [next(iter(step), "") for step in recipe.steps]
    return [
        (name, kind)
        for name, kind in zip(step_names(recipe.steps), kinds, strict=True)
        if kind in KINDS
    ]
