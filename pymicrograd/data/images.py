"""Images in files of the idx format, as those of MNIST; nothing is fetched from a network."""

from __future__ import annotations

import gzip
import math
import os
import struct
from typing import Any

from ..tensors.dtypes import float32, int64
from ..tensors.interchange import from_numpy

__all__ = ["mnist", "read_idx"]

# Types of elements by the third byte of a file, which are stored with the high byte first.
KINDS = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def read_idx(path: Any) -> Any:
    """Return what a file of the idx format holds, .gz or not, as a Tensor of its type.

    Source: Y. LeCun, C. Cortes and C. Burges, the MNIST database, "file formats".

    Raises:
        ValueError: it is no such file, or a part of it is missing.
    """
    with open(path, "rb") as file:
        content = file.read()
    if content[:2] == b"\x1f\x8b":
        try:
            content = gzip.decompress(content)
        except (EOFError, gzip.BadGzipFile) as error:
            raise ValueError(f"{path}: the archive is damaged: {error}") from None
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in KINDS or not content[3]:
        raise ValueError(f"{path}: this is no file of the idx format")
    rank, kind = content[3], KINDS[content[2]]
    first = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", content[4:first]) if len(content) >= first else (1,)
    expected = first + math.prod(shape) * int(kind[2])
    if len(content) != expected:
        raise ValueError(f"{path}: {expected} bytes are needed, and there are {len(content)}")
    return elements(content[first:], kind).reshape(shape)


def elements(content: bytes, kind: str) -> Any:
    """Return numbers with the high byte first as a Tensor."""
    import numpy

    found = numpy.frombuffer(content, kind)
    return from_numpy(found.astype(found.dtype.newbyteorder("=")))


def mnist(folder: Any, train: bool = True, flat: bool = False, dtype: Any = float32) -> Any:
    """Return images from 0 to 1 and their classes, of MNIST's files or others named as these.

    Args:
        folder: where `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and those that begin
            with `t10k` are, .gz or not; or above its `raw`, `MNIST/raw`.
        train: the examples to learn from, not those for the test.
        flat: images of shape (n, 784) instead of (n, 1, 28, 28).
        dtype: of the images.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: a file is damaged, or there are not as many classes as images.
    """
    name = "train" if train else "t10k"
    images = read_idx(found_in(folder, f"{name}-images-idx3-ubyte"))
    labels = read_idx(found_in(folder, f"{name}-labels-idx1-ubyte"))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"{folder}: images of shape {tuple(images.shape)} and classes of shape "
            f"{tuple(labels.shape)} do not go together"
        )
    x = images.to(dtype) / 255.0
    return x.flatten(1) if flat else x.unsqueeze(1), labels.to(int64)


def found_in(folder: Any, name: str) -> str:
    """Return the path of a file in a folder, or where torchvision puts it."""
    for inner in ("", "raw", os.path.join("MNIST", "raw")):
        for ending in ("", ".gz"):
            path = os.path.join(os.fspath(folder), inner, name + ending)
            if os.path.isfile(path):
                return path
    raise FileNotFoundError(f"there is no {name} or {name}.gz in {os.fspath(folder)!r}")
