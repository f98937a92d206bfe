"""Names spelled letter by letter by an MLP over embeddings, as in makemore (Bengio et al. 2003).

Three letters are looked up in a table, and a hidden layer with batch norm says what comes next.

    python examples/names_mlp.py [STEPS]
"""

import sys

from pymicrograd import data, manual_seed, multinomial, nn, no_grad, optim, randint, tensor

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 800
CONTEXT, WIDTH, HIDDEN = 3, 10, 64
LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # the dot is what stands before and after a name
manual_seed(42)

contexts, nexts = [], []
for name in data.names():
    context = [0] * CONTEXT
    for letter in name + ".":
        contexts.append(context)
        nexts.append(LETTERS.index(letter))
        context = [*context[1:], nexts[-1]]
examples = data.TensorDataset(tensor(contexts), tensor(nexts))
train, val = data.random_split(examples, [0.9, 0.1])
(x_train, y_train), (x_val, y_val) = (part[:] for part in (train, val))

model = nn.Sequential(
    nn.Embedding(len(LETTERS), WIDTH),
    nn.Flatten(),
    nn.Linear(CONTEXT * WIDTH, HIDDEN, bias=False),
    nn.BatchNorm1d(HIDDEN),
    nn.Tanh(),
    nn.Linear(HIDDEN, len(LETTERS)),
)
optimizer = optim.AdamW(model.parameters(), lr=0.01)
scheduler = optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, total_iters=steps)
for step in range(1, steps + 1):
    rows = randint(0, len(x_train), (64,))
    loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    if step % 200 == 0 or step == steps:
        print(f"step {step}, loss {loss.item():.4f}")

model.eval()
with no_grad():
    print(f"validation loss {nn.functional.cross_entropy(model(x_val), y_val).item():.4f}")
    for _ in range(10):
        name = [0] * CONTEXT
        while len(name) == CONTEXT or name[-1]:
            shares = model(tensor([name[-CONTEXT:]])).softmax(1)
            name.append(int(multinomial(shares, 1).item()))
        print("".join(LETTERS[i] for i in name[CONTEXT:-1]))
