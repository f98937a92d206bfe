"""A line through noisy points, first with two Values and one example at a time, then with Tensors.

The points are of y = 4 x + 3; both ways find the two numbers.

    python examples/linear_regression.py
"""

from pymicrograd import RNG, Value, data, manual_seed, nn, optim

x, y = data.linear_regression(10, weight=(4.0,), bias=3.0, noise=0.01, generator=RNG(1))

# ---- micrograd's way: each parameter is a Value -------------------------------------------------

rng = RNG(2)
w, b = Value(rng.random()), Value(rng.random())
print(f"w {w.data:.4f}, b {b.data:.4f} at first")
for epoch in range(40):
    total = 0.0
    for xi, yi in zip(x.flatten().tolist(), y.flatten().tolist(), strict=True):
        loss = (yi - (w * xi + b)) ** 2
        w.grad = b.grad = 0.0
        loss.backward()
        for p in (w, b):
            p.data -= 0.1 * p.grad
        total += loss.data
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: loss {total:.6f}, w {w.data:.4f}, b {b.data:.4f}")

# ---- PyTorch's way: all examples at once --------------------------------------------------------

manual_seed(2)
line = nn.Linear(1, 1)
optimizer = optim.SGD(line.parameters(), lr=0.1, momentum=0.9)
for _ in range(200):
    loss = nn.functional.mse_loss(line(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"Tensors: loss {loss.item():.6f}, w {line.weight.item():.4f}, b {line.bias.item():.4f}")
