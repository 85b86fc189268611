"""Latents of a linear generator, whose traversals and interpolations have closed forms."""

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
    images = evaluation.traversals(generator, z, steps)
    assert images.shape == (4, 3, 1, 2, 3)
    for i in range(4):
        for s, step in enumerate(steps):
            expected = weight(generator) @ (z + step * np.eye(4)[i])
            np.testing.assert_allclose(images[i, s].ravel(), expected, rtol=1e-4, atol=1e-6)
    assert generator.training


def test_effects_are_the_root_mean_square_of_what_changes(generator):
    z = tg.randn(4)
    images = evaluation.traversals(generator, z, [-2.0, 2.0])
    original = (weight(generator) @ z.numpy()).reshape(1, 2, 3)
    expected = 2 * np.sqrt(np.square(weight(generator)).mean(axis=0))  # that of each column of W
    np.testing.assert_allclose(evaluation.effects(images, original), expected, rtol=1e-5)


def test_a_traversal_of_many_latents_at_once_is_refused(generator):
    with pytest.raises(ValueError, match=r"^traversals: z must be an array \(L,\), not empty, got float32 \(2, 4\)$"):
        evaluation.traversals(generator, np.zeros((2, 4), "float32"), [1.0])


def test_interpolations_begin_at_the_first_and_end_at_the_second(generator):
    z0, z1 = tg.randn(2, 4), tg.randn(2, 4)
    for interpolate in (evaluation.interpolate_latents, evaluation.interpolate_images):
        images = interpolate(generator, z0, z1, steps=5)
        assert images.shape == (2, 5, 1, 2, 3)
        np.testing.assert_allclose(images[:, 0], evaluation.generate(generator, z0), rtol=1e-5)
        np.testing.assert_allclose(images[:, -1], evaluation.generate(generator, z1), rtol=1e-5)


def test_the_two_ways_agree_for_a_linear_generator_and_part_for_another(generator):
    z0, z1 = tg.randn(3, 4), tg.randn(3, 4)
    images = [f(generator, z0, z1) for f in (evaluation.interpolate_latents, evaluation.interpolate_images)]
    np.testing.assert_allclose(*images, rtol=1e-4, atol=1e-6)
    bent = nn.Sequential(generator, nn.ELU())
    images = [f(bent, z0, z1) for f in (evaluation.interpolate_latents, evaluation.interpolate_images)]
    assert np.abs(images[0] - images[1])[:, 1:-1].max() > 0.01


def test_a_spherical_way_is_the_arc_in_even_steps():
    angles = np.array([0.3, 2.4])  # of two points of the unit circle, and two on circles of 2 and 3
    z0, z1 = (
        np.array([[np.cos(a), np.sin(a)]] * 2) * [[1], [length]] for a, length in zip(angles, (2, 3), strict=True)
    )
    for alpha in (0.0, 0.25, 0.5, 1.0):
        found = evaluation.slerp(z0, z1, alpha)
        at = (1 - alpha) * angles[0] + alpha * angles[1]
        np.testing.assert_allclose(found[0], [np.cos(at), np.sin(at)], atol=1e-12)
    np.testing.assert_allclose([evaluation.slerp(z0, z1, 0.0)[1], evaluation.slerp(z0, z1, 1.0)[1]], [z0[1], z1[1]])


def test_halfway_a_straight_way_is_too_near_the_middle_and_a_spherical_one_is_not():
    z0, z1 = np.random.default_rng(0).normal(size=(2, 500, 100))
    straight, arc = (np.square(z).sum(axis=1).mean() / 100 for z in ((z0 + z1) / 2, evaluation.slerp(z0, z1, 0.5)))
    assert straight == pytest.approx(0.5, rel=4 * np.sqrt(2 / 50_000))
    assert arc == pytest.approx(1.0, rel=0.02)


def test_ways_between_latents_of_one_direction_are_one_and_the_type_stays():
    z0, z1 = np.full((1, 4), 1, "float32"), np.full((1, 4), 3, "float32")
    found = evaluation.slerp(z0, z1, 0.25)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, 0.75 * z0 + 0.25 * z1)


@pytest.mark.parametrize(("z1", "problem"), [(-1.0, "two latents are opposite"), (0.0, "a latent is 0")])
def test_where_no_arc_is_the_shortest_there_is_no_way(z1, problem):
    with pytest.raises(ValueError, match=f"^slerp: {problem}"):
        evaluation.slerp(np.ones((2, 3)), np.array([[1.0] * 3, [z1] * 3]), 0.5)


def test_spherical_interpolations_are_the_generators_images_on_the_arc(generator):
    z0, z1 = tg.randn(2, 4), tg.randn(2, 4)
    images = evaluation.interpolate_latents(generator, z0, z1, steps=3, spherical=True)
    middle = evaluation.slerp(z0.numpy(), z1.numpy(), 0.5) @ weight(generator).T
    np.testing.assert_allclose(images[:, 1].reshape(2, 6), middle, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(images[:, 0], evaluation.generate(generator, z0), rtol=1e-4, atol=1e-6)


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


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_the_arc_between_tiny_or_huge_latents_is_that_between_their_directions(scale):
    z0, z1 = np.array([[1.0, 0.0]]), np.array([[0.0, 2.0]])
    np.testing.assert_allclose(evaluation.slerp(z0 * scale, z1 * scale, 0.25) / scale, evaluation.slerp(z0, z1, 0.25))
