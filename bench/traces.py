"""Sequences of cache accesses for `scenarios/policies.py`: made ones, and one from Twitter.

The public trace is cluster 52 of Twitter's 2020 cache traces (Yang et al., OSDI 2020), in the
samples that the ``libcachesim`` source package on PyPI carries: 1M requests as CSV, 10M as CSV
compressed by zstd. It is fetched with pip when a benchmark wants it, into
``~/.cache/dscache-bench``, and never shipped. Lines are ``time, object, size, next access``; the
last column is not used.

A key's size is the one of its first request. (In the trace some objects change size between
requests; policies would have to agree on what that means, and it concerns few.)
"""

from __future__ import annotations  # array[int] is subscriptable from 3.12 only

import hashlib
import itertools
import math
import shutil
import subprocess
import sys
import tarfile
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.zipf import Keys

_CACHE: Final = Path.home() / ".cache" / "dscache-bench"
_PACKAGE: Final = "libcachesim"
_SMALL: Final = "twitter_cluster52.csv"
_LARGE: Final = "twitter_cluster52_10m.csv.zst"
_SMALLEST_BYTES: Final = 50
_LARGEST_BYTES: Final = 5000
_FETCH_S: Final = 300


@dataclass(frozen=True, slots=True)
class Trace:
    """Accesses in order. Keys are dense numbers from 0; ``sizes`` is by key."""

    name: str
    keys: array[int]
    sizes: array[int]

    @property
    def distinct(self) -> int:
        return len(self.sizes)

    @property
    def total_bytes(self) -> int:
        """Of all distinct keys together."""
        return sum(self.sizes)


class Unavailable(Exception):
    """The public trace cannot be had here; the message says why."""


def made(name: str, keys: Keys, length: int) -> Trace:
    """The first ``length`` keys of a stream, with sizes spread evenly in their logarithm."""
    return _trace(name, ((key, _size(key)) for key in itertools.islice(keys.stream(), length)))


def twitter(large: bool) -> Trace:
    """The public trace: 10M requests if ``large`` and zstd is installed, else 1M.

    Raises `Unavailable`.
    """
    large = large and shutil.which("zstd") is not None
    path = _extracted(_LARGE if large else _SMALL)
    if not large:
        with path.open() as lines:
            return _parse("Twitter cluster 52, 1M", lines)
    with subprocess.Popen(["zstd", "-dcq", path], stdout=subprocess.PIPE, text=True) as unpacker:
        assert unpacker.stdout is not None, "a pipe was asked for"
        return _parse("Twitter cluster 52, 10M", unpacker.stdout)


def _parse(name: str, lines: Iterable[str]) -> Trace:
    fields = (line.split(",") for line in lines if line[0] != "#")
    return _trace(name, ((int(row[1]), int(row[2])) for row in fields))


def _trace(name: str, accesses: Iterable[tuple[int, int]]) -> Trace:
    numbers: dict[int, int] = {}
    keys, sizes = array("q"), array("q")
    for key, size in accesses:
        number = numbers.setdefault(key, len(numbers))
        if number == len(sizes):
            sizes.append(max(1, size))
        keys.append(number)
    return Trace(name, keys, sizes)


def _size(key: int) -> int:
    """By a hash of the key, so that popularity and size are unrelated."""
    digest = hashlib.blake2b(key.to_bytes(8, "little"), digest_size=4).digest()
    share = int.from_bytes(digest, "little") / 2**32
    return int(_SMALLEST_BYTES * math.exp(share * math.log(_LARGEST_BYTES / _SMALLEST_BYTES)))


def _extracted(name: str) -> Path:
    """The file from the source package, fetched and extracted if it is not there yet."""
    path = _CACHE / name
    if path.exists():
        return path
    package = next(_CACHE.glob(f"tmp/{_PACKAGE}-*.tar.gz"), None) or _fetched()
    try:
        with tarfile.open(package) as archive:
            member = next((m for m in archive if m.name.endswith(f"/data/{name}")), None)
            content = archive.extractfile(member) if member is not None else None
            if content is None:
                raise Unavailable(f"{package.name} does not contain {name}")
            unfinished = path.with_suffix(".part")
            with unfinished.open("wb") as copy:
                shutil.copyfileobj(content, copy)
            return unfinished.rename(path)
    except (OSError, tarfile.TarError) as error:
        raise Unavailable(f"{package}: {error}") from error


def _fetched() -> Path:
    folder = _CACHE / "tmp"
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps"]
    try:
        done = subprocess.run(
            [*command, _PACKAGE, "-d", str(folder)],
            capture_output=True,
            check=False,
            text=True,
            timeout=_FETCH_S,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"pip took more than {_FETCH_S} s") from error
    package = next(folder.glob(f"{_PACKAGE}-*.tar.gz"), None)
    if package is None:
        raise Unavailable(f"pip: {done.stderr.strip()[-300:]}")
    return package
