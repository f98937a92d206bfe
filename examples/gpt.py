"""A GPT of characters on Tensors: tables of tokens and places, blocks of attention and an MLP.

It has microgpt's 4,192 weights, as microgpt.py beside it, and sees 32 rows of 16 letters a step;
`pymicrograd train --data names` does the same with any text, and dropout, checkpoints and plots.

    python examples/gpt.py [STEPS]
"""

import sys

from pymicrograd import arange, data, manual_seed, multinomial, nn, no_grad, optim, randint, tensor
from pymicrograd.nn import functional as F

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 500
BLOCK, WIDTH, HEADS, LAYERS, BATCH = 16, 16, 4, 1, 32
manual_seed(1)


def linear(inputs, outputs):
    return nn.Linear(inputs, outputs, bias=False)


class Block(nn.Module):
    """Attention to what came before, then an MLP; each is added to what goes in."""

    def __init__(self):
        super().__init__()
        self.norm = nn.RMSNorm(WIDTH, elementwise_affine=False)
        self.qkv, self.out = linear(WIDTH, 3 * WIDTH), linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(linear(WIDTH, 4 * WIDTH), nn.ReLU(), linear(4 * WIDTH, WIDTH))

    def forward(self, x):  # (batch, letters, WIDTH)
        heads = self.qkv(self.norm(x)).unflatten(2, (3, HEADS, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).flatten(2))
        return x + self.mlp(self.norm(x))


class GPT(nn.Module):
    def __init__(self, tokens):
        super().__init__()
        self.token, self.position = nn.Embedding(tokens, WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.head = linear(WIDTH, tokens)

    def forward(self, x):  # (batch, letters) to (batch, letters, tokens)
        return self.head(self.blocks(self.token(x) + self.position(arange(x.shape[1]))))


text = "\n" + "\n".join(data.names()) + "\n"
letters = sorted(set(text))
stream = tensor([letters.index(letter) for letter in text])
model = GPT(len(letters))
print(f"{sum(weight.numel() for weight in model.parameters())} weights")
optimizer = optim.AdamW(model.parameters(), lr=0.01)
for step in range(1, steps + 1):
    rows = randint(0, len(stream) - BLOCK, (BATCH, 1)) + arange(BLOCK)
    loss = F.cross_entropy(model(stream[rows]).flatten(0, 1), stream[rows + 1].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.4f}")

with no_grad():
    model.eval()
    for _ in range(10):
        name = "\n"
        while len(name) == 1 or (name[-1] != "\n" and len(name) < BLOCK):
            scores = model(tensor([[letters.index(letter) for letter in name]]))[0, -1]
            name += letters[int(multinomial(scores.softmax(0), 1).item())]
        print(name.strip())
