"""The update of Adam (Kingma and Ba 2015, algorithm 1), for all parameters at once."""

from tinygen.backend import Array, array_module
from tinygen.kernels.cpu import adam as cpu
from tinygen.kernels.dispatch import fast_on_cpu, fused


@fast_on_cpu(cpu.adam_update)
def adam_update(
    arrays: list[tuple[Array, ...]], rates: list[tuple[float, float]], betas: tuple[float, float], weight_decay: float
) -> list[Array]:
    """The new value of each parameter p, in a new array. ``arrays`` are (p, g, m, v), with the gradient g and the
    moments m and v, which change in place:

    g <- g + weight_decay p;  m <- b1 m + (1 - b1) g;  v <- b2 v + (1 - b2) g^2;  p - a m / (sqrt(v) + e),

    where (a, e), one pair of ``rates`` per parameter, are the learning rate and epsilon with the bias corrections.
    """
    rest = 1 - betas[0], 1 - betas[1], weight_decay
    return [_update(*pgmv, *rate, *rest) for pgmv, rate in zip(arrays, rates, strict=True)]


@fused
def _update(p: Array, g: Array, m: Array, v: Array, a: float, e: float, c1: float, c2: float, decay: float) -> Array:
    g = g + decay * p
    m += c1 * (g - m)
    v += c2 * (g * g - v)
    return p - a * m / (array_module(v).sqrt(v) + e)
