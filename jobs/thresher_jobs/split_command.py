"""The command `thresher split`."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer

from thresher_jobs.cli_options import (
    Cluster,
    Columns,
    Config,
    EngineName,
    FromFormat,
    IdColumn,
    Inputs,
    JsonLogs,
    On,
    Out,
    Quiet,
    Set,
    Skip,
    TextColumn,
    Threshold,
    Union,
    Workers,
)
from thresher_jobs.cli_params import engine_of, params_of
from thresher_jobs.commands import app

Test = Annotated[
    float | None,
    typer.Option(
        help="Rows of test: below 1 a fraction, from 1 on a count. [default: 0.05]", metavar="N"
    ),
]
Validation = Annotated[
    float | None,
    typer.Option(help="Rows of validation, likewise. [default: none]", metavar="N"),
]
By = Annotated[
    str | None,
    typer.Option(
        help="A column that names the split of each row: train, validation, test, ...",
        metavar="COLUMN",
    ),
]
Newest = Annotated[
    str | None,
    typer.Option(help="The newest rows by this column go to test.", metavar="COLUMN"),
]
After = Annotated[
    str | None,
    typer.Option(help="Rows from this time on are test.", metavar="COLUMN=TIME"),
]
Stratify = Annotated[
    str | None,
    typer.Option(
        help="'source' or a column: each value gives its share to each split.", metavar="COLUMN"
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="Rows with equal values of any of these columns stay together.", metavar="A,B"
    ),
]
Seed = Annotated[int | None, typer.Option(help="Another seed draws other groups. [default: 1]")]


@app.command()
def split(
    context: typer.Context,
    inputs: Inputs,
    out: Out,
    test: Test = None,
    validation: Validation = None,
    by: By = None,
    newest: Newest = None,
    after: After = None,
    stratify: Stratify = None,
    group_by: GroupBy = None,
    on: On = None,
    columns: Columns = None,
    text_column: TextColumn = None,
    threshold: Threshold = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    seed: Seed = None,
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
    """Split into train, validation and test that share no near copies and no prompts.

    Near copies (and chains of them), rows with the same prompt and rows with equal values of
    --group-by go to one split as a whole. OUT/data has a folder for each split;
    datasets.load_dataset(OUT) gives them by name. What lies across the borders is counted.
    """
    from thresher_jobs.progress import Show
    from thresher_jobs.split import split as run_split
    from thresher_jobs.split_card import print_summary
    from thresher_jobs.split_params import SplitParams

    params = params_of(SplitParams, context)
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = run_split(inputs, out, params, options, show)
    if not quiet:
        print_summary(report, quote(out))
