"""The dataset cards of a recipe: beside its result, and in its published form. They depend on the
result alone."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from thresher.report import Report
from thresher.report.composition import composition_markdown
from thresher.report.flow import RecipeFlow
from thresher_jobs.card import configs, dataset_card, loss_table
from thresher_jobs.recipe import Recipe
from thresher_jobs.split_card import split_figures

RECORD = "decontamination.yaml"
RULES = "profile-{}.yaml"
_PUBLISHED = """---
{licences}{configs}---

# {title}

{rows:,} rows, made with Thresher {version} from {rows_in:,}.
"""


def recipe_card(
    report: Report, recipe: Recipe, splits: Sequence[str], sections: Iterable[tuple[str, str]]
) -> str:
    """Return the card beside a result.

    Args:
        report: Of the run.
        recipe: What was run.
        splits: Names of the splits that rows went to; none where one folder holds all.
        sections: Heading and text of what steps say.
    """
    return "".join(
        [
            dataset_card(report, splits),
            f"\n{recipe.about}\n" if recipe.about else "",
            *_body(report, recipe),
            *(f"\n## {name}\n\n{text}" for name, text in sections),
            "\nMade by `recipe.yaml` beside this file.\n",
        ]
    )


def published_card(
    report: Report,
    recipe: Recipe,
    splits: Sequence[str],
    form: str,
    record: str,
    rules: Sequence[str],
) -> str:
    """Return the card of the published form.

    Args:
        report: Of the run.
        recipe: What was run.
        splits: Names of the splits that hold rows; none where one folder holds all.
        form: How files end.
        record: The decontamination record; empty without one.
        rules: Names of the files that say by which rules rows were judged.
    """
    licences = sorted({source.licence for source in recipe.sources if source.licence})
    said = "".join(f"  - {json.dumps(licence)}\n" for licence in licences)
    head = _PUBLISHED.format(
        licences=f"license:\n{said}" if licences else "",
        configs=configs(report, splits, form),
        title=recipe.about.rstrip(".") or "Data set",
        rows=report.rows_kept,
        version=report.thresher_version,
        rows_in=report.rows_in,
    )
    split = f"\n## Splits\n\n{split_figures(report, splits)}" if splits else ""
    leaks = f"\n## Decontamination record\n\n```yaml\n{record}```\n" if record else ""
    told = "`recipe.yaml` says how the data was made"
    told += "".join(f", `{name}` by which rules" for name in rules)
    told += f", `{RECORD}` what was looked for in it" if record else ""
    return "".join(
        [
            head,
            *_body(report, recipe),
            split,
            leaks,
            f"\n{told}, `SHA256SUMS` what the files hold (`sha256sum -c SHA256SUMS`).\n",
        ]
    )


def _body(report: Report, recipe: Recipe) -> list[str]:
    """Return licences, flow, losses and composition."""
    lines = []
    licences = [(s.name or s.path, s.licence) for s in recipe.sources if s.licence]
    if licences:
        lines.append("\n| source | licence |\n|---|---|\n")
        lines += [f"| {_cell(str(n))} | {_cell(said)} |\n" for n, said in licences]
    flow = RecipeFlow.model_validate(report.plan["flow"])
    lines.append("\n## Flow\n\n| source | rows in |")
    heads = [*flow.steps, *(["added"] if report.rows_added else []), "rows out"]
    lines += [f" {name} |" for name in heads]
    lines.append("\n|---|---:|" + "---:|" * len(heads) + "\n")
    for source in flow.sources:
        gone = "".join(f" {-count:,} |" for count in source.left_out.values())
        gone += f" {source.added:,} |" if report.rows_added else ""
        lines.append(f"| {_cell(source.name)} | {source.rows_in:,} |{gone} {source.rows_out:,} |\n")
    if report.conversion is not None and report.conversion.losses:
        lines.append(f"\n## Lost in conversion\n{loss_table(report.conversion.losses)}")
    lines.append(f"\n## Composition\n\n{composition_markdown(report.plan['composition'])}")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", " ")
