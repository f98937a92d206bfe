"""Handwritten digits of 8 x 8 pixels read by two convolutions; they come with scikit-learn.

pip install 'pymicrograd[examples]'
python examples/digits_cnn.py [EPOCHS]
"""

import sys

from pymicrograd import data, manual_seed, nn, no_grad, optim, randperm, summary

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 10
manual_seed(42)
images, labels = data.digits()  # (1797, 1, 8, 8) from 0 to 1, and classes
order = randperm(len(images))
train, test = order[:1500], order[1500:]
loader = data.DataLoader(
    data.TensorDataset(images[train], labels[train]), batch_size=32, shuffle=True
)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Conv2d(16, 32, 3, padding=1),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Dropout(0.3),
    nn.Linear(128, 10),
)
print(summary(model, (32, 1, 8, 8)))
optimizer = optim.AdamW(model.parameters(), lr=0.005)
scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)

for epoch in range(epochs):
    model.train()
    for inputs, targets in loader:
        loss = nn.functional.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    scheduler.step()
    model.eval()
    with no_grad():
        right = (model(images[test]).argmax(1) == labels[test]).float().mean().item()
    print(f"epoch {epoch + 1}: loss {loss.item():.4f}, test accuracy {100 * right:.1f} %")
