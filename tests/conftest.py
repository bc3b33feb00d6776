"""What all tests share: nothing waits for the disk, and one small corpus is made once.

Temporary files need not survive a power cut, so `fsync` does nothing in this process; commands that
tests start as processes of their own sync as they do for users. Bytecode is kept whatever the
environment says: tests start hundreds of Pythons, and each would compile all modules, for 1 to 2 s;
of collecting all tests, rewriting their asserts anew is half the time.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from typing import Any

import pytest

from tests import dealing
from tests.examples import load
from tests.jobs.runs import Command, Outcome
from thresher.testing.planted import Planted, planted
from thresher_jobs import cli

os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


def pytest_configure(config: pytest.Config) -> None:
    """Try properties as often as the run is long."""
    if not config.getoption("hypothesis_profile", None):
        load("soak" if _soaks(config) else "suite")


@pytest.hookimpl(wrapper=True)
def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> Generator[None]:
    """In the soak, choose every property too; sort what is left when others have chosen."""
    for item in items if _soaks(config) else ():
        if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
            item.add_marker(pytest.mark.soak)
    yield
    dealing.order(items)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> dealing.Dealing:
    """Deal the tests to processes by what they share."""
    return dealing.Dealing(config, log)


def _soaks(config: pytest.Config) -> bool:
    return str(config.getoption("markexpr")) == "soak"


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
