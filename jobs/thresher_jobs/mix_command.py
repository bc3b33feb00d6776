"""The command that mixes sources."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from thresher_jobs.cli_options import (
    Cluster,
    Config,
    EngineName,
    FromFormat,
    IdColumn,
    JsonLogs,
    Out,
    Quiet,
    Set,
    Skip,
    Union,
    Workers,
)
from thresher_jobs.cli_params import engine_of, params_of
from thresher_jobs.commands import app
from thresher_jobs.plan_commands import plan_app

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="INPUT...",
        help="The sources: files, folders, globs or addresses; or name them in --config.",
    ),
]
Weight = Annotated[
    list[str] | None,
    typer.Option(
        "--weight",
        help="Weight of an INPUT, by the last part of its path; may be repeated.",
        metavar="NAME=WEIGHT",
    ),
]
Category = Annotated[
    list[str] | None,
    typer.Option(
        "--category", help="Weight of a category; may be repeated.", metavar="NAME=WEIGHT"
    ),
]
CategoryColumn = Annotated[
    str | None, typer.Option(help="Column of categories that are weighed.", metavar="NAME")
]
By = Annotated[
    str | None, typer.Option("--by", help="Count rows or tokens. [default: rows]", metavar="UNIT")
]
Total = Annotated[
    int | None,
    typer.Option(
        help="Rows (or tokens) of the mixture. [default: as many as the scarcest source allows; "
        "one that reaches its cap stays there]"
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(help="Weights are sizes to the power of 1 / T. [default: 1, as they are]"),
]
MaxRows = Annotated[int | None, typer.Option(help="The most rows of any source.")]
MaxTokens = Annotated[int | None, typer.Option(help="The most tokens of any source.")]
MaxRepeats = Annotated[
    int | None, typer.Option(help="How often a row may be written. [default: 1]")
]
AllowShort = Annotated[
    bool, typer.Option("--allow-short", help="Go on when a source cannot give its share.")
]
Seed = Annotated[int | None, typer.Option(help="Another seed draws other rows. [default: 0]")]
CountWith = Annotated[
    str | None,
    typer.Option(
        "--tokenizer",
        help="A tokenizer.json to count tokens with. [default: an estimate]",
        metavar="FILE",
    ),
]
CountedColumn = Annotated[
    str | None,
    typer.Option(
        "--text-column",
        help="Count the tokens of this column. [default: by format]",
        metavar="NAME",
    ),
]


@app.command()
def mix(
    context: typer.Context,
    out: Out,
    inputs: Sources = None,
    weights: Weight = None,
    by: By = None,
    total: Total = None,
    temperature: Temperature = None,
    category_column: CategoryColumn = None,
    categories: Category = None,
    max_rows: MaxRows = None,
    max_tokens: MaxTokens = None,
    max_repeats: MaxRepeats = None,
    allow_short: AllowShort = False,
    seed: Seed = None,
    tokenizer: CountWith = None,
    text_column: CountedColumn = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Mix sources by weight, in rows or tokens.

    Which rows are drawn depends on the seed and their content alone, so a smaller mixture is part
    of a larger one. A share that a source cannot give is an error (exit 4) that says by how much;
    one that caps or large rows change is a note.
    """
    from thresher_jobs.mix import mix as run_mix
    from thresher_jobs.mix_params import MixParams
    from thresher_jobs.mix_report import print_summary
    from thresher_jobs.progress import Show

    params = params_of(MixParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_mix(inputs or [], out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))


@plan_app.command("mix")
def plan_mix(
    context: typer.Context,
    inputs: Sources = None,
    weights: Weight = None,
    by: By = None,
    total: Total = None,
    temperature: Temperature = None,
    category_column: CategoryColumn = None,
    categories: Category = None,
    max_rows: MaxRows = None,
    max_tokens: MaxTokens = None,
    max_repeats: MaxRepeats = None,
    allow_short: AllowShort = False,
    seed: Seed = None,
    tokenizer: CountWith = None,
    text_column: CountedColumn = None,
    format: FromFormat = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    workers: Workers = None,
) -> None:
    """Show what each source would give to `thresher mix` with the same arguments.

    All sources are read, here and now, since their sizes decide; nothing is kept.
    """
    from thresher_jobs.mix_params import MixParams
    from thresher_jobs.mix_plan import describe

    params = params_of(MixParams, context)
    for line in describe(inputs or [], params, workers or 0):
        print(line, flush=True)
