"""Commits, conflicts, rollbacks and clean-ups in any order: what a version names stays readable.

Clean-ups run here without any grace period, so that no clock is between them and in-flight work.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.versions.stores import Content, at, content_of, store
from thresher.errors import ConfigError
from thresher.versions.collecting import Retention, collect
from thresher.versions.reading import Version
from thresher.versions.writing import Conflict, Writer, roll_back

NAMES = ("data/a", "data/b", "index/c")
DATA = st.binary(max_size=2)


class Protocol(RuleBasedStateMachine):
    """A store beside a dictionary of what its versions hold."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = store(self.folder)
        self.versions: dict[int, Content] = {}
        self.first = self.records = 0
        self.writers: list[tuple[Writer, Content]] = []
        self.commits_seen: dict[str, int] = {}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)

    @rule()
    def begin(self) -> None:
        writer = Writer(self.history, at())
        self.commits_seen[writer.id] = len(self.versions)
        self.writers.append((writer, {}))

    @precondition(lambda self: self.writers)
    @rule(which=st.integers(0, 9), name=st.sampled_from(NAMES), data=DATA)
    def put(self, which: int, name: str, data: bytes) -> None:
        writer, content = self.writers[which % len(self.writers)]
        if name not in content:
            writer.put(name, data)
            content[name] = data

    @precondition(lambda self: self.writers)
    @rule(which=st.integers(0, 9))
    def keep(self, which: int) -> None:
        writer, content = self.writers[which % len(self.writers)]
        if writer.base is not None:
            for name in writer.base.files:
                if name not in content:
                    writer.keep(name)
                    content[name] = self.versions[writer.base.number][name]

    @precondition(lambda self: self.writers)
    @rule(which=st.integers(0, 9))
    def commit(self, which: int) -> None:
        writer, content = self.writers.pop(which % len(self.writers))
        try:
            version = writer.commit()
        except Conflict:
            return
        assert self.commits_seen[writer.id] == len(self.versions), "it planned on an old version"
        assert version.number == self.records + 1
        self.records += 1
        self.versions[version.number] = dict(content)

    @precondition(lambda self: self.writers)
    @rule(which=st.integers(0, 9))
    def killed(self, which: int) -> None:
        self.writers.pop(which % len(self.writers))

    @precondition(lambda self: self.versions)
    @rule(which=st.integers(0, 9))
    def roll_back(self, which: int) -> None:
        number = sorted(self.versions)[which % len(self.versions)]
        try:
            version = roll_back(self.history, number, at)
        except ConfigError:
            assert number < self.first or number == max(self.versions)
            return
        assert number >= self.first
        self.records += 1
        self.versions[version.number] = self.versions[number]

    @precondition(lambda self: self.versions)
    @rule(keep=st.integers(1, 3))
    def clean(self, keep: int) -> None:
        plan = collect(self.history, Retention(keep, -1, -1e9), at(), dry_run=True)
        done = collect(self.history, Retention(keep, -1, -1e9), at())
        assert done[:2] == plan[:2]
        assert {e.name for e in done.files} == {e.name for e in plan.files}
        self.records += done.record is not None
        self.first = max(self.first, sorted(self.versions)[-keep:][0])
        assert done.first == self.first

    @invariant()
    def every_version_that_can_be_read_is_whole(self) -> None:
        for number, content in self.versions.items():
            if number >= self.first:
                assert content_of(self.history.resolve(number)) == content
        if self.versions:
            newest = self.history.resolve()
            assert newest.number == max(self.versions)

    @invariant()
    def given_up_versions_are_refused(self) -> None:
        for number in self.versions:
            if number < self.first:
                try:
                    found: Version | None = self.history.resolve(number)
                except ConfigError:
                    found = None
                assert found is None


TestProtocol = Protocol.TestCase
TestProtocol.settings = settings(max_examples=10, stateful_step_count=30, deadline=None)


@pytest.mark.slow
@pytest.mark.soak
def test_hundreds_of_histories_keep_the_protocol() -> None:
    many = settings(max_examples=400, stateful_step_count=50, deadline=None)
    run_state_machine_as_test(Protocol, settings=many)  # type: ignore[no-untyped-call]
