"""Weights in files: a module's state as arrays in an .npz archive, read without running code.

A file is a zip archive of .npy members, stored without compression, which numpy.load reads too.
Names are those of `state_dict()`, of an MLP `layers.0.weight` of shape (nout, nin),
`layers.0.bias` of shape (nout,), `layers.1.weight` ...; all are float64, so that the 64 bits of
every weight survive. The same weights make the same bytes.

Nothing is unpickled. A file is read and checked as a whole before any weight changes, and is
written beside its target and renamed, so that an interrupted save leaves the old file in place.
The archive ends in a comment with a checksum of all that stands before it, so that no flipped bit
of a file of ours is read; those of NumPy have only the zip format's, of the members.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import struct
import zipfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..files import Path, content_of, replacing
from ..modules import Module

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.float64]]

__all__ = [
    "archive_of", "content_of", "load", "load_state_dict", "load_weights", "read_archive", "save",
    "state_dict",
]  # fmt: skip

# The member that says how arrays stand in nested containers; see containers.py.
STRUCTURE = "pymicrograd.json"
_MARK = b"pymicrograd sha256 "
_DIGEST = 64  # hexadecimal digits
_SUFFIX = ".npy"
# The last record of a zip archive: mark, disk, disk of the directory, members (here, in all), ...
_END, _END_MARK = struct.Struct("<4s4HLLH"), b"PK\5\6"
# What zipfile raises for damaged archives, besides ValueError.
_ZIP_ERRORS = (zipfile.BadZipFile, EOFError, OSError, OverflowError, RuntimeError, struct.error)


def state_dict(module: Any) -> dict[str, Array]:
    """Return the state of a module of either engine as float64 arrays by name.

    Raises:
        TypeError: it is no module.
        ValueError: an entry is not of floats.
    """
    return _checked_arrays(_module(module).state_dict())


def load_state_dict(module: Any, state: Mapping[str, Any]) -> None:
    """Set the weights of a module from arrays by name; names and shapes must be the module's.

    Raises:
        ValueError: a name is missing or unexpected, or a shape or dtype differs. No weight changed.
    """
    _module(module).load_state_dict(_checked_arrays(state))


def save(module_or_state: Any, path: Path) -> None:
    """Write the weights of a module, or arrays by name, to an .npz file for `load_weights`.

    The file appears whole or not at all: it is written to a temporary file in the same folder,
    synchronized and renamed. A symbolic link keeps pointing to it.

    Raises:
        ValueError: an array is not of real floats, a name cannot be a member's name, or the
            path exists and is not a regular file.
        OSError: as the system says; what was at path is unchanged.
    """
    is_state = isinstance(module_or_state, Mapping)
    arrays = _checked_arrays(module_or_state if is_state else state_dict(module_or_state))
    content = archive_of(arrays)
    with replacing(path) as file:
        file.write(content)


def archive_of(arrays: Mapping[str, Any], structure: str | None = None) -> bytes:
    """Return the bytes of an .npz file of arrays, with its checksum."""
    import numpy as np

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = _MARK + bytes(_DIGEST)
        if structure is not None:
            with archive.open(STRUCTURE, "w") as member:
                member.write(structure.encode())
        for name, array in arrays.items():
            with archive.open(name + _SUFFIX, "w", force_zip64=array.nbytes > 2**31 - 1) as member:
                np.lib.format.write_array(member, array, version=(1, 0), allow_pickle=False)
    content = buffer.getbuffer()
    digest = hashlib.sha256(content[:-_DIGEST]).hexdigest().encode()
    content[-_DIGEST:] = digest
    return bytes(content)


def load(path: Path) -> dict[str, Array]:
    """Read an .npz file of float64 arrays and return them by name.

    Raises:
        ValueError: the file is not such an archive: the message names the file and the rule.
        OSError: the file cannot be read.
    """
    content = content_of(path)
    try:
        return read_archive(content, ("float64",))[0]
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def load_weights(module: Any, path: Path) -> None:
    """Set the weights of a module from an .npz file, or raise and change none.

    Raises:
        ValueError: the file is damaged or does not fit; the message names the file and the rule.
        OSError: the file cannot be read.
    """
    arrays = load(path)
    try:
        load_state_dict(module, arrays)
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from None


def _module(module: Any) -> Module:
    """Return a module, or refuse what is none."""
    if not isinstance(module, Module):
        raise TypeError(f"a Module, or arrays by name, expected, not {type(module).__name__}")
    return module


def _checked_arrays(state: Mapping[str, Any]) -> dict[str, Array]:
    """Return a state's arrays as little-endian float64, or raise for the one that is not."""
    import numpy as np

    arrays = {}
    for name, given in state.items():
        if not isinstance(name, str) or not name or not set(name).isdisjoint("/\\\0"):
            raise ValueError(f"{name!r} cannot name an array")
        array = np.asarray(_plain(given))
        if array.dtype.kind != "f" or array.dtype.itemsize > 8:
            raise ValueError(f"{name} has dtype {array.dtype}: float64 expected")
        arrays[name] = np.ascontiguousarray(array, dtype="<f8").reshape(array.shape)
    return arrays


def _plain(x: Any) -> Any:
    """Return what NumPy makes an array of: a Tensor by itself, one of bfloat16 as float32."""
    if not hasattr(x, "detach"):
        return x
    return x.detach().float() if getattr(x.dtype, "name", "") == "bfloat16" else x.detach()


def _checked_content(content: bytes) -> bool:
    """Tell whether an archive has a checksum of ours, which must be right."""
    start = len(content) - _DIGEST
    if content[max(start - len(_MARK), 0) : max(start, 0)] != _MARK:
        return False
    if hashlib.sha256(content[:start]).hexdigest().encode() != content[start:]:
        raise ValueError("damaged: its bytes do not have the checksum that it ends with")
    return True


def read_archive(content: bytes, kinds: tuple[str, ...]) -> tuple[dict[str, Any], str | None]:
    """Return the arrays in an .npz file's bytes, and the text of its structure, if it has one.

    No more memory is allocated than there are bytes.

    Args:
        content: the bytes.
        kinds: names of the types that the arrays may have.

    Raises:
        ValueError: the file breaks a rule, which the message names.
    """
    if content.startswith(b"\x80"):
        raise ValueError("a pickle, not an .npz file; nothing in it was executed")
    if not content.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        raise ValueError("not an .npz file: it is not a zip archive")
    is_ours = _checked_content(content)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            count, comment = len(members), len(archive.comment) if is_ours else 0
            end = content[len(content) - comment - _END.size : len(content) - comment]
            *last, _, _, length = _END.unpack(end)
            if (*last, length) != (_END_MARK, 0, 0, count, count, comment):
                raise ValueError("the zip archive's last record does not count its members")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                raise ValueError("compressed members: only what savez stores is read")
            if sum(member.file_size for member in members) > len(content):
                raise ValueError("members longer than the file")
            names = [member.filename for member in members]
            if len(set(names)) != len(names):
                raise ValueError("two members of one name")
            structure = _read_structure(archive, is_ours) if STRUCTURE in names else None
            names = [name for name in names if name != STRUCTURE]
            arrays = {_member_name(name): _read_member(archive, name, kinds) for name in names}
            return arrays, structure
    except _ZIP_ERRORS as error:
        raise ValueError(f"not an intact zip archive ({str(error) or 'cut short'})") from None


def _read_structure(archive: zipfile.ZipFile, is_ours: bool) -> str:
    """Return the text that says how arrays stand in containers."""
    if not is_ours:
        raise ValueError("damaged: the checksum at its end is missing")
    try:
        return archive.read(STRUCTURE).decode()
    except ValueError as error:  # a place before the file, or no UTF-8
        raise zipfile.BadZipFile(str(error)) from None


def _member_name(filename: str) -> str:
    """Return the array's name of a zip member."""
    name = filename.removesuffix(_SUFFIX)
    if name == filename or not name:
        raise ValueError(f"member {filename!r} is not an .npy file")
    return name


def _read_member(archive: zipfile.ZipFile, filename: str, kinds: tuple[str, ...]) -> Any:
    """Return the array of one .npy member, whose shape must account for every byte of it."""
    import numpy as np

    try:
        content = io.BytesIO(archive.read(filename))
    except ValueError as error:  # a place before the file, which zipfile seeks
        raise zipfile.BadZipFile(str(error)) from None
    try:
        version = np.lib.format.read_magic(content)
        if version != (1, 0):
            raise ValueError(f"format version {version}")
        shape, by_column, dtype = np.lib.format.read_array_header_1_0(content)
    except Exception as error:  # a hostile header can fail in any part of NumPy's parser
        raise ValueError(f"member {filename!r} has no .npy 1.0 header: {error}") from None
    if dtype.hasobject:
        raise ValueError(f"member {filename!r} holds pickled objects; nothing was executed")
    if dtype.newbyteorder("=").name not in kinds or dtype.shape or dtype.names:
        raise ValueError(f"member {filename!r} has dtype {dtype}: {', '.join(kinds)} expected")
    data = content.read()
    if any(type(size) is not int or size >= 2**63 for size in shape):  # NumPy lets bools pass
        raise ValueError(f"member {filename!r} has a shape of no sizes: {shape}")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"member {filename!r} has {len(data)} bytes for the shape {shape}")
    try:
        array = np.frombuffer(data, dtype).reshape(shape, order="F" if by_column else "C")
    except ValueError as error:  # more axes, or larger ones, than NumPy has
        raise ValueError(f"member {filename!r} has the shape {shape}: {error}") from None
    return array.astype(dtype.newbyteorder("="), order="C")
