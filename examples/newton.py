"""Second derivatives: Newton's method on Rosenbrock's valley, and a Hessian looked at.

Gradient descent needs thousands of steps along the bent valley; Newton's method needs seven.

    python examples/newton.py
"""

from pymicrograd import Value, autograd, float64, grad, linalg, no_grad, tensor


def rosenbrock(x):
    """Return (1 - x0)^2 + 100 (x1 - x0^2)^2; the minimum, 0, is at (1, 1)."""
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


# ---- Tensors: the Hessian in one call -----------------------------------------------------------

x = tensor([-1.2, 1.0], dtype=float64)
for step in range(7):
    hessian = autograd.hessian(rosenbrock, x)
    x.requires_grad_()
    (gradient,) = autograd.grad(rosenbrock(x), (x,))
    with no_grad():
        x = x - linalg.solve(hessian, gradient)
        print(f"Newton step {step + 1}: x {x.tolist()}, f {rosenbrock(x).item():.3g}")

values = linalg.eigvalsh(autograd.hessian(rosenbrock, x))
print(f"curvatures at the minimum: {values[0].item():.4f} and {values[1].item():.1f}")
print(f"so that gradient descent needs about {(values[1] / values[0]).item():.0f} steps")

# ---- Values: derivatives are Values again -------------------------------------------------------

a, b = Value(-1.2), Value(1.0)
first = grad(rosenbrock((a, b)), [a, b], create_graph=True)
second = [[d.data for d in grad(derivative, [a, b])] for derivative in first]
print(f"Hessian at (-1.2, 1) by Values:  {second}")
start = tensor([-1.2, 1.0], dtype=float64)
print(f"Hessian at (-1.2, 1) by Tensors: {autograd.hessian(rosenbrock, start).tolist()}")
