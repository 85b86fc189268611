"""Reconstructions and interpolations: what is decoded, and in which order."""

import numpy as np
import pytest
from scipy import special
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
