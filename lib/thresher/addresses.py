"""What an input may be called, before anything is looked for."""

from __future__ import annotations

from collections.abc import Sequence

from thresher.errors import ConfigError

_STREAMS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")


def check_addresses(addresses: Sequence[str]) -> None:
    """Refuse addresses that name nothing, or what can be read only once.

    Raises:
        ConfigError: An address is empty, standard input or a pipe of the shell.
    """
    for address in addresses:
        if not address.strip():
            raise ConfigError("an input is empty", remedy="name files, folders, globs or addresses")
        if address == "-" or address.startswith(_STREAMS):
            raise ConfigError(
                "standard input and pipes cannot be read: rows are read more than once",
                path=address,
                remedy="write them to a file first, as to rows.jsonl",
            )
