"""Tests of the exercises of chapter 12, tighter bounds."""

import itertools
import math

import numpy as np
from grade import answers
from scipy import stats

import tinygen as tg
from tinygen import nn
from tinygen.models import MADE

ch12 = answers("ch12")


def all_bits(D):
    return np.array(list(itertools.product([0.0, 1.0], repeat=D)))


def made(D, hidden, order=None, seed=0):
    tg.manual_seed(seed)
    model = MADE(D, hidden, nn.Tanh, order).astype("float64")
    for parameter in model.parameters():
        parameter.data = parameter.data * 4
    return model


def test_1_groups_of_weights():
    log_w = np.log([[1.0, 3.0, 2.0, 6.0, 100.0], [1.0, 1.0, 1.0, 1.0, 1.0]])
    assert np.allclose(ch12.bound_from_weights(log_w, 2), [(math.log(2) + math.log(4)) / 2, 0])
    assert np.allclose(ch12.bound_from_weights(log_w, 4), [math.log(3), 0])
    assert np.allclose(ch12.bound_from_weights(log_w, 1), log_w.mean(axis=1))


def test_1_weights_that_underflow_and_the_rise_with_k():
    log_w = -2000 + np.random.default_rng(0).normal(size=(400, 64))
    bounds = [ch12.bound_from_weights(log_w, K).mean() for K in (1, 2, 4, 64)]
    assert np.all(np.diff(bounds) > 0)
    assert abs(bounds[-1] - (-2000 + 0.5)) < 0.05  # E[w] = e^(1/2) for log w ~ N(0, 1)


def test_2_two_weights_by_hand():
    log_w = np.log([[1.0, 3.0]])
    assert np.allclose(ch12.jackknife(log_w), 2 * math.log(2) - (math.log(1) + math.log(3)) / 2)
    assert np.allclose(ch12.jackknife(np.full((3, 5), -900.0)), -900)


def test_2_the_bias_is_smaller():
    log_w = np.random.default_rng(1).normal(scale=0.7, size=(20_000, 8))
    truth = 0.7**2 / 2
    biased = ch12.bound_from_weights(log_w, 8).mean() - truth
    corrected = ch12.jackknife(log_w)
    assert biased < -0.02
    assert abs(corrected.mean() - truth) < max(0.3 * abs(biased), 4 * corrected.std() / math.sqrt(20_000))


def test_3_equal_eigenvalues_and_two_dimensions():
    assert np.allclose(ch12.best_variances(np.full(3, 0.4)), (0.4, 0.4))
    rho = 0.9
    found = ch12.best_variances(np.array([1 + rho, 1 - rho]))
    assert np.allclose(found, (1 - rho**2, (3 + math.sqrt(1 + 8 * rho**2)) / 4))


def test_3_they_are_minima():
    eigenvalues = np.array([0.1, 0.5, 3.0])
    first, second = ch12.best_variances(eigenvalues)

    def kl(u):
        return (u / eigenvalues - math.log(u)).sum()

    def log_second_moment(u):
        return (math.log(u) - 0.5 * np.log(2 * u - eigenvalues)).sum()

    for value, function in ((first, kl), (second, log_second_moment)):
        assert function(value) < min(function(value * 1.01), function(value * 0.99))


def gaussian_joint(z):
    """log p(x, z) for a posterior N(1, 0.5^2) in each dimension, up to a constant."""
    return (-((z - 1) ** 2) / (2 * 0.25)).sum(axis=2)


def leaves(N, mean, logvar, L=2):
    return [tg.full((N, L), value, dtype="float64", requires_grad=True) for value in (mean, logvar)]


def test_4_no_gradient_at_the_posterior():
    tg.manual_seed(0)
    found = ch12.dreg(gaussian_joint, *leaves(3, 1.0, math.log(0.25)), tg.randn(3, 4, 2, dtype="float64"))
    assert all(each.shape == (3, 2) for each in found)
    assert all(np.allclose(each.numpy(), 0, atol=1e-12) for each in found)


def test_4_the_expectation_of_the_plain_gradient_with_less_variance():
    tg.manual_seed(1)
    N, K = 20_000, 4
    mean, logvar = leaves(N, 0.7, -1.0)
    noise = tg.randn(N, K, 2, dtype="float64")
    z = tg.expand_dims(mean, 1) + tg.expand_dims(tg.exp(logvar / 2), 1) * noise
    standard = (z - tg.expand_dims(mean, 1)) * tg.expand_dims(tg.exp(logvar * -0.5), 1)
    log_q = -(standard**2 + tg.expand_dims(logvar, 1)).sum(axis=2) / 2
    plain = tg.grad(tg.logsumexp(gaussian_joint(z) - log_q, axis=1).sum(), [mean, logvar])
    for mine, its in zip(ch12.dreg(gaussian_joint, mean, logvar, noise), plain, strict=True):
        difference = mine.numpy() - its.numpy()
        assert (abs(difference.mean(axis=0)) < 4.5 * difference.std(axis=0) / math.sqrt(N)).all()
        assert (mine.numpy().std(axis=0) < its.numpy().std(axis=0)).all()


def test_5_the_masks_of_the_library():
    for hidden, order in (((7,), [0, 1, 2, 3]), ((5, 9), [2, 0, 3, 1]), ((), [3, 2, 1, 0])):
        expected = [layer.mask.numpy() for layer in MADE(4, hidden, order=order).layers if hasattr(layer, "mask")]
        found = ch12.masks(4, hidden, order)
        assert len(found) == len(expected)
        assert all(np.array_equal(mine, its) for mine, its in zip(found, expected, strict=True))


def test_5_their_product_is_strictly_triangular():
    product = np.linalg.multi_dot([each.astype(float) for each in ch12.masks(6, (8, 10), range(6))[::-1]])
    assert np.array_equal(product > 0, np.tril(np.ones((6, 6)), -1) > 0)


def test_6_the_known_bits_stay_and_the_others_have_their_conditional_distribution():
    model = made(4, (12,)).astype("float32")
    tg.manual_seed(2)
    samples = np.asarray(ch12.completions(model, np.array([1, 0]), 8000))
    assert samples.shape == (8000, 4)
    assert (samples[:, :2] == [1, 0]).all()
    p = np.exp(model.log_likelihood(all_bits(4)).numpy().astype(float))
    p = p[8:12] / p[8:12].sum()  # the four images that begin with 1, 0
    counts = np.bincount((samples[:, 2:] @ [2, 1]).astype(int), minlength=4)
    assert stats.chisquare(counts, 8000 * p).pvalue > 1e-3


def test_7_the_mixture_is_normalised_and_of_one_model_that_model():
    mixture = [made(5, (9,), order, seed) for seed, order in enumerate(([0, 1, 2, 3, 4], [4, 2, 0, 1, 3]))]
    x = all_bits(5)
    p = np.exp(ch12.mixture_log_likelihood(mixture, x))
    assert p.shape == (32,)
    assert math.isclose(p.sum(), 1)
    each = np.mean([np.exp(model.log_likelihood(x).numpy()) for model in mixture], axis=0)
    assert np.allclose(p, each)


def test_7_the_conditional_is_that_of_the_table():
    mixture = [made(4, (9,), order, seed) for seed, order in enumerate(([0, 1, 2, 3], [3, 1, 0, 2]))]
    x = all_bits(4)
    p = np.exp(ch12.mixture_log_likelihood(mixture, x)).reshape(2, 2, 2, 2)
    for bit in range(4):
        with_one = np.take(p, [1], axis=bit) / p.sum(axis=bit, keepdims=True)
        expected = np.broadcast_to(with_one, p.shape).ravel()
        assert np.allclose(ch12.mixture_conditional(mixture, x.copy(), bit), expected)


def test_8_the_divergence_and_its_gradient_are_those_of_a_linear_model():
    tg.manual_seed(3)
    # p(z_2|z_1) = N(a z_1, 1), q(z_1) = N(m, v), q(z_2|z_1) = N(b z_1 + c, s)
    (a, b, c), (m, v, s, n) = (0.8, 0.3, 0.5), (0.7, 0.4, 0.6, 100_000)
    mean, logvar = (tg.tensor([each], dtype="float64", requires_grad=True) for each in (m, math.log(v)))
    of_p, of_q = (tg.tensor(each, dtype="float64", requires_grad=True) for each in (a, b))
    found = ch12.two_layer_kl(
        (mean, logvar),
        lambda z: (of_p * z, tg.zeros_like(z)),
        lambda z: (of_q * z + c, tg.full_like(z, math.log(s))),
        n,
    )
    offset = (b - a) * m + c  # the mean over q(z_1) of the difference of the means of z_2
    first = (v + m**2 - 1 - math.log(v)) / 2
    second = (s - 1 - math.log(s) + offset**2 + (b - a) ** 2 * v) / 2
    assert abs(found.item() - (first + second)) < 4 * abs(b - a) * math.sqrt(v / n) * (abs(offset) + 1)
    gradients = [each.item() for each in tg.grad(found.sum(), [mean, logvar, of_q, of_p])]
    of_gain = (b - a) * (v + m**2) + c * m
    expected = [m + (b - a) * offset, (v - 1 + (b - a) ** 2 * v) / 2, of_gain, -of_gain]
    assert np.allclose(gradients, expected, atol=0.02)


def test_8_layers_that_follow_the_prior_cost_nothing():
    zeros = tg.zeros(3, dtype="float64")

    def prior(z):
        return z[:, :2] * 0.5, z[:, :2]

    assert abs(ch12.two_layer_kl((zeros, zeros), prior, prior, 10).item()) < 1e-12
