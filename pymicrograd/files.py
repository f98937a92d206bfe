"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

__all__ = ["Path", "replacing"]

Path = str | os.PathLike[str]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of path when the block ends without exception.

    Raises:
        ValueError: path is a directory, a device or another thing than a regular file.
        OSError: the folder or the disk refuses; path is as before and nothing else remains.
    """
    target = os.path.realpath(path)
    if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
        raise ValueError(f"{os.fspath(path)}: exists and is not a regular file")
    folder = os.path.dirname(target)
    temporary = os.path.join(folder, f".pymicrograd-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:  # unlike mkstemp's, its mode obeys the umask
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    _synchronize_folder(folder)


def _synchronize_folder(folder: str) -> None:
    """Ask the system to put a folder's entries on the disk, where it lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
