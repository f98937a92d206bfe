"""Arrays to and from NumPy, and PyTorch where it is installed, without copies.

python examples/interchange.py
"""

import importlib.util
import os
import tempfile

import numpy as np

import pymicrograd as mg

# ---- NumPy: one memory, two objects -------------------------------------------------------------

array = np.arange(6, dtype=np.float32).reshape(2, 3)
x = mg.from_numpy(array)
array[0, 0] = 10.0
print(f"the tensor sees what is written into the array: {x[0, 0].item()}")
x[1, 2] = -1.0
print(f"and the array what is written into the tensor: {array[1, 2]}")

w = mg.ones(3, 1, requires_grad=True)
loss = (mg.tensor(array) @ w).sum()  # tensor() copies
loss.backward()
print(f"a gradient as an array: {w.grad.numpy().ravel()}")
print(f"NumPy's functions take tensors: {np.linalg.norm(x):.3f}")
print(f"operators take arrays, and give tensors: {type(x @ array.T).__name__}")

# ---- files that both read -----------------------------------------------------------------------

with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "weights.npz")
    mg.save({"w": w}, path)
    with np.load(path) as file:
        print(f"np.load reads what save has written: {[n for n in file.files if n == 'w']}")
    np.savez(path, images=array, labels=np.array([0, 1]))
    print(f"and load reads np.savez's: {sorted(mg.load(path))}")

# ---- PyTorch: DLPack ----------------------------------------------------------------------------

if importlib.util.find_spec("torch") is None:
    print("PyTorch is not installed")
else:
    import torch

    theirs = torch.from_dlpack(x)
    theirs[0, 1] = 7.0
    print(f"torch.from_dlpack shares memory: {x[0, 1].item()}")
    ours = mg.from_dlpack(torch.full((2,), 0.5))
    print(f"from_dlpack takes PyTorch's: {ours}")
    layer = torch.nn.Linear(3, 2)
    model = mg.nn.Linear(3, 2)
    state = {name: mg.from_dlpack(p.detach()) for name, p in layer.state_dict().items()}
    model.load_state_dict(state)
    same = np.allclose(model(x).detach().numpy(), layer(theirs).detach().numpy(), atol=1e-6)
    print(f"a layer of PyTorch's weights gives PyTorch's results: {same}")
