"""With ``np.seterr(all="raise")`` the library raises for no underflow: what is too small for its dtype becomes 0."""

from collections.abc import Callable

import numpy as np
import pytest

import tinygen as tg
from tinygen import divergences, evaluation, likelihoods, nn, optim
from tinygen import functional as F


@pytest.fixture(autouse=True)
def strict_numpy():
    with np.errstate(all="raise"):
        yield


TINY = np.full((4, 3), 1e-30, np.float32)
LOW = np.full((4, 3), -200, np.float32)


def leaf(values: np.ndarray) -> tg.Tensor:
    return tg.tensor(values, requires_grad=True)


CASES: dict[str, Callable[[], object]] = {
    "exp": lambda: tg.exp(leaf(LOW)).sum().backward(),
    "square": lambda: (leaf(TINY) ** 2).sum().backward(),
    "product": lambda: (leaf(TINY) * TINY).sum().backward(),
    "matmul": lambda: (leaf(TINY) @ TINY.T).sum().backward(),
    "softmax": lambda: F.softmax(leaf(np.float32([[0, -200]]))).sum().backward(),
    "sigmoid": lambda: F.sigmoid(leaf(LOW)).sum().backward(),
    "elu": lambda: F.elu(leaf(LOW)).sum().backward(),
    "silu": lambda: F.silu(leaf(LOW)).sum().backward(),
    "softplus": lambda: F.softplus(leaf(LOW)).sum().backward(),
    "maximum": lambda: tg.maximum(leaf(TINY), TINY).sum().backward(),
    "cross entropy": lambda: F.cross_entropy(leaf(LOW * np.float32([0, 1, 1])), np.array([0, 0, 0, 0])).backward(),
    "Bernoulli": lambda: likelihoods.log_likelihood_bernoulli_logits(leaf(LOW), np.zeros_like(LOW)).sum().backward(),
    "KL": lambda: likelihoods.kl_gaussian_standard(leaf(LOW), leaf(LOW)).sum().backward(),
    "cast of an array": lambda: tg.tensor(np.full(3, 1e-300), dtype="float32"),
    "cast of a list": lambda: tg.tensor([1e-300, 1.0]),
    "astype": lambda: tg.tensor(np.full(3, 1e-300)).astype("float32"),
    "Jensen-Shannon": lambda: divergences.jensen_shannon_by_quadrature(_bell(0), _bell(1), -60, 60),
    "interpolation": lambda: evaluation.interpolate_latents(
        nn.Linear(2, 3), np.zeros((1, 2)), np.full((1, 2), 1e-310), 3
    ),
}


def _bell(mean: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda x: np.exp(-0.5 * (x - mean) ** 2) / np.sqrt(2 * np.pi)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_raised(name):
    CASES[name]()


@pytest.mark.parametrize("make", [optim.SGD, optim.RMSprop, optim.Adam])
def test_no_optimiser_raises(make):
    layer = nn.Linear(3, 2)
    optimizer = make(layer.parameters(), 1e-3)
    for _ in range(2):
        optimizer.zero_grad()
        (layer(TINY).sum() * 1e-10).backward()
        optimizer.step()


def test_subnormal_densities_have_a_finite_divergence():
    least = np.finfo(np.float64).smallest_subnormal

    def p(x: np.ndarray) -> np.ndarray:
        return np.where(x < 0.5, 2.0, least)

    assert divergences.jensen_shannon_by_quadrature(p, lambda x: p(1 - x), 0, 1) == pytest.approx(np.log(2), rel=1e-3)
