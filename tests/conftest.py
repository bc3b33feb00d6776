"""What all tests share: nothing waits for the disk, and one small corpus is made once.

Temporary files need not survive a power cut, so `fsync` does nothing in this process; commands that
tests start as processes of their own sync as they do for users.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.jobs.runs import Command, Outcome
from thresher.testing.planted import Planted, planted
from thresher_jobs import cli


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session")
def garden() -> Planted:
    """400 rows with planted copies, and the truth about them."""
    return planted(400, seed=3)


@pytest.fixture
def thresher(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run one `thresher` command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = cli.run([str(a) for a in arguments])
        return Outcome(code, *capsys.readouterr())

    return run
