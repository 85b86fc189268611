"""Flow matching and diffusion on Gaussians, where velocity, noise, solutions and densities are known."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import flows
from tinygen.flows import COSINE, STRAIGHT
from tinygen.models import MLP

MEAN, SD = 1.5, 0.5  # of the data, in each of two independent dimensions
PATHS = {"straight": STRAIGHT, "cosine": COSINE}


def column(path, t):
    return path.coefficients(t, tg.zeros(len(t), 1, dtype="float64"))


def noise_of(path):
    """E[e | x_t] for data N(MEAN, SD^2): x_t is N(alpha MEAN, alpha^2 SD^2 + sigma^2), its covariance with e sigma."""

    def network(x, t):
        alpha, sigma = column(path, t)
        return sigma / (alpha**2 * SD**2 + sigma**2) * (x - alpha * MEAN)

    return network


def velocity_of(path):
    """alpha' E[x | x_t] + sigma' E[e | x_t] for data N(MEAN, SD^2)."""

    def network(x, t):
        alpha, sigma = column(path, t)
        gain = (x - alpha * MEAN) / (alpha**2 * SD**2 + sigma**2)
        t = tg.reshape(t, (-1, 1))
        return path.alpha_derivative(t) * (MEAN + alpha * SD**2 * gain) + path.sigma_derivative(t) * sigma * gain

    return network


def gaussian(n):
    tg.manual_seed(1)
    return MEAN + SD * tg.randn(n, 2, dtype="float64")


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_derivatives_of_a_path_are_those_of_its_coefficients(path):
    t = tg.tensor(np.linspace(0.0, 1.0, 7), dtype="float64", requires_grad=True)
    for function, derivative in ((path.alpha, path.alpha_derivative), (path.sigma, path.sigma_derivative)):
        (expected,) = tg.grad(function(t).sum(), t)
        np.testing.assert_allclose(derivative(t.detach()).numpy(), expected.numpy(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_a_path_ends_in_the_data_and_begins_near_the_noise(path):
    x, noise = tg.randn(5, 2, 3, dtype="float64"), tg.randn(5, 2, 3, dtype="float64")
    np.testing.assert_allclose(path.at(x, noise, tg.ones(5, dtype="float64")).numpy(), x.numpy(), atol=1e-12)
    start = path.at(x, noise, tg.zeros(5, dtype="float64")).numpy()
    assert np.abs(start - noise.numpy()).max() <= 0.011 * np.abs(x.numpy()).max()


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_conditional_means_minimise_the_losses(path):
    """At the optimum the residual is uncorrelated with any function of x_t: E[residual h(x_t)] = 0."""
    x, n = gaussian(40_000), 40_000
    losses = ((flows.flow_matching_loss, velocity_of(path)), (flows.diffusion_loss, noise_of(path)))
    for loss, best in losses:
        offset = tg.zeros(1, 2, dtype="float64", requires_grad=True)
        gain = tg.ones(1, dtype="float64", requires_grad=True)
        tg.manual_seed(0)
        value = loss(lambda x, t, best=best, gain=gain, offset=offset: gain * best(x, t) + offset, x, path)
        for gradient in tg.grad(value, [offset, gain]):
            # the sampling error of 2 residual h: the residual is a part of the target, h a part of the best estimate
            assert np.abs(gradient.numpy()).max() < 5 * 2 * 6 / math.sqrt(n)
        tg.manual_seed(0)
        worse = loss(lambda x, t, best=best: 1.2 * best(x, t), x, path)
        assert worse.item() > value.item()


def test_the_noise_determines_the_velocity():
    x, t = gaussian(100), tg.tensor(np.linspace(0.01, 1.0, 100), dtype="float64")
    for path in PATHS.values():
        velocity = flows.velocity_from_noise(noise_of(path), path)
        np.testing.assert_allclose(velocity(x, t).numpy(), velocity_of(path)(x, t).numpy(), rtol=1e-9)


def solution(z):
    """Straight paths to N(MEAN, SD^2) from N(0, 1): the flow is affine at each time, and ends in MEAN + SD z."""
    return MEAN + SD * z.numpy()


@pytest.mark.parametrize(("method", "order"), [("euler", 1), ("heun", 2)])
def test_the_order_of_the_integrators(method, order):
    z = tg.randn(50, 2, dtype="float64")
    errors = [
        np.abs(flows.integrate(velocity_of(STRAIGHT), z, steps, method).numpy() - solution(z)).max()
        for steps in (40, 80)
    ]
    assert errors[0] / errors[1] == pytest.approx(2**order, rel=0.1)


def test_integration_backwards_is_the_inverse():
    z = tg.randn(20, 2, dtype="float64")
    x = flows.integrate(velocity_of(STRAIGHT), z, 200)
    back = flows.integrate(velocity_of(STRAIGHT), x, 200, start=1.0, end=0.0)
    np.testing.assert_allclose(back.numpy(), z.numpy(), atol=1e-3)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_denoising_samples_the_data(eta):
    tg.manual_seed(0)
    n = 20_000
    samples = flows.denoise(noise_of(COSINE), tg.randn(n, 2, dtype="float64"), 200, eta=eta).numpy()
    # the sampling errors of mean and standard deviation, and 2 % for the finite steps
    assert np.abs(samples.mean(0) - MEAN).max() < 4 * SD / math.sqrt(n) + 0.02 * SD
    assert np.abs(samples.std(0) - SD).max() < 4 * SD / math.sqrt(2 * n) + 0.02 * SD


def test_deterministic_denoising_follows_the_flow():
    z = tg.randn(50, 2, dtype="float64")
    denoised = flows.denoise(noise_of(COSINE), z, 400).numpy()
    flow = flows.integrate(velocity_of(COSINE), z, 400).numpy()
    np.testing.assert_allclose(denoised, flow, atol=0.01)


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_the_log_likelihood_is_that_of_the_gaussian(path):
    """The flow is affine, so N(0, I) at t = 0 becomes the Gaussian below; on the cosine path, where alpha is not 0 at
    the start, not quite N(MEAN, SD^2)."""
    x = gaussian(30)
    alpha, sigma = (float(each.numpy()[0, 0]) for each in column(path, tg.zeros(1, dtype="float64")))
    scale = SD / math.sqrt(alpha**2 * SD**2 + sigma**2)
    standardised = (x.numpy() - MEAN) / scale + alpha * MEAN
    exact = -0.5 * (standardised**2).sum(1) - 2 * math.log(scale) - math.log(2 * math.pi)
    estimate = flows.log_likelihood(velocity_of(path), x, 200).numpy()
    np.testing.assert_allclose(estimate, exact, atol=1e-3)


def test_the_log_likelihood_of_a_rotation_is_that_of_the_noise():
    def rotation(x, t):
        return tg.stack([-x[:, 1], x[:, 0]], axis=1)

    x = tg.randn(10, 2, dtype="float64")
    exact = -0.5 * (x.numpy() ** 2).sum(1) - math.log(2 * math.pi)
    np.testing.assert_allclose(flows.log_likelihood(rotation, x, 100).numpy(), exact, atol=1e-4)


def test_losses_have_gradients_and_images_their_shape():
    weight = tg.ones(1, requires_grad=True)
    x = tg.randn(3, 2, 4, 4)
    for loss in (flows.flow_matching_loss, flows.diffusion_loss):
        value = loss(lambda x, t: weight * x, x)
        assert value.shape == ()
        assert np.isfinite(tg.grad(value, weight)[0].item())
    assert flows.integrate(lambda x, t: -x, x, 3).shape == x.shape
    assert flows.denoise(lambda x, t: x, x, 3, eta=1.0).shape == x.shape


def test_the_log_likelihood_of_a_translation_is_that_of_the_shifted_noise():
    """A velocity that does not depend on x, in one coordinate or in both, contributes nothing to the divergence."""

    def translation(x, t):
        return tg.ones_like(x)

    def shear(x, t):
        return tg.stack([tg.ones_like(x[:, 0]), x[:, 0]], axis=1)

    x = tg.randn(10, 2, dtype="float64")
    exact = -0.5 * ((x.numpy() - 1) ** 2).sum(1) - math.log(2 * math.pi)
    np.testing.assert_allclose(flows.log_likelihood(translation, x, 3).numpy(), exact, atol=1e-12)
    start = x.numpy() - [1, 0]
    start[:, 1] -= start[:, 0] + 0.5
    exact = -0.5 * (start**2).sum(1) - math.log(2 * math.pi)
    np.testing.assert_allclose(flows.log_likelihood(shear, x, 3).numpy(), exact, atol=1e-12)


def test_on_a_gpu_losses_samples_and_densities_are_the_same(gpu):
    network = MLP(3, 2)
    x, noise = tg.randn(6, 2), tg.randn(6, 2)

    def results(device):
        network.to(device)

        def velocity(x, t):
            return network(tg.cat([x, tg.reshape(t, (-1, 1))], axis=1))

        at, start = x.to(device), noise.to(device)
        tg.manual_seed(0)
        yield flows.flow_matching_loss(velocity, at)
        yield flows.diffusion_loss(velocity, at)
        yield flows.integrate(velocity, start, 3)
        yield flows.integrate(flows.velocity_from_noise(velocity), start, 3)
        yield flows.denoise(velocity, start, 3, eta=1.0)
        yield flows.log_likelihood(velocity, at, 3)

    for on_cpu, on_gpu in zip(list(results("cpu")), results(gpu), strict=True):
        assert on_gpu.device != "cpu"
        np.testing.assert_allclose(on_gpu.numpy(), on_cpu.numpy(), rtol=1e-3, atol=1e-4)


def test_wrong_arguments_are_named():
    def same(x, t):
        return x

    x = tg.zeros(1, 2)
    for call, problem in (
        (lambda: flows.integrate(same, x, 0), "integrate: steps must be a whole number from 1, got 0"),
        (
            lambda: flows.integrate(same, x, 1, "midpoint"),
            "integrate: method must be 'euler' or 'heun', got 'midpoint'",
        ),
        (
            lambda: flows.integrate(lambda x, t: x[:, :1], x),
            r"must return the shape of x, \(1, 2\), it returned \(1, 1\)",
        ),
        (lambda: flows.denoise(same, x, eta=-1.0), r"denoise: eta must be a number in \[0, 1\], got -1.0"),
        (lambda: flows.denoise(same, x, eta=1.5), r"denoise: eta must be a number in \[0, 1\], got 1.5"),
        (lambda: flows.denoise(same, x, path=STRAIGHT), r"denoise: path must have 0 < alpha .*, alpha\(0\) is 0"),
        (lambda: flows.log_likelihood(same, tg.zeros(1, 1, 2, 2)), r"log_likelihood: x must be points \(N, d\)"),
        (
            lambda: flows.log_likelihood(lambda x, t: x[:, :1], x),
            r"log_likelihood: velocity must return the shape of x, \(1, 2\), it returned \(1, 1\)",
        ),
        (
            lambda: flows.log_likelihood(lambda x, t: tg.cat([x, x], axis=1), x),
            r"log_likelihood: velocity must return the shape of x, \(1, 2\), it returned \(1, 4\)",
        ),
    ):
        with pytest.raises(ValueError, match=problem):
            call()
