"""Reconstructions and interpolations: what is decoded, and in which order."""

import numpy as np
import pytest
from scipy import special, stats
from toy_vae import GaussianVAE, ToyVAE

import tinygen as tg
from tinygen import evaluation


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 2, (4, 1, 2, 3)).astype("uint8")


def test_a_reconstruction_is_the_pixels_means_at_the_posteriors_mean(images):
    model = ToyVAE(latent_size=2)
    mean, _ = model.encode(tg.tensor(images, dtype="float32"))
    found = evaluation.reconstruct(model, images)
    assert found.shape == images.shape
    np.testing.assert_allclose(found, special.expit(model.decode(mean).numpy()), rtol=1e-6)


def test_reconstructions_draw_nothing(images):
    model = ToyVAE()
    state = tg.get_rng_state()
    np.testing.assert_array_equal(evaluation.reconstruct(model, images), evaluation.reconstruct(model, images))
    assert tg.get_rng_state() == state


def test_an_interpolation_goes_from_one_reconstruction_to_the_other_along_a_line(images):
    model = GaussianVAE(latent_size=2)  # linear, so its pictures lie on a line, too
    start, end = images[:3], images[1:]
    found = evaluation.interpolate(model, start, end, steps=5)
    assert found.shape == (3, 5, 1, 2, 3)
    first, last = evaluation.reconstruct(model, start), evaluation.reconstruct(model, end)
    for step, alpha in enumerate((0, 0.25, 0.5, 0.75, 1)):
        np.testing.assert_allclose(found[:, step], (1 - alpha) * first + alpha * last, atol=1e-6)


def test_encoding_many_images_is_encoding_them_together_in_evaluation_mode(images):
    model = ToyVAE(latent_size=2, dropout=0.5)
    found = evaluation.encode(model, images, batch_size=3)
    with model.evaluating():
        expected = model.encode(tg.tensor(images, dtype="float32"))
    for array, tensor in zip(found, expected, strict=True):
        assert isinstance(array, np.ndarray)
        np.testing.assert_allclose(array, tensor.numpy(), rtol=1e-6)
    assert model.training


def test_the_manifold_lies_on_the_priors_quantiles_with_the_first_axis_to_the_right_and_the_second_upwards():
    model = GaussianVAE(latent_size=2)
    model.decoder[0].weight.data = np.eye(6, 2, dtype="float32")
    model.decoder[0].bias.data = np.zeros(6, "float32")  # so the first two pixels are z itself
    found = evaluation.manifold(model, side=4)
    assert found.shape == (16, 1, 2, 3)
    z = found.reshape(4, 4, 6)[:, :, :2]
    quantiles = stats.norm.ppf([0.125, 0.375, 0.625, 0.875])
    np.testing.assert_allclose(z[:, :, 0], np.tile(quantiles, (4, 1)), rtol=1e-6)
    np.testing.assert_allclose(z[:, :, 1], np.tile(quantiles[::-1, None], (1, 4)), rtol=1e-6)


def test_only_a_plane_has_a_manifold_to_be_drawn():
    with pytest.raises(ValueError, match=r"^manifold: the model must have 2 latent numbers, it has 3$"):
        evaluation.manifold(ToyVAE(latent_size=3))
