"""`save` and `load`: Tensors, states and nested containers of plain data in a file.

A checkpoint is a dict of what shall go on: `{"model": model.state_dict(), "optimizer":
optimizer.state_dict(), "scheduler": ..., "loader": loader.state_dict(), "rng": get_rng_state()}`.
"""

from __future__ import annotations

import io
import os
import zipfile
from typing import Any

from ..files import Path, replacing
from ..modules import Module
from ..tensors.devices import check_device
from . import npz, safetensors

__all__ = ["load", "save"]

SAFETENSORS = ".safetensors"
# What an array in an .npz file may be.
KINDS = (
    "float64", "float32", "float16", "int64", "int32", "int16", "int8", "uint8", "bool", "uint16",
    "uint32",
)  # fmt: skip
CONVERT = (
    "a file of torch.save, whose pickle could run code; convert it where PyTorch is: "
    "numpy.savez('model.npz', **{k: v.numpy() for k, v in torch.load('model.pt').items()})"
)


def save(obj: Any, f: Any) -> None:
    """Write Tensors and plain data to a file.

    Numbers, text, None, lists, tuples, dicts and Tensors, nested in any way, come back as they
    are; a Tensor that stands at two places comes back as one. A module is saved as its state.
    A file appears whole or not at all: it is written beside its target, synchronized and renamed.

    Args:
        obj: what to save.
        f: a path, or a file that is open for writing bytes. A path that ends in .safetensors makes
            a file of that format, for which the package safetensors must be installed; any other
            an .npz file, which numpy.load reads, whatever its name is. There bfloat16, which
            NumPy has not, stands as float32 with the same values, and loads as bfloat16.

    Raises:
        TypeError: something is no plain data; the message says where it stands.
        ImportError: the package safetensors is missing.
        OSError: as the system says; what was at f is unchanged.

    Example:
        >>> file = io.BytesIO()
        >>> save({"step": 3, "seen": ("a", 0.5)}, file)
        >>> _ = file.seek(0)
        >>> load(file)
        {'step': 3, 'seen': ('a', 0.5)}
    """
    from .containers import flatten, widened

    structure, arrays = flatten(obj.state_dict() if isinstance(obj, Module) else obj)
    if not hasattr(f, "write") and is_safetensors(f):
        content = safetensors.bytes_of(arrays, structure)
    else:
        plain = {name: widened(array) for name, array in arrays.items()}
        content = npz.archive_of(plain, structure)
    if hasattr(f, "write"):
        f.write(content)
        return
    with replacing(f) as file:
        file.write(content)


def is_safetensors(path: Path) -> bool:
    """Tell whether a path names a file of that format."""
    return os.fsdecode(path).lower().endswith(SAFETENSORS)


def load(f: Any, map_location: Any = None, *, weights_only: bool = True, mmap: Any = None) -> Any:
    """Read what `save` has written; or the arrays of an .npz or safetensors file, as a dict.

    Nothing is unpickled and no code is run. A file is checked as a whole before anything of it is
    returned; of one of ours a checksum covers every bit.

    Args:
        f: a path, or a file that is open for reading bytes.
        map_location: "cpu" or None.
        weights_only, mmap: taken; they change nothing.

    Raises:
        ValueError: the file is damaged, or nothing that is read here: a pickle, for one, as
            torch.save makes it. The message names the file and the rule.
        ImportError: the package safetensors is missing.
        OSError: the file cannot be read.
    """
    if map_location is not None:
        check_device(map_location)
    if hasattr(f, "read"):
        return parsed(f.read(), getattr(f, "name", "this file"))
    return parsed(npz.content_of(f), os.fspath(f))


def parsed(content: bytes, name: Any) -> Any:
    """Return what the bytes of a file say."""
    from ..tensors.interchange import tensor
    from .containers import unflatten

    try:
        if safetensors.looks_like(content) or is_safetensors(str(name)):
            arrays, structure = safetensors.read_bytes(content)
        else:
            arrays, structure = npz.read_archive(content, KINDS)
        if structure is not None:
            return unflatten(structure, arrays)
        return {key: tensor(array) for key, array in arrays.items()}
    except ValueError as error:
        rule = CONVERT if is_pytorchs(content) else error
        raise ValueError(f"{name}: {rule}") from None


def is_pytorchs(content: bytes) -> bool:
    """Tell whether bytes that cannot be read are a pickle, or an archive with one."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except Exception:  # whatever zipfile makes of damaged archives
        return content.startswith(b"\x80") and not safetensors.looks_like(content)
