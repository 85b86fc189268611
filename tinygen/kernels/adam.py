"""Adam's step (Kingma and Ba 2015, algorithm 1), of all parameters at once."""

from collections.abc import Sequence

import numpy as np

from tinygen.backend import Array, array_module, is_numpy, stored_like
from tinygen.kernels.cpu.parallel import parallel
from tinygen.kernels.elementwise import BLOCK, WORTH_SHARING, as_lines
from tinygen.kernels.fusion import fused


def adam_update(
    moves: Sequence[tuple[Array, Array, Array, Array, int]],
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> list[Array]:
    """One step of Adam for each of ``moves``: (parameter, gradient g, m, v, t) -> the new parameters, in new arrays. m
    and v change in place.

    m <- b1 m + (1 - b1) g,  v <- b2 v + (1 - b2) g^2,  parameter - lr m^ / (sqrt(v^) + eps)  with m^ = m / (1 - b1^t),
    v^ = v / (1 - b2^t), where t counts steps from 1, and g has ``weight_decay`` times the parameter added to it.
    """
    changed, lines = [], []  # of each parameter on the CPU: its five arrays, end to end, and the numbers of its step
    for parameter, gradient, mean, square, t in moves:
        numbers = (*_rates(t, lr, betas, eps), 1 - betas[0], 1 - betas[1], weight_decay)
        if is_numpy(parameter):
            new = np.empty_like(parameter)
            if gradient.strides != parameter.strides:
                gradient = stored_like(gradient, parameter)
            five = (new, parameter, gradient, mean, square)
            lines.append((as_lines(*five) or [array[np.newaxis] for array in five], numbers))
        else:
            new = _step_plain(parameter, gradient, mean, square, *numbers)
        changed.append(new)

    def work(first: int, last: int) -> None:
        begin = 0
        for five, numbers in lines:
            size = len(five[0])
            from_here, to_here = max(first - begin, 0), min(last - begin, size)
            for start in range(from_here, to_here, BLOCK):
                part = slice(start, min(start + BLOCK, to_here))
                new, parameter, gradient, mean, square = (line[part] for line in five)
                _step(new, parameter, gradient, mean, square, *numbers)
            begin += size

    # All parameters laid end to end are cut into one part a thread: so work is handed over once a step, and most
    # parameters stay whole, in few calls that do much.
    size = sum(len(five[0]) for five, _ in lines)
    parallel(work, size, when=size >= WORTH_SHARING)
    return changed


def _rates(t: int, lr: float, betas: tuple[float, float], eps: float) -> tuple[float, float]:
    """``rate`` and ``offset`` so that lr m^ / (sqrt(v^) + eps) = rate m / (sqrt(v) + offset)."""
    spread = (1 - betas[1] ** t) ** 0.5
    return lr * spread / (1 - betas[0] ** t), eps * spread


def _step(
    new: np.ndarray,
    parameter: np.ndarray,
    gradient: np.ndarray,
    mean: np.ndarray,
    square: np.ndarray,
    rate: float,
    offset: float,
    mean_rate: float,
    square_rate: float,
    weight_decay: float,
) -> None:
    """Fill ``new``, and change ``mean`` and ``square``, without another array."""
    if weight_decay:
        gradient = gradient + weight_decay * parameter
    np.subtract(gradient, mean, out=new)
    new *= mean_rate
    mean += new
    np.multiply(gradient, gradient, out=new)
    new *= square_rate
    square *= 1 - square_rate
    square += new
    np.sqrt(square, out=new)
    new += offset
    np.divide(mean, new, out=new)
    new *= -rate
    new += parameter


@fused
def _step_plain(
    parameter: Array,
    gradient: Array,
    mean: Array,
    square: Array,
    rate: float,
    offset: float,
    mean_rate: float,
    square_rate: float,
    weight_decay: float,
) -> Array:
    """The same on any array module: the new parameter."""
    gradient = gradient + weight_decay * parameter
    mean += mean_rate * (gradient - mean)
    square += square_rate * (gradient * gradient - square)
    return parameter - rate * mean / (array_module(square).sqrt(square) + offset)
