"""`thresher run`: the command of recipes."""

from __future__ import annotations

from shlex import quote
from typing import Annotated

import typer
import yaml

from thresher_jobs.cli_options import Cluster, EngineName, JsonLogs, Quiet, Set, Workers
from thresher_jobs.cli_params import engine_of
from thresher_jobs.commands import app


@app.command("run")
def run_command(
    context: typer.Context,
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file.")],
    out: Annotated[
        str | None, typer.Option("--out", help="The one folder to write.", metavar="DIR")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", help="Run this step alone; may be repeated.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be read and done; read no row.")
    ] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Print the recipe with every default said.")
    ] = False,
    settings: Set = None,
    engine: EngineName = None,
    workers: Workers = None,
    cluster: Cluster = None,
    quiet: Quiet = False,
    json_logs: JsonLogs = False,
) -> None:
    """Run the steps of a recipe over one reading of the text.

    A step's settings are those of the command of its name; --set dedup.threshold=0.8 changes one.
    OUT/removed says which step removed each row. The same command resumes a run that was stopped.
    """
    from thresher.errors import ConfigError
    from thresher_jobs.export_params import ExportParams
    from thresher_jobs.progress import Show
    from thresher_jobs.recipe import load_recipe, relative_to, resolved, typed_steps
    from thresher_jobs.recipe_finished import finished
    from thresher_jobs.recipe_summary import print_summary

    read = relative_to(load_recipe(recipe, settings or []), recipe)
    steps = typed_steps(read, only or [])
    if explain:
        print(yaml.safe_dump(resolved(read, steps), sort_keys=False, allow_unicode=True), end="")
        return
    if dry_run:
        from thresher_jobs.recipe_looking import dry_lines

        for line in dry_lines(read, steps):
            print(line)
        return
    if out is None:
        raise ConfigError("say where to write", remedy="--out DIR, or --dry-run to only look")
    options = engine_of(context)
    with Show(quiet, json_logs) as show:
        report = finished(read, steps, out)
        if report is None:
            from thresher_jobs.run_recipe import run_recipe

            report = run_recipe(read, out, options, show, only=only or [])
    if not quiet:
        print_summary(report, quote(out))
        for step in steps:
            if isinstance(step.params, ExportParams):
                print(f"published    {step.params.to}")
