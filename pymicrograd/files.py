"""Files that appear whole or not at all, and whole files."""

from __future__ import annotations

import os
import secrets
import stat
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

__all__ = ["Path", "content_of", "replacing"]

Path = str | os.PathLike[str]

_open: set[str] = set()  # the temporary files of this process


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """Open a temporary file that takes the place of path when the block ends without exception.

    It has the permissions of the file that it replaces; a new one has those that the umask leaves.
    The temporary files of processes that were killed while they saved to path are removed.

    Raises:
        ValueError: path is a directory, a device or another thing than a regular file.
        OSError: the folder or the disk refuses; path is as before and nothing else remains.
    """
    target = os.path.realpath(path)
    mode = None
    if os.path.lexists(target):
        status = os.lstat(target)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(f"{os.fspath(path)}: exists and is not a regular file")
        mode = stat.S_IMODE(status.st_mode)
    folder = os.path.dirname(target)
    prefix = _prefix(target)
    _remove_stale(folder, prefix)
    temporary = os.path.join(folder, f"{prefix}{os.getpid()}-{secrets.token_hex(4)}.tmp")
    _open.add(temporary)
    try:
        with open(temporary, "xb") as file:  # unlike mkstemp's, its mode obeys the umask
            if mode is not None:
                os.chmod(temporary, mode)
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.filename == temporary:
            error.filename = os.fspath(path)  # which the caller knows
        raise
    finally:
        _open.discard(temporary)
    _synchronize_folder(folder)


def content_of(path: Path) -> bytes:
    """Return the bytes of a regular file.

    Raises:
        ValueError: it is none, but a directory, a device or a pipe.
        OSError: it cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe would wait for its writer
        raise ValueError(f"{os.fspath(path)}: not a regular file")
    with open(path, "rb") as file:
        return file.read()


def _prefix(target: str) -> str:
    """Return how this machine's temporary files for a path begin: others may share the folder."""
    machine = os.uname().nodename if hasattr(os, "uname") else ""
    name = zlib.crc32(os.fsencode(f"{machine}/{os.path.basename(target)}"))
    return f".pymicrograd-{name:08x}-"


def _remove_stale(folder: str, prefix: str) -> None:
    """Remove a path's temporary files whose processes are gone; the folder may be any size."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            process, _, rest = entry.name.removeprefix(prefix).partition("-")
            if not entry.name.startswith(prefix) or not rest.endswith(".tmp"):
                continue
            is_open = entry.path in _open or (process != str(os.getpid()) and _is_running(process))
            if not is_open:
                with suppress(OSError):
                    os.unlink(entry.path)


def _is_running(process: str) -> bool:
    """Tell whether there is a process of a number; where that cannot be asked, it is said to be."""
    if os.name != "posix" or not process.isdecimal():
        return True  # elsewhere os.kill(process, 0) would end it
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


def _synchronize_folder(folder: str) -> None:
    """Ask the system to put a folder's entries on the disk, where it lets a folder be opened."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
