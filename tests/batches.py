"""Batches of operations, packed and unpacked."""

from collections import deque
from collections.abc import Iterable

from dscache.store.batch import RANGE, Batch, Frame, Operation


def batch_with(operations: Iterable[Operation]) -> Batch:
    """A batch of them."""
    batch = Batch()
    for code, key, value in operations:
        if value is None:
            batch.delete(code, key)
        elif code < RANGE:
            batch.put(code, key, value)
        else:
            batch.delete_range(code - RANGE, key, value)
    return batch


def unpacked(frames: Iterable[Frame]) -> list[Operation]:
    """The operations in ``frames``."""
    return [operation for frame in frames for operation in frame.operations()]


def packed(operations: Iterable[Operation]) -> deque[Frame]:
    """Frames with them."""
    return batch_with(operations).take()


def operations_of(batch: Batch) -> list[Operation]:
    """What ``batch`` does."""
    batch.seal()
    return unpacked(batch.frames)
