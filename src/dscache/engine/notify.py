"""Keyspace notifications: changes of keys, published to whoever subscribes to them.

Every change of a key has an event, a word such as ``set`` or ``lpop``. With notify-keyspace-events on,
two messages tell of it: to ``__keyspace@<database>__:<key>`` the event, and to
``__keyevent@<database>__:<event>`` the key. The table below says to which class each event belongs,
because the directive chooses by class. *Whoever lets a command report a new event adds it there*; a
test looks for those who do not.

While the directive is empty nobody listens to the keyspace, and a change costs one look at an empty list.

Three classes are special:

* ``n``, new keys: ``Keyspace.put`` does not know whether the key existed. While this class is on, the
  keys that a command writes are looked up before it runs, also by a plain SET, which otherwise reads
  nothing.
* ``m``, misses: a lookup may be made again when its command waits for the disk, so these events are kept
  back until the command has found everything (``Core.lookup_events``).
* ``e``, evicted: accepted, because ``A`` contains it, and never heard: what leaves memory is on disk, and
  the key does not go.

A key that nobody asks for is told of when active expiry gets to it, as in Redis: usually within a tenth
of a second, but not before its due time has been committed (cache-flush-delay). If it is on disk only,
and a plain SET, which does not look, overwrites it before, its ``expired`` is not heard; Redis would
have told it just before ``set``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from dscache.engine.core import Core, Listener
    from dscache.engine.pubsub import PubSub

_KEYSPACE: Final = "K"
_KEYEVENT: Final = "E"
_NEW: Final = "n"
_KEY_MISS: Final = "m"

# By the letter of the class.
_EVENTS: Final = {
    "g": "del rename_from rename_to move_from move_to copy_to restore expire persist",
    "$": "set setrange incrby incrbyfloat append setbit pfadd",
    "l": "lpush rpush lpop rpop linsert lset lrem ltrim sortstore",
    "s": "sadd srem spop sinterstore sunionstore sdiffstore",
    "h": "hset hdel hincrby hincrbyfloat hexpire hexpired hpersist",
    "z": (
        "zadd zincr zrem zremrangebyscore zremrangebyrank zremrangebylex zpopmin zpopmax"
        " zinterstore zunionstore zdiffstore zrangestore geosearchstore georadiusstore"
    ),
    "t": (
        "xadd xtrim xdel xsetid xgroup-create xgroup-setid xgroup-destroy xgroup-createconsumer"
        " xgroup-delconsumer"
    ),
    "x": "expired",
    _NEW: "new",
    _KEY_MISS: "keymiss",
}

#: The class of every event that a command may report.
CLASS_OF: Final = {
    event.encode(): letter for letter, events in _EVENTS.items() for event in events.split()
}


class Notifier:
    """Publishes events of the chosen classes."""

    def __init__(self, core: Core, pubsub: PubSub) -> None:
        self._core: Final[Core] = core
        self._pubsub: Final[PubSub] = pubsub
        self._to_keyspace = False
        self._to_keyevent = False
        # The events of the chosen classes.
        self._told: frozenset[bytes] = frozenset()
        # One object, to be found again among the core's listeners.
        self._listener: Final[Listener] = self.tell

    def set_classes(self, letters: str) -> None:
        """Choose by the letters of notify-keyspace-events, ``A`` spelled out."""
        self._to_keyspace = _KEYSPACE in letters
        self._to_keyevent = _KEYEVENT in letters
        is_on = self._to_keyspace or self._to_keyevent
        self._told = frozenset(
            event for event, letter in CLASS_OF.items() if is_on and letter in letters
        )
        core = self._core
        core.tells_new = is_on and _NEW in letters
        core.tells_misses = is_on and _KEY_MISS in letters
        if self._listener in core.listeners:
            core.listeners.remove(self._listener)
        if self._told:
            core.listeners.append(self._listener)

    def tell(self, database: int, event: bytes, key: bytes) -> None:
        """An event: publish it if its class was chosen. O(subscribers + patterns)."""
        pubsub = self._pubsub
        if event not in self._told or not pubsub.has_listeners:
            return
        if self._to_keyspace:
            pubsub.publish(b"__keyspace@%d__:%b" % (database, key), event)
        if self._to_keyevent:
            pubsub.publish(b"__keyevent@%d__:%b" % (database, event), key)
