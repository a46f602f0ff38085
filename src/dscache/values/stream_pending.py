"""What is pending: rows of numbers by stream ID, in ascending order, a million if need be.

A table keeps its rows in pages of up to ``PAGE_MOST``, each an array of 64-bit numbers per column; the
first two columns are the two parts of the ID. A list of the pages' first IDs leads to the page, a binary
search in its first two arrays to the row: O(log n), about 1 us. Against an object per pending entry in a
dictionary (some 200 bytes, and sorting for every range) a row takes 8 bytes per column, its neighbours
stand beside it, and a page is saved and loaded as it is, without a look at its rows.
"""

from __future__ import annotations

import sys
import time
from array import array
from bisect import bisect_left, bisect_right
from typing import Final

from mypy_extensions import i64, mypyc_attr

from dscache.values.stream_id import MAX_SEQ

#: Rows of a page before it splits.
PAGE_MOST: Final = 256
# A page with fewer looks whether it can merge with the next.
_PAGE_LEAST: Final = 64

_TABLE_BYTES: Final = 64 + 2 * 64
# A page: its object, its list of columns, its slots in the table's lists, its first ID.
_PAGE_BYTES: Final = 32 + 80 + 16 + 48
# The object of an array, and the slack with which it grows.
_COLUMN_BYTES: Final = 80 + 64


@mypyc_attr(acyclic=True)
class Meter:
    """Memory of several things that are accounted for together."""

    def __init__(self) -> None:
        self.used: i64 = 0


@mypyc_attr(acyclic=True)
class _Page:
    def __init__(self, columns: list[array[int]]) -> None:
        #: ms, sequence number, and what else there is of each row.
        self.columns: Final = columns

    def count(self) -> i64:
        return len(self.columns[0])

    def number(self, place: i64) -> int:
        """The ID of a row."""
        at = int(place)
        return self.columns[0][at] << 64 | self.columns[1][at]

    def place(self, number: int) -> i64:
        """The first row whose ID is not below ``number``."""
        all_ms = self.columns[0]
        ms = number >> 64
        low = bisect_left(all_ms, ms)
        high = bisect_right(all_ms, ms, low)
        return bisect_left(self.columns[1], number & MAX_SEQ, low, high)


@mypyc_attr(acyclic=True)
class PendingTable:
    """See the module's docstring. ``width`` is the number of columns beyond the ID."""

    def __init__(self, meter: Meter, width: int) -> None:
        self._meter: Final = meter
        self._columns: Final[i64] = 2 + width
        self._pages: list[_Page] = []
        # For each page an ID that is not above any of its own, and above all of the page before.
        self._firsts: list[int] = []
        self._count: i64 = 0
        meter.used += _TABLE_BYTES

    # Looking

    def count(self) -> int:
        """Number of rows. O(1)."""
        return self._count

    def size_bytes(self) -> int:
        """Its share of what the meter shows. O(1)."""
        pages: i64 = len(self._pages)
        return (
            _TABLE_BYTES
            + pages * (_PAGE_BYTES + _COLUMN_BYTES * self._columns)
            + self._count * 8 * self._columns
        )

    def has(self, number: int) -> bool:
        """Whether there is a row for this ID. O(log n)."""
        page = self._page_of(number)
        if page is None:
            return False
        place = page.place(number)
        return place < page.count() and page.number(place) == number

    def row(self, number: int) -> list[int] | None:
        """The row of this ID, without it. O(log n)."""
        page = self._page_of(number)
        if page is None:
            return None
        place = page.place(number)
        if place == page.count() or page.number(place) != number:
            return None
        return [column[int(place)] for column in page.columns[2:]]

    def rows(self, first: int, last: int, most: int) -> list[list[int]]:
        """Rows from ID ``first`` up to ``last``, at most so many (0: all), each with its ID before it.

        O(log n + rows).
        """
        found: list[list[int]] = []
        at: i64 = self._index_of(first)
        while at < len(self._pages):
            page = self._pages[at]
            place: i64 = page.place(first)
            while place < page.count():
                number = page.number(place)
                if number > last or (most > 0 and len(found) == most):
                    return found
                row = [number]
                for column in page.columns[2:]:
                    row.append(column[int(place)])
                found.append(row)
                place += 1
            at += 1
        return found

    def first_id(self) -> int:
        """The lowest ID; there is one."""
        return self._pages[0].number(0)

    def last_id(self) -> int:
        """The highest ID; there is one."""
        page = self._pages[-1]
        return page.number(page.count() - 1)

    def _index_of(self, number: int) -> i64:
        index: i64 = bisect_right(self._firsts, number)
        return index - 1 if index > 0 else 0

    def _page_of(self, number: int) -> _Page | None:
        return self._pages[self._index_of(number)] if self._pages else None

    # Changing

    def put(self, number: int, row: list[int]) -> bool:
        """Let ``number`` have this row; whether it had none. O(log n + PAGE_MOST)."""
        if not self._pages:
            self._add_page(0, self._empty_page(), number)
        index = self._index_of(number)
        page = self._pages[index]
        place = page.place(number)
        at = int(place)
        columns = page.columns
        if place < page.count() and page.number(place) == number:
            for column, value in zip(columns[2:], row, strict=True):
                column[at] = value
            return False
        if number < self._firsts[index]:
            self._firsts[index] = number
        columns[0].insert(at, number >> 64)
        columns[1].insert(at, number & MAX_SEQ)
        for column, value in zip(columns[2:], row, strict=True):
            column.insert(at, value)
        self._count += 1
        self._meter.used += 8 * self._columns
        if page.count() > PAGE_MOST:
            # What comes in order, as deliveries do, leaves full pages behind.
            is_last = index == len(self._pages) - 1 and place == PAGE_MOST
            self._split(index, PAGE_MOST if is_last else PAGE_MOST // 2)
        return True

    def remove(self, number: int) -> bool:
        """Remove the row of ``number``; whether there was one. O(log n + PAGE_MOST)."""
        if not self._pages:
            return False
        index = self._index_of(number)
        page = self._pages[index]
        place = page.place(number)
        if place == page.count() or page.number(place) != number:
            return False
        at = int(place)
        for column in page.columns:
            del column[at]
        self._count -= 1
        self._meter.used -= 8 * self._columns
        if page.count() == 0:
            self._drop_page(index)
        elif page.count() < _PAGE_LEAST and index + 1 < len(self._pages):
            after = self._pages[index + 1]
            if page.count() + after.count() <= PAGE_MOST // 2:
                for column, more in zip(page.columns, after.columns, strict=True):
                    column.extend(more)
                self._drop_page(index + 1)
        return True

    def _empty_page(self) -> _Page:
        return _Page([array("Q") for _ in range(self._columns)])

    def _add_page(self, index: i64, page: _Page, first: int) -> None:
        self._pages.insert(int(index), page)
        self._firsts.insert(int(index), first)
        self._meter.used += _PAGE_BYTES + _COLUMN_BYTES * self._columns

    def _drop_page(self, index: i64) -> None:
        del self._pages[int(index)]
        del self._firsts[int(index)]
        self._meter.used -= _PAGE_BYTES + _COLUMN_BYTES * self._columns

    def _split(self, index: i64, at: int) -> None:
        columns = self._pages[index].columns
        page = _Page([column[at:] for column in columns])
        for column in columns:
            del column[at:]
        self._add_page(index + 1, page, page.number(0))

    # Payloads

    def pages(self) -> list[bytes]:
        """Each page as its columns one behind the other, little-endian. O(n), mostly copying."""
        found: list[bytes] = []
        for page in self._pages:
            found.append(b"".join([little_endian(column).tobytes() for column in page.columns]))
        return found

    def take(self, pages: list[bytes]) -> None:
        """Become, being new and empty, what ``pages`` has given.

        Raises ValueError for what it cannot have given.
        """
        width = 8 * int(self._columns)
        for content in pages:
            count, rest = divmod(len(content), width)
            if rest != 0 or count == 0:
                raise ValueError(f"a page of {len(content)} bytes has no {self._columns} columns")
            columns: list[array[int]] = []
            for start in range(0, len(content), 8 * count):
                column = array("Q", content[start : start + 8 * count])
                columns.append(little_endian(column))
            page = _Page(columns)
            self._add_page(len(self._pages), page, page.number(0))
            self._count += count
            self._meter.used += count * 8 * self._columns
            if len(self._pages) % 64 == 0:
                # Compiled code keeps the interpreter to itself unless it gives it away.
                time.sleep(0)

    def copy(self, meter: Meter) -> PendingTable:
        """An independent copy. O(n), mostly copying."""
        other = PendingTable(meter, int(self._columns) - 2)
        other.take(self.pages())
        return other


def little_endian(column: array[int]) -> array[int]:
    """``column``, or on a big-endian machine a copy with its bytes turned round."""
    if sys.byteorder == "little":
        return column
    turned = column[:]
    turned.byteswap()
    return turned
