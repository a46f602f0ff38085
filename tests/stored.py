"""What a store holds, decoded, and whether its columns agree with each other."""

from __future__ import annotations

import msgpack

from dscache.cache.catalog import CATALOG_KEY, LIBRARIES
from dscache.store.base import DATA, EXPIRES, META, PAYLOADS
from dscache.store.layout import (
    data_key,
    expiry_key,
    field_generation,
    generation_of,
    split_data_key,
    split_expiry_key,
)
from dscache.store.memory import MemoryStore
from dscache.store.record import decode_head
from dscache.values.base import HASH
from dscache.values.hash import decode_hash, field_due_in

#: {key: (payload, due time in ms or 0)}
Keys = dict[bytes, tuple[bytes, int]]


def stored_databases(store: MemoryStore) -> dict[int, Keys]:
    """What each database of ``store`` holds, after a check that all columns say the same:

    the catalog's counts are exact, nothing is left of any other generation, the expiry index has
    exactly the keys that expire, and exactly the payloads that are apart are there. The index of
    fields' due times has every hash with the earliest of its fields, and nothing else.
    """
    record = store.columns[META].get(CATALOG_KEY)
    lines = [] if record is None else msgpack.unpackb(record)
    # The libraries of functions are no database.
    lines = [line for line in lines if line[0] != LIBRARIES]
    database_of = {generation: database for database, generation, *_ in lines}
    databases: dict[int, Keys] = {database: {} for database in database_of.values()}
    due: set[bytes] = set()
    apart: set[bytes] = set()
    field_due: set[bytes] = set()
    timed = dict.fromkeys(databases, 0)
    for stored, record in store.columns[DATA].items():
        generation = generation_of(stored)
        assert generation in database_of, f"{stored!r} belongs to no database"
        _, key = split_data_key(stored)
        assert stored == data_key(generation, key)
        head = decode_head(record)
        if head.apart:
            assert stored in store.columns[PAYLOADS], f"the payload of {key!r} is gone"
            payload = store.columns[PAYLOADS][stored]
            assert len(payload) == head.payload_bytes
            apart.add(stored)
        else:
            payload = record[head.offset :]
        if head.expire_ms:
            due.add(expiry_key(generation, head.expire_ms, key))
        if head.type_code == HASH:
            due_ms = decode_hash(payload).next_due_ms()
            assert field_due_in(payload) == due_ms
            assert not head.apart or head.field_due_ms == due_ms
            if due_ms:
                timed[database_of[generation]] += 1
                field_due.add(expiry_key(field_generation(generation), due_ms, key))
        databases[database_of[generation]][key] = (payload, head.expire_ms)
    assert set(store.columns[PAYLOADS]) == apart, "payloads and heads do not match"
    index = {stored for stored in store.columns[EXPIRES] if generation_of(stored) >= 0}
    hints = set(store.columns[EXPIRES]) - index
    assert hints == field_due, (
        f"the index of fields lacks {field_due - hints} and has {hints - field_due} too many"
    )
    assert index == due, (
        f"the expiry index has {[split_expiry_key(one) for one in index - due]} too many "
        f"and lacks {[split_expiry_key(one) for one in due - index]}"
    )
    for database, _, keys, expires, subexpires in lines:
        held = databases[database]
        assert keys == len(held), f"database {database}: the catalog counts {keys}, not {len(held)}"
        expiring = sum(due_ms != 0 for _, due_ms in held.values())
        assert expires == expiring, f"database {database}: {expires} expire, not {expiring}"
        assert subexpires == timed[database], (
            f"database {database}: fields of {subexpires} expire, not of {timed[database]}"
        )
    return databases
