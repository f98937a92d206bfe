"""Two half moons told apart with a PyTorch-style loop: layers, a loss, SGD, a DataLoader.

python examples/moons.py
"""

from pymicrograd import data, manual_seed, nn, no_grad, optim

manual_seed(1)
x, y = data.moons(500, noise=0.1)
train = data.TensorDataset(x[:400], y[:400].float().unsqueeze(1))
loader = data.DataLoader(train, batch_size=32, shuffle=True)

model = nn.Sequential(
    nn.Linear(2, 16),
    nn.ReLU(),
    nn.Linear(16, 16),
    nn.ReLU(),
    nn.Linear(16, 1),
    nn.Sigmoid(),
)
loss_of = nn.MSELoss()
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

step = 0
for _ in range(40):
    for inputs, targets in loader:
        loss = loss_of(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(f"step {step}, loss {loss.item():.4f}")

with no_grad():
    right = (model(x[400:]).squeeze(1) > 0.5) == (y[400:] == 1)
print(f"test accuracy: {100 * right.float().mean().item():.1f} %")
