"""The update of Adam (Kingma and Ba 2015, algorithm 1), for all parameters at once."""

from collections.abc import Sequence

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import adam as cpu
from tinygen.kernels.dispatch import fast_on_cpu
from tinygen.kernels.fusion import fused


@fast_on_cpu(cpu.adam_update)
def adam_update(
    parameters: list[Array],
    gradients: list[Array],
    means: list[Array],
    squares: list[Array],
    rates: Sequence[tuple[float, float]],
    betas: tuple[float, float],
    weight_decay: float,
) -> list[Array]:
    """The new value of each parameter p, with gradient g, in a new array; the moments m and v change in place:

    g <- g + weight_decay p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p - a m / (sqrt(v) + e),

    where (a, e), one pair of ``rates`` per parameter, are the learning rate and epsilon with the bias corrections.
    """
    arrays = zip(parameters, gradients, means, squares, rates, strict=True)
    return [_update(p, g, m, v, a, e, 1 - betas[0], 1 - betas[1], weight_decay) for p, g, m, v, (a, e) in arrays]


@fused
def _update(p: Array, g: Array, m: Array, v: Array, a: float, e: float, c1: float, c2: float, decay: float) -> Array:
    g = g + decay * p
    m += c1 * (g - m)
    v += c2 * (g * g - v)
    return p - a * m / (array_module(v).sqrt(v) + e)
