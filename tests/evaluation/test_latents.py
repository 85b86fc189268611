"""Latents of a linear generator: what each changes, and what lies between two, can be said by hand."""

import numpy as np
import pytest
from toy_vae import ToyVAE

import tinygen as tg
from tinygen import evaluation, nn


@pytest.fixture
def generator():
    """z -> W z, as images (1, 2, 3), with dropout that evaluation must switch off."""
    tg.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 6, bias=False), nn.Dropout(0.5), nn.Unflatten(1, (1, 2, 3)))


def weight(generator):
    return generator[0].weight.numpy()


def test_a_traversal_moves_one_latent_at_a_time(generator):
    z, steps = np.array([1, -1, 0.5, 2], "float32"), [-1.0, 0.0, 2.0]
    ways = evaluation.traversals(generator, z, steps)
    assert ways.shape == (4, 3, 1, 2, 3)
    for i in range(4):
        for s, step in enumerate(steps):
            expected = weight(generator) @ (z + step * np.eye(4)[i])
            np.testing.assert_allclose(ways[i, s].ravel(), expected, rtol=1e-4, atol=1e-6)
    assert generator.training


def test_effects_are_the_root_mean_square_of_what_changes(generator):
    z = tg.randn(4)
    ways = evaluation.traversals(generator, z, [-2.0, 2.0])
    original = (weight(generator) @ z.numpy()).reshape(1, 2, 3)
    expected = 2 * np.sqrt(np.square(weight(generator)).mean(axis=0))  # that of each column of W
    np.testing.assert_allclose(evaluation.effects(ways, original), expected, rtol=1e-5)


def test_a_traversal_of_many_latents_at_once_is_refused(generator):
    with pytest.raises(ValueError, match=r"^traversals: z must be one latent \(L,\), got shape \(2, 4\)$"):
        evaluation.traversals(generator, np.zeros((2, 4), "float32"), [1.0])


def test_interpolations_begin_at_the_second_and_end_at_the_first(generator):
    z0, z1 = tg.randn(2, 4), tg.randn(2, 4)
    for interpolate in (evaluation.interpolate_latents, evaluation.interpolate_images):
        way = interpolate(generator, z0, z1, steps=5)
        assert way.shape == (2, 5, 1, 2, 3)
        np.testing.assert_allclose(way[:, 0], evaluation.generate(generator, z1), rtol=1e-5)
        np.testing.assert_allclose(way[:, -1], evaluation.generate(generator, z0), rtol=1e-5)


def test_the_two_ways_agree_for_a_linear_generator_and_part_for_another(generator):
    z0, z1 = tg.randn(3, 4), tg.randn(3, 4)
    ways = [f(generator, z0, z1) for f in (evaluation.interpolate_latents, evaluation.interpolate_images)]
    np.testing.assert_allclose(*ways, rtol=1e-4, atol=1e-6)
    bent = nn.Sequential(generator, nn.ELU())
    ways = [f(bent, z0, z1) for f in (evaluation.interpolate_latents, evaluation.interpolate_images)]
    assert np.abs(ways[0] - ways[1])[:, 1:-1].max() > 0.01


def test_a_unit_is_active_where_its_mean_varies_over_images():
    tg.manual_seed(0)
    vae, images = ToyVAE(latent_size=3), np.random.default_rng(0).integers(0, 2, (200, 1, 2, 3)).astype("float32")
    layer = vae.encoder[2]
    matrix = np.zeros((6, 6), "float32")
    matrix[0, 0] = 1.0  # mean 0 is pixel 0: variance 1/4
    matrix[1, 0] = 0.1  # mean 1 varies by 1/400
    layer.weight.data, layer.bias.data = matrix, np.array([0, 0, 5, 0, 0, 0], "float32")  # mean 2 is constant
    assert evaluation.active_units(vae, images) == 1
    assert evaluation.active_units(vae, images, threshold=1e-3) == 2
