"""The history of a versioned data set: finding the newest record, resolving one version.

Records are numbered 1, 2, 3, ... without a gap and their objects stay for ever (a clean-up only
makes them forget their files), so the newest is found by looking for names: from the hint upwards,
doubling, then halving. No listing is trusted with it, and a wrong or missing hint costs a few
look-ups.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from thresher.errors import ConfigError, StorageError
from thresher.versions.manifest import FOLDER, Manifest, decode, record_name, record_number
from thresher.versions.objects import Objects, open_objects
from thresher.versions.reading import Version

HINT = "HINT"
LATEST = "latest"


@dataclass(frozen=True)
class History:
    """A versioned data set. Cheap to pickle.

    Args:
        objects: Where it lies.
    """

    objects: Objects

    def record(self, number: int) -> Manifest | None:
        """Read one record; None when there is none of that number.

        Raises:
            StorageError: It is damaged or cannot be read.
        """
        name = record_name(number)
        data = self.objects.get(name)
        return None if data is None else decode(data, number, self.objects.address_of(name))

    def head(self) -> Manifest | None:
        """Return the newest record; None for a store without any."""
        number = self._above(self._start())
        return self._known(number) if number else None

    def newest(self) -> Manifest:
        """Return the newest record.

        Raises:
            ConfigError: There is none: nothing was committed yet, or the address is another's.
        """
        head = self.head()
        if head is None:
            raise ConfigError(
                "no versions here", path=self.objects.address, remedy="run 'thresher rebuild' first"
            )
        return head

    def records(self) -> list[Manifest]:
        """Return all records, the oldest first."""
        head = self.head()
        return [self._known(n) for n in range(1, head.version)] + [head] if head else []

    def resolve(self, as_of: int | str = LATEST) -> Version:
        """Choose one version.

        Args:
            as_of: `latest`; a number; or a date or point in time (ISO 8601, UTC unless it says
                otherwise; a date means its end): the newest version that states no later time.

        Raises:
            ConfigError: There is no such version, or it can no longer be read.
        """
        head = self.newest()
        if as_of == LATEST:
            return self.in_force(head)
        text = str(as_of)
        if text.isdigit():
            return self._version(head, self._of_number(head, int(text)))
        return self._version(head, self._of_time(head, parse_time(text)))

    def in_force(self, head: Manifest) -> Version:
        """Return the version that stands at a record."""
        return self._version(head, head.content)

    def _version(self, head: Manifest, number: int) -> Version:
        if number < head.first:
            raise self._gone(number, head.first)
        record = head if number == head.version else self._known(number)
        if record.forgotten:  # a clean-up passed between the two reads
            newer = self.head() or head
            raise self._gone(number, newer.first)
        return Version(self.objects, record)

    def _of_number(self, head: Manifest, number: int) -> int:
        if not 1 <= number <= head.version:
            raise ConfigError(
                f"no version {number}",
                path=self.objects.address,
                remedy=f"the newest is {head.content}",
            )
        return self._known(number).content

    def _of_time(self, head: Manifest, limit: datetime) -> int:
        number = head.content
        while number >= head.first:
            record = self._known(number)
            if record.kind != "gc" and record.when <= limit:
                return number
            number -= 1
        raise ConfigError(
            f"no version is as old as {limit.isoformat()}",
            path=self.objects.address,
            remedy=f"the oldest that can be read is {head.first}",
        )

    def _gone(self, number: int, first: int) -> ConfigError:
        return ConfigError(
            f"version {number} was removed by 'thresher gc'",
            path=self.objects.address,
            remedy=f"the oldest that can be read is {first}",
        )

    def _known(self, number: int) -> Manifest:
        record = self.record(number)
        if record is None:
            raise StorageError(
                f"record {number} is missing: something other than Thresher removed it",
                path=self.objects.address_of(record_name(number)),
            )
        return record

    def _there(self, number: int) -> bool:
        return self.objects.size(record_name(number)) is not None

    def _start(self) -> int:
        """Return the number of some record that is there, 0 when none is known."""
        hint = (self.objects.get(HINT) or b"").strip()
        number = int(hint) if hint.isdigit() and len(hint) < 16 else 0
        if number and self._there(number):
            return number
        listed = max((record_number(e.name) for e in self.objects.entries(FOLDER)), default=0)
        return listed if listed and self._there(listed) else 0

    def _above(self, low: int) -> int:
        """Return the number of the newest record, given one that is there."""
        step = 1
        while self._there(low + step):
            low += step
            step *= 2
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self._there(middle) else (low, middle)
        return low


def parse_time(text: str) -> datetime:
    """Read a date (its last moment) or a point in time; UTC where no zone is said.

    Raises:
        ConfigError: It is neither.
    """
    try:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time.max, UTC)
        when = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{text!r} is neither a version nor a date",
            remedy="give a number, 2026-11-20 or 2026-11-20T06:00:00+00:00",
        ) from error
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def open_history(address: str, *, single_writer: bool = False) -> History:
    """Open the versioned data set at an address; see `open_objects`."""
    return History(open_objects(address, single_writer=single_writer))
