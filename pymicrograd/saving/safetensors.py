"""Bytes of the safetensors format, by the library of that name.

Source: https://github.com/huggingface/safetensors, "Format": 8 bytes of length, JSON, the data.
Files of ours have in their metadata the structure of what was saved, and a checksum of the whole
file, in which its own digits count as zeros.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from ..tensors.bits import as_bits, from_bits
from ..tensors.ops import TensorBase

__all__ = ["bytes_of", "read_bytes"]

# The format's names of types that NumPy has, too.
KINDS = {
    "BOOL": "?", "U8": "u1", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8",
    "F16": "<f2", "F32": "<f4", "F64": "<f8",
}  # fmt: skip
STRUCTURE, CHECKSUM = "pymicrograd.structure", "pymicrograd.sha256"
ZEROS = "0" * 64
DIGEST = re.compile(rb'"pymicrograd\.sha256":"([0-9a-f]{64})"')


def library() -> Any:
    """Return the library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        importlib.import_module("safetensors.numpy")
        return importlib.import_module("safetensors")
    except ImportError as error:
        raise ImportError(
            "files named .safetensors need the package safetensors: "
            f"pip install 'pymicrograd[interop]' ({error})"
        ) from None


def bytes_of(arrays: Mapping[str, Any], structure: str) -> bytes:
    """Return the bytes of a file of arrays, with its checksum; the same of the same arrays.

    Tensors among them are of bfloat16, which the library takes from NumPy as integers.
    """
    brains = {name: as_bits(x) for name, x in arrays.items() if isinstance(x, TensorBase)}
    content: bytes = library().numpy.save({**arrays, **brains})
    end = 8 + header_size(content)
    metadata = {CHECKSUM: ZEROS, "format": "pt", STRUCTURE: structure}
    header = {"__metadata__": metadata, **json.loads(content[8:end])}
    for name in brains:
        header[name]["dtype"] = "BF16"
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the data begin at a multiple of 8
    content = len(text).to_bytes(8, "little") + text + content[end:]
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(ZEROS.encode(), digest, 1)


def header_size(content: bytes) -> int:
    """Return the length of the JSON."""
    return int.from_bytes(content[:8], "little")


def looks_like(content: bytes) -> bool:
    """Tell whether bytes begin as files of this format do."""
    return content[8:9] == b"{" and header_size(content) <= len(content) - 8


def read_bytes(content: bytes) -> tuple[dict[str, Any], str | None]:
    """Return the arrays in a file's bytes, and the text of its structure, if it has one.

    Raises:
        ImportError: the library is not installed.
        ValueError: the file breaks a rule, which the message names.
    """
    found = library()
    try:
        entries = found.deserialize(content)
        header = json.loads(content[8 : 8 + header_size(content)])
    except (found.SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"not an intact safetensors file ({error})") from None
    structure = checked_structure(content, header.get("__metadata__") or {})
    return {name: array_of(name, entry) for name, entry in entries}, structure


def checked_structure(content: bytes, metadata: Mapping[str, str]) -> str | None:
    """Return the structure of a file of ours, whose checksum must be right."""
    if not any("pymicrograd" in name for name in metadata):
        return None
    found = DIGEST.search(content, 8, 8 + header_size(content))
    if found is None or STRUCTURE not in metadata:
        raise ValueError("damaged: its checksum or its structure is missing")
    zeroed = content[: found.start(1)] + ZEROS.encode() + content[found.end(1) :]
    if hashlib.sha256(zeroed).hexdigest().encode() != found[1]:
        raise ValueError("damaged: its bytes do not have the checksum in its metadata")
    return metadata[STRUCTURE]


def array_of(name: str, entry: Mapping[str, Any]) -> Any:
    """Return an entry as an ndarray, one of bfloat16 as a Tensor."""
    import numpy as np

    kind, shape, data = entry["dtype"], tuple(entry["shape"]), entry["data"]
    if kind == "BF16":
        array = np.frombuffer(data, "<u2")
    elif kind in KINDS:
        array = np.frombuffer(data, KINDS[kind])
    else:
        raise ValueError(f"{name} is of {kind}, which no Tensor is")
    if array.size != math.prod(shape):
        raise ValueError(f"{name} has {array.size} elements for the shape {shape}")
    array = array.reshape(shape)
    return from_bits(array.astype("u2")) if kind == "BF16" else array
