"""Blocking: clients that wait for a key to change (BLPOP, XREAD BLOCK, WAIT), until a timeout.

A handler that finds nothing calls ``block``; the fault that this raises suspends the command like any
other, and the registry here notes it in the queue of each key. A change of such a key makes it
*ready*; after the command (or transaction) that changed it, ready keys are served: the clients in
its queue run their commands again, in the order in which they blocked. Who finds nothing again
keeps its place.

Serving looks before it runs: a client that waits for a list is left alone while the key holds no list.
When the command of the first in the queue needs a key from the disk, those behind it wait until it
has run, so that waiting for the disk costs nobody his turn; then they are looked at (``signal_behind``).
Who comes meanwhile with a command that blocks leaves the key to them (``is_promised``).

Replies go out when all that is ready has been served, and never one inside another: a reply makes its
client's connection go on with the requests behind it, which may serve others in turn.

A client waits under the number of its database, as in Redis: after SWAPDB for what is there then.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from dscache.cache.wait import FOR_CHANGE
from dscache.engine.waiting import SUSPENDED, BlockFault, Suspension
from dscache.values.base import type_code_of

if TYPE_CHECKING:
    from dscache.engine.keyspace import Keyspace
    from dscache.engine.session import Session

#: A key of a database, by its number.
Place = tuple[int, bytes]


def block(
    session: Session,
    keys: list[bytes],
    timeout_ms: int,
    otherwise: object,
    type_code: int,
    even_if_gone: bool = False,
    replacement: list[bytes] | None = None,
) -> object:
    """Let the running command wait until one of ``keys`` holds a value of this type, for at most
    ``timeout_ms`` (0: for ever); ``otherwise`` is its reply when the time is over.

    It is the command's reply at once where nothing can wait: in a transaction or a script.
    ``even_if_gone`` runs it again also when the key is deleted or gets another type; ``replacement``
    replace its arguments from then on. A type code below 0 stands for any.
    """
    if session.engine.core.is_inner:
        return otherwise
    raise BlockFault(keys, timeout_ms, otherwise, type_code, even_if_gone, replacement)


def is_promised(session: Session, key: bytes) -> bool:
    """Whether what ``key`` holds belongs to others who have blocked for it before the client of the
    running command, and are about to run: they wait for the disk. A command that can block leaves it
    to them. O(1) if nobody waits for the key."""
    engine = session.engine
    if engine.core.is_inner or not engine.blocking.any:
        return False
    return engine.blocking.is_promised(session, key)


class Blocking:
    """The clients that wait for changes. See the module's docstring.

    ``retry`` runs the command of a suspension again: its reply, or SUSPENDED if it waits on.
    ``release`` ends a suspension with a reply, ``give_up`` does so when its time is over.
    """

    def __init__(
        self,
        keyspaces: list[Keyspace],
        retry: Callable[[Suspension], object],
        release: Callable[[Suspension, object], None],
        give_up: Callable[[Suspension, object], None],
    ) -> None:
        self._keyspaces: Final[list[Keyspace]] = keyspaces
        self._retry = retry
        self._release = release
        self._give_up = give_up
        #: Some client waits for some key: changes must be told.
        self.any: bool = False
        # For each key those who wait for it, first come first.
        self._queues: Final[dict[Place, dict[Suspension, None]]] = {}
        #: Keys that have changed since they were served last, in that order; with a suspension, only
        #: those behind it need be looked at.
        self.ready: dict[Place, Suspension | None] = {}
        # Those who have been served and have yet to get their replies.
        self._served: Final[deque[tuple[Suspension, object]]] = deque()
        self._releasing = False
        self._deadlines: list[tuple[float, int, Suspension]] = []
        self._numbered = 0
        self._serving = False
        #: Clients that are blocked.
        self.clients: int = 0

    @property
    def keys(self) -> int:
        """Keys that some client waits for."""
        return len(self._queues)

    @property
    def keys_even_if_gone(self) -> int:
        """Those of them where some client wants to know of a deletion. O(waiting clients)."""
        return sum(
            any(wait.block is not None and wait.block.even_if_gone for wait in queue)
            for queue in self._queues.values()
        )

    # Waiting

    def add(self, wait: Suspension, fault: BlockFault, now: float) -> float | None:
        """``wait`` begins to wait, or goes on; when to look at the time, if that is new. O(keys)."""
        if wait.block is not None:
            wait.block = fault
            # Its time may have come while it was about to run, and have been let pass.
            if 0.0 < wait.deadline <= now:
                self._remind(wait)
                return wait.deadline
            return None
        wait.block = fault
        self.clients += 1
        if fault.replacement is not None:
            wait.args = fault.replacement
        index = wait.session.keyspace.index
        for key in fault.keys:
            self._queues.setdefault((index, key), {})[wait] = None
        wait.database = index
        self.any = bool(self._queues)
        if fault.timeout_ms == 0:
            return None
        wait.deadline = now + fault.timeout_ms / 1000.0
        self._remind(wait)
        return wait.deadline

    def _remind(self, wait: Suspension) -> None:
        self._numbered += 1
        heapq.heappush(self._deadlines, (wait.deadline, self._numbered, wait))

    def remove(self, wait: Suspension) -> None:
        """``wait`` waits no longer: it has been served, its time is over or its client is gone.

        O(keys). Its deadline is forgotten when it comes, or when most of them are out of date.
        """
        fault = wait.block
        if fault is None:
            return
        wait.block = None
        self.clients -= 1
        for key in fault.keys:
            place = (wait.database, key)
            queue = self._queues.get(place)
            if queue is not None:
                queue.pop(wait, None)
                if not queue:
                    del self._queues[place]
        self.any = bool(self._queues)
        if len(self._deadlines) > 2 * self.clients + 64:
            self._deadlines = [one for one in self._deadlines if one[2].block is not None]
            heapq.heapify(self._deadlines)

    def signal(self, index: int, key: bytes) -> None:
        """``key`` has changed. O(1)."""
        place = (index, key)
        if place in self._queues:
            self.ready[place] = None

    def signal_database(self, index: int) -> None:
        """The whole database has changed (SWAPDB). O(keys that clients wait for)."""
        for place in self._queues:
            if place[0] == index:
                self.ready[place] = None

    def signal_behind(self, wait: Suspension) -> None:
        """Whoever ``wait`` may have held up is looked at again. O(keys)."""
        if wait.block is None:
            return
        for key in wait.block.keys:
            place = (wait.database, key)
            queue = self._queues.get(place)
            if queue is None or len(queue) == 1:
                continue
            if place not in self.ready:
                self.ready[place] = wait
            elif self.ready[place] is not wait:
                self.ready[place] = None

    # Serving

    def serve(self) -> None:
        """Run the commands of those whose keys are ready; between two commands.

        O(waiting clients) for each key. Serving may make other keys ready, which are served as well.
        """
        if self._serving:
            return
        self._serving = True
        try:
            while self.ready:
                ready = self.ready
                self.ready = {}
                for place, behind in ready.items():
                    self._serve_place(place, behind)
        finally:
            self._serving = False
        self._release_served()

    def _serve_place(self, place: Place, behind: Suspension | None) -> None:
        queue = self._queues.get(place)
        if queue is None:
            return
        waiting = list(queue)
        if behind is not None and behind in queue:
            del waiting[: waiting.index(behind) + 1]
        for wait in waiting:
            fault = wait.block
            if fault is None:
                # Served through another of its keys.
                continue
            if wait.reason != FOR_CHANGE:
                return
            if not self._is_for(place, fault):
                continue
            reply = self._retry(wait)
            if reply is not SUSPENDED:
                self.remove(wait)
                self._served.append((wait, reply))
            elif wait.reason != FOR_CHANGE:
                return

    def _release_served(self) -> None:
        if self._releasing:
            return
        self._releasing = True
        try:
            while self._served:
                wait, reply = self._served.popleft()
                self._release(wait, reply)
        finally:
            self._releasing = False

    def is_promised(self, session: Session, key: bytes) -> bool:
        """See the function of that name."""
        for wait in self._queues.get((session.keyspace.index, key), ()):
            if wait is session.wait:
                return False
            if wait.reason != FOR_CHANGE:
                return True
        return False

    def may_find(self, wait: Suspension) -> bool:
        """Whether running the command of ``wait``, which is blocked, may help. O(keys)."""
        fault = wait.block
        assert fault is not None, "only who is blocked may find nothing"
        return any(self._is_for((wait.database, key), fault) for key in fault.keys)

    def _is_for(self, place: Place, fault: BlockFault) -> bool:
        """Whether running again may help, as far as memory knows."""
        if fault.even_if_gone:
            return True
        space = self._keyspaces[place[0]].space
        entry = space.entries.get(place[1])
        if entry is None:
            # Only another database under the same number (SWAPDB) makes such a key ready.
            return space.keys > 0
        value = entry.value
        return value is not None and (fault.type_code < 0 or type_code_of(value) == fault.type_code)

    # The end of waiting

    def next_deadline(self) -> float | None:
        """When the next client's time is over; None if none has a limit."""
        while self._deadlines and self._deadlines[0][2].block is None:
            heapq.heappop(self._deadlines)
        return self._deadlines[0][0] if self._deadlines else None

    def end_overdue(self, now: float) -> None:
        """Answer those whose time is over. O(log n) each.

        One that is about to run gets its chance first; ``add`` reminds us of it if it finds nothing.
        """
        while self._deadlines and self._deadlines[0][0] <= now:
            wait = heapq.heappop(self._deadlines)[2]
            fault = wait.block
            if fault is not None and wait.reason == FOR_CHANGE:
                self.remove(wait)
                self._give_up(wait, fault.otherwise)
