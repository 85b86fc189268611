"""The log-likelihood of independent Bernoulli variables."""

from tinygen.backend import Array
from tinygen.kernels.cpu import likelihoods as cpu
from tinygen.kernels.dispatch import fast_on_cpu
from tinygen.kernels.elementwise import softplus


@fast_on_cpu(cpu.bernoulli, when=lambda logits, target: logits.dtype == target.dtype and logits.dtype.kind == "f")
def bernoulli(logits: Array, target: Array) -> Array:
    """sum_i t_i l_i - log(1 + e^l_i) over the rows of logits l and target t, both (N, D) -> (N,)."""
    return (target * logits - softplus(logits)).sum(axis=1)
