"""Log-likelihoods and KL divergences, the terms of objectives: in nats, one value per element of the batch.

Unless stated otherwise each function takes tensors of one shape (batch, ...), returns (batch,), summed over all other
axes, and raises ``ValueError`` for tensors of different shapes. Integers and booleans are converted to floating point,
and float16 is computed in float32 (``autograd/operands.py``).
"""

import math

from tinygen.autograd.operands import real_operands
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module, is_numpy
from tinygen.kernels import likelihoods as kernels
from tinygen.operations.arithmetic import where
from tinygen.operations.comparison import equal, logical_and
from tinygen.operations.creation import randn
from tinygen.operations.elementwise import exp, expm1, log, sigmoid
from tinygen.operations.reductions import logsumexp, mean, sum
from tinygen.operations.shaping import expand_dims, reshape
from tinygen.validation import whole_number

LOG_2_PI = math.log(2 * math.pi)
ROUNDING = 1e-3  # the spacing of half-precision numbers near 1, rounded up


def _per_example(x: Tensor) -> Tensor:
    """(batch, ...) -> (batch,): the sum over all but the first axis."""
    return sum(_as_rows(x), axis=1)


def _as_rows(x: Tensor) -> Tensor:
    """(batch, ...) -> (batch, D)."""
    return x if x.ndim == 2 else reshape(x, (len(x), math.prod(x.shape[1:])))


def _check_shapes(name: str, **tensors: Tensor) -> None:
    shapes = {key: value.shape for key, value in tensors.items()}
    if len(set(shapes.values())) > 1 or () in shapes.values():
        raise ValueError(f"{name}: expects tensors of one shape (batch, ...), got {shapes}")


def _check_unit_interval(name: str, argument: str, x: Tensor) -> None:
    """Raise ``ValueError`` where ``x`` has values outside [0, 1] by more than the rounding of half precision; not
    checked on a GPU, where the check would synchronise with the host. NaN propagates to the result."""
    if is_numpy(x.data) and x.size and (x.data.min() < -ROUNDING or x.data.max() > 1 + ROUNDING):
        low, high = x.data.min(), x.data.max()
        raise ValueError(f"{name}: {argument} must have values in [0, 1], got {low:g} to {high:g}")


@real_operands("mu", "target")
def log_likelihood_bernoulli(mu: Tensor, target: Tensor) -> Tensor:
    """``sum_i t_i log mu_i + (1 - t_i) log(1 - mu_i)``: the log-likelihood of ``target`` under independent Bernoulli
    variables with means ``mu``, (batch, ...) -> (batch,).

    ``0 log 0`` counts as 0, in value and gradient. If logits are available, use ``log_likelihood_bernoulli_logits``,
    which is accurate where ``mu`` would round to 0 or 1. Raises ``ValueError`` for values outside [0, 1].
    """
    _check_shapes("log_likelihood_bernoulli", mu=mu, target=target)
    _check_unit_interval("log_likelihood_bernoulli", "mu", mu)
    _check_unit_interval("log_likelihood_bernoulli", "target", target)
    return _per_example(_weighted_log(target, mu) + _weighted_log(1 - target, 1 - mu))


def _weighted_log(weight: Tensor, x: Tensor) -> Tensor:
    """weight log(x), 0 where both are 0."""
    absent = logical_and(equal(weight, 0), equal(x, 0))
    return where(absent, 0.0, weight * log(where(absent, 1.0, x)))


@real_operands("logits", "target")
def log_likelihood_bernoulli_logits(logits: Tensor, target: Tensor) -> Tensor:
    """``sum_i t_i l_i - log(1 + e^l_i)``: ``log_likelihood_bernoulli`` for mu = sigmoid(l): ``logits`` l and
    ``target`` t (batch, ...) -> (batch,), finite for every finite l.

    Raises ``ValueError`` for a target outside [0, 1]."""
    _check_shapes("log_likelihood_bernoulli_logits", logits=logits, target=target)
    _check_unit_interval("log_likelihood_bernoulli_logits", "target", target)
    return _bernoulli(_as_rows(logits), _as_rows(target))


@operation(
    lambda g, logits, target: expand_dims(g, 1) * (target - sigmoid(logits)),
    lambda g, logits, target: expand_dims(g, 1) * logits,
)
def _bernoulli(logits: Array, target: Array) -> Array:
    """(batch, D), (batch, D) -> (batch,)."""
    return kernels.bernoulli(logits, target)


@real_operands("mu", "logvar", "z")
def log_likelihood_normal(mu: Tensor, logvar: Tensor, z: Tensor) -> Tensor:
    """``sum_i -1/2 (log 2 pi + logvar_i + (z_i - mu_i)^2 / e^logvar_i)``: the log-density of N(mu, e^logvar) at
    z; mu, logvar and z (batch, ...) -> (batch,)."""
    _check_shapes("log_likelihood_normal", mu=mu, logvar=logvar, z=z)
    standard = (z - mu) * exp(logvar * -0.5)
    return _per_example((LOG_2_PI + logvar + standard * standard) * -0.5)


@real_operands("y")
def log_mean_exp(y: Tensor) -> Tensor:
    """``log 1/K sum_k e^y_k``: y (batch, K) -> (batch,), accurate where every e^y_k underflows.

    Raises ``ValueError`` for another shape and for no samples."""
    if y.ndim != 2 or y.shape[1] == 0:
        raise ValueError(f"log_mean_exp: expects (batch, samples) with at least 1 sample, got shape {y.shape}")
    return logsumexp(y, axis=1) - math.log(y.shape[1])


@real_operands("mu_q", "logvar_q", "mu_p", "logvar_p")
def kl_gaussian_gaussian_analytic(mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor) -> Tensor:
    """KL(q || p) of diagonal Gaussians, ``sum_i 1/2 (logvar_p - logvar_q + (e^logvar_q + (mu_q - mu_p)^2) / e^logvar_p
    - 1)``; ``mu_q``, ``logvar_q``, ``mu_p`` and ``logvar_p`` (batch, ...) -> (batch,)."""
    _check_shapes("kl_gaussian_gaussian_analytic", mu_q=mu_q, logvar_q=logvar_q, mu_p=mu_p, logvar_p=logvar_p)
    distance, log_ratio = mu_q - mu_p, logvar_q - logvar_p
    return _per_example((expm1(log_ratio) - log_ratio + distance * distance * exp(-logvar_p)) * 0.5)


@real_operands("mu", "logvar")
def kl_gaussian_standard(mu: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mu, e^logvar) || N(0, I)), ``sum_i 1/2 (e^logvar_i - 1 - logvar_i + mu_i^2)`` (Kingma and Welling 2014,
    appendix B); mu and logvar (batch, ...) -> (batch,)."""
    _check_shapes("kl_gaussian_standard", mu=mu, logvar=logvar)
    return _kl_standard(_as_rows(mu), _as_rows(logvar))


@operation(
    lambda g, mu, logvar: expand_dims(g, 1) * mu,
    lambda g, mu, logvar: expand_dims(g * 0.5, 1) * expm1(logvar),
)
def _kl_standard(mu: Array, logvar: Array) -> Array:
    """(batch, D), (batch, D) -> (batch,)."""
    return (array_module(logvar).expm1(logvar) - logvar + mu * mu).sum(axis=1) * 0.5


@real_operands("mu_q", "logvar_q", "mu_p", "logvar_p")
def kl_gaussian_gaussian_mc(
    mu_q: Tensor, logvar_q: Tensor, mu_p: Tensor, logvar_p: Tensor, num_samples: int = 1
) -> Tensor:
    """KL(q || p) as the mean of log q(z) - log p(z) over ``num_samples`` reparametrised samples z ~ q:
    ``mu_q``, ``logvar_q``, ``mu_p`` and ``logvar_p`` (batch, ...) -> (batch,).

    Raises ``ValueError`` for fewer than 1 sample."""
    num_samples = whole_number("kl_gaussian_gaussian_mc", "num_samples", num_samples)
    if num_samples < 1:
        raise ValueError(f"kl_gaussian_gaussian_mc: num_samples must be at least 1, got {num_samples}")
    _check_shapes("kl_gaussian_gaussian_mc", mu_q=mu_q, logvar_q=logvar_q, mu_p=mu_p, logvar_p=logvar_p)
    # (z - mu_q)^2 / e^logvar_q = noise^2, which is used directly in the density of q.
    noise = randn(num_samples, *mu_q.shape, dtype=mu_q.dtype, device=mu_q.device)
    z = expand_dims(mu_q, 0) + exp(logvar_q * 0.5) * noise
    from_p = z - mu_p
    difference = (logvar_p - logvar_q + from_p * from_p * exp(-logvar_p) - noise * noise) * 0.5
    return _per_example(mean(difference, axis=0))
