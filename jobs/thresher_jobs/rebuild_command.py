"""`thresher rebuild`: the command of the night."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from thresher.spared import loading
from thresher_jobs.cli_options import Cluster, EngineName, JsonLogs, Quiet, Set, Workers
from thresher_jobs.cli_params import engine_of
from thresher_jobs.commands import app


class Order(StrEnum):
    """What of copies stays."""

    arrival = "arrival"
    content = "content"


@app.command("rebuild")
def rebuild_command(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file.")],
    store: Annotated[
        str,
        typer.Option(
            "--store", help="A folder, or s3://bucket/prefix with --work.", metavar="STORE"
        ),
    ],
    work: Annotated[
        str | None,
        typer.Option(
            "--work",
            help="Local folder for the run; STORE.work; with s3:// to be said.",
            metavar="DIR",
        ),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Go on beside another night, in a --work of its own.")
    ] = False,
    order: Annotated[
        Order,
        typer.Option(
            "--order",
            help="Of copies stays: what came first by the store's ledger, or by content alone.",
        ),
    ] = Order.arrival,
    new_settings: Annotated[
        bool,
        typer.Option("--new-settings", help="Allow another recipe than the version before."),
    ] = False,
    anew: Annotated[
        bool,
        typer.Option("--anew", help="Take nothing over from the version before."),
    ] = False,
    single_writer: Annotated[
        bool,
        typer.Option("--single-writer", help="Allow a store without put-if-absent."),
    ] = False,
    metrics_file: Annotated[
        str | None,
        typer.Option("--metrics", help="Leave figures for Prometheus there.", metavar="FILE"),
    ] = None,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Run a recipe over what its sources hold now, and commit the result as a version.

    A version equals a run from the inputs (and the ledger, with --order arrival: what came later
    never takes the place of what was there); only tasks with new or changed files are read. Nothing
    changed: nothing is committed. Readers see one whole version; 'thresher versions STORE' lists
    them.
    """
    options = engine_of(context)  # first: it says what need not be loaded
    with loading():
        from thresher_jobs.progress import Show
        from thresher_jobs.rebuild import night_lines, rebuild
        from thresher_jobs.recipe import load_recipe, relative_to
        from thresher_jobs.versions import now

    read = relative_to(load_recipe(recipe, settings or []), recipe)
    with Show(quiet, json_logs, done="") as show:
        night = rebuild(
            read,
            store,
            options,
            show,
            work=work,
            wait=not no_wait,
            order=order.value,
            new_settings=new_settings,
            anew=anew,
            single_writer=single_writer,
        )
    if metrics_file is not None:
        from thresher_jobs.metrics import metrics, write_metrics

        write_metrics(metrics_file, metrics(night, now()))
    if not quiet:
        for line in night_lines(night):
            print(line)
