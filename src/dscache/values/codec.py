"""Payloads back to values: one decoder for each type code.

The other direction is ``Value.encode``; a plain ``bytes`` is its own payload.
"""

from __future__ import annotations

from dscache.errors import StoreFormatError
from dscache.values.base import STRING, Value


def decode_value(type_code: int, payload: bytes) -> object:
    """The value whose payload this is. O(len(payload)).

    Raises StoreFormatError for a type that this program does not know.
    """
    if type_code == STRING:
        return payload
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
