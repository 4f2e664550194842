"""How long one waits after wrong passwords: longer each time, and others don't wait with him.

A guess that comes too early isn't looked at, so no connection is held open for it. Each address has
a wait of its own. Guesses of strangers from many addresses at once slow one another down, but
neither an address where the password was right before nor a browser that is in already.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

FREE = 4
"""Wrong passwords without a wait: everybody mistypes."""
LONGEST_S = 300.0
FREE_IN_ALL = 20
LONGEST_IN_ALL_S = 2.0
FORGOTTEN_S = 1800.0
"""After so long without a wrong password the count begins anew."""
_MOST = 2_000
"""Addresses that are remembered, whoever sends how much."""


@dataclass(slots=True)
class _Count:
    wrong: int = 0
    last: float = 0.0
    known: bool = False


class Patience:
    """The wrong passwords of each address, and of all.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_address: OrderedDict[str, _Count] = OrderedDict()
        self._all = _Count()

    def wait_s(self, address: str) -> float:
        """Return how long an address has to wait until its next guess is looked at."""
        own = self._by_address.get(_site(address), _Count())
        wait = self._left(own, FREE, LONGEST_S)
        return (
            wait if own.known else max(wait, self._left(self._all, FREE_IN_ALL, LONGEST_IN_ALL_S))
        )

    def wrong(self, address: str) -> None:
        """Count a wrong password."""
        own = self._entry(address)
        for count in (own, self._all):
            now = self._clock()
            count.wrong = 1 if now - count.last > FORGOTTEN_S else count.wrong + 1
            count.last = now

    def right(self, address: str) -> None:
        """Remember an address that knows the password."""
        own = self._entry(address)
        own.wrong, own.known = 0, True

    def __len__(self) -> int:
        return len(self._by_address)

    def _left(self, count: _Count, free: int, longest_s: float) -> float:
        if count.wrong < free:
            return 0.0
        wait = min(float(2 ** min(count.wrong - free, 30)), longest_s)
        return max(count.last + wait - self._clock(), 0.0)

    def _entry(self, address: str) -> _Count:
        site = _site(address)
        own = self._by_address.setdefault(site, _Count())
        self._by_address.move_to_end(site)
        while len(self._by_address) > _MOST:
            self._by_address.popitem(last=False)
        return own


def _site(address: str) -> str:
    """Who an address belongs to: one household owns 2^64 of IPv6."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(parsed.ipv4_mapped or ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
