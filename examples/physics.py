"""A network that learns from an equation: u'' = -u with u(0) = 0, u'(0) = 1; the solution is sin.

The derivatives of the network by its input stand in the loss, so that `backward` goes through
them: second and third order.

    python examples/physics.py [STEPS]
"""

import math
import sys

from pymicrograd import linspace, manual_seed, nn, no_grad, ones_like, optim, sin
from pymicrograd.autograd import grad

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
manual_seed(0)

model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))
optimizer = optim.Adam(model.parameters(), lr=0.005)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
x = linspace(0, math.pi, 32).unsqueeze(1).requires_grad_()


def derivative(y):
    """Return dy/dx of each row, which can be differentiated again."""
    return grad(y, (x,), ones_like(y), create_graph=True)[0]


for step in range(1, steps + 1):
    u = model(x)
    slope = derivative(u)
    equation = (derivative(slope) + u).square().mean()
    start = u[0].square() + (slope[0] - 1).square()
    loss = equation + start.sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 200 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.2e}")

with no_grad():
    print(f"largest error from 0 to pi: {(model(x) - sin(x)).abs().max().item():.4f}")
