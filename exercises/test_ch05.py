"""Grades the exercises of chapter 5."""

import math

import numpy as np
import pytest
from grade import answers
from scipy import stats

import tinygen as tg
from tinygen import evaluation, likelihoods, models, nn

ch05 = answers("ch05")
RNG = np.random.default_rng(0)


def random_covariance(L, seed):
    factor = np.random.default_rng(seed).normal(size=(L, L + 2))
    return factor @ factor.T / L + 0.1 * np.eye(L)


def log_normal(x, mean, covariance):
    return stats.multivariate_normal(mean, covariance).logpdf(x)


def test_1_it_is_zero_for_equal_gaussians_and_positive_otherwise():
    mean, cov = np.array([1.0, -2.0, 0.5]), random_covariance(3, 1)
    assert ch05.gaussian_kl(mean, cov, mean, cov) == pytest.approx(0, abs=1e-10)
    assert ch05.gaussian_kl(mean + 0.1, cov, mean, cov) > 0
    assert ch05.gaussian_kl(mean, 1.1 * cov, mean, cov) > 0


def test_1_it_is_the_librarys_for_independent_components():
    mu_q, mu_p, logvar_q, logvar_p = RNG.normal(size=(4, 5))
    expected = likelihoods.kl_gaussian_gaussian_analytic(
        *(tg.tensor(each[None]) for each in (mu_q, logvar_q, mu_p, logvar_p))
    ).item()
    found = ch05.gaussian_kl(mu_q, np.diag(np.exp(logvar_q)), mu_p, np.diag(np.exp(logvar_p)))
    assert found == pytest.approx(expected)


def test_1_it_is_invariant_under_a_linear_map_and_agrees_with_samples():
    q, p, A = (np.zeros(2), random_covariance(2, 2)), (np.ones(2), random_covariance(2, 3)), np.array([[2, 1], [0, 3]])
    found = ch05.gaussian_kl(*q, *p)
    assert found == pytest.approx(ch05.gaussian_kl(A @ q[0], A @ q[1] @ A.T, A @ p[0], A @ p[1] @ A.T))
    z = np.random.default_rng(4).multivariate_normal(*q, size=100_000)
    ratio = log_normal(z, *q) - log_normal(z, *p)
    assert found == pytest.approx(ratio.mean(), abs=5 * ratio.std() / math.sqrt(len(z)))


def sampled(count):
    tg.manual_seed(0)
    factor = np.linalg.cholesky(random_covariance(3, 5))
    mean, noise = np.array([1.0, -1.0, 2.0]), tg.randn(count, 3, dtype="float64")
    return mean, factor, noise


def test_2_the_samples_have_the_mean_and_the_covariance():
    mean, factor, noise = sampled(100_000)
    z = ch05.reparametrised_sample(tg.tensor(mean), tg.tensor(factor), noise).numpy()
    assert z.shape == (100_000, 3)
    assert z.mean(axis=0) == pytest.approx(mean, abs=0.05)
    assert np.cov(z.T) == pytest.approx(factor @ factor.T, abs=0.1)


def test_2_it_is_differentiable_in_mean_and_factor():
    mean, factor, noise = sampled(4)
    leaves = tg.tensor(mean, requires_grad=True), tg.tensor(factor, requires_grad=True)
    assert tg.gradcheck(lambda m, f: ch05.reparametrised_sample(m, f, noise), leaves)
    (gradient,) = tg.grad(ch05.reparametrised_sample(*leaves, noise).sum(), [leaves[1]])
    assert gradient.numpy() == pytest.approx(np.tile(noise.numpy().sum(axis=0), (3, 1)))


W, B, S = np.array([[1.0, 0.7], [0.0, 1.0], [0.5, -0.5]]), np.array([2.0, -1.0, 0.5]), 0.5
X = np.array([1.3, 0.4, -0.2])
LOG_P = log_normal(X, B, W @ W.T + S**2 * np.eye(3))
POSTERIOR = np.linalg.inv(np.eye(2) + W.T @ W / S**2)
POSTERIOR_MEAN = POSTERIOR @ W.T @ (X - B) / S**2


def test_3_it_is_the_log_likelihood_where_q_is_the_posterior():
    assert ch05.linear_gaussian_elbo(X, W, B, S, POSTERIOR_MEAN, POSTERIOR) == pytest.approx(LOG_P)


def test_3_elsewhere_it_is_lower_by_the_divergence_from_the_posterior():
    mean, cov = POSTERIOR_MEAN + [0.2, -0.1], np.diag([0.3, 0.1])
    found = ch05.linear_gaussian_elbo(X, W, B, S, mean, cov)
    assert found < LOG_P
    z = np.random.default_rng(6).multivariate_normal(mean, cov, size=100_000)
    ratio = log_normal(z, mean, cov) - log_normal(z, POSTERIOR_MEAN, POSTERIOR)
    assert LOG_P - found == pytest.approx(ratio.mean(), abs=5 * ratio.std() / math.sqrt(len(z)))


def test_4_it_counts_equal_weights_and_finds_a_single_one():
    logs = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, -800.0, -800.0, -800.0], [0.0, 0.0, -900.0, -900.0]])
    assert ch05.effective_sample_size(logs) == pytest.approx([4, 1, 2])


def test_4_it_does_not_depend_on_a_factor_even_if_all_weights_underflow():
    logs = RNG.normal(size=(3, 50))
    weights = np.exp(logs)
    expected = weights.sum(axis=1) ** 2 / (weights**2).sum(axis=1)
    for shift in (0, -1000, 1000):
        assert ch05.effective_sample_size(logs + shift) == pytest.approx(expected, rel=1e-9)


class LinearVAE(models.VAE):
    """The linear-Gaussian model with two pixels and an encoder that is not the best one."""

    image_shape, latent_size = (1, 1, 2), 2

    def __init__(self):
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(2, 4))
        self.decoder = nn.Sequential(nn.Linear(2, 2), nn.Unflatten(1, (1, 1, 2)))
        self.pixels = models.GaussianPixels(S**2)
        P = np.eye(2) + W[:2].T @ W[:2] / S**2
        A = np.linalg.inv(P) @ W[:2].T / S**2
        encoder, decoder = self.encoder[1], self.decoder[0]
        encoder.weight.data = np.concatenate([0.8 * A, np.zeros((2, 2))]).astype(np.float32)
        encoder.bias.data = np.concatenate([-0.8 * A @ B[:2], -np.log(np.diag(P))]).astype(np.float32)
        decoder.weight.data, decoder.bias.data = W[:2].astype(np.float32), B[:2].astype(np.float32)


def linear_vae(count):
    tg.manual_seed(0)
    rng = np.random.default_rng(7)
    points = rng.normal(size=(count, 2)) @ W[:2].T + B[:2] + S * rng.normal(size=(count, 2))
    exact = log_normal(points, B[:2], W[:2] @ W[:2].T + S**2 * np.eye(2)).mean()
    return LinearVAE(), tg.tensor(points.reshape(-1, 1, 1, 2), dtype="float32"), exact


def test_5_the_bound_is_the_elbo_for_one_sample_and_increases_to_the_likelihood():
    model, x, exact = linear_vae(4000)
    bounds = {K: np.mean([ch05.k_sample_bound(model, x, K).numpy().mean() for _ in range(5)]) for K in (1, 5, 100)}
    elbo = np.mean([evaluation.elbo(model, x, batch_size=4000) for _ in range(5)])
    assert ch05.k_sample_bound(model, x, 3).shape == (4000,)
    assert bounds[1] == pytest.approx(elbo, abs=0.04)
    assert bounds[1] + 0.03 < bounds[5] < bounds[100]
    assert bounds[100] == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize(("name", "index"), [("decoder.0.bias", 0), ("encoder.1.bias", 1), ("encoder.1.bias", 2)])
def test_5_the_gradient_is_the_difference_quotient_with_the_same_noise(name, index):
    model, x, _ = linear_vae(50)
    parameter = dict(model.named_parameters())[name]
    value = parameter.data.copy()

    def bound(by):
        parameter.data = value + by * np.eye(len(value), dtype=np.float32)[index]
        tg.manual_seed(1)
        return ch05.k_sample_bound(model, x, 4).sum()

    (gradient,) = tg.grad(bound(0.0), [parameter])
    quotient = (bound(0.01).item() - bound(-0.01).item()) / 0.02
    assert gradient.numpy()[index] == pytest.approx(quotient, rel=0.03, abs=0.05)


def score_gradients(f, repetitions=400, N=20):
    rng, mean = np.random.default_rng(8), np.array([1.0, 0.5])
    return np.array([ch05.score_function_gradient(f, mean, rng.normal(size=(N, 2))) for _ in range(repetitions)])


def squares(z):
    return (z**2).sum(axis=1) + 10


def test_6_it_is_unbiased():
    estimates = score_gradients(squares, repetitions=6000, N=3)  # a mean over all three would be 2/3 of the gradient
    error = estimates.std(axis=0) / math.sqrt(len(estimates))
    assert (np.abs(estimates.mean(axis=0) - [2.0, 1.0]) < 5 * error).all()


def test_6_a_constant_in_f_has_no_effect_and_the_variance_is_lower():
    estimates = score_gradients(squares)
    assert score_gradients(lambda z: squares(z) + 1000) == pytest.approx(estimates, abs=1e-8)
    rng, mean = np.random.default_rng(8), np.array([1.0, 0.5])
    noises = rng.normal(size=(400, 20, 2))
    without = np.array([(squares(mean + noise)[:, None] * noise).mean(axis=0) for noise in noises])
    assert estimates.var(axis=0).sum() < without.var(axis=0).sum() / 5


COVARIANCE = random_covariance(4, 9)
EIGENVALUES = np.linalg.eigvalsh(COVARIANCE)[::-1]


def negative_objective(W_, s, beta):
    """-E log p(x|z) + beta KL with the best q of each x, up to a constant; the posterior has noise beta s^2."""
    noise = beta * s**2
    D, L = W_.shape
    inverse = np.linalg.inv(np.eye(L) + W_.T @ W_ / noise)
    A = inverse @ W_.T / noise
    residual = np.eye(D) - W_ @ A
    squares_ = np.trace(residual @ COVARIANCE @ residual.T) + np.trace(W_ @ inverse @ W_.T)
    kl = 0.5 * (np.trace(A @ COVARIANCE @ A.T) + np.trace(inverse) - L - np.linalg.slogdet(inverse)[1])
    return squares_ / (2 * s**2) + beta * kl, kl, squares_


@pytest.mark.parametrize(("beta", "L"), [(1.0, 4), (1.0, 2), (5.0, 3)])
def test_7_no_other_decoder_is_better_and_rate_and_distortion_are_its(beta, L):
    W_, rate, distortion = ch05.linear_beta_vae(COVARIANCE, 0.4, beta, L)
    assert W_.shape == (4, L)
    value, kl, squares_ = negative_objective(W_, 0.4, beta)
    assert (rate, distortion) == (pytest.approx(kl), pytest.approx(squares_))
    rng = np.random.default_rng(10)
    for size in (0.01, 0.1, 1.0):
        for _ in range(20):
            assert negative_objective(W_ + size * rng.normal(size=W_.shape), 0.4, beta)[0] > value - 1e-9


def test_7_the_columns_are_orthogonal_and_collapse_at_large_beta():
    W_, rate, distortion = ch05.linear_beta_vae(COVARIANCE, 0.4, 1.0, 4)
    product = W_.T @ W_
    assert product == pytest.approx(np.diag(np.diag(product)), abs=1e-10)
    assert (np.diff(np.diag(product)) <= 1e-12).all()
    between = 0.5 * (EIGENVALUES[0] + EIGENVALUES[1]) / 0.16  # beta s^2 between the two largest eigenvalues
    W_, _, _ = ch05.linear_beta_vae(COVARIANCE, 0.4, between, 4)
    assert (np.linalg.norm(W_, axis=0) > 1e-9).sum() == 1
    W_, rate, distortion = ch05.linear_beta_vae(COVARIANCE, 0.4, 1e4, 4)
    assert np.abs(W_).max() == 0
    assert rate == pytest.approx(0)
    assert distortion == pytest.approx(np.trace(COVARIANCE))


def two_modes(z):
    given_z = np.logaddexp(stats.norm.logpdf(z, 2, 0.3), stats.norm.logpdf(z, -2, 0.3)) - math.log(2)
    return given_z + stats.norm.logpdf(z)


def test_8_it_finds_the_mode_that_q_misses():
    rng = np.random.default_rng(11)
    found = ch05.defensive_estimate(two_modes, 2 / 1.09, 0.3 / math.sqrt(1.09), *rng.normal(size=(2, 20_000)))
    assert found == pytest.approx(stats.norm.logpdf(2, 0, math.sqrt(1.09)), abs=0.05)


def test_8_one_mode_and_a_log_joint_that_underflows():
    rng = np.random.default_rng(12)

    def one_mode(z):
        return stats.norm.logpdf(z, 1, 0.3) + stats.norm.logpdf(z) - 2000

    found = ch05.defensive_estimate(one_mode, 0.5, 0.5, *rng.normal(size=(2, 20_000)))
    assert found + 2000 == pytest.approx(stats.norm.logpdf(1, 0, math.sqrt(1.09)), abs=0.05)


def test_8_the_log_weights_are_bounded():
    """With q far off, no weight exceeds twice that of the prior."""
    rng = np.random.default_rng(13)
    found = ch05.defensive_estimate(two_modes, 8.0, 0.1, *rng.normal(size=(2, 5000)))
    assert found < math.log(2) + stats.norm.logpdf(0, 0, 0.3)
    assert found == pytest.approx(stats.norm.logpdf(2, 0, math.sqrt(1.09)), abs=0.3)
