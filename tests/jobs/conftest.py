"""Fixtures of the job tests: the command line without a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import pytest

from thresher_jobs import cli


class Outcome(NamedTuple):
    """What a command did: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture
def thresher(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one `thresher` command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(a) for a in arguments])
        return Outcome(code, *capsys.readouterr())

    return run
