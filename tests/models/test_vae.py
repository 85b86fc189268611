"""What a VAE promises: shapes, the reparametrised draw, the bound, samples; and the architecture of the assignment."""

import gc
import math

import numpy as np
import pytest
from scipy import special, stats
from toy_vae import GaussianVAE, ToyVAE

import tinygen as tg
from tinygen.models import ConvVAE
from tinygen.models.vae import reparametrise
from tinygen.optim import Adam


@pytest.fixture
def numbers():
    return np.random.default_rng(0)


@pytest.fixture
def coins(numbers):
    return tg.tensor(numbers.integers(0, 2, (5, 1, 2, 3)), dtype="float32")


@pytest.fixture
def toy():
    tg.manual_seed(0)
    return ToyVAE(latent_size=2)


def test_encoding_gives_mean_and_logvar_and_decoding_one_logit_a_pixel(toy, coins):
    mean, logvar = toy.encode(coins)
    assert mean.shape == logvar.shape == (5, 2)
    layer = toy.encoder[2]
    both = coins.numpy().reshape(5, 6) @ layer.weight.numpy().T + layer.bias.numpy()
    np.testing.assert_allclose(np.concatenate([mean.numpy(), logvar.numpy()], axis=1), both, rtol=1e-5, atol=1e-6)
    assert toy.decode(mean).shape == (5, 1, 2, 3)


def test_forward_decodes_a_draw_from_the_posterior(toy, numbers):
    toy.encoder[2].bias.data = np.array([1, -2, math.log(0.25), 0], "float32")
    toy.decoder[0].weight.data = np.eye(6, 2, dtype="float32")
    toy.decoder[0].bias.data = np.zeros(6, "float32")  # so the first two logits are z itself
    x = tg.tensor(np.repeat(numbers.integers(0, 2, (1, 1, 2, 3)), 20_000, axis=0), dtype="float32")
    mean, logvar, decoded = toy.forward(x)
    z = decoded.numpy().reshape(-1, 6)[:, :2]
    for axis in range(2):
        expected = stats.norm(mean.numpy()[0, axis], math.exp(logvar.numpy()[0, axis] / 2))
        assert stats.kstest(z[:, axis], expected.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(z.T)[0, 1]) < 0.03


def test_gradients_flow_through_the_draw_to_mean_and_variance(coins):
    tg.manual_seed(1)
    model = ToyVAE().astype("float64")
    x = coins.astype("float64")

    def negative_elbo(*values):
        return -tg.mean(model.elbo(x))

    assert tg.gradcheck(negative_elbo, model.parameters())  # each call draws the same noise
    (-tg.mean(model.elbo(x))).backward()
    assert all((p.grad.numpy() != 0).any() for p in model.parameters())


def test_the_gradient_of_a_narrow_draw_far_from_the_origin_keeps_its_digits():
    mean, noise = np.float32([[100.0, -10.0]]), np.float32([[0.3, -1.7]])
    logvar = tg.tensor(np.float32([[-14.0, -12.0]]), requires_grad=True)
    reparametrise(tg.tensor(mean), logvar, tg.tensor(noise)).sum().backward()
    np.testing.assert_allclose(logvar.grad.numpy(), np.exp(logvar.numpy() / 2) * noise / 2, rtol=1e-6)


def test_the_elbo_is_the_likelihood_of_the_draw_less_the_divergence_from_the_prior(toy, coins):
    tg.manual_seed(5)
    found = toy.elbo(coins).numpy()
    tg.manual_seed(5)
    log_likelihood, kl = (term.numpy() for term in toy.elbo_terms(coins))
    tg.manual_seed(5)
    mean, logvar, decoded = (a.numpy().astype("float64") for a in toy.forward(coins))
    assert found.shape == log_likelihood.shape == kl.shape == (5,)
    np.testing.assert_array_equal(found, log_likelihood - kl)
    x, logits = coins.numpy().reshape(5, 6), decoded.reshape(5, 6)
    np.testing.assert_allclose(log_likelihood, special.log_expit(np.where(x > 0, logits, -logits)).sum(1), rtol=1e-5)
    np.testing.assert_allclose(kl, ((np.exp(logvar) + mean**2 - 1 - logvar) / 2).sum(1), rtol=1e-5)
    assert (kl > 0).all()


def encoder_gradients(model, x, path_gradient):
    log_likelihood, kl = model.elbo_terms(x, path_gradient=path_gradient)
    gradients = tg.grad(tg.mean(log_likelihood - kl), model.encoder.parameters())
    return np.concatenate([gradient.numpy().ravel() for gradient in gradients])


def test_the_path_gradient_is_the_gradient_on_average(coins):
    tg.manual_seed(2)
    model, x = ToyVAE(latent_size=2).astype("float64"), coins.astype("float64")
    total, path = (
        np.array([encoder_gradients(model, x, path_gradient) for _ in range(4000)]) for path_gradient in (False, True)
    )
    error = np.sqrt((total.var(axis=0) + path.var(axis=0)) / 4000)
    assert (abs(total.mean(axis=0) - path.mean(axis=0)) < 4.5 * error).all()
    assert (error > 0).all()


def test_the_path_gradient_has_no_variance_where_q_is_the_posterior(coins):
    model, x = GaussianVAE().astype("float64"), coins.astype("float64")
    slope, origin = model.decoder[0].weight.numpy()[:, 0], model.decoder[0].bias.numpy()
    precision = 1 + slope @ slope / model.VARIANCE
    to_mean = slope / model.VARIANCE / precision
    model.encoder[2].weight.data = np.stack([to_mean, np.zeros(6)])
    model.encoder[2].bias.data = np.array([-to_mean @ origin, -math.log(precision)])
    np.testing.assert_allclose(encoder_gradients(model, x, path_gradient=True), 0, atol=1e-12)
    assert abs(encoder_gradients(model, x, path_gradient=False)).max() > 1e-3


def test_the_divergence_from_one_draw_is_that_of_the_densities_there(toy, coins):
    tg.manual_seed(5)
    log_likelihood, kl = (term.numpy() for term in toy.elbo_terms(coins, path_gradient=True))
    tg.manual_seed(5)
    same_likelihood, _ = toy.elbo_terms(coins)
    np.testing.assert_array_equal(log_likelihood, same_likelihood.numpy())
    tg.manual_seed(5)
    mean, logvar = (a.numpy().astype("float64") for a in toy.encode(coins))
    z = mean + np.exp(logvar / 2) * tg.randn(5, 2).numpy()
    log_q = stats.norm.logpdf(z, mean, np.exp(logvar / 2)).sum(axis=1)
    np.testing.assert_allclose(kl, log_q - stats.norm.logpdf(z).sum(axis=1), rtol=1e-4, atol=1e-5)


def test_samples_are_the_pixels_means_of_draws_from_the_prior(toy):
    tg.manual_seed(0)
    toy.decoder[0].weight.data = np.eye(6, 2, dtype="float32")
    toy.decoder[0].bias.data = np.zeros(6, "float32")
    images = toy.sample(20_000)
    assert images.shape == (20_000, 1, 2, 3)
    assert images.dtype == "float32"
    probabilities = images.numpy().reshape(-1, 6)
    np.testing.assert_array_equal(probabilities[:, 2:], 0.5)
    for axis in range(2):
        assert stats.kstest(special.logit(probabilities[:, axis].astype("float64")), "norm").pvalue > 1e-3


def test_samples_are_a_function_of_the_seed(toy):
    tg.manual_seed(3)
    first = toy.sample(4).numpy()
    tg.manual_seed(3)
    np.testing.assert_array_equal(toy.sample(4).numpy(), first)
    assert (toy.sample(4).numpy() != first).any()


def test_a_vae_with_another_likelihood_overrides_two_methods(coins):
    model = GaussianVAE()
    z = tg.randn(5, 1)
    decoded = model.decode(z)
    np.testing.assert_array_equal(model.pixel_means(decoded).numpy(), decoded.numpy())
    expected = stats.norm.logpdf(coins.numpy(), decoded.numpy(), math.sqrt(model.VARIANCE)).reshape(5, -1).sum(1)
    np.testing.assert_allclose(model.log_likelihood(decoded, coins).numpy(), expected, rtol=1e-5)
    assert model.elbo(coins).shape == (5,)


# The assignment's architecture ---------------------------------------------------------------------------------------


def test_the_convolutional_vae_is_the_assignments():
    model = ConvVAE()
    shapes = {name: p.shape for name, p in model.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "encoder.0.weight": (32, 1, 3, 3),
        "encoder.3.weight": (64, 32, 3, 3),
        "encoder.6.weight": (256, 64, 5, 5),
        "encoder.9.weight": (200, 256),
        "decoder.0.weight": (256, 100),
        "decoder.3.weight": (64, 256, 5, 5),
        "decoder.6.weight": (32, 64, 3, 3),
        "decoder.9.weight": (16, 32, 3, 3),
        "decoder.11.weight": (1, 16, 3, 3),
    }
    kinds = [type(layer).__name__ for layer in (*model.encoder, *model.decoder)]
    assert kinds.count("ELU") == 7
    assert kinds.count("AvgPool2d") == kinds.count("UpsamplingBilinear2d") == 2


@pytest.mark.parametrize("n", [1, 3])
def test_the_convolutional_vae_maps_images_to_latents_and_back(n):
    model = ConvVAE(latent_size=7)
    x = tg.rand(n, 1, 28, 28)
    mean, logvar, decoded = model(x)
    assert mean.shape == logvar.shape == (n, 7)
    assert decoded.shape == (n, 1, 28, 28)
    assert model.elbo(x).shape == (n,)
    assert {a.dtype for a in (mean, logvar, decoded)} == {np.dtype("float32")}
    samples = model.sample(n).numpy()
    assert samples.shape == (n, 1, 28, 28)
    assert ((samples > 0) & (samples < 1)).all()


def test_every_weight_of_the_convolutional_vae_has_the_gradient_that_differences_show(numbers):
    tg.manual_seed(0)
    model = ConvVAE(latent_size=2).astype("float64")
    x = tg.tensor(numbers.integers(0, 2, (1, 1, 28, 28)), dtype="float64")

    def loss():
        tg.manual_seed(1)
        return -tg.mean(model.elbo(x))

    def loss_with(parameter, array):
        origin, parameter.data = parameter.data, array
        value = loss().item()
        parameter.data = origin
        return value

    loss().backward()
    for name, parameter in model.named_parameters():
        direction = numbers.normal(size=parameter.shape)
        h = 1e-5 / np.linalg.norm(direction)
        ahead, behind = (loss_with(parameter, parameter.data + sign * h * direction) for sign in (1, -1))
        slope = (parameter.grad.numpy() * direction).sum()
        assert slope == pytest.approx((ahead - behind) / (2 * h), rel=1e-4, abs=1e-4), name


def test_training_raises_the_bound(numbers):
    tg.manual_seed(0)
    model = ConvVAE(latent_size=5)
    x = tg.tensor(numbers.integers(0, 2, (4, 1, 28, 28)), dtype="float32")
    optimizer = Adam(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = -tg.mean(model.elbo(x))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == pytest.approx(784 * math.log(2), rel=0.01)  # it begins by guessing
    assert losses[-1] < losses[0] - 1


def test_training_twice_from_one_seed_gives_the_same_bits(numbers):
    """Whatever the threads do: a run that is resumed has to end where one that never stopped does."""
    x = tg.tensor(numbers.integers(0, 2, (8, 1, 28, 28)), dtype="float32")

    def trained():
        tg.manual_seed(0)
        model = ConvVAE(latent_size=5)
        optimizer = Adam(model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            (-tg.mean(model.elbo(x))).backward()
            optimizer.step()
        return model.state_dict()

    np.testing.assert_equal(trained(), trained())


def test_evaluation_and_samples_leave_the_collector_nothing(toy, coins):
    gc.collect()
    gc.disable()
    try:
        toy.sample(3)
        toy.elbo(coins)
        assert gc.collect() == 0
    finally:
        gc.enable()
