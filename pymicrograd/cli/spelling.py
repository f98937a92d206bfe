"""What `pymicrograd train` and `predict` do with texts: a GPT of characters, lines that it makes.

A text is one row of characters, cut into blocks: an example is a block, its target the block one
character later. Lines need no rule of their own, for their end is a character like the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .. import data, nn
from ..random import RNG, manual_seed
from ..tensors.creation import arange
from ..tensors.dtypes import int64
from ..tensors.interchange import tensor

__all__ = ["GPT", "TEXTS", "blocks_of", "is_text", "said", "text_of"]

TEXTS = ("names",)  # those that the package has
MIN_BLOCKS = 10


def is_text(name: str) -> bool:
    """Tell whether data are a text, by their name."""
    return name in TEXTS or name.lower().endswith(".txt")


def text_of(name: str, seed: int) -> str:
    """Return the text of a name or a file, which begins and ends with a newline.

    Names are brought into the order of a seed: letters that stand in alphabetical order tell more
    of each other than those of words do.

    Raises:
        ValueError: the file is no text.
        OSError: it cannot be read.
    """
    if name in TEXTS:
        words = data.names()
        RNG(seed).shuffle(words)
        return "\n".join(["", *words, ""])
    try:
        with open(name, encoding="utf-8") as file:
            return "\n" + file.read().strip("\n") + "\n"
    except UnicodeDecodeError as error:
        raise ValueError(f"{name}: {error}") from None


def blocks_of(name: str, block: int, seed: int) -> tuple[Any, Any, list[str]]:
    """Return the blocks of a text, (n, block), the same one character later, and its characters.

    Raises:
        ValueError: the text is too short.
        OSError: its file cannot be read.
    """
    text = text_of(name, seed)
    count = (len(text) - 1) // block
    if count < MIN_BLOCKS:
        needed = MIN_BLOCKS * block + 1
        raise ValueError(
            f"{name}: {len(text)} characters, but blocks of {block} need {needed} at least"
        )
    characters = sorted(set(text))
    places = {character: i for i, character in enumerate(characters)}
    stream = tensor([places[character] for character in text], dtype=int64)
    x, y = (stream[first : first + count * block].reshape(count, block) for first in (0, 1))
    return x, y, characters


class GPT(nn.Module):
    """A transformer that tells, of every place in a block, what comes next.

    Args:
        tokens: how many characters there are; block: the longest row that it takes.
        width: of a token; heads: of attention, which divide width; depth: layers.
        dropout: the share of numbers that is dropped while training.

    Raises:
        ValueError: heads do not divide width.
    """

    def __init__(
        self, tokens: int, block: int, width: int, heads: int, depth: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"--heads {heads} does not divide --width {width}")
        self.token, self.place = nn.Embedding(tokens, width), nn.Embedding(block, width)
        for table in (self.token, self.place):
            nn.init.normal_(table.weight, std=0.1)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, tokens)

    def forward(self, x: Any) -> Any:
        """Map characters (n, length) to the scores of the next ones (n, length, tokens)."""
        length = x.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        found = self.token(x) + self.place(arange(length))
        for layer in self.layers:
            found = layer(found, mask, is_causal=True)
        return self.head(self.norm(found))


def said(
    model: GPT,
    characters: list[str],
    beginnings: list[str],
    length: int,
    temperature: float,
    seed: int,
) -> Iterator[str]:
    """Yield, for each beginning, a line that a network makes of it.

    Args:
        model: the network; characters: what its tokens mean.
        beginnings: of lines, each of which may be empty.
        length: the most characters of a line.
        temperature: what scores are divided by; the smaller, the more likely the letters.
        seed: of the draws.

    Raises:
        ValueError: a beginning has a character that the network does not know.
    """
    from .. import _core

    places = {character: i for i, character in enumerate(characters)}
    for beginning in beginnings:
        unknown = [character for character in beginning if character not in places]
        if unknown:
            raise ValueError(f"the network has not learnt the character {unknown[0]!r}")
    manual_seed(seed)
    end, block = places["\n"], model.place.weight.shape[0]
    model.eval()
    for beginning in beginnings:
        row = [end, *(places[character] for character in beginning)]
        with _core.no_grad():
            while len(row) <= length:
                scores = model(tensor([row[-block:]]))[0, -1] / temperature
                row.append(int(scores.softmax(0).multinomial(1).item()))
                if row[-1] == end:
                    break
        yield "".join(characters[i] for i in row).strip("\n")
