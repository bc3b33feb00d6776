"""The commands on a versioned data set: list, compare, roll back, clean up, export."""

from __future__ import annotations

from typing import Annotated

import typer

from thresher_jobs.commands import app

StoreAddress = Annotated[
    str,
    typer.Argument(
        metavar="STORE", help="The --store of 'thresher rebuild': a folder or s3://bucket/prefix."
    ),
]
SingleWriter = Annotated[
    bool,
    typer.Option(
        "--single-writer",
        help="Nobody else writes: allow a store without put-if-absent. [default: refuse it]",
    ),
]
_VERSION = "A number, 'latest', or a date or time (ISO 8601)."


@app.command()
def versions(
    store: StoreAddress,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all files and check their hashes.")
    ] = False,
) -> None:
    """List the versions of a rebuilt data set."""
    from thresher_jobs.versions import list_versions

    for line in list_versions(store, verify=verify):
        print(line, flush=True)


@app.command()
def diff(
    store: StoreAddress,
    first: Annotated[str, typer.Argument(metavar="A", help=_VERSION)],
    second: Annotated[str, typer.Argument(metavar="B", help=_VERSION)] = "latest",
) -> None:
    """Say how two versions differ: rows, inputs, settings, files."""
    from thresher_jobs.versions import diff as compare

    for line in compare(store, first, second):
        print(line)


@app.command()
def rollback(
    store: StoreAddress,
    version: Annotated[str, typer.Argument(metavar="N", help=_VERSION)],
    note: Annotated[str, typer.Option(help="Why; kept in the history.", metavar="TEXT")] = "",
    single_writer: SingleWriter = False,
) -> None:
    """Commit a new version with the content of an older one. The history stays."""
    from thresher_jobs.versions import rollback as roll_back

    print(roll_back(store, version, note, single_writer=single_writer))


@app.command()
def gc(
    store: StoreAddress,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would go, and how many bytes.")
    ] = False,
    keep: Annotated[int, typer.Option(help="Newest versions to keep.", min=1)] = 7,
    keep_days: Annotated[
        float, typer.Option(help="Also keep what was in force in the last days.", min=0)
    ] = 30,
    grace_hours: Annotated[
        float,
        typer.Option(help="Leave alone what is younger: work under way, and its readers.", min=0),
    ] = 24,
    single_writer: SingleWriter = False,
) -> None:
    """Remove old versions, and files that no version names."""
    from thresher.versions.collecting import Retention
    from thresher_jobs.versions import clean

    retention = Retention(keep, keep_days, grace_hours * 3600)
    for line in clean(store, retention, dry_run=dry_run, single_writer=single_writer):
        print(line)


@app.command()
def export(
    store: StoreAddress,
    out: Annotated[
        str, typer.Option("--out", help="A new folder, or s3://bucket/prefix.", metavar="DIR")
    ],
    as_of: Annotated[str, typer.Option(help=_VERSION, metavar="VERSION")] = "latest",
) -> None:
    """Copy one version's files, hashes checked, with their SHA256SUMS: all of them or none."""
    from thresher_jobs.versions import export as copy

    print(copy(store, as_of, out))
