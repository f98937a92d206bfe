"""teenygrad's network for MNIST: two convolutions without biases, and a matrix, of bare Tensors.

MNIST's images do not come with a package: without a file this learns scikit-learn's digits, made
28 x 28. With Keras's mnist.npz (arrays x_train, y_train, x_test, y_test) it learns those.

    python examples/mnist.py [STEPS [mnist.npz]]
"""

import math
import sys

from pymicrograd import Tensor, data, load, manual_seed, no_grad, optim, rand, randint, randperm
from pymicrograd.nn import functional as F

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
manual_seed(1337)


def scaled_uniform(*shape: int) -> Tensor:
    """Return weights from -1 to 1, divided by the root of their number."""
    weights = (2 * rand(*shape) - 1) / math.prod(shape) ** 0.5
    return weights.requires_grad_()


class TinyConvNet:
    """Convolutions of 8 and 16 channels, each with a ReLU and pooling."""

    def __init__(self) -> None:
        self.c1 = scaled_uniform(8, 1, 3, 3)
        self.c2 = scaled_uniform(16, 8, 3, 3)
        self.l1 = scaled_uniform(400, 10)

    def __call__(self, x: Tensor) -> Tensor:
        """Map images (n, 1, 28, 28) to the scores of ten classes (n, 10)."""
        x = F.max_pool2d(F.conv2d(x, self.c1).relu(), 2)
        x = F.max_pool2d(F.conv2d(x, self.c2).relu(), 2)
        return x.flatten(1) @ self.l1


def digits() -> tuple[Tensor, ...]:
    """Return images (n, 1, 28, 28) from 0 to 1 and labels (n,), to train and to test."""
    small, labels = data.digits()
    large = F.interpolate(small, size=(28, 28), mode="bilinear")
    order = randperm(len(large))
    train, test = order[:1500], order[1500:]
    return large[train], labels[train], large[test], labels[test]


def mnist(path: str) -> tuple[Tensor, ...]:
    """Return the same of a file of NumPy's."""
    found = load(path)
    images = (found[f"x_{part}"].unsqueeze(1) / 255 for part in ("train", "test"))
    labels = (found[f"y_{part}"].long() for part in ("train", "test"))
    return tuple(array for pair in zip(images, labels, strict=True) for array in pair)


x_train, y_train, x_test, y_test = mnist(sys.argv[2]) if len(sys.argv) > 2 else digits()
model = TinyConvNet()
optimizer = optim.Adam([model.c1, model.c2, model.l1], lr=0.001)
for step in range(1, steps + 1):
    rows = randint(0, len(x_train), (128,))
    loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.4f}")
with no_grad():
    right = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy: {100 * right:.1f} %")
