"""The files of the redo log, and what can be read from them after a crash.

Segments are ``00000001.aof`` and so on. Frames are taken in the order of the files, each only if its sequence
number is the next one; those that the store has already, and those that are there twice, are passed by.

A crash leaves the end of the last segment torn, with holes in any pattern, as the kernel writes pages in any
order: a frame that is not whole ends the log there and is cut off, *unless* a later frame says that this
part had been synced. Then it is damage, an error that names file and offset. So is a frame that
is not whole in an older segment, unless the next segment repeats it (which happens when a sync had failed),
and a gap in the numbers. Everything is checked before the first frame is handed out.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from dscache.errors import LogDamagedError
from dscache.files import Files
from dscache.log.format import HEADER_BYTES, Frame, next_mark, read_frame

_SUFFIX: Final = ".aof"

_REMEDY: Final = (
    "restore the directory from a backup, or give up what follows with: dscache check --repair"
)


def segment_path(directory: Path, number: int) -> Path:
    """The file of segment ``number``."""
    return directory / f"{number:08d}{_SUFFIX}"


def segment_numbers(directory: Path) -> list[int]:
    """The numbers of the segments that are there, in order. Raises LogDamagedError for a strange name."""
    numbers: list[int] = []
    for path in directory.glob(f"*{_SUFFIX}"):
        if not path.stem.isdecimal():
            raise LogDamagedError(f"{path} is not named like a segment of the redo log")
        numbers.append(int(path.stem))
    return sorted(numbers)


class Contents:
    """What the segments of ``directory`` hold beyond frame ``sequence``. Raises LogDamagedError.

    Reads all of them: O(size of the log), one segment in memory at a time.
    """

    def __init__(self, directory: Path, sequence: int) -> None:
        self._directory: Final = directory
        self._first: Final = sequence + 1
        self.numbers: Final = segment_numbers(directory)
        #: The last frame of each segment, by number; 0 for a segment without any.
        self.last_sequences: Final[dict[int, int]] = {}
        #: The last frame that is whole, or ``sequence`` if there is none beyond it.
        self.last_sequence = sequence
        #: Bytes at the end of the last segment that are no whole frame.
        self.torn_bytes = 0
        #: Bytes of all frames to come, headers included.
        self.total_bytes = 0
        # What is whole of each segment: up to where it is known to have been synced, and up to where.
        self._whole: Final[dict[int, tuple[int, int]]] = {}
        # A frame that is not whole: where, and what would make it damage.
        self._broken = ""
        # A broken end of an older segment, whose frames nobody has repeated, is simply the end of the log
        # if nothing follows.
        for number in self.numbers:
            self._check(number)

    def _check(self, number: int) -> None:
        path = segment_path(self._directory, number)
        data = path.read_bytes()
        offset = 0
        synced_bytes = 0
        last = 0
        while (frame := read_frame(data, number, offset)) is not None:
            if frame.sequence > self.last_sequence + 1:
                raise LogDamagedError(self._broken or self._gap(path, offset, frame))
            if frame.sequence == self.last_sequence + 1:
                self.last_sequence = frame.sequence
                self.total_bytes += HEADER_BYTES + len(frame.body)
            last = frame.sequence
            synced_bytes = frame.synced_bytes
            offset += HEADER_BYTES + len(frame.body)
        self.last_sequences[number] = last
        self._whole[number] = synced_bytes, offset
        self.torn_bytes = len(data) - offset
        if self.torn_bytes == 0:
            return
        self._broken = (
            f"{path}: damaged at byte {offset} of {len(data)}: the frame there fails its checksum, and it"
            f" was on disk once; {_REMEDY}"
        )
        if _was_synced(data, number, offset):
            raise LogDamagedError(self._broken)

    def _gap(self, path: Path, offset: int, frame: Frame) -> str:
        return (
            f"{path}: frame {frame.sequence} at byte {offset} does not follow frame"
            f" {self.last_sequence}: a segment before it is missing; {_REMEDY}"
        )

    def frames(self) -> Iterator[Frame]:
        """The frames, in order, each once."""
        expected = self._first
        for number in self.numbers:
            data = segment_path(self._directory, number).read_bytes()
            offset = 0
            while (frame := read_frame(data, number, offset)) is not None:
                offset += HEADER_BYTES + len(frame.body)
                if frame.sequence == expected:
                    expected += 1
                    yield frame

    def settle(self, files: Files) -> None:
        """Remove what is not whole from the ends of the segments, and make the rest durable: the process
        that wrote it may have died before it was synced, and what follows must not be on disk without
        it. Raises OSError."""
        for number, (synced_bytes, whole_bytes) in self._whole.items():
            files.settle(segment_path(self._directory, number), synced_bytes, whole_bytes)


def cut_at_damage(directory: Path, sequence: int) -> tuple[int, int]:
    """Make a damaged log whole again by ending it before the damage: (frames beyond ``sequence`` that are
    left, bytes that are lost). Raises OSError."""
    last = sequence
    lost_bytes = 0
    is_over = False
    for number in segment_numbers(directory):
        path = segment_path(directory, number)
        data = path.read_bytes()
        offset = 0
        while not is_over and (frame := read_frame(data, number, offset)) is not None:
            is_over = frame.sequence > last + 1
            if not is_over:
                last = max(last, frame.sequence)
                offset += HEADER_BYTES + len(frame.body)
        lost_bytes += len(data) - offset
        if is_over and offset == 0:
            path.unlink()
            continue
        with path.open("r+b") as file:
            file.truncate(offset)
            os.fsync(file.fileno())
    return last - sequence, lost_bytes


def _was_synced(data: bytes, number: int, broken: int) -> bool:
    """Whether a frame behind ``broken`` says that this part was on disk when it was written."""
    at = next_mark(data, broken)
    while at >= 0:
        frame = read_frame(data, number, at)
        if frame is not None and frame.synced_bytes > broken:
            return True
        at = next_mark(data, at + 1)
    return False
