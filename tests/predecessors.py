"""Programs of the predecessors' users, and the predecessors in pure Python with ordered operands.

Each program is text that imports micrograd, LLM101n's module or microgpt's Value; `run` gives it
the module that stands for the import, and changes nothing else. Written after the facts of those
programs, for these tests and for bench/predecessors.py.
"""

from __future__ import annotations

import importlib
import math
import random
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from pymicrograd.data import gen_data, gen_data_yinyang
from pymicrograd.reference import RNG

# ---- micrograd ----------------------------------------------------------------------------------


class Reflected:
    """What both predecessors' Values write in terms of + * **."""

    __slots__ = ()

    def __radd__(self, other: Any) -> Any:
        return self + other

    def __sub__(self, other: Any) -> Any:
        return self + (-other)

    def __rsub__(self, other: Any) -> Any:
        return other + (-self)

    def __rmul__(self, other: Any) -> Any:
        return self * other

    def __truediv__(self, other: Any) -> Any:
        return self * other**-1

    def __rtruediv__(self, other: Any) -> Any:
        return other * self**-1


class Closures(Reflected):
    """Karpathy's Value with ordered operands, and the functions that his later programs add."""

    def __init__(self, data: float, _prev: tuple[Any, ...] = (), _op: str = "") -> None:
        self.data = float(data)
        self.grad = 0.0
        self._backward: Callable[[], None] = lambda: None
        self._prev = _prev
        self._op = _op

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, Closures) else Closures(other)
        out = Closures(self.data + other.data, (self, other), "+")

        def _backward() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out._backward = _backward
        return out

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, Closures) else Closures(other)
        out = Closures(self.data * other.data, (self, other), "*")

        def _backward() -> None:
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out._backward = _backward
        return out

    def _function(self, result: float, op: str, slope: Callable[[Any], float]) -> Any:
        out = Closures(result, (self,), op)

        def _backward() -> None:
            self.grad += slope(out) * out.grad

        out._backward = _backward
        return out

    def __pow__(self, k: Any) -> Any:
        return self._function(self.data**k, f"**{k}", lambda out: k * self.data ** (k - 1))

    def relu(self) -> Any:
        data = 0.0 if self.data < 0 else self.data
        return self._function(data, "ReLU", lambda out: float(out.data > 0))

    def tanh(self) -> Any:
        return self._function(math.tanh(self.data), "tanh", lambda out: 1 - out.data**2)

    def exp(self) -> Any:
        return self._function(math.exp(self.data), "exp", lambda out: out.data)

    def log(self) -> Any:
        return self._function(math.log(self.data), "log", lambda out: 1 / self.data)

    def backward(self) -> None:
        topo: list[Any] = []
        visited = set()

        def build_topo(v: Any) -> None:
            if v not in visited:
                visited.add(v)
                for child in v._prev:
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        for v in topo:
            if v._prev:  # without this a second backward would be wrong
                v.grad = 0.0
        self.grad = 1.0
        for v in reversed(topo):
            v._backward()

    def __neg__(self) -> Any:
        return self * -1.0

    def __repr__(self) -> str:
        return f"Value(data={self.data}, grad={self.grad})"


class Module:
    def zero_grad(self) -> None:
        for p in self.parameters():
            p.grad = 0

    def parameters(self) -> list[Any]:
        return []


class Neuron(Module):
    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Closures(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Closures(0)
        self.nonlin = nonlin

    def __call__(self, x: Any) -> Any:
        act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return act.relu() if self.nonlin else act

    def parameters(self) -> list[Any]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    neuron: Any = Neuron
    unwraps = True

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [self.neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Any) -> Any:
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 and self.unwraps else out

    def parameters(self) -> list[Any]:
        return [p for n in self.neurons for p in n.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(str(n) for n in self.neurons)}]"


class MLP(Module):
    layer: Any = Layer

    def __init__(self, nin: int, nouts: list[int]) -> None:
        sizes = [nin, *nouts]
        self.layers = [
            self.layer(sizes[i], sizes[i + 1], nonlin=i != len(nouts) - 1)
            for i in range(len(nouts))
        ]

    def __call__(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Any]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"


# ---- LLM101n's ----------------------------------------------------------------------------------


class TanhNeuron(Neuron):
    source: Any = None  # the RNG that the program has made

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        uniform = TanhNeuron.source.uniform
        self.w = [Closures(uniform(-1, 1) * nin**-0.5) for _ in range(nin)]
        self.b = Closures(0)
        self.nonlin = nonlin

    def __call__(self, x: Any) -> Any:
        act = sum((wi * xi for wi, xi in zip(self.w, x, strict=True)), self.b)
        return act.tanh() if self.nonlin else act

    def __repr__(self) -> str:
        return f"{'TanH' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class FirstLayer(Layer):
    neuron = TanhNeuron


class ListLayer(FirstLayer):
    unwraps = False


class FirstMLP(MLP):
    layer = FirstLayer


class ListMLP(MLP):
    layer = ListLayer


def global_rng(seed: int) -> Any:
    TanhNeuron.source = RNG(seed)
    return TanhNeuron.source


def cross_entropy(logits: list[Any], target: int) -> Any:
    ex = [x.exp() for x in logits]
    denom = sum(ex)
    probs = [x / denom for x in ex]
    return -(probs[target].log())


def stable_cross_entropy(logits: list[Any], target: int) -> Any:
    largest = max(val.data for val in logits)
    return cross_entropy([x - largest for x in logits], target)


class AdamW:
    def __init__(
        self,
        parameters: list[Any],
        lr: float = 1e-1,
        betas: tuple[float, float] = (0.9, 0.95),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        self.parameters, self.lr, self.betas, self.eps = parameters, lr, betas, eps
        self.weight_decay, self.t = weight_decay, 0
        for p in parameters:
            p.m = p.v = 0.0

    def step(self) -> None:
        self.t += 1
        beta1, beta2 = self.betas
        for p in self.parameters:
            p.m = beta1 * p.m + (1 - beta1) * p.grad
            p.v = beta2 * p.v + (1 - beta2) * (p.grad**2)
            m_hat, v_hat = p.m / (1 - beta1**self.t), p.v / (1 - beta2**self.t)
            change = m_hat / (v_hat**0.5 + self.eps) + self.weight_decay * p.data
            p.data -= self.lr * change

    def zero_grad(self) -> None:
        for p in self.parameters:
            p.grad = 0


# ---- microgpt's ---------------------------------------------------------------------------------


class Slots(Reflected):
    __slots__ = ("_children", "_local_grads", "data", "grad")

    def __init__(self, data: float, children: Any = (), local_grads: Any = ()) -> None:
        self.data, self.grad = data, 0.0
        self._children, self._local_grads = children, local_grads

    def __add__(self, other: Any) -> Any:
        other = other if isinstance(other, Slots) else Slots(other)
        return Slots(self.data + other.data, (self, other), (1, 1))

    def __mul__(self, other: Any) -> Any:
        other = other if isinstance(other, Slots) else Slots(other)
        return Slots(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, k: float) -> Any:
        return Slots(self.data**k, (self,), (k * self.data ** (k - 1),))

    def log(self) -> Any:
        return Slots(math.log(self.data), (self,), (1 / self.data,))

    def exp(self) -> Any:
        return Slots(math.exp(self.data), (self,), (math.exp(self.data),))

    def relu(self) -> Any:
        return Slots(max(0.0, self.data), (self,), (float(self.data > 0),))

    def __neg__(self) -> Any:
        return self * -1

    def backward(self) -> None:
        topo: list[Any] = []
        visited = set()

        def build_topo(v: Any) -> None:
            if v not in visited:
                visited.add(v)
                for child in v._children:
                    build_topo(child)
                topo.append(v)

        build_topo(self)
        self.grad = 1.0
        for v in reversed(topo):
            for child, local_grad in zip(v._children, v._local_grads, strict=True):
                child.grad += local_grad * v.grad


# ---- the modules that programs import -----------------------------------------------------------


def module(name: str, **names: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(names)
    return made


def pure() -> dict[str, ModuleType]:
    """Return the predecessors in pure Python, by the names that programs import."""
    engine = module("micrograd.engine", Value=Closures)
    nn = module("micrograd.nn", Value=Closures, Module=Module, Neuron=Neuron, Layer=Layer, MLP=MLP)
    shared = {"Value": Closures, "Module": Module, "Neuron": TanhNeuron, "RNG": global_rng}
    return {
        "micrograd": module("micrograd", engine=engine, nn=nn),
        "micrograd.engine": engine,
        "micrograd.nn": nn,
        "llm101n": module(
            "llm101n", **shared, Layer=ListLayer, MLP=ListMLP, AdamW=AdamW,
            cross_entropy=cross_entropy, gen_data_yinyang=gen_data_yinyang,
        ),
        "llm101n_first": module(
            "llm101n_first", **shared, Layer=FirstLayer, MLP=FirstMLP, gen_data=gen_data,
            cross_entropy=stable_cross_entropy,
        ),
        "microgpt": module("microgpt", Value=Slots),
    }  # fmt: skip


def ours() -> dict[str, ModuleType]:
    """Return what stands for them in the package."""
    names = {
        "micrograd": "micrograd", "micrograd.engine": "micrograd.engine",
        "micrograd.nn": "micrograd.nn", "llm101n": "llm101n", "llm101n_first": "llm101n.first",
        "microgpt": "microgpt",
    }  # fmt: skip
    return {name: importlib.import_module(f"pymicrograd.{to}") for name, to in names.items()}


def run(program: str, modules: dict[str, ModuleType], **sizes: int) -> list[str]:
    """Run a program with these modules for its imports; return what it prints."""
    lines: list[str] = []

    def note(*things: Any) -> None:
        lines.append(" ".join(map(str, things)))

    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        exec(compile(program, "<program>", "exec"), {"print": note, **sizes})
    finally:
        for name, found in before.items():
            if found is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = found
    return lines


# ---- programs -----------------------------------------------------------------------------------

DEMO = """
import random
import numpy as np
from micrograd.engine import Value
from micrograd.nn import Neuron, Layer, MLP

np.random.seed(1337)
random.seed(1337)
angle = np.pi * np.linspace(0, 1, POINTS // 2)
upper = np.stack([np.cos(angle), np.sin(angle)], 1)
lower = np.stack([1 - np.cos(angle), 0.5 - np.sin(angle)], 1)
X = np.concatenate([upper, lower]) + 0.1 * np.random.randn(2 * len(angle), 2)
y = np.repeat([0, 1], len(angle)) * 2 - 1

model = MLP(2, [16, 16, 1])
print(model)
print("number of parameters", len(model.parameters()))

def loss(batch_size=None):
    if batch_size is None:
        Xb, yb = X, y
    else:
        ri = np.random.permutation(X.shape[0])[:batch_size]
        Xb, yb = X[ri], y[ri]
    inputs = [list(map(Value, xrow)) for xrow in Xb]
    scores = list(map(model, inputs))
    losses = [(1 + -yi*scorei).relu() for yi, scorei in zip(yb, scores)]
    data_loss = sum(losses) * (1.0 / len(losses))
    alpha = 1e-4
    reg_loss = alpha * sum((p*p for p in model.parameters()))
    total_loss = data_loss + reg_loss
    accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(yb, scores)]
    return total_loss, sum(accuracy) / len(accuracy)

for k in range(STEPS):
    total_loss, acc = loss()
    model.zero_grad()
    total_loss.backward()
    learning_rate = 1.0 - 0.9*k/100
    for p in model.parameters():
        p.data -= learning_rate * p.grad
    print(f"step {k} loss {total_loss.data}, accuracy {acc*100}%")
for row in [[-1.0, 0.5], [0.5, 0.5], [1.5, -0.5]]:
    print(model(list(map(Value, row))).data > 0, model(row).data)
"""

LLM101N = """
from llm101n import Value, MLP, AdamW, RNG, cross_entropy, gen_data_yinyang

random = RNG(42)
train_split, val_split, test_split = gen_data_yinyang(random, n=POINTS)
model = MLP(2, [8, 3])
print(model)
optimizer = AdamW(model.parameters(), lr=1e-1, weight_decay=1e-4)

def loss_fun(model, split):
    total_loss = Value(0.0)
    for x, y in split:
        logits = model(x)
        loss = cross_entropy(logits, y)
        total_loss = total_loss + loss
    return total_loss * (1.0 / len(split))

for step in range(STEPS):
    if step % 10 == 0:
        print(f"step {step+1}/{STEPS}, val loss {loss_fun(model, val_split).data:.6f}")
    loss = loss_fun(model, train_split)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    print(f"step {step+1}/{STEPS}, train loss {loss.data}")
print(model([0.5, -0.5]), MLP(2, [3, 1])([0.5, -0.5]))
"""

LLM101N_FIRST = """
from llm101n_first import Value, MLP, RNG, cross_entropy, gen_data

random = RNG(42)
train_split, val_split, test_split = gen_data(random, n=POINTS)
model = MLP(2, [16, 3])

def eval_split(model, split):
    loss = Value(0)
    for x, y in split:
        logits = model([Value(x[0]), Value(x[1])])
        loss += cross_entropy(logits, y)
    return loss * (1.0 / len(split))

for p in model.parameters():
    p.m = p.v = 0
for step in range(STEPS):
    if step % 10 == 0:
        print(f"step {step}, val loss {eval_split(model, val_split).data:.6f}")
    loss = eval_split(model, train_split)
    loss.backward()
    for p in model.parameters():
        p.m = 0.9 * p.m + (1 - 0.9) * p.grad
        p.v = 0.95 * p.v + (1 - 0.95) * p.grad**2
        m_hat, v_hat = p.m / (1 - 0.9**(step+1)), p.v / (1 - 0.95**(step+1))
        p.data -= 0.1 * (m_hat / (v_hat**0.5 + 1e-8) + 1e-4 * p.data)
    model.zero_grad()
    print(f"step {step}, train loss {loss.data}")
print(MLP(2, [3, 1])([0.5, -0.5]))
"""

# LLM101n's program, the network in loops over Values.
LLM101N_PLAIN = LLM101N.replace("model(x)", "plain(x)").replace(
    "def loss_fun",
    """def plain(x):
    for layer in model.layers:
        out = []
        for n in layer.neurons:
            act = sum((wi*xi for wi, xi in zip(n.w, x)), n.b)
            out.append(act.tanh() if n.nonlin else act)
        x = out
    return x

def cross_entropy(logits, target):
    ex = [x.exp() for x in logits]
    denom = sum(ex)
    probs = [x / denom for x in ex]
    return -(probs[target].log())

def loss_fun""",
)

MICROGPT = """
import random
from microgpt import Value

random.seed(42)
docs = ["".join(random.choice("abcde") for _ in range(6)) for _ in range(20)]
uchars = sorted(set("".join(docs)))
BOS, vocab_size = len(uchars), len(uchars) + 1
n_layer, n_embd, block_size, n_head = 1, 16, 16, 4
head_dim = n_embd // n_head

def matrix(nout, nin, std=0.08):
    return [[Value(random.gauss(0, std)) for _ in range(nin)] for _ in range(nout)]

state_dict = {"wte": matrix(vocab_size, n_embd), "wpe": matrix(block_size, n_embd)}
state_dict["lm_head"] = matrix(vocab_size, n_embd)
for i in range(n_layer):
    for name in ("attn_wq", "attn_wk", "attn_wv", "attn_wo"):
        state_dict[f"layer{i}.{name}"] = matrix(n_embd, n_embd)
    state_dict[f"layer{i}.mlp_fc1"] = matrix(4 * n_embd, n_embd)
    state_dict[f"layer{i}.mlp_fc2"] = matrix(n_embd, 4 * n_embd)
params = [p for mat in state_dict.values() for row in mat for p in row]
print(f"num params: {len(params)}")

def linear(x, w):
    return [sum(wi * xi for wi, xi in zip(wo, x)) for wo in w]

def softmax(logits):
    max_val = max(val.data for val in logits)
    exps = [(val - max_val).exp() for val in logits]
    total = sum(exps)
    return [e / total for e in exps]

def rmsnorm(x):
    ms = sum(xi * xi for xi in x) / len(x)
    scale = (ms + 1e-5) ** -0.5
    return [xi * scale for xi in x]

def gpt(token_id, pos_id, keys, values):
    x = [t + p for t, p in zip(state_dict["wte"][token_id], state_dict["wpe"][pos_id])]
    x = rmsnorm(x)
    for li in range(n_layer):
        x_residual = x
        x = rmsnorm(x)
        q = linear(x, state_dict[f"layer{li}.attn_wq"])
        keys[li].append(linear(x, state_dict[f"layer{li}.attn_wk"]))
        values[li].append(linear(x, state_dict[f"layer{li}.attn_wv"]))
        x_attn = []
        for h in range(n_head):
            hs = h * head_dim
            q_h = q[hs:hs+head_dim]
            k_h = [ki[hs:hs+head_dim] for ki in keys[li]]
            v_h = [vi[hs:hs+head_dim] for vi in values[li]]
            times = range(len(k_h))
            attn_logits = [
                sum(q_h[j] * k_h[t][j] for j in range(head_dim)) / head_dim**0.5 for t in times
            ]
            attn_weights = softmax(attn_logits)
            x_attn += [
                sum(attn_weights[t] * v_h[t][j] for t in times) for j in range(head_dim)
            ]
        x = linear(x_attn, state_dict[f"layer{li}.attn_wo"])
        x = [a + b for a, b in zip(x, x_residual)]
        x_residual = x
        x = rmsnorm(x)
        x = linear(x, state_dict[f"layer{li}.mlp_fc1"])
        x = [xi.relu() for xi in x]
        x = linear(x, state_dict[f"layer{li}.mlp_fc2"])
        x = [a + b for a, b in zip(x, x_residual)]
    return linear(x, state_dict["lm_head"])

m, v = [0.0] * len(params), [0.0] * len(params)
for step in range(STEPS):
    tokens = [BOS] + [uchars.index(ch) for ch in docs[step % len(docs)]] + [BOS]
    n = min(block_size, len(tokens) - 1)
    keys, values = [[] for _ in range(n_layer)], [[] for _ in range(n_layer)]
    losses = []
    for pos_id in range(n):
        probs = softmax(gpt(tokens[pos_id], pos_id, keys, values))
        losses.append(-probs[tokens[pos_id + 1]].log())
    loss = (1 / n) * sum(losses)
    if step == 0:
        print(*(tuple(map(float, x._local_grads)) for x in (loss, losses[0], loss._children[0])))
        a = Value(3.0, (losses[0], losses[1]), (0.5, -2.0))
        print(a.data, a._local_grads, [x.data for x in a._children])
    loss.backward()
    lr_t = 0.01 * (1 - step / STEPS)
    for i, p in enumerate(params):
        m[i] = 0.85 * m[i] + (1 - 0.85) * p.grad
        v[i] = 0.99 * v[i] + (1 - 0.99) * p.grad ** 2
        m_hat, v_hat = m[i] / (1 - 0.85 ** (step + 1)), v[i] / (1 - 0.99 ** (step + 1))
        p.data -= lr_t * m_hat / (v_hat ** 0.5 + 1e-8)
        p.grad = 0
    print(f"step {step+1} / {STEPS} | loss {loss.data}")
"""
