"""The K-sample bound: its value, its growth to log p(x), its gradients and their signal-to-noise ratios.

The model is linear and Gaussian, so log p(x) and the posterior are known.
"""

import math

import numpy as np
import pytest
from scipy import special, stats
from toy_vae import GaussianVAE, ToyVAE

import tinygen as tg
from tinygen.models import ColourVAE, GaussianPixels
from tinygen.models.vae import gradient_scaled


class FreeVAE(GaussianVAE):
    """q(z|x_n) has a mean and a log-variance of its own for each row n, so that one call gives a gradient per row."""

    def __init__(self, rows: int, mean: float, logvar: float) -> None:
        super().__init__()
        self.mean = tg.tensor(np.full((rows, 1), mean), requires_grad=True)
        self.logvar = tg.tensor(np.full((rows, 1), logvar), requires_grad=True)

    def encode(self, x):
        return self.mean, self.logvar


@pytest.fixture
def image():
    return np.array([1, 0, 1, 1, 0, 1.0]).reshape(1, 1, 2, 3)


def posterior(model, image):
    """Mean and variance of p(z|x), and log p(x)."""
    slope, origin = model.decoder[0].weight.numpy()[:, 0], model.decoder[0].bias.numpy()
    precision = 1 + slope @ slope / model.VARIANCE
    mean = slope @ (image.ravel() - origin) / model.VARIANCE / precision
    covariance = model.VARIANCE * np.eye(6) + np.outer(slope, slope)
    return mean, 1 / precision, stats.multivariate_normal(origin, covariance).logpdf(image.ravel())


def free(image, rows, seed=0):
    """A model whose q is wider than the posterior and beside it, and ``rows`` copies of the image."""
    tg.manual_seed(seed)
    mean, variance, log_p = posterior(GaussianVAE().astype("float64"), image)
    tg.manual_seed(seed)
    model = FreeVAE(rows, mean + 0.5 * math.sqrt(variance), math.log(2 * variance)).astype("float64")
    return model, tg.tensor(np.repeat(image, rows, axis=0)), log_p


def encoder_gradients(model, x, K, path_gradient):
    """(rows, 2): the gradient of each row's bound with respect to its mean and log-variance."""
    gradients = tg.grad(model.iwae(x, K, path_gradient=path_gradient).sum(), [model.mean, model.logvar])
    return np.concatenate([gradient.numpy() for gradient in gradients], axis=1)


def test_the_bound_rises_with_k_to_the_log_likelihood(image):
    N = 20_000
    model, x, log_p = free(image, N)
    with tg.no_grad():
        bounds = {K: model.iwae(x, K).numpy() for K in (1, 2, 8, 64)}
    means = {K: bound.mean() for K, bound in bounds.items()}
    errors = {K: bound.std() / math.sqrt(N) for K, bound in bounds.items()}
    assert means[1] < means[2] < means[8] < means[64] < log_p + 4 * errors[64]
    assert log_p - means[1] > 0.2
    variance_of_mean = np.exp(bounds[64] - log_p).std() ** 2  # to first order the gap is half the variance of the mean
    assert log_p - means[64] == pytest.approx(variance_of_mean / 2, abs=4 * errors[64])
    elbo = np.mean([model.elbo(x).numpy().mean() for _ in range(5)])
    assert means[1] == pytest.approx(elbo, abs=6 * errors[1])


@pytest.mark.parametrize("K", [1, 3])
def test_at_the_posterior_the_bound_is_exact_and_the_path_gradient_0(image, K):
    model, x, log_p = free(image, 4)
    mean, variance, _ = posterior(model, image)
    model.mean.data, model.logvar.data = np.full((4, 1), mean), np.full((4, 1), math.log(variance))
    np.testing.assert_allclose(model.iwae(x, K).numpy(), log_p, rtol=1e-12)
    np.testing.assert_allclose(encoder_gradients(model, x, K, path_gradient=True), 0, atol=1e-12)
    assert abs(encoder_gradients(model, x, K, path_gradient=False)).max() > 1e-3


def test_the_doubly_reparametrised_gradient_is_its_formula(image):
    K, model, (mean, logvar) = 5, GaussianVAE().astype("float64"), (0.3, -0.4)
    slope, origin = model.decoder[0].weight.numpy()[:, 0], model.decoder[0].bias.numpy()
    row = FreeVAE(1, mean, logvar).astype("float64")
    row.load_state_dict(model.state_dict())
    tg.manual_seed(7)
    found = encoder_gradients(row, tg.tensor(image), K, path_gradient=True)[0]
    tg.manual_seed(7)
    noise = tg.randn(K, 1, dtype="float64").numpy()[:, 0]
    sigma = math.exp(logvar / 2)
    z = mean + sigma * noise
    residual = image.ravel() - np.outer(z, slope) - origin  # (K, 6)
    log_w = -(residual**2).sum(1) / (2 * model.VARIANCE) - z**2 / 2 + noise**2 / 2
    v = special.softmax(log_w)
    slope_of_log_w = residual @ slope / model.VARIANCE - z + noise / sigma
    expected = [(v**2 * slope_of_log_w).sum(), (v**2 * slope_of_log_w * sigma * noise / 2).sum()]
    np.testing.assert_allclose(found, expected, rtol=1e-10)


@pytest.mark.parametrize("K", [1, 4, 16])
def test_the_doubly_reparametrised_gradient_is_unbiased(image, K):
    N = 40_000
    model, x, _ = free(image, N)
    plain, path = (encoder_gradients(model, x, K, path_gradient) for path_gradient in (False, True))
    error = np.sqrt((plain.var(axis=0) + path.var(axis=0)) / N)
    assert (abs(plain.mean(axis=0) - path.mean(axis=0)) < 4 * error).all()
    assert (path.std(axis=0) < plain.std(axis=0)).all()


def test_with_more_samples_the_signal_to_noise_ratio_rises_for_the_path_gradient_and_falls_for_the_plain_one(image):
    """By sqrt(K) and 1 / sqrt(K) for large K (Rainforth et al. 2018, theorem 1; Tucker et al. 2019)."""
    N = 20_000
    model, x, _ = free(image, N)
    ratios = {}
    for path_gradient in (False, True):
        for K in (4, 64):
            gradients = encoder_gradients(model, x, K, path_gradient)
            ratios[path_gradient, K] = abs(gradients.mean(axis=0)) / gradients.std(axis=0)
    error = 4 / math.sqrt(N)
    assert (ratios[False, 64] < ratios[False, 4] / 2 + error).all()
    assert (ratios[False, 64] < ratios[False, 4] - error).all()
    assert (ratios[True, 64] > 2.5 * ratios[True, 4]).all()


def test_the_decoder_has_the_same_gradient_with_both_estimators_and_differences_confirm_it():
    tg.manual_seed(1)
    model = ToyVAE(latent_size=2).astype("float64")
    x = tg.tensor(np.random.default_rng(0).integers(0, 2, (5, 1, 2, 3)), dtype="float64")
    both = []
    for path_gradient in (False, True):
        tg.manual_seed(2)
        bound = model.iwae(x, 4, path_gradient=path_gradient)
        both.append([bound, *tg.grad(bound.sum(), model.decoder.parameters())])
    for plain, path in zip(*both, strict=True):
        np.testing.assert_allclose(plain.numpy(), path.numpy(), rtol=1e-12)
    assert tg.gradcheck(lambda *_: tg.mean(model.iwae(x, 4)), model.parameters())  # each call draws the same noise
    dreg = tg.gradcheck(lambda *_: tg.mean(model.iwae(x, 4, path_gradient=True)), model.decoder.parameters())
    assert dreg


def test_one_sample_gives_the_estimate_and_the_gradients_of_the_elbo_terms():
    tg.manual_seed(1)
    model = ToyVAE(latent_size=2).astype("float64")
    x = tg.tensor(np.random.default_rng(0).integers(0, 2, (5, 1, 2, 3)), dtype="float64")
    tg.manual_seed(3)
    log_likelihood, kl = model.elbo_terms(x, path_gradient=True)
    tg.manual_seed(3)
    bound = model.iwae(x, 1, path_gradient=True)
    np.testing.assert_allclose(bound.numpy(), (log_likelihood - kl).numpy(), rtol=1e-12)
    pairs = zip(*(tg.grad(y.sum(), model.parameters()) for y in (bound, log_likelihood - kl)), strict=True)
    for mine, its in pairs:
        np.testing.assert_allclose(mine.numpy(), its.numpy(), rtol=1e-10, atol=1e-13)


def test_the_encoder_runs_once_per_image_and_the_decoder_once_per_sample():
    model, shapes = ToyVAE(latent_size=2), []
    encode, decode = model.encode, model.decode
    object.__setattr__(model, "encode", lambda x: shapes.append(x.shape) or encode(x))
    object.__setattr__(model, "decode", lambda z: shapes.append(z.shape) or decode(z))
    assert model.iwae(tg.zeros(3, 1, 2, 3), 4).shape == (3,)
    assert shapes == [(3, 1, 2, 3), (12, 2)]


@pytest.mark.parametrize("path_gradient", [False, True])
def test_any_family_of_pixels_has_the_bound_in_its_dtype_and_on_its_device(device, path_gradient):
    for dtype in ("float32", "float64"):
        tg.manual_seed(0)
        model = ColourVAE(3, GaussianPixels(learned=True), width=2).astype(dtype).to(device)
        bound = model.iwae(tg.zeros(2, 3, 32, 32, dtype=dtype, device=device), 3, path_gradient=path_gradient)
        bound.sum().backward()
        assert bound.dtype == dtype
        assert bound.device.startswith(device)
        assert all(p.grad is not None and p.grad.dtype == dtype for p in model.parameters())
        assert (model.pixels.logvar.grad.numpy() != 0).all()


def test_the_scale_of_a_gradient_may_be_set_after_the_value_was_computed():
    x, scale = tg.tensor([1.0, 2.0], requires_grad=True), []
    y = gradient_scaled(x, scale)
    np.testing.assert_array_equal(y.numpy(), [1, 2])
    scale.append(tg.tensor([10.0, 0.5]))
    (y * y).sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [20, 2])


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="iwae: num_samples must be a whole number from 1, got 0"):
        ToyVAE().iwae(tg.zeros(2, 1, 2, 3), 0)
