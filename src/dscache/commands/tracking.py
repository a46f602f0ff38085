"""CLIENT TRACKING and what belongs to it: client-side caching (how it works: ``dscache.engine.tracking``)."""

from __future__ import annotations

from typing import Final

from dscache.commands.arguments import integer, syntax_error
from dscache.engine.client_line import redirection
from dscache.engine.command import LOADING, NOSCRIPT, STALE, Registry
from dscache.engine.session import Session
from dscache.engine.tracking import Tracked
from dscache.errors import CommandError
from dscache.wire.reply import OK, SetReply

registry: Final = Registry("connection", "connection")

_ANYTIME: Final = NOSCRIPT | LOADING | STALE


@registry.command(
    "TRACKING <ON | OFF> [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN]"
    " [OPTOUT] [NOLOOP]",
    parent="client",
    arity=-3,
    flags=_ANYTIME,
    since="6.0.0",
    complexity="O(1). Some options may introduce additional complexity.",
)
def client_tracking(session: Session, args: list[bytes]) -> object:
    """Begins or ends telling this connection when keys that it may have cached change."""
    wanted = _options(session, args)
    mode = args[2].lower()
    if mode == b"on":
        _check(session, wanted)
        if wanted.is_broadcast and not wanted.prefixes:
            wanted.prefixes = [b""]
        session.engine.tracking.start(session, wanted)
    elif mode == b"off":
        session.engine.tracking.stop(session)
    else:
        raise syntax_error()
    return OK


def _options(session: Session, args: list[bytes]) -> Tracked:
    """What CLIENT TRACKING asks for. Raises CommandError."""
    wanted = Tracked()
    place = 3
    while place < len(args):
        option = args[place].lower()
        has_value = place + 1 < len(args)
        if option == b"redirect" and has_value:
            place += 1
            if wanted.redirect:
                raise CommandError(b"ERR A client can only redirect to a single other client")
            wanted.redirect = integer(args[place])
            if wanted.redirect not in session.engine.sessions:
                raise CommandError(b"ERR The client ID you want redirect to does not exist")
        elif option == b"prefix" and has_value:
            place += 1
            wanted.prefixes.append(args[place])
        elif option == b"bcast":
            wanted.is_broadcast = True
        elif option == b"optin":
            wanted.opts_in = True
        elif option == b"optout":
            wanted.opts_out = True
        elif option == b"noloop":
            wanted.no_loop = True
        else:
            raise syntax_error()
        place += 1
    return wanted


def _check(session: Session, wanted: Tracked) -> None:
    """Whether ``wanted`` makes sense, for itself and after what ``session`` has. Raises CommandError.

    O(prefixes squared).
    """
    if wanted.prefixes and not wanted.is_broadcast:
        raise CommandError(b"ERR PREFIX option requires BCAST mode to be enabled")
    before = session.tracked
    if before is not None and before.is_broadcast != wanted.is_broadcast:
        raise CommandError(
            b"ERR You can't switch BCAST mode on/off before disabling tracking for this client, and"
            b" then re-enabling it with a different mode."
        )
    if wanted.is_broadcast and (wanted.opts_in or wanted.opts_out):
        raise CommandError(b"ERR OPTIN and OPTOUT are not compatible with BCAST")
    if wanted.opts_in and wanted.opts_out:
        raise CommandError(b"ERR You can't specify both OPTIN mode and OPTOUT mode")
    if before is not None and (
        (wanted.opts_in and before.opts_out) or (wanted.opts_out and before.opts_in)
    ):
        raise CommandError(
            b"ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and"
            b" then re-enabling it with a different mode."
        )
    _check_prefixes(wanted.prefixes, [] if before is None else before.prefixes)


def _check_prefixes(prefixes: list[bytes], present: list[bytes]) -> None:
    """No key may begin with two prefixes of one client. Raises CommandError."""
    for place, prefix in enumerate(prefixes):
        for other in sorted(present):
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"an existing", other)
        for other in prefixes[place + 1 :]:
            if _overlap(prefix, other):
                raise _overlapping(prefix, b"another provided", other)


def _overlap(one: bytes, other: bytes) -> bool:
    return one.startswith(other) or other.startswith(one)


def _overlapping(prefix: bytes, which: bytes, other: bytes) -> CommandError:
    return CommandError(
        b"ERR Prefix '" + prefix + b"' overlaps with " + which + b" prefix '" + other + b"'."
        b" Prefixes for a single client must not overlap."
    )  # fmt: skip


@registry.command(
    "CACHING <YES | NO>",
    parent="client",
    arity=3,
    flags=_ANYTIME,
    since="6.0.0",
    complexity="O(1)",
)
def client_caching(session: Session, args: list[bytes]) -> object:
    """Says whether what the next command or transaction reads will be cached, after TRACKING ON with
    OPTIN (YES) or OPTOUT (NO)."""
    tracked = session.tracked
    if tracked is None:
        raise CommandError(
            b"ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or"
            b" OPTOUT mode enabled"
        )
    mode = args[2].lower()
    if mode == b"yes":
        if not tracked.opts_in:
            raise CommandError(
                b"ERR CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode."
            )
    elif mode == b"no":
        if not tracked.opts_out:
            raise CommandError(
                b"ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode."
            )
    else:
        raise syntax_error()
    tracked.caching_given = True
    return OK


@registry.command(
    "GETREDIR",
    parent="client",
    arity=2,
    flags=_ANYTIME,
    since="6.0.0",
    complexity="O(1)",
)
def client_getredir(session: Session, args: list[bytes]) -> object:
    """Answers the ID of the client that is told what this connection tracks: 0 for itself, -1 if
    nothing is tracked."""
    return redirection(session)


@registry.command(
    "TRACKINGINFO",
    parent="client",
    arity=2,
    flags=_ANYTIME,
    since="6.2.0",
    complexity="O(1)",
)
def client_trackinginfo(session: Session, args: list[bytes]) -> object:
    """Answers what CLIENT TRACKING has arranged with this connection."""
    tracked = session.tracked
    flags: list[object] = [b"off" if tracked is None else b"on"]
    prefixes: list[bytes] = []
    if tracked is not None:
        prefixes = sorted(tracked.prefixes)
        if tracked.is_broadcast:
            flags.append(b"bcast")
        if tracked.opts_in:
            flags.append(b"optin")
            if tracked.caching_given:
                flags.append(b"caching-yes")
        if tracked.opts_out:
            flags.append(b"optout")
            if tracked.caching_given:
                flags.append(b"caching-no")
        if tracked.no_loop:
            flags.append(b"noloop")
        if tracked.is_broken:
            flags.append(b"broken_redirect")
    return {
        b"flags": SetReply(flags),
        b"redirect": redirection(session),
        b"prefixes": prefixes,
    }
