"""The networks for colour images: shapes and names, one generator for two models, and what is said of the pixels."""

import math

import numpy as np
import pytest
from scipy import stats

import tinygen as tg
from tinygen import nn, optim
from tinygen.models import BernoulliPixels, ColourVAE, ConvVAE, Critic, GaussianPixels, Generator

# What PyTorch's state_dict names, with the shapes, in models of the same structure.
GENERATOR = {
    "layers.0.weight": (3072, 100),
    "layers.0.bias": (3072,),
    "layers.2.weight": (192,),
    "layers.2.bias": (192,),
    "layers.2.running_mean": (192,),
    "layers.2.running_var": (192,),
    "layers.4.weight": (192, 96, 4, 4),
    "layers.4.bias": (96,),
    "layers.5.weight": (96,),
    "layers.5.bias": (96,),
    "layers.5.running_mean": (96,),
    "layers.5.running_var": (96,),
    "layers.7.weight": (96, 48, 4, 4),
    "layers.7.bias": (48,),
    "layers.8.weight": (48,),
    "layers.8.bias": (48,),
    "layers.8.running_mean": (48,),
    "layers.8.running_var": (48,),
    "layers.10.weight": (48, 3, 4, 4),
    "layers.10.bias": (3,),
}
CRITIC = {
    "layers.0.weight": (48, 3, 4, 4),
    "layers.0.bias": (48,),
    "layers.2.weight": (96, 48, 4, 4),
    "layers.2.bias": (96,),
    "layers.4.weight": (192, 96, 4, 4),
    "layers.4.bias": (192,),
    "layers.7.weight": (1, 3072),
    "layers.7.bias": (1,),
}


@pytest.fixture
def images():
    tg.manual_seed(0)
    return tg.tanh(tg.randn(4, 3, 32, 32))


def shapes(model):
    return {name: array.shape for name, array in model.state_dict().items()}


def test_names_and_shapes_are_those_of_pytorch():
    assert shapes(Generator()) == GENERATOR
    assert shapes(Critic()) == CRITIC


def test_the_generator_makes_images_between_minus_one_and_one():
    tg.manual_seed(0)
    made = Generator(5, width=4)(10 * tg.randn(6, 5)).numpy()
    assert made.shape == (6, 3, 32, 32)
    assert np.abs(made).max() <= 1
    assert np.abs(made).max() > 0.1


def test_the_critic_judges_each_image_by_itself(images):
    critic = Critic(width=4)
    assert not any(isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)) for layer in critic.modules())
    together = critic(images).numpy()
    assert together.shape == (4, 1)
    one_by_one = np.concatenate([critic(images[i : i + 1]).numpy() for i in range(4)])
    np.testing.assert_allclose(together, one_by_one, rtol=1e-4, atol=1e-6)


def test_the_vae_has_the_generator_for_its_decoder_and_the_critics_network_for_its_encoder(images):
    vae = ColourVAE(5, width=4)
    assert shapes(vae.decoder) == shapes(Generator(5, width=4))
    assert shapes(vae.encoder) == shapes(Critic(10, width=4))
    mean, logvar, decoded = vae(images)
    assert mean.shape == logvar.shape == (4, 5)
    assert decoded.shape == images.shape == vae.sample(4).shape


def test_the_bound_is_that_of_pixels_with_variance_one(images):
    vae = ColourVAE(5, width=4).eval()
    decoded = vae.decode(tg.randn(4, 5))
    expected = stats.norm(decoded.numpy(), 1).logpdf(images.numpy()).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(vae.log_likelihood(decoded, images).numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(vae.pixel_means(decoded).numpy(), decoded.numpy())


def test_gaussian_pixels_are_the_normal_density_of_their_variance(images):
    decoded = tg.randn(4, 3, 32, 32)
    found = GaussianPixels(0.09).log_likelihood(decoded, images).numpy()
    np.testing.assert_allclose(found, stats.norm(decoded.numpy(), 0.3).logpdf(images.numpy()).sum((1, 2, 3)), rtol=1e-5)


def test_a_learned_variance_comes_to_the_mean_squared_error(images):
    pixels, decoded = GaussianPixels(learned=True), 0.5 * images
    optimizer = optim.Adam(pixels.parameters(), lr=0.05)
    for _ in range(300):
        loss = -tg.mean(pixels.log_likelihood(decoded, images))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    error = np.square(0.5 * images.numpy()).mean()
    assert pixels.variance == pytest.approx(error, rel=1e-3)


def test_only_a_learned_variance_is_part_of_the_model():
    fixed, learned = (ColourVAE(5, GaussianPixels(0.5, learned), width=4) for learned in (False, True))
    assert learned.state_dict().keys() - fixed.state_dict().keys() == {"pixels.logvar"}
    assert fixed.pixels.variance == pytest.approx(learned.pixels.variance) == pytest.approx(0.5)


def test_a_vae_without_pixels_of_its_own_has_bernoulli_ones_and_no_more_names():
    assert isinstance(ConvVAE.pixels, BernoulliPixels)
    assert not any("pixels" in name for name in ConvVAE().state_dict())


@pytest.mark.parametrize("variance", [0, -1.0, math.inf, math.nan])
def test_a_variance_that_is_none_is_refused(variance):
    with pytest.raises(ValueError, match=r"^GaussianPixels: variance must be a positive number, got "):
        GaussianPixels(variance)
