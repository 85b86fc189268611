"""Solutions of the exercises of chapter 8, double backprop."""

from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen import nn, optim


# Exercise 1: a Hessian-vector product (*)
def hessian_vector_product(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, v: np.ndarray) -> np.ndarray:
    point = tg.tensor(x, requires_grad=True)
    (gradient,) = tg.grad(f(point), point, create_graph=True)
    return tg.grad((gradient * tg.tensor(v)).sum(), point)[0].numpy()


# Exercise 2: R1 and its gradient (*)
def r1(discriminator: nn.Module, real: tg.Tensor, gamma: float) -> tuple[tg.Tensor, list[tg.Tensor]]:
    real = real.detach()
    real.requires_grad = True
    (gradient,) = tg.grad(discriminator(real).sum(), real, create_graph=True)
    penalty = 0.5 * gamma * (gradient * gradient).sum() / len(real)
    parameters = discriminator.parameters()
    found = tg.grad(penalty, parameters, allow_unused=True)
    return penalty, [tg.zeros_like(p) if g is None else g for p, g in zip(parameters, found, strict=True)]


# Exercise 3: the gradient penalty (**)
def gradient_penalty(critic: Callable[[tg.Tensor], tg.Tensor], z: tg.Tensor) -> tg.Tensor:
    z = z.detach()
    z.requires_grad = True
    (gradient,) = tg.grad(critic(z).sum(), z, create_graph=True)
    norms = tg.sqrt((gradient * gradient).sum(axis=tuple(range(1, z.ndim))) + 1e-12)
    return ((norms - 1) ** 2).mean()


# Exercise 4: a function that is detached from the graph (**)
def direction_penalty(critic: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor, direction: tg.Tensor) -> tg.Tensor:
    x = x.detach()
    x.requires_grad = True
    (gradient,) = tg.grad(critic(x).sum(), x, create_graph=True)
    length = tg.sqrt((gradient * gradient).sum(axis=1))
    cosine = (gradient * direction).sum(axis=1) / (length * tg.sqrt((direction * direction).sum()))
    return (1 - cosine).mean()


# Exercise 5: the largest eigenvalue of a Hessian (**)
def largest_eigenvalue(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, steps: int = 200) -> float:
    point = tg.tensor(x)
    image = np.random.default_rng(0).normal(size=x.shape)
    for _ in range(steps):
        v = image / np.linalg.norm(image)
        image = tg.hvp(f, point, tg.tensor(v)).numpy()
    return float(v @ image)


# Exercise 6: the gradient of R1 by hand (***)
def r1_of_two_layers(x: np.ndarray, W: np.ndarray, v: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    y = np.tanh(x @ W.T)  # (N, H)
    derivative = 1 - y * y
    u = v * derivative
    gradient = u @ W  # (N, D): grad T
    d_gradient = gradient / len(x)  # dR / d(grad T)
    d_u = d_gradient @ W.T
    d_a = d_u * v * -2 * y * derivative
    return 0.5 * (gradient**2).sum() / len(x), u.T @ d_gradient + d_a.T @ x, (d_u * derivative).sum(axis=0)


# Exercise 7: Newton's method with conjugate gradients (***)
def newton(f: Callable[[tg.Tensor], tg.Tensor], x: np.ndarray, tolerance: float = 1e-9) -> np.ndarray:
    for _ in range(100):
        leaf = tg.tensor(x, requires_grad=True)
        value = f(leaf)
        g = tg.grad(value, leaf)[0].numpy()
        if np.linalg.norm(g) <= tolerance:
            break
        step = conjugate_gradients(lambda v, x=x: tg.hvp(f, tg.tensor(x), tg.tensor(v)).numpy(), g)
        factor = 1.0
        while f(tg.tensor(x - factor * step)).item() > value.item() and factor > 1e-6:
            factor /= 2
        x = x - factor * step
    return x


def conjugate_gradients(product: Callable[[np.ndarray], np.ndarray], b: np.ndarray) -> np.ndarray:
    x, residual = np.zeros_like(b), b
    direction, squared = residual, residual @ residual
    end = 1e-16 * squared
    while squared > end:
        image = product(direction)
        step = squared / (direction @ image)
        x, residual = x + step * direction, residual - step * image
        squared, before = residual @ residual, squared
        direction = residual + squared / before * direction
    return x


# Exercise 8: score matching (***)
def score_matching(energy: Callable[[tg.Tensor], tg.Tensor], x: tg.Tensor) -> tg.Tensor:
    x = x.detach()
    x.requires_grad = True
    score = -tg.grad(energy(x).sum(), x, create_graph=True)[0]
    trace = sum(tg.grad(score[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(x.shape[1]))
    return (trace + 0.5 * (score * score).sum(axis=1)).mean()


def fit_precision(x: np.ndarray) -> np.ndarray:
    samples = tg.tensor(x)
    A = tg.tensor(np.eye(x.shape[1]), requires_grad=True)
    optimizer = optim.SGD([A], lr=0.2, momentum=0.8)
    for _ in range(150):
        symmetric = 0.5 * (A + A.T)
        loss = score_matching(lambda z, S=symmetric: 0.5 * ((z @ S) * z).sum(axis=1), samples)
        A.grad = tg.grad(loss, A)[0]
        optimizer.step()
    return 0.5 * (A.numpy() + A.numpy().T)
