"""A GPT of characters on Tensors: tables of tokens and places, blocks of attention and an MLP.

Two layers of width 32 spell names; `pymicrograd train --data names` does the same with any text.

    python examples/gpt.py [STEPS]
"""

import sys

from pymicrograd import arange, data, manual_seed, multinomial, nn, no_grad, optim, randint, tensor
from pymicrograd.nn import functional as F

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 300
BLOCK, WIDTH, HEADS, LAYERS, BATCH = 16, 32, 4, 2, 32
manual_seed(1)


class Block(nn.Module):
    """Attention to what came before, then an MLP; each is added to what goes in."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.RMSNorm(WIDTH), nn.RMSNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.ReLU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(self, x):  # (batch, letters, WIDTH)
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.token, self.position = nn.Embedding(tokens, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.head = nn.Sequential(nn.RMSNorm(WIDTH), nn.Linear(WIDTH, tokens))

    def forward(self, x):  # (batch, letters) to (batch, letters, tokens)
        return self.head(self.blocks(self.token(x) + self.position(arange(x.shape[1]))))


text = "\n" + "\n".join(data.names()) + "\n"
letters = sorted(set(text))
stream = tensor([letters.index(letter) for letter in text])
model = GPT(len(letters))
optimizer = optim.AdamW(model.parameters(), lr=0.01)
for step in range(1, steps + 1):
    rows = randint(0, len(stream) - BLOCK, (BATCH, 1)) + arange(BLOCK)
    loss = F.cross_entropy(model(stream[rows]).flatten(0, 1), stream[rows + 1].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.4f}")

with no_grad():
    model.eval()
    for _ in range(10):
        name = "\n"
        while len(name) == 1 or (name[-1] != "\n" and len(name) < BLOCK):
            scores = model(tensor([[letters.index(letter) for letter in name]]))[0, -1]
            name += letters[int(multinomial(scores.softmax(0), 1).item())]
        print(name.strip())
