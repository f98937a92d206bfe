"""An LSTM that reads 0s and 1s of any length and tells whether there is an odd number of 1s.

A network without memory cannot; this one learns it of 6 to 12 digits and knows 20.

    python examples/lstm.py [STEPS]
"""

import sys

from pymicrograd import manual_seed, nn, no_grad, optim, randint

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
manual_seed(3)


class Parity(nn.Module):
    """Read digits (batch, length, 1); return a score for "odd" after each of them."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(1, 16, batch_first=True)
        self.head = nn.Linear(16, 1)

    def forward(self, digits):
        states, _ = self.lstm(digits)
        return self.head(states).squeeze(2)


def examples(count, length):
    """Return digits and, for each place, whether the 1s up to there are odd in number."""
    digits = randint(0, 2, (count, length))
    return digits.unsqueeze(2).float(), (digits.cumsum(1) % 2).float()


model = Parity()
optimizer = optim.Adam(model.parameters(), lr=0.02)
for step in range(1, steps + 1):
    x, y = examples(32, int(randint(6, 13, ()).item()))
    loss = nn.functional.binary_cross_entropy_with_logits(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    if step % 50 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.4f}")

with no_grad():
    x, y = examples(200, 20)
    right = ((model(x) > 0) == (y > 0.5))[:, -1].float().mean().item()
print(f"of 200 rows of 20 digits {100 * right:.1f} % are told right")
