"""Batch normalisation against its formula, its running statistics, and what it refuses."""

import numpy as np
import pytest

import tinygen as tg
import tinygen.functional as F

NUMBERS = np.random.default_rng(0)
SHAPES = [(6, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 2, 3, 2)]


def along_channels(statistic, ndim):
    return statistic.reshape(1, -1, *(1,) * (ndim - 2))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("affine", [False, True])
def test_training_normalises_by_the_batch_and_moves_the_running_statistics(shape, affine):
    x = 2 + 3 * NUMBERS.normal(size=shape)
    running_mean, running_var, weight, bias = NUMBERS.random((4, 3))
    running = [tg.tensor(running_mean), tg.tensor(running_var)]
    options = {"weight": tg.tensor(weight), "bias": tg.tensor(bias)} if affine else {}
    y = F.batch_norm(tg.tensor(x), *running, **options, training=True, momentum=0.3, eps=1e-3)
    axes = (0, *range(2, len(shape)))
    mean, var = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    expected = (x - mean) / np.sqrt(var + 1e-3)
    if affine:
        expected = expected * along_channels(weight, x.ndim) + along_channels(bias, x.ndim)
    np.testing.assert_allclose(y.numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(running[0].numpy(), 0.7 * running_mean + 0.3 * mean.ravel())
    np.testing.assert_allclose(running[1].numpy(), 0.7 * running_var + 0.3 * x.var(axes, ddof=1))


@pytest.mark.parametrize("shape", SHAPES)
def test_evaluation_normalises_by_the_running_statistics_and_leaves_them(shape):
    x, running_mean, running_var = NUMBERS.normal(size=shape), NUMBERS.random(3), NUMBERS.random(3)
    running = [tg.tensor(running_mean), tg.tensor(running_var)]
    y = F.batch_norm(tg.tensor(x), *running)
    centre, spread = along_channels(running_mean, x.ndim), np.sqrt(along_channels(running_var, x.ndim) + 1e-5)
    np.testing.assert_allclose(y.numpy(), (x - centre) / spread)
    np.testing.assert_array_equal(running[0].numpy(), running_mean)
    np.testing.assert_array_equal(running[1].numpy(), running_var)


def test_without_running_statistics_evaluation_uses_the_batch():
    x = tg.tensor(NUMBERS.normal(size=(8, 3)))
    trained = F.batch_norm(x, None, None, training=True)
    np.testing.assert_array_equal(F.batch_norm(x, None, None).numpy(), trained.numpy())


def test_in_training_adding_to_a_channel_changes_nothing_so_its_gradient_is_zero():
    x = tg.tensor(NUMBERS.normal(size=(8, 3, 2)), requires_grad=True)
    y = F.batch_norm(x, None, None, training=True)
    (gradient,) = tg.grad(y, x, tg.tensor(NUMBERS.normal(size=y.shape)))
    np.testing.assert_allclose(gradient.numpy().sum(axis=(0, 2)), 0, atol=1e-12)


def test_a_seed_changed_in_place_between_two_backward_passes_counts_as_it_is_now():
    x, before, now = NUMBERS.normal(size=(3, 4, 3, 5))
    leaf = tg.tensor(x, requires_grad=True)
    y = F.batch_norm(leaf, None, None, training=True)
    buffer = before.copy()
    seed = tg.Tensor(buffer)
    tg.grad(y, leaf, seed)
    buffer[...] = now
    found, expected = (tg.grad(y, leaf, given)[0].numpy() for given in (seed, tg.tensor(now)))
    np.testing.assert_array_equal(found, expected)


def test_running_statistics_do_not_enter_the_graph():
    running = [tg.zeros(3), tg.ones(3)]
    F.batch_norm(tg.tensor(NUMBERS.normal(size=(8, 3)), requires_grad=True), *running, training=True)
    assert not any(statistic.requires_grad for statistic in running)


def test_a_constant_channel_stays_finite_in_value_and_gradient():
    x = tg.tensor(np.full((4, 2), 7.0, "float32"), requires_grad=True)
    y = F.batch_norm(x, None, None, training=True)
    np.testing.assert_array_equal(y.numpy(), np.zeros((4, 2)))
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


def test_a_batch_of_one_value_per_channel_is_refused_in_training_and_taken_in_evaluation():
    x, running = tg.zeros(1, 3), (tg.zeros(3), tg.ones(3))
    with pytest.raises(ValueError, match="batch_norm: training needs more than one value per channel"):
        F.batch_norm(x, *running, training=True)
    assert F.batch_norm(x, *running).shape == (1, 3)


@pytest.mark.parametrize("name", ["running_mean", "running_var", "weight", "bias"])
def test_statistics_of_another_length_are_named(name):
    given = {"running_mean": tg.zeros(3), "running_var": tg.ones(3)} | {name: tg.ones(2)}
    with pytest.raises(ValueError, match=rf"batch_norm: {name} must have shape \(3,\), got \(2,\)"):
        F.batch_norm(tg.zeros(4, 3), **given)


def test_a_vector_is_no_batch():
    with pytest.raises(ValueError, match="batch_norm: expects a batch"):
        F.batch_norm(tg.zeros(3), None, None, training=True)


@pytest.mark.parametrize("shape", [(0, 3), (4, 3, 0), (0,)])
def test_a_batch_of_nothing_stays_as_it_is_and_moves_no_statistics(shape):
    running = (tg.zeros(3), tg.ones(3))
    assert F.batch_norm(tg.zeros(*shape), *running, training=True).shape == shape
    np.testing.assert_array_equal([statistic.numpy() for statistic in running], [[0] * 3, [1] * 3])


@pytest.mark.parametrize("shape", [(6, 8), (3, 4, 5), (2, 4, 3, 5), (2, 4, 2, 3, 2)])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_group_normalisation_follows_its_formula(shape, groups, offset):
    x = offset + NUMBERS.normal(size=shape)
    weight, bias = NUMBERS.random((2, shape[1]))
    grouped = x.reshape(shape[0], groups, -1)
    x_hat = (grouped - grouped.mean(2, keepdims=True)) / np.sqrt(grouped.var(2, keepdims=True) + 1e-3)
    expected = x_hat.reshape(shape) * along_channels(weight, x.ndim) + along_channels(bias, x.ndim)
    y = F.group_norm(tg.tensor(x), groups, tg.tensor(weight), tg.tensor(bias), eps=1e-3)
    np.testing.assert_allclose(y.numpy(), expected, rtol=1e-8, atol=1e-9)
    single = F.group_norm(tg.tensor(x, dtype="float32"), groups, eps=1e-3)
    np.testing.assert_allclose(single.numpy(), x_hat.reshape(shape), atol=1e-5 * (1 + offset))


def test_group_normalisation_treats_each_example_by_itself():
    x = tg.tensor(NUMBERS.normal(size=(5, 4, 3, 3)))
    together = F.group_norm(x, 2).numpy()
    np.testing.assert_allclose(together[3:4], F.group_norm(x[3:4], 2).numpy(), rtol=1e-12)


def test_a_group_of_equal_values_stays_finite_in_value_and_gradient():
    x = tg.tensor(np.full((2, 4, 3), 7.0, "float32"), requires_grad=True)
    y = F.group_norm(x, 2)
    np.testing.assert_array_equal(y.numpy(), np.zeros((2, 4, 3)))
    y.sum().backward()
    assert np.isfinite(x.grad.numpy()).all()


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4,), {}, r"expects \(N, C, ...\), C a multiple of num_groups \(2\), got shape \(4,\)"),
        ((2, 3), {}, r"expects \(N, C, ...\), C a multiple of num_groups \(2\), got shape \(2, 3\)"),
        ((2, 4), {"weight": tg.ones(3)}, r"weight must have shape \(4,\), got \(3,\)"),
        ((2, 4), {"bias": tg.ones(3)}, r"bias must have shape \(4,\), got \(3,\)"),
        ((5, 2), {}, r"expects more than one value per group, got shape \(5, 2\), 2 groups"),
    ],
)
def test_shapes_that_group_normalisation_cannot_take_are_refused(shape, options, message):
    with pytest.raises(ValueError, match=f"group_norm: {message}"):
        F.group_norm(tg.zeros(shape), 2, **options)
    assert F.group_norm(tg.zeros(0, 4, 2), 2).shape == (0, 4, 2)
