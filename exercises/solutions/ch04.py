"""Solutions of the exercises of chapter 4, networks and training."""

import math

import numpy as np

import tinygen as tg
from tinygen import nn


# Exercise 1: cross-entropy and its gradient (*)
def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    rows = np.arange(len(logits))
    gradient = np.exp(log_p)
    gradient[rows, labels] -= 1
    return -log_p[rows, labels].mean(), gradient / len(logits)


# Exercise 2: a cosine schedule with warmup (*)
def cosine_schedule(step: int, total: int, peak: float, final: float, warmup: int) -> float:
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / (total - warmup))
    return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2


# Exercise 3: Adam's update (**)
def adam_step(
    parameter: np.ndarray,
    gradient: np.ndarray,
    m: np.ndarray,
    v: np.ndarray,
    t: int,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    decay: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    m = betas[0] * m + (1 - betas[0]) * gradient
    v = betas[1] * v + (1 - betas[1]) * gradient**2
    m_hat, v_hat = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return parameter - lr * (m_hat / (np.sqrt(v_hat) + eps) + decay * parameter), m, v


# Exercise 4: initialisation of a deep network (**)
def initialise(net: nn.Sequential, negative_slope: float) -> None:
    second_moment = (1 + negative_slope**2) / 2  # E[leaky(u)^2]
    for layer in net:
        if isinstance(layer, nn.Linear):
            deviation = 1 / math.sqrt(layer.in_features * second_moment)
            layer.weight.data = (deviation * tg.randn(*layer.weight.shape)).data
            layer.bias.data = np.zeros_like(layer.bias.data)


# Exercise 5: the backward pass of batch normalisation (**)
def batch_norm_backward(
    g: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    axes = (0, 2, 3)
    sigma = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
    x_hat = (x - x.mean(axis=axes, keepdims=True)) / sigma
    projected = g - g.mean(axis=axes, keepdims=True) - x_hat * (g * x_hat).mean(axis=axes, keepdims=True)
    return gamma[:, None, None] / sigma * projected, (g * x_hat).sum(axis=axes), g.sum(axis=axes)


# Exercise 6: early stopping (**)
class EarlyStopping:
    def __init__(self, module: nn.Module, patience: int) -> None:
        self.module, self.patience, self.best = module, patience, math.inf
        self.state, self.calls_without = module.state_dict(), 0

    def step(self, error: float) -> bool:
        if error < self.best:
            self.best, self.state, self.calls_without = error, self.module.state_dict(), 0
        else:
            self.calls_without += 1
        return self.calls_without >= self.patience

    def restore(self) -> None:
        self.module.load_state_dict(self.state)


# Exercise 7: the gradients of a two-layer network (***)
def two_layer_gradients(
    x: np.ndarray, target: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray
) -> tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    hidden = np.tanh(x @ W1.T + b1)
    residual = hidden @ W2.T + b2 - target
    d_output = 2 * residual / len(x)
    d_hidden = (d_output @ W2) * (1 - hidden**2)
    loss = (residual**2).sum() / len(x)
    return loss, (d_hidden.T @ x, d_hidden.sum(axis=0), d_output.T @ hidden, d_output.sum(axis=0))


# Exercise 8: layer normalisation as a module (***)
class LayerNorm(nn.Module):
    def __init__(self, features: int, eps: float = 1e-5) -> None:
        self.weight, self.bias = nn.Parameter(np.ones(features, "float32")), nn.Parameter(np.zeros(features, "float32"))
        self.eps = eps

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return self.weight * centred / tg.sqrt(variance + self.eps) + self.bias
