"""Random damage to weight files: `python -m tests.fuzz_loader SECONDS [SEED]`.

A file is read, or refused by a ValueError that names it; nothing else may come out, and no more
memory than the file is large. Inputs are changed bytes of archives, and whole archives around
changed members, whose checksums are right. One input for each text of a refusal is kept in
`tests/corpus/loader`, without which new ones start; the tests of saving run them all again.
"""

from __future__ import annotations

import io
import random
import re
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pymicrograd import saving

CORPUS = Path(__file__).parent / "corpus" / "loader"
WORDS = (b"0", b"-1", b"(2,)", b"(True,)", b"9" * 19, b"'<f8'", b"'|O'", b"True", b"\x93NUMPY",
         b"\xff\xff\xff\xff", b"PK\x05\x06", b"PK\x01\x02", b"\0\0\0\0", b"}", b"\n")  # fmt: skip


def member(array: object) -> bytes:
    """Return an array as the bytes of an .npy member."""
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def archive(members: dict[str, bytes]) -> bytes:
    """Return an uncompressed archive of these members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def changed(content: bytes, draw: random.Random) -> bytes:
    """Return bytes with a few changes: other bytes, less, more, words of the format."""
    data = bytearray(content)
    for _ in range(draw.randint(1, 4)):
        at, end = sorted(draw.randrange(len(data) + 1) for _ in range(2))
        kind = draw.randrange(6)
        if kind < 2 and at < len(data):
            data[at] = draw.randrange(256) if kind else data[at] ^ 1 << draw.randrange(8)
        elif kind == 2:
            word = draw.choice(WORDS)
            data[at : at + len(word) * draw.randrange(2)] = word
        elif kind == 3:
            del data[at : min(end, at + 8)]
        elif kind == 4:
            data[at:at] = data[at : at + draw.randrange(16)]
        elif draw.randrange(4) == 0:
            del data[at:]
    return bytes(data)


def inputs(seed: int) -> Iterator[bytes]:
    """Make inputs for ever."""
    draw = random.Random(seed)
    plain = {"a.npy": member([[1.5, -2.0]]), "b.npy": member(np.zeros(3)), "c.npy": member(2.0)}
    others = [path.read_bytes() for path in sorted(CORPUS.glob("*.npz"))]
    while True:
        if draw.randrange(2):
            yield changed(draw.choice([archive(plain), *others]), draw)
        else:
            name = draw.choice(list(plain))
            yield archive({**plain, name: changed(plain[name], draw)})


def outcome(content: bytes, path: Path) -> str:
    """Load a file of these bytes; returns "loaded", or the rule that it was refused by."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arrays = saving.load(path)
    except ValueError as error:
        assert str(error).startswith(f"{path}: "), error
        return re.sub(r"'[^']*'|\"[^\"]*\"|[\d.,]+", "_", str(error).split(": ", 1)[1])[:60]
    assert all(array.dtype == np.float64 for array in arrays.values())
    assert sum(array.nbytes for array in arrays.values()) <= len(content)
    return "loaded"


def main(seconds: float, seed: int = 1) -> int:
    """Look for new refusals; what raises something else ends the search and is kept."""
    start, count = time.monotonic(), 0
    CORPUS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w.npz"
        seen = {outcome(kept.read_bytes(), path) for kept in CORPUS.glob("*.npz")}
        for content in inputs(seed):
            if time.monotonic() - start > seconds:
                break
            count += 1
            try:
                rule = outcome(content, path)
            except BaseException:
                (CORPUS / f"failed-{seed}-{count}.npz").write_bytes(content)
                raise
            if rule not in seen:
                seen.add(rule)
                name = re.sub(r"[\W_]+", "-", rule)[:50].strip("-")
                (CORPUS / f"{name}.npz").write_bytes(content)
    print(f"{count} files, {len(seen)} ways to end, none of them wrong")
    return 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *map(int, sys.argv[2:])))
