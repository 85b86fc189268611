"""MADE: the masks, the exact probabilities, the samples."""

import itertools

import numpy as np
import pytest
from scipy import stats

import tinygen as tg
from tinygen import nn
from tinygen.models import MADE
from tinygen.optim import Adam

ORDER = [3, 1, 0, 7, 6, 5, 2, 4]


def all_bits(D):
    return np.array(list(itertools.product([0.0, 1.0], repeat=D)))


@pytest.mark.parametrize("hidden", [(), (1,), (3,), (40,), (20, 13), (5, 30, 7)])
@pytest.mark.parametrize("order", [None, ORDER])
def test_the_probabilities_of_all_images_sum_to_1(hidden, order):
    tg.manual_seed(0)
    model = MADE(8, hidden, order=order).astype("float64")
    for parameter in model.parameters():
        parameter.data = parameter.data * 5
    log_p = model.log_likelihood(all_bits(8)).numpy()
    assert log_p.shape == (256,)
    assert np.exp(log_p).sum() == pytest.approx(1, abs=1e-12)
    assert log_p.std() > 0.1


def test_a_single_bit_has_no_inputs_before_it():
    model = MADE(1, (3,)).astype("float64")
    assert np.exp(model.log_likelihood(all_bits(1)).numpy()).sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("hidden", "order"), [((40,), None), ((40, 30), ORDER), ((), ORDER)])
def test_the_jacobian_is_strictly_lower_triangular_in_the_order(hidden, order):
    tg.manual_seed(0)
    model = MADE(8, hidden, nn.Tanh, order).astype("float64")
    x = tg.tensor(np.random.default_rng(0).normal(size=(1, 8)))
    jacobian = tg.jacobian(lambda x: model(x), x).numpy().reshape(8, 8)
    order = list(range(8)) if order is None else order
    sorted_jacobian = jacobian[np.ix_(order, order)]  # [i, j]: the logit of the i-th bit by the j-th bit
    np.testing.assert_array_equal(np.triu(sorted_jacobian), 0)
    assert (sorted_jacobian[np.tril_indices(8, -1)] != 0).all()  # and depends on all bits before


def test_the_masked_weights_stay_out_of_the_gradient():
    model = MADE(4, (6,))
    (-tg.mean(model.log_likelihood(all_bits(4).astype("float32")))).backward()
    for layer in (model.layers[0], model.layers[-1]):
        mask = layer.mask.numpy()
        assert {0.0, 1.0} == set(mask.ravel())
        assert (layer.weight.grad.numpy()[mask == 0] == 0).all()
        assert all(parameter is not layer.mask for parameter in model.parameters())


def test_the_log_likelihood_has_the_gradients_that_differences_show():
    tg.manual_seed(0)
    model, x = MADE(4, (6, 5), nn.Tanh).astype("float64"), all_bits(4)
    assert tg.gradcheck(lambda *_: tg.mean(model.log_likelihood(x)), model.parameters())


def test_samples_have_the_probabilities_of_the_model():
    tg.manual_seed(0)
    model = MADE(4, (12,), order=[2, 0, 3, 1])
    for parameter in model.parameters():
        parameter.data = parameter.data * 4
    samples = model.sample(20_000)
    assert samples.shape == (20_000, 4)
    assert samples.dtype == "float32"
    counts = np.bincount(samples.numpy().astype(int) @ [8, 4, 2, 1], minlength=16)
    expected = np.exp(model.log_likelihood(all_bits(4)).numpy().astype("float64"))
    assert stats.chisquare(counts, 20_000 * expected / expected.sum()).pvalue > 1e-3


def test_samples_are_a_function_of_the_seed_on_every_device(device):
    tg.manual_seed(1)
    model = MADE(6, (9,))
    tg.manual_seed(3)
    expected = model.sample(5).numpy()
    model.to(device)
    tg.manual_seed(3)
    samples = model.sample(5)
    assert samples.device.startswith(device)
    np.testing.assert_array_equal(samples.numpy(), expected)


def test_it_learns_a_distribution_of_three_bits():
    """p(x) is far from a product of independent bits: the third is the exclusive or of the others."""
    tg.manual_seed(0)
    p = np.array([0.24, 0.01, 0.01, 0.24, 0.01, 0.24, 0.24, 0.01])
    model, x = MADE(3, (20,)), all_bits(3).astype("float32")
    optimizer = Adam(model.parameters(), lr=0.03)
    for _ in range(300):
        loss = -(model.log_likelihood(x) * tg.tensor(p, dtype="float32")).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(stats.entropy(p), abs=5e-3)


def test_wrong_orders_and_shapes_are_refused():
    with pytest.raises(ValueError, match=r"MADE: order must be a permutation of 0 to 2, got \[0, 1, 1\]"):
        MADE(3, order=[0, 1, 1])
    with pytest.raises(ValueError, match=r"log_likelihood: x must have shape \(N, 3\), got \(2, 4\)"):
        MADE(3).log_likelihood(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"target must have values in \[0, 1\]"):
        MADE(3).log_likelihood(np.full((2, 3), 2.0))
