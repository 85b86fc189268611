"""Exercises of chapter 4, networks and training (docs/4-networks-and-training.md).

Fill in the gaps; ``python exercises/grade.py 4`` grades them. Exercises 1, 3, 5 and 7 are in NumPy alone: what the
library computes by its backward pass is derived by hand.
"""

import math

import numpy as np

import tinygen as tg
from tinygen import nn


# Exercise 1: cross-entropy and its gradient (*)
def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean over the batch of -log softmax(logits)[label], and its gradient with respect to the logits.

    ``logits`` (N, C), ``labels`` (N,) integers; returns a number and an array (N, C). Both are finite for logits of any
    size, such as 10,000. Hint: the loss does not change if a number is subtracted from all logits of a row. See "The
    cross-entropy loss".
    """
    raise NotImplementedError


# Exercise 2: a cosine schedule with warmup (*)
def cosine_schedule(step: int, total: int, peak: float, final: float, warmup: int) -> float:
    """The learning rate at ``step``, counted from 0, of ``total`` steps.

    In the first ``warmup`` steps it is (step + 1) / warmup times ``peak``. Then it falls from ``peak`` (at the step
    ``warmup``) to ``final`` (at the step ``total``) as half a period of a cosine. From ``total`` on it is ``final``.
    See "Batches and learning-rate schedules".
    """
    raise NotImplementedError


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
    """One step of AdamW: the new parameter, m and v, as new arrays; the given ones are not changed.

    All arrays have one shape, ``t`` counts the steps from 1, and m and v are 0 before the first. ``decay`` is
    decoupled: the step also subtracts lr * decay * parameter, which is not part of the gradient. With ``decay`` 0 it is
    Adam. See "RMSprop and Adam" and "Over- and underfitting".
    """
    raise NotImplementedError


# Exercise 4: initialisation of a deep network (**)
def initialise(net: nn.Sequential, negative_slope: float) -> None:
    """Set the weights and biases of all ``nn.Linear`` layers of ``net`` to new random numbers, such that the
    pre-activations of all layers but the first have the same variance.

    Between the layers are leaky ReLUs with ``negative_slope`` a: x for x > 0, otherwise a x. Weights are normal, biases
    0. Hint: the variance of pre-activations is multiplied by n Var(w) E[leaky(u)^2] for a standard normal u. Random
    numbers: ``tg.randn``. Assign to ``layer.weight.data``, an array (out, in) of float32. See "Initialisation".
    """
    raise NotImplementedError


# Exercise 5: the backward pass of batch normalisation (**)
def batch_norm_backward(
    g: np.ndarray, x: np.ndarray, gamma: np.ndarray, eps: float = 1e-5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of x (N, C, H, W), gamma (C,) and beta (C,) from ``g`` (N, C, H, W), the gradient of
    y = gamma x_hat + beta with x_hat = (x - mean) / sqrt(variance + eps).

    Mean and (biased) variance of a channel are over the batch and all pixels. See "Batch normalisation".
    """
    raise NotImplementedError


# Exercise 6: early stopping (**)
class EarlyStopping:
    """Keeps the state of ``module`` with the lowest validation error.

    ``step(error)`` is called after each epoch and returns whether to stop: whether the last ``patience`` calls have
    brought no error below the lowest one before them. ``best`` is the lowest error so far (at first infinity), and
    ``restore()`` gives the module the parameters and buffers that it had when that error was reported. Hint:
    ``state_dict`` and ``load_state_dict``. See "Modules and parameters" and "Over- and underfitting".
    """

    def __init__(self, module: nn.Module, patience: int) -> None:
        self.module, self.patience, self.best = module, patience, math.inf

    def step(self, error: float) -> bool:
        """Report the validation error of an epoch; returns whether to stop."""
        raise NotImplementedError

    def restore(self) -> None:
        """Load the best state into the module."""
        raise NotImplementedError


# Exercise 7: the gradients of a two-layer network (***)
def two_layer_gradients(
    x: np.ndarray, target: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray
) -> tuple[float, tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """The loss, mean over the N examples of |tanh(x W1^T + b1) W2^T + b2 - target|^2, and its gradients with respect to
    W1, b1, W2 and b2.

    x (N, inputs), target (N, outputs), W1 (hidden, inputs), b1 (hidden,), W2 (outputs, hidden), b2 (outputs,). |.|^2
    is the sum of squares over the outputs. See "A second route".
    """
    raise NotImplementedError


# Exercise 8: layer normalisation as a module (***)
class LayerNorm(nn.Module):
    """Layer normalisation (Ba, Kiros and Hinton 2016): x (..., features) -> weight x_hat + bias, where x_hat is x minus
    its mean over the last axis, divided by the square root of its (biased) variance over the last axis plus ``eps``.

    The parameters ``weight`` and ``bias``, both (features,), begin as ones and zeros. An output depends on no other
    example, so training and evaluation are the same, and there are no buffers. Hint: ``tg.mean`` with ``keepdims``;
    written with operations of the library, the layer is differentiable to any order. See "Modules and parameters".
    """

    def __init__(self, features: int, eps: float = 1e-5) -> None:
        raise NotImplementedError

    def forward(self, x: tg.Tensor) -> tg.Tensor:
        """x (..., features) -> the same shape."""
        raise NotImplementedError
