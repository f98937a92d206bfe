"""The same GPT on scalars, of microgpt's size: one layer, 4 heads, width 16, some 4,200 Values.

Every number is a Value, and + * ** exp log relu are all that is done with them. A step takes about
10 ms.

    python examples/microgpt.py [STEPS]
"""

import sys

from pymicrograd import RNG, AdamW, Value, data

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100
WIDTH, HEADS, BLOCK = 16, 4, 16
END = 26  # the token before and after a name; the others are the letters
rng = RNG(42)
names = data.names()
rng.shuffle(names)


def matrix(rows, columns):
    return [[Value(rng.normal(0.0, 0.08)) for _ in range(columns)] for _ in range(rows)]


tokens, places, head = matrix(27, WIDTH), matrix(BLOCK, WIDTH), matrix(27, WIDTH)
wq, wk, wv, wo = (matrix(WIDTH, WIDTH) for _ in range(4))
up, down = matrix(4 * WIDTH, WIDTH), matrix(WIDTH, 4 * WIDTH)
tables = (tokens, places, head, wq, wk, wv, wo, up, down)
optimizer = AdamW([w for table in tables for row in table for w in row], lr=0.01)


def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(row, x, strict=True)) for row in w]


def softmax(scores):
    largest = max(score.data for score in scores)
    exps = [(score - largest).exp() for score in scores]
    total = sum(exps)
    return [x / total for x in exps]


def norm(x):
    scale = (sum(xi * xi for xi in x) / len(x) + 1e-5) ** -0.5
    return [xi * scale for xi in x]


def attend(q, keys, values):
    found = []
    for i in range(0, WIDTH, WIDTH // HEADS):
        part = slice(i, i + WIDTH // HEADS)
        shares = softmax([x * 0.5 for x in linear(q[part], [key[part] for key in keys])])
        found += linear(shares, list(zip(*(value[part] for value in values), strict=True)))
    return found


def shares_of_next(token, keys, values):
    """Return the probability of each token after this one; keys and values grow by one."""
    x = norm([a + b for a, b in zip(tokens[token], places[len(keys)], strict=True)])
    normal = norm(x)
    keys.append(linear(normal, wk))
    values.append(linear(normal, wv))
    attended = linear(attend(linear(normal, wq), keys, values), wo)
    x = [a + b for a, b in zip(attended, x, strict=True)]
    hidden = [h.relu() for h in linear(norm(x), up)]
    x = [a + b for a, b in zip(linear(hidden, down), x, strict=True)]
    return softmax(linear(x, head))


for step in range(1, steps + 1):
    spelled = [END, *(ord(letter) - ord("a") for letter in names[step % len(names)]), END]
    keys, values = [], []
    shares = [shares_of_next(token, keys, values) for token in spelled[:-1]]
    loss = -sum(p[i].log() for p, i in zip(shares, spelled[1:], strict=True)) / len(shares)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    if step % 20 == 0 or step == steps:
        print(f"step {step}, loss of {names[step % len(names)]} {loss.data:.4f}")
