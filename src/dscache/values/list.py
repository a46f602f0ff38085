"""List values: elements in order, in chunks, so that nothing moves a whole long list.

A list is a directory of chunks of up to ``CHUNK_MOST`` elements, none of them empty. The directory may
have unused places in front of its first chunk: a chunk more or less at the head costs as little as one at
the tail. So

* pushing and popping at both ends is O(1) amortised: at most one chunk moves, 1 KiB of pointers;
* an element is found by walking over chunks from the nearer end: O(distance / CHUNK_MOST);
* inserting and removing in the middle touches one chunk, which may split or unite with a neighbour,
  and the directory.

For OBJECT ENCODING a list also knows what Redis's listpack of it would take. Redis turns a listpack into
a quicklist when it grows beyond a limit, and back when it has shrunk to half of it. Nobody tells a value
the limit, which may change, and it need not be told: the limits for which the list would be a
quicklist now are always those below one number, a *mark*. Growing to ``n`` lifts it to ``n``,
shrinking to ``n`` lowers it to ``2 n``. There is one mark for bytes and one for elements.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import msgpack
from mypy_extensions import i64, mypyc_attr

from dscache.values.base import LIST, Value
from dscache.values.integers import parse_i64
from dscache.values.table import bytes_size

if TYPE_CHECKING:
    from dscache.config import Config

#: Elements of a chunk before it splits, or before the next one begins.
CHUNK_MOST: Final = 128

# Neighbours that have no more than this together are united when one of them has lost elements.
_CHUNK_UNITED: Final = CHUNK_MOST // 2

# Measured on CPython 3.11: the object and the directory with a first place; a chunk's header, its
# spare room and its place in the directory; an element's pointer with the chunk's spare eighth.
_LIST_BYTES: Final = 160
_CHUNK_BYTES: Final = 112
_ELEMENT_BYTES: Final = 9

# Payloads longer than this are decoded chunk by chunk, in an I/O thread that gives way in between.
_LONG_PAYLOAD_BYTES: Final = 64 * 1024

# Header and end mark of Redis's listpack.
_LISTPACK_BYTES: Final = 7
# What list-max-listpack-size stands for from -1 to -5, and the bound when it is a number of elements.
_LISTPACK_LIMITS: Final = (4096, 8192, 16384, 32768, 65536)
_LISTPACK_SAFE_BYTES: Final = 8192

# In the directory's unused places; never changed.
_UNUSED: Final[list[bytes]] = []


@mypyc_attr(acyclic=True)
class List(Value):
    """See the module's docstring. Indexes count from 0 at the head; ranges end before ``stop``."""

    def __init__(self) -> None:
        self._chunks: list[list[bytes]] = []
        # The first place of the directory that is used.
        self._first: i64 = 0
        self._count: i64 = 0
        self._size: i64 = _LIST_BYTES
        # What a listpack of the elements would take, and the marks.
        self._packed: i64 = _LISTPACK_BYTES
        self._bytes_mark: i64 = 0
        self._count_mark: i64 = 0

    # What every value does

    def type_code(self) -> int:
        return LIST

    def size_bytes(self) -> int:
        return self._size

    def count(self) -> int:
        return self._count

    def encode(self) -> bytes:
        packer = msgpack.Packer(autoreset=False)
        packer.pack_array_header(2 + len(self._chunks) - int(self._first))
        packer.pack(int(self._bytes_mark))
        packer.pack(int(self._count_mark))
        for place in range(int(self._first), len(self._chunks)):
            packer.pack(self._chunks[place])
        return packer.bytes()

    def copy(self) -> List:
        twin = List()
        twin._chunks = [list(self._chunks[n]) for n in range(int(self._first), len(self._chunks))]
        twin._count = self._count
        twin._size = self._size
        twin._packed = self._packed
        twin._bytes_mark = self._bytes_mark
        twin._count_mark = self._count_mark
        return twin

    def encoding(self, config: Config) -> bytes:
        limit = config.list_max_listpack_size
        if limit < 0:
            is_large = self._bytes_mark > _LISTPACK_LIMITS[min(-limit, len(_LISTPACK_LIMITS)) - 1]
        else:
            is_large = self._count_mark > max(limit, 1) or self._bytes_mark > _LISTPACK_SAFE_BYTES
        return b"quicklist" if is_large else b"listpack"

    # At the ends

    def push_head(self, element: bytes) -> None:
        """Put ``element`` before all others. O(1) amortised."""
        self._will_grow(1, len(element))
        self._add_head(element)

    def push_tail(self, element: bytes) -> None:
        """Put ``element`` behind all others. O(1) amortised."""
        self._will_grow(1, len(element))
        self._add_tail(element)

    def push_all(self, elements: list[bytes], at_head: bool) -> None:
        """Push ``elements`` one after the other. O(len(elements))."""
        total: i64 = 0
        for element in elements:
            total += len(element)
        self._will_grow(len(elements), total)
        if at_head:
            for element in elements:
                self._add_head(element)
        else:
            for element in elements:
                self._add_tail(element)

    def pop_head(self) -> bytes:
        """Remove the first element, which exists. O(1) amortised."""
        first = self._first
        chunk = self._chunks[first]
        element = chunk.pop(0)
        if not chunk:
            self._chunks[first] = _UNUSED
            self._first = first + 1
            self._size -= _CHUNK_BYTES
            self._tidy_front()
        self._forget(element)
        self._has_shrunk()
        return element

    def pop_tail(self) -> bytes:
        """Remove the last element, which exists. O(1) amortised."""
        chunk = self._chunks[-1]
        element = chunk.pop()
        if not chunk:
            self._chunks.pop()
            self._size -= _CHUNK_BYTES
            self._tidy_front()
        self._forget(element)
        self._has_shrunk()
        return element

    def pop_many(self, count: int, from_head: bool) -> list[bytes]:
        """Remove up to ``count`` elements, the outermost first. O(len(result))."""
        found: list[bytes] = []
        for _ in range(min(count, int(self._count))):
            found.append(self.pop_head() if from_head else self.pop_tail())
        return found

    # By index

    def get(self, index: int) -> bytes:
        """The element at ``index``, 0 <= index < count. O(distance from an end / CHUNK_MOST)."""
        place, offset = self._locate(index)
        return self._chunks[place][offset]

    def replace(self, index: int, element: bytes) -> None:
        """Let ``element`` be at ``index``, 0 <= index < count. O(as ``get``)."""
        place, offset = self._locate(index)
        chunk = self._chunks[place]
        self._will_grow(1, len(element))
        self._forget(chunk[offset])
        chunk[offset] = element
        self._note(element)
        self._has_shrunk()

    def slice(self, start: int, stop: int) -> list[bytes]:
        """Elements from ``start`` up to and without ``stop``; 0 <= start <= stop, and what is beyond
        the end is not there. O(stop - start + distance of ``start`` as ``get``)."""
        left: i64 = min(stop, int(self._count)) - start
        if left <= 0:
            return []
        at, offset = self._locate(start)
        found = self._chunks[at][offset : offset + int(left)]
        place: i64 = at + 1
        left -= len(found)
        while left > 0:
            chunk = self._chunks[place]
            if len(chunk) <= left:
                found.extend(chunk)
            else:
                found.extend(chunk[: int(left)])
            left -= len(chunk)
            place += 1
        return found

    def items(self) -> list[bytes]:
        """All elements. O(n)."""
        return self.slice(0, int(self._count))

    def trim(self, start: int, stop: int) -> None:
        """Keep the elements from ``start`` up to and without ``stop``, 0 <= start, and remove the
        others. O(removed), or O(kept) if that is less."""
        stop = min(stop, int(self._count))
        kept = max(stop - start, 0)
        if kept * 2 < self._count:
            elements = self.slice(start, stop)
            self._clear()
            for element in elements:
                self._add_tail(element)
            self._has_shrunk()
            return
        for _ in range(int(self._count) - stop):
            self.pop_tail()
        for _ in range(start):
            self.pop_head()

    # By content

    def insert(self, pivot: bytes, element: bytes, behind: bool) -> bool:
        """Put ``element`` before or ``behind`` the first ``pivot``; whether there is one.

        O(elements up to it).
        """
        place: i64 = self._first
        total: i64 = len(self._chunks)
        while place < total:
            chunk = self._chunks[place]
            if pivot in chunk:
                offset = chunk.index(pivot)
                self._will_grow(1, len(element))
                chunk.insert(offset + 1 if behind else offset, element)
                self._note(element)
                if len(chunk) > CHUNK_MOST:
                    self._split(int(place))
                return True
            place += 1
        return False

    def positions(
        self, element: bytes, rank: int, most: int, reach: int, from_tail: bool
    ) -> list[int]:
        """Indexes of ``element``, in the order of a search that begins at one end: without the first
        ``rank`` - 1 of them, and no more than ``most``. Looks at ``reach`` elements at most.

        O(elements looked at).
        """
        found: list[int] = []
        total = len(self._chunks)
        skipped = rank - 1
        # Index of the next chunk's first element as the search goes; counted from where it began.
        base = 0
        for step in range(total - int(self._first)):
            if base >= reach:
                break
            chunk = self._chunks[total - 1 - step if from_tail else int(self._first) + step]
            length = len(chunk)
            if element in chunk:
                for offset in range(min(length, reach - base)):
                    if chunk[length - 1 - offset if from_tail else offset] != element:
                        continue
                    if skipped > 0:
                        skipped -= 1
                        continue
                    index = base + offset
                    found.append(int(self._count) - 1 - index if from_tail else index)
                    if len(found) == most:
                        return found
            base += length
        return found

    def remove(self, element: bytes, most: int, from_tail: bool) -> int:
        """Remove up to ``most`` elements that equal ``element``, beginning at one end; how many there
        were. O(n)."""
        removed = 0
        total = len(self._chunks)
        for step in range(total - int(self._first)):
            place = total - 1 - step if from_tail else int(self._first) + step
            chunk = self._chunks[place]
            if element not in chunk:
                continue
            here = chunk.count(element)
            if removed + here <= most:
                kept = [one for one in chunk if one != element]
            else:
                here = most - removed
                kept = _without(chunk, element, here, from_tail)
            self._chunks[place] = kept
            removed += here
            for _ in range(here):
                self._forget(element)
            if removed == most:
                break
        if removed:
            self._tidy_chunks()
            self._has_shrunk()
        return removed

    # Chunks

    def _locate(self, index: i64) -> tuple[int, int]:
        """Place of the chunk that holds the element at ``index``, and its offset there."""
        left: i64 = index
        place: i64 = 0
        if left * 2 < self._count:
            place = self._first
            while True:
                length: i64 = len(self._chunks[place])
                if left < length:
                    return int(place), int(left)
                left -= length
                place += 1
        left = self._count - left
        place = len(self._chunks) - 1
        while True:
            length = len(self._chunks[place])
            if left <= length:
                return int(place), int(length - left)
            left -= length
            place -= 1

    def _add_head(self, element: bytes) -> None:
        self._note(element)
        first = self._first
        if first < len(self._chunks):
            chunk = self._chunks[first]
            if len(chunk) < CHUNK_MOST:
                chunk.insert(0, element)
                return
        if first == 0:
            # As many unused places as there are used ones: so they are needed ever more rarely.
            first = len(self._chunks) + 1
            self._chunks = [_UNUSED] * int(first) + self._chunks
        self._first = first - 1
        self._chunks[self._first] = [element]
        self._size += _CHUNK_BYTES

    def _add_tail(self, element: bytes) -> None:
        self._note(element)
        if self._first < len(self._chunks):
            chunk = self._chunks[-1]
            if len(chunk) < CHUNK_MOST:
                chunk.append(element)
                return
        self._chunks.append([element])
        self._size += _CHUNK_BYTES

    def _split(self, place: int) -> None:
        chunk = self._chunks[place]
        half = len(chunk) // 2
        self._chunks[place] = chunk[:half]
        self._chunks.insert(place + 1, chunk[half:])
        self._size += _CHUNK_BYTES

    def _tidy_front(self) -> None:
        """Give back unused places when they are most of the directory. O(1) amortised."""
        if self._first * 2 > len(self._chunks) + 16:
            del self._chunks[: int(self._first)]
            self._first = 0

    def _tidy_chunks(self) -> None:
        """Leave out empty chunks, and unite neighbours that have few elements. O(chunks)."""
        before = len(self._chunks) - int(self._first)
        tidy: list[list[bytes]] = []
        for place in range(int(self._first), len(self._chunks)):
            chunk = self._chunks[place]
            if not chunk:
                continue
            if tidy and len(tidy[-1]) + len(chunk) <= _CHUNK_UNITED:
                tidy[-1].extend(chunk)
            else:
                tidy.append(chunk)
        self._chunks = tidy
        self._first = 0
        self._size -= (before - len(tidy)) * _CHUNK_BYTES

    def _clear(self) -> None:
        self._chunks = []
        self._first = 0
        self._count = 0
        self._size = _LIST_BYTES
        self._packed = _LISTPACK_BYTES

    # Sizes

    def _note(self, element: bytes) -> None:
        """``element`` belongs to the list from now on."""
        self._count += 1
        self._size += bytes_size(element) + _ELEMENT_BYTES
        self._packed += _packed_bytes(element)

    def _forget(self, element: bytes) -> None:
        """``element`` does not belong to the list any more."""
        self._count -= 1
        self._size -= bytes_size(element) + _ELEMENT_BYTES
        self._packed -= _packed_bytes(element)

    def _will_grow(self, count: i64, total_bytes: i64) -> None:
        """Elements are going to be added. As Redis, this takes them for as long as they are."""
        packed = self._packed + total_bytes
        if packed > self._bytes_mark:
            self._bytes_mark = packed
        elements = self._count + count
        if elements > self._count_mark:
            self._count_mark = elements

    def _has_shrunk(self) -> None:
        """Elements have been removed."""
        packed = self._packed * 2
        if packed < self._bytes_mark:
            self._bytes_mark = packed
        elements = self._count * 2
        if elements < self._count_mark:
            self._count_mark = elements

    def settle_marks(self) -> None:
        """Forget how the list came about: it has the encoding that its elements alone give it."""
        self._bytes_mark = self._packed
        self._count_mark = self._count

    # Payloads

    def unpack(self, payload: bytes) -> None:
        """Become, being new and empty, what ``encode`` has written. O(n)."""
        if len(payload) < _LONG_PAYLOAD_BYTES:
            parts: list[object] = msgpack.unpackb(payload)
            if len(parts) < 2:
                raise ValueError("a list's payload has no marks")
            self._take_marks(parts[0], parts[1])
            for place in range(2, len(parts)):
                self._take_chunk(parts[place])
            return
        unpacker = msgpack.Unpacker(max_buffer_size=len(payload))
        unpacker.feed(payload)
        chunks = unpacker.read_array_header() - 2
        bytes_mark: object = unpacker.unpack()
        self._take_marks(bytes_mark, unpacker.unpack())
        for number in range(chunks):
            self._take_chunk(unpacker.unpack())
            if number % 32 == 31:
                # Compiled code keeps the interpreter to itself unless it gives it away.
                time.sleep(0)

    def _take_marks(self, bytes_mark: object, count_mark: object) -> None:
        assert isinstance(bytes_mark, int)
        assert isinstance(count_mark, int)
        self._bytes_mark = bytes_mark
        self._count_mark = count_mark

    def _take_chunk(self, elements: object) -> None:
        assert isinstance(elements, list)
        chunk: list[bytes] = elements
        if not 0 < len(chunk) <= CHUNK_MOST:
            raise ValueError(f"a chunk of a list has {len(chunk)} elements")
        for element in chunk:
            self._note(element)
        self._chunks.append(chunk)
        self._size += _CHUNK_BYTES


def list_of(elements: list[bytes]) -> List:
    """A new list of ``elements``, which Redis would build as a whole. O(n)."""
    value = List()
    value.push_all(elements, at_head=False)
    value.settle_marks()
    return value


def decode_list(payload: bytes) -> List:
    """The value whose payload this is. Raises ValueError for what ``encode`` cannot have written."""
    value = List()
    value.unpack(payload)
    return value


def _without(chunk: list[bytes], element: bytes, count: int, from_tail: bool) -> list[bytes]:
    """``chunk`` without the first ``count`` elements that equal ``element``, seen from one end."""
    kept = chunk[::-1] if from_tail else chunk[:]
    for _ in range(count):
        kept.remove(element)
    return kept[::-1] if from_tail else kept


def _packed_bytes(element: bytes) -> i64:
    """What an element takes in Redis's listpack: its encoding, and its length for walking back."""
    length: i64 = len(element)
    size: i64 = 0
    if 0 < length < 21:
        size = _packed_integer_bytes(element)
    if size == 0:
        if length < 64:
            size = length + 1
        elif length < 4096:
            size = length + 2
        else:
            size = length + 5
    if size <= 127:
        return size + 1
    if size < 16383:
        return size + 2
    if size < 2097151:
        return size + 3
    return size + 4 if size < 268435455 else size + 5


def _packed_integer_bytes(element: bytes) -> i64:
    """What an integer in canonical form takes without its length; 0 if ``element`` is none."""
    number = parse_i64(element)
    if number is None:
        return 0
    if 0 <= number <= 127:
        return 1
    if -4096 <= number <= 4095:
        return 2
    if -32768 <= number <= 32767:
        return 3
    if -8388608 <= number <= 8388607:
        return 4
    return 5 if -2147483648 <= number <= 2147483647 else 9
