"""The commands that show what a job would do. They take what the job takes, but for --out."""

from __future__ import annotations

from typing import Annotated

import typer

from thresher_jobs.cli_options import (
    Action,
    Against,
    Cluster,
    Clusters,
    Columns,
    Config,
    EngineName,
    FromFormat,
    IdColumn,
    Inputs,
    Keep,
    Method,
    On,
    PresetName,
    SearchedColumn,
    Set,
    Skip,
    TextColumn,
    Threshold,
    Union,
    Workers,
)
from thresher_jobs.cli_params import engine_of, params_of

plan_app = typer.Typer(help="Show what a job would do, before anything runs.", no_args_is_help=True)


@plan_app.command("dedup")
def plan_dedup(
    context: typer.Context,
    inputs: Inputs,
    text_column: TextColumn = None,
    columns: Columns = None,
    on: On = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    method: Method = None,
    threshold: Threshold = None,
    clusters: Clusters = None,
    keep: Keep = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Show the bands, tasks, bytes and memory of `thresher dedup` with the same arguments."""
    from thresher_jobs.dedup_params import DedupParams
    from thresher_jobs.dedup_plan import describe

    params = params_of(DedupParams, context)
    for line in describe(inputs, params, engine_of(context)):
        print(line)


@plan_app.command("decontaminate")
def plan_decontaminate(
    context: typer.Context,
    inputs: Inputs,
    against: Against,
    sample: Annotated[
        float | None,
        typer.Option(
            help="Search about this share of the input here and now, and count. [default: none]",
            min=0,
            max=1,
        ),
    ] = None,
    preset: PresetName = None,
    action: Action = None,
    text_column: SearchedColumn = None,
    format: FromFormat = None,
    id_column: IdColumn = None,
    skip_unreadable: Skip = False,
    union_columns: Union = False,
    config: Config = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
) -> None:
    """Show what `thresher decontaminate` with the same arguments would search for, and where.

    Every benchmark is read: items, fields, what is left out and why, the size of the index; then
    tasks, bytes and memory. What the job would refuse is refused here.
    """
    from thresher_jobs.decontaminate_params import DecontaminateParams
    from thresher_jobs.decontaminate_plan import describe

    params = params_of(DecontaminateParams, context)
    for line in describe(inputs, params, engine_of(context), sample):
        print(line, flush=True)
