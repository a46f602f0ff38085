"""PFADD, PFCOUNT, PFMERGE, and the two commands that look inside: PFDEBUG and PFSELFTEST.

A HyperLogLog is a string, at most 12 KiB of it, which each change replaces; what its bytes mean is in
``dscache.values.hyperloglog``.
"""

from __future__ import annotations

import math
import random
from typing import Final

from dscache.commands.text import string_to_change, text_of
from dscache.engine.command import (
    ADMIN,
    DENYOOM,
    FAST,
    MAY_REPLICATE,
    READONLY,
    WRITE,
    Registry,
)
from dscache.engine.keyspace import KEEP_EXPIRY
from dscache.engine.keyspec import KeySpec
from dscache.engine.session import Session
from dscache.errors import CommandError
from dscache.values.hyperloglog import (
    EMPTY,
    REGISTERS,
    HyperLogLog,
    estimate,
    is_hyperloglog,
    larger_of,
)
from dscache.wire.reply import OK, Status

registry: Final = Registry("hyperloglog", "hyperloglog")

_NO_HYPERLOGLOG: Final = b"WRONGTYPE Key is not a valid HyperLogLog string value."
_CORRUPTED: Final = b"INVALIDOBJ Corrupted HLL object detected"

# What PFSELFTEST adds, and the error that it allows: six times the expected one.
_TESTED_ELEMENTS: Final = 10_000
_ALLOWED_ERROR: Final = 6 * 1.04 / math.sqrt(REGISTERS)


def _opened(session: Session, value: object) -> HyperLogLog:
    """The HyperLogLog that ``value``, which is in memory, is. Raises CommandError."""
    string = text_of(value)
    if not is_hyperloglog(string):
        raise CommandError(_NO_HYPERLOGLOG)
    return HyperLogLog(string, session.engine.config.hll_sparse_max_bytes)


@registry.command(
    "PFADD key [element [element ...]]",
    arity=-2,
    flags=WRITE | DENYOOM | FAST,
    keys=[KeySpec(1, access="RW INSERT")],
    since="2.8.9",
    complexity="O(1) for each element.",
)
def pfadd(session: Session, args: list[bytes]) -> object:
    """Adds elements to a HyperLogLog; answers 1 if that changed it."""
    key = args[1]
    value = string_to_change(session, key)
    found = value is not None
    hyperloglog = _opened(session, value if found else EMPTY)
    changed = not found
    try:
        for element in args[2:]:
            if hyperloglog.add(element):
                changed = True
    except ValueError:
        raise CommandError(_CORRUPTED) from None
    if changed:
        hyperloglog.drop_cached_count()
        due_ms = KEEP_EXPIRY if found else 0
        session.keyspace.put(key, hyperloglog.string, due_ms, b"pfadd")
    return int(changed)


@registry.command(
    "PFCOUNT key [key ...]",
    arity=-2,
    flags=READONLY | MAY_REPLICATE,
    keys=[
        KeySpec(
            1,
            access="RW ACCESS",
            last=-1,
            notes="The count of a single key is kept in its value",
        )
    ],
    since="2.8.9",
    complexity="O(1) of a single key that has not changed since; O(N) of N keys.",
)
def pfcount(session: Session, args: list[bytes]) -> object:
    """Estimates how many different elements HyperLogLogs have together."""
    if len(args) > 2:
        _, registers = _united(session, args[1:])
        return 0 if registers is None else estimate(registers)
    key = args[1]
    keyspace = session.keyspace
    value = keyspace.for_read(key)
    if value is None:
        return 0
    hyperloglog = _opened(session, value)
    count = hyperloglog.cached_count()
    if count is None:
        try:
            count = hyperloglog.count()
        except ValueError:
            raise CommandError(_CORRUPTED) from None
        hyperloglog.cache_count(count)
        keyspace.put(key, hyperloglog.string, KEEP_EXPIRY, b"")
    return count


def _united(session: Session, keys: list[bytes]) -> tuple[list[HyperLogLog | None], bytes | None]:
    """What is at each of ``keys``, and the registers of all together; None where there is nothing."""
    opened: list[HyperLogLog | None] = []
    union: bytes | None = None
    for key in keys:
        value = session.keyspace.for_read(key)
        if value is None:
            opened.append(None)
            continue
        hyperloglog = _opened(session, value)
        opened.append(hyperloglog)
        try:
            registers = hyperloglog.registers()
        except ValueError:
            raise CommandError(_CORRUPTED) from None
        union = registers if union is None else larger_of(union, registers)
    return opened, union


@registry.command(
    "PFMERGE destkey [sourcekey [sourcekey ...]]",
    arity=-2,
    flags=WRITE | DENYOOM,
    keys=[
        KeySpec(1, access="RW ACCESS INSERT"),
        KeySpec(2, access="RO ACCESS", last=-1),
    ],
    since="2.8.9",
    complexity="O(N) to merge N HyperLogLogs.",
)
def pfmerge(session: Session, args: list[bytes]) -> object:
    """Adds to a HyperLogLog what has been added to others."""
    key = args[1]
    opened, union = _united(session, args[1:])
    merged = opened[0]
    due_ms = KEEP_EXPIRY
    if merged is None:
        merged = _opened(session, EMPTY)
        due_ms = 0
    # As in Redis: what has a dense one in it is dense, however few registers are set.
    is_dense = any(hyperloglog is not None and hyperloglog.is_dense() for hyperloglog in opened)
    if is_dense:
        merged.make_dense()
    if union is not None:
        merged.raise_all(union)
    merged.drop_cached_count()
    session.keyspace.put(key, merged.string, due_ms, b"pfadd")
    return OK


# Looking inside


@registry.command(
    "PFDEBUG subcommand key",
    arity=3,
    flags=WRITE | DENYOOM | ADMIN,
    keys=[KeySpec(2, access="RW ACCESS")],
    since="2.8.9",
    complexity="O(N) where N is the number of registers.",
    is_system=True,
)
def pfdebug(session: Session, args: list[bytes]) -> object:
    """Shows the registers (GETREG), the runs (DECODE) or the form (ENCODING) of a HyperLogLog, or
    makes it dense (TODENSE)."""
    key = args[2]
    value = string_to_change(session, key)
    if value is None:
        raise CommandError(b"ERR The specified key does not exist")
    hyperloglog = _opened(session, value)
    subcommand = args[1].upper()
    if subcommand == b"ENCODING":
        return Status(b"dense" if hyperloglog.is_dense() else b"sparse")
    if subcommand == b"DECODE":
        if hyperloglog.is_dense():
            raise CommandError(b"ERR HLL encoding is not sparse")
        return hyperloglog.described_runs()
    if subcommand not in (b"GETREG", b"TODENSE"):
        raise CommandError(b"ERR Unknown PFDEBUG subcommand '" + args[1] + b"'")
    was_dense = hyperloglog.is_dense()
    if not was_dense:
        try:
            hyperloglog.make_dense()
        except ValueError:
            raise CommandError(_CORRUPTED) from None
        session.keyspace.put(key, hyperloglog.string, KEEP_EXPIRY, b"")
    return list(hyperloglog.registers()) if subcommand == b"GETREG" else int(not was_dense)


@registry.command(
    "PFSELFTEST",
    arity=1,
    flags=ADMIN,
    since="2.8.9",
    complexity="N/A",
    is_system=True,
)
def pfselftest(session: Session, args: list[bytes]) -> object:
    """Tests registers and estimates; with 10,000 elements where Redis takes 10 million."""
    dense = HyperLogLog(EMPTY, session.engine.config.hll_sparse_max_bytes)
    dense.make_dense()
    registers = bytes(random.choices(range(64), k=REGISTERS))
    dense.raise_all(registers)
    if dense.registers() != registers:
        raise CommandError(b"TESTFAILED registers are not what they were set to")

    sparse = HyperLogLog(EMPTY, session.engine.config.hll_sparse_max_bytes)
    dense.raise_all(bytes(REGISTERS))
    salt = random.getrandbits(64)
    checkpoint = 1
    for number in range(1, _TESTED_ELEMENTS + 1):
        element = (number ^ salt).to_bytes(8, "little")
        dense.add(element)
        sparse.add(element)
        if number < checkpoint:
            continue
        count = dense.count()
        if count != sparse.count():
            raise CommandError(b"TESTFAILED dense/sparse disagree")
        # Of ten elements two may well share a register.
        allowed = 1 if number == 10 else math.ceil(_ALLOWED_ERROR * number)
        error = abs(number - count)
        if error > allowed:
            raise CommandError(b"TESTFAILED Too big error. card:%d abserr:%d" % (number, error))
        checkpoint *= 10
    return OK
