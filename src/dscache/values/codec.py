"""Payloads back to values: one decoder for each type code.

The other direction is ``Value.encode``; a plain ``bytes`` is its own payload.
"""

from __future__ import annotations

from dscache.errors import StoreFormatError
from dscache.values.base import HASH, LIST, SET, STREAM, STRING, ZSET, Value
from dscache.values.hash import decode_hash
from dscache.values.list import decode_list
from dscache.values.set import decode_set
from dscache.values.stream import decode_stream
from dscache.values.zset import decode_zset


def decode_value(type_code: int, payload: bytes) -> object:
    """The value whose payload this is. O(len(payload)).

    Raises StoreFormatError for a type that this program does not know.
    """
    if type_code == STRING:
        return payload
    if type_code == HASH:
        return decode_hash(payload)
    if type_code == LIST:
        return decode_list(payload)
    if type_code == SET:
        return decode_set(payload)
    if type_code == ZSET:
        return decode_zset(payload)
    if type_code == STREAM:
        return decode_stream(payload)
    raise StoreFormatError(
        f"a record holds a value of type {type_code}, which this program does not know; "
        "use the dscache release that wrote this store, or a newer one"
    )


def encode_value(value: object) -> bytes:
    """The payload of ``value``'s record. O(1) for a plain string, O(n) otherwise."""
    if type(value) is bytes:
        return value
    assert isinstance(value, Value), f"{type(value).__name__} is not a value"
    return value.encode()
