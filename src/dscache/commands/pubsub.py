"""SUBSCRIBE, PUBLISH and their relatives (the tables are in ``dscache.engine.pubsub``).

A subscription has no reply of the usual kind: each channel that is named gets a message that confirms it,
with the number of subscriptions that the client has then.
"""

from __future__ import annotations

from typing import Final

from dscache.commands.help import subcommands_help
from dscache.engine.command import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE, Registry
from dscache.engine.keyspec import NOTHING, Channels, KeySpec
from dscache.engine.pubsub import Subscriptions
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.wire.reply import Push, Several

registry: Final = Registry("pubsub", "")

_SUBSCRIBING: Final = PUBSUB | NOSCRIPT | LOADING | STALE
_ASKING: Final = PUBSUB | LOADING | STALE

_SHARD_CHANNELS: Final = [KeySpec(1, access="NOT_KEY", needs=NOTHING, last=-1)]
_ALL_WORDS: Final = Channels(1, to_end=True)
_FIRST_WORD: Final = Channels(1, to_end=False)


def _count(session: Session, kind: Subscriptions) -> int:
    """Subscriptions of ``session`` as confirmations count them: shard channels apart."""
    pubsub = session.engine.pubsub
    if kind is pubsub.shard_channels:
        return kind.count_of(session)
    return pubsub.channels.count_of(session) + pubsub.patterns.count_of(session)


def _subscribe(session: Session, kind: Subscriptions, word: bytes, names: list[bytes]) -> Several:
    """Subscribe to ``names``; ``word`` is what the confirmations begin with."""
    confirmations: list[Push] = []
    for name in names:
        session.engine.pubsub.add(kind, session, name)
        confirmations.append(Push([word, name, _count(session, kind)]))
    return Several(confirmations)


def _unsubscribe(session: Session, kind: Subscriptions, word: bytes, names: list[bytes]) -> Several:
    """Unsubscribe from ``names``, or from all if there are none: one confirmation at least."""
    confirmations: list[Push] = []
    for name in names or kind.names_of(session):
        session.engine.pubsub.remove(kind, session, name)
        confirmations.append(Push([word, name, _count(session, kind)]))
    if not confirmations:
        confirmations.append(Push([word, None, _count(session, kind)]))
    return Several(confirmations)


@registry.command(
    "SUBSCRIBE channel [channel ...]",
    arity=-2,
    flags=_SUBSCRIBING,
    channels=_ALL_WORDS,
    since="2.0.0",
    complexity="O(N) for N channels",
)
def subscribe(session: Session, args: list[bytes]) -> object:
    """Listens to channels: what is published there is sent to this connection."""
    return _subscribe(session, session.engine.pubsub.channels, b"subscribe", args[1:])


@registry.command(
    "UNSUBSCRIBE [channel [channel ...]]",
    arity=-1,
    flags=_SUBSCRIBING,
    since="2.0.0",
    complexity="O(N) for N channels",
)
def unsubscribe(session: Session, args: list[bytes]) -> object:
    """Ends listening to channels; without arguments to all that SUBSCRIBE has named."""
    return _unsubscribe(session, session.engine.pubsub.channels, b"unsubscribe", args[1:])


@registry.command(
    "PSUBSCRIBE pattern [pattern ...]",
    arity=-2,
    flags=_SUBSCRIBING,
    channels=Channels(1, to_end=True, are_patterns=True),
    since="2.0.0",
    complexity="O(N) for N patterns",
)
def psubscribe(session: Session, args: list[bytes]) -> object:
    """Listens to all channels whose names match one of the patterns, present and future ones."""
    return _subscribe(session, session.engine.pubsub.patterns, b"psubscribe", args[1:])


@registry.command(
    "PUNSUBSCRIBE [pattern [pattern ...]]",
    arity=-1,
    flags=_SUBSCRIBING,
    since="2.0.0",
    complexity="O(N) for N patterns",
)
def punsubscribe(session: Session, args: list[bytes]) -> object:
    """Ends listening to patterns; without arguments to all that PSUBSCRIBE has named."""
    return _unsubscribe(session, session.engine.pubsub.patterns, b"punsubscribe", args[1:])


@registry.command(
    "SSUBSCRIBE shardchannel [shardchannel ...]",
    arity=-2,
    flags=_SUBSCRIBING,
    keys=_SHARD_CHANNELS,
    channels=_ALL_WORDS,
    since="7.0.0",
    complexity="O(N) for N channels",
)
def ssubscribe(session: Session, args: list[bytes]) -> object:
    """Listens to shard channels, which SPUBLISH reaches and patterns do not."""
    if session.engine.core.is_inner:
        # In a transaction. SUBSCRIBE is allowed there, because it was always.
        raise CommandError(b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _subscribe(session, session.engine.pubsub.shard_channels, b"ssubscribe", args[1:])


@registry.command(
    "SUNSUBSCRIBE [shardchannel [shardchannel ...]]",
    arity=-1,
    flags=_SUBSCRIBING,
    keys=_SHARD_CHANNELS,
    since="7.0.0",
    complexity="O(N) for N channels",
)
def sunsubscribe(session: Session, args: list[bytes]) -> object:
    """Ends listening to shard channels; without arguments to all that SSUBSCRIBE has named."""
    return _unsubscribe(session, session.engine.pubsub.shard_channels, b"sunsubscribe", args[1:])


@registry.command(
    "PUBLISH channel message",
    arity=3,
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    channels=_FIRST_WORD,
    since="2.0.0",
    complexity="O(N+M) for N subscribers of the channel and M patterns of all clients",
)
def publish(session: Session, args: list[bytes]) -> object:
    """Sends a message to a channel's listeners; answers how many copies were sent."""
    return session.engine.pubsub.publish(args[1], args[2])


@registry.command(
    "SPUBLISH shardchannel message",
    arity=3,
    flags=PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE,
    keys=[KeySpec(1, access="NOT_KEY", needs=NOTHING)],
    channels=_FIRST_WORD,
    since="7.0.0",
    complexity="O(N) for N subscribers of the channel",
)
def spublish(session: Session, args: list[bytes]) -> object:
    """Sends a message to a shard channel's listeners; answers how many there are."""
    return session.engine.pubsub.publish_to_shard(args[1], args[2])


@registry.command("PUBSUB", arity=-2, flags=0, since="2.8.0", complexity="That of the subcommand")
def pubsub(session: Session, args: list[bytes]) -> object:
    """Commands about who listens to what."""
    raise AssertionError("the engine runs a subcommand, or refuses")


@registry.command(
    "CHANNELS [pattern]",
    parent="pubsub",
    arity=-2,
    flags=_ASKING,
    since="2.8.0",
    complexity="O(N) for N channels that have subscribers",
)
def pubsub_channels(session: Session, args: list[bytes]) -> object:
    """Names the channels that somebody is subscribed to, or those that match a pattern."""
    return _names(session.engine.pubsub.channels, args)


@registry.command(
    "HELP", parent="pubsub", arity=2, flags=LOADING | STALE, since="6.2.0", complexity="O(1)"
)
def pubsub_help(session: Session, args: list[bytes]) -> object:
    """Shows these lines."""
    return subcommands_help(session, args)


@registry.command(
    "NUMPAT", parent="pubsub", arity=2, flags=_ASKING, since="2.8.0", complexity="O(1)"
)
def pubsub_numpat(session: Session, args: list[bytes]) -> object:
    """Counts the different patterns that somebody is subscribed to."""
    return len(session.engine.pubsub.patterns.subscribers)


@registry.command(
    "NUMSUB [channel [channel ...]]",
    parent="pubsub",
    arity=-2,
    flags=_ASKING,
    since="2.8.0",
    complexity="O(N) for N channels",
)
def pubsub_numsub(session: Session, args: list[bytes]) -> object:
    """Counts the subscribers of each channel; those of patterns are not among them."""
    return _counts(session.engine.pubsub.channels, args)


@registry.command(
    "SHARDCHANNELS [pattern]",
    parent="pubsub",
    arity=-2,
    flags=_ASKING,
    since="7.0.0",
    complexity="O(N) for N channels that have subscribers",
)
def pubsub_shardchannels(session: Session, args: list[bytes]) -> object:
    """Names the shard channels that somebody is subscribed to, or those that match a pattern."""
    return _names(session.engine.pubsub.shard_channels, args)


@registry.command(
    "SHARDNUMSUB [shardchannel [shardchannel ...]]",
    parent="pubsub",
    arity=-2,
    flags=_ASKING,
    since="7.0.0",
    complexity="O(N) for N channels",
)
def pubsub_shardnumsub(session: Session, args: list[bytes]) -> object:
    """Counts the subscribers of each shard channel."""
    return _counts(session.engine.pubsub.shard_channels, args)


def _names(kind: Subscriptions, args: list[bytes]) -> list[bytes]:
    if len(args) > 3:
        raise CommandError(
            b"ERR unknown subcommand or wrong number of arguments for '"
            + args[1]
            + b"'. Try PUBSUB HELP."
        )
    return kind.matching(args[2]) if len(args) == 3 else list(kind.subscribers)


def _counts(kind: Subscriptions, args: list[bytes]) -> list[object]:
    counts: list[object] = []
    for name in args[2:]:
        counts += (name, kind.subscribers_of(name))
    return counts
