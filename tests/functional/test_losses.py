"""Losses against their formulas in plain NumPy: labels, probabilities, weights, reductions, and what they refuse."""

import numpy as np
import pytest
from scipy import special

import tinygen as tg
import tinygen.functional as F

NUMBERS = np.random.default_rng(0)
REDUCTIONS = {"mean": np.mean, "sum": np.sum, "none": lambda loss: loss}


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_mse_loss_is_the_squared_difference(reduction):
    x, target = NUMBERS.normal(size=(2, 4, 3))
    loss = F.mse_loss(tg.tensor(x), tg.tensor(target), reduction=reduction)
    np.testing.assert_allclose(loss.numpy(), REDUCTIONS[reduction]((x - target) ** 2))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("pos_weighted", [False, True])
def test_binary_cross_entropy_is_the_coins_negative_log_likelihood(weighted, pos_weighted, reduction):
    x, target = NUMBERS.normal(size=(4, 3)), NUMBERS.random((4, 3))
    weight, pos_weight = NUMBERS.random((2, 3))
    options = {"weight": tg.tensor(weight)} if weighted else {}
    options |= {"pos_weight": tg.tensor(pos_weight)} if pos_weighted else {}
    loss = F.binary_cross_entropy_with_logits(tg.tensor(x), tg.tensor(target), reduction=reduction, **options)
    p = special.expit(x)
    expected = -((pos_weight if pos_weighted else 1) * target * np.log(p) + (1 - target) * np.log(1 - p))
    np.testing.assert_allclose(loss.numpy(), REDUCTIONS[reduction]((weight if weighted else 1) * expected))


def test_binary_cross_entropy_is_finite_for_every_logit():
    x = tg.tensor([-1000.0, 1000.0, -1000.0, 1000.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(x, tg.tensor([0.0, 1.0, 1.0, 0.0]), reduction="none")
    np.testing.assert_array_equal(loss.numpy(), [0, 0, 1000, 1000])
    loss.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [0, 0, -1, 1])


def cross_entropy(x, target, weight, ignore_index, reduction, smoothing):
    """The loss of labels or probabilities ``target``, label by label."""
    classes_last = np.moveaxis(x, 0 if x.ndim == 1 else 1, -1)
    C = classes_last.shape[-1]
    log_p = special.log_softmax(classes_last.reshape(-1, C), 1)
    is_labels = target.dtype.kind == "i"
    q = np.eye(C)[np.where(target == ignore_index, 0, target).ravel()] if is_labels else None
    q = np.moveaxis(target, 0 if x.ndim == 1 else 1, -1).reshape(-1, C) if q is None else q
    loss = -(weight * (q * (1 - smoothing) + smoothing / C) * log_p).sum(1)
    counts = np.ones(len(loss), bool) if not is_labels else target.ravel() != ignore_index
    loss = np.where(counts, loss, 0).reshape(classes_last.shape[:-1])
    if reduction != "mean":
        return REDUCTIONS[reduction](loss)
    return loss.sum() / ((weight * q).sum(1)[counts].sum() if is_labels else counts.size)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(4,), (5, 4), (2, 4, 3), (2, 4, 3, 2)])
@pytest.mark.parametrize("kind", ["labels", "probabilities"])
def test_cross_entropy_is_the_dices_negative_log_likelihood(kind, shape, weighted, smoothing, reduction):
    x, weight = NUMBERS.normal(size=shape), NUMBERS.random(4) if weighted else np.ones(4)
    axis = 0 if len(shape) == 1 else 1
    if kind == "labels":
        target = NUMBERS.integers(0, 4, shape[:axis] + shape[axis + 1 :])
        if target.ndim:
            target.ravel()[0] = -100
    else:
        target = special.softmax(NUMBERS.normal(size=shape), axis)
    given = tg.tensor(weight) if weighted else None
    loss = F.cross_entropy(tg.tensor(x), tg.tensor(target), given, -100, reduction, smoothing)
    np.testing.assert_allclose(loss.numpy(), cross_entropy(x, target, weight, -100, reduction, smoothing))


def test_where_no_label_counts_there_is_no_mean_but_a_sum_of_zero():
    x = tg.tensor(NUMBERS.normal(size=(2, 4)), requires_grad=True)
    np.testing.assert_array_equal(F.cross_entropy(x, [7, 7], ignore_index=7, reduction="none").numpy(), [0, 0])
    loss = F.cross_entropy(x, [7, 7], ignore_index=7, reduction="sum", label_smoothing=0.1)
    assert loss.item() == 0
    np.testing.assert_array_equal(tg.grad(loss, x)[0].numpy(), np.zeros((2, 4)))
    assert F.cross_entropy(x[:0], tg.tensor(np.zeros(0, int)), reduction="sum").item() == 0


@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
@pytest.mark.parametrize("kind", ["int64", "int32", "uint8", "bool"])
def test_whole_numbers_as_targets_leave_a_float32_loss_float32(loss, kind):
    x, target = tg.tensor([0.5, -1.5, 2.0]), np.array([0, 1, 1], kind)
    found = loss(x, tg.tensor(target))
    assert found.dtype == np.float32
    assert found.item() == loss(x, tg.tensor(target, dtype="float32")).item()


def test_a_label_that_is_ignored_has_no_gradient_and_does_not_count_in_the_mean():
    x = tg.tensor(NUMBERS.normal(size=(3, 4)), requires_grad=True)
    loss = F.cross_entropy(x, tg.tensor(np.array([1, 255, 2])), ignore_index=255)
    np.testing.assert_allclose(loss.item(), F.cross_entropy(x[[0, 2]], [1, 2]).item())
    loss.backward()
    np.testing.assert_array_equal(x.grad.numpy()[1], np.zeros(4))


def test_cross_entropy_is_exact_at_logits_of_a_thousand():
    x = tg.tensor([[1000.0, 999.0, -1000.0], [-1000.0, 1000.0, 0.0]], requires_grad=True)
    loss = F.cross_entropy(x, [1, 0], reduction="none")
    np.testing.assert_allclose(loss.numpy(), [1.3132617, 2000], rtol=1e-6)
    loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), [[0.7310586, -0.7310586, 0], [-1, 1, 0]], rtol=1e-6)


def test_float32_losses_are_float32_also_with_labels_of_any_integer_type():
    x = tg.tensor(NUMBERS.normal(size=(3, 4)), dtype="float32")
    for kind in ("int64", "int32", "uint8"):
        assert F.cross_entropy(x, tg.tensor(np.array([0, 1, 3], kind))).dtype == np.float32


@pytest.mark.parametrize(
    ("labels", "options", "message"),
    [
        ([0, 4], {}, "labels must lie between 0 and 3, got 0 to 4"),
        ([0, -1], {}, "labels must lie between 0 and 3, got -1 to 0"),
        ([0, 1, 2], {}, r"labels must be whole numbers of shape \(2,\)"),
        ([True, False], {}, "labels must be whole numbers"),
        ([7, 7], {"ignore_index": 7}, "no label counts"),
        ([0, 1], {"label_smoothing": 1.5}, "label_smoothing must lie between 0 and 1"),
        ([0, 1], {"reduction": "max"}, "reduction must be 'mean', 'sum' or 'none'"),
        ([0, 1], {"weight": tg.ones(3)}, r"weight must have shape \(4,\), got \(3,\)"),
        (np.ones((2, 3)), {}, "probabilities must have the shape of x"),
    ],
)
def test_cross_entropy_errors_name_what_does_not_fit(labels, options, message):
    with pytest.raises(ValueError, match=f"cross_entropy: {message}"):
        F.cross_entropy(tg.zeros(2, 4), labels, **options)


def test_binary_cross_entropy_refuses_a_target_of_another_shape():
    with pytest.raises(ValueError, match=r"target must have the shape of x, \(4, 3\), got \(4, 1\)"):
        F.binary_cross_entropy_with_logits(tg.zeros(4, 3), tg.zeros(4, 1))


@pytest.mark.parametrize("loss", [F.mse_loss, F.binary_cross_entropy_with_logits])
def test_an_unknown_reduction_is_named(loss):
    with pytest.raises(ValueError, match=f"{loss.__name__}: reduction must be .* got 'max'"):
        loss(tg.zeros(2), tg.zeros(2), reduction="max")


@pytest.mark.parametrize("shape", [(5,), (1, 5), (5, 5), (1,), ()])
def test_mse_loss_refuses_a_target_that_would_broadcast(shape):
    with pytest.raises(ValueError, match=r"mse_loss: target must have the shape of x, \(5, 1\), got \("):
        F.mse_loss(tg.zeros(5, 1), tg.zeros(shape))


@pytest.mark.parametrize("name", ["weight", "pos_weight"])
def test_binary_cross_entropy_takes_weights_that_broadcast_to_x_and_no_others(name):
    x = tg.zeros(4, 3)
    for shape in [(), (3,), (4, 1), (4, 3)]:
        assert F.binary_cross_entropy_with_logits(x, x, reduction="none", **{name: tg.ones(shape)}).shape == (4, 3)
    for shape in [(2, 4, 3), (1, 4, 3), (4,)]:
        with pytest.raises(ValueError, match=f"binary_cross_entropy_with_logits[:,] {name}"):
            F.binary_cross_entropy_with_logits(x, x, **{name: tg.ones(shape)})


def test_cross_entropy_errors_state_how_to_write_labels():
    with pytest.raises(TypeError, match=r"labels must be whole numbers, .* write tg.tensor\(labels, dtype='int64'\)"):
        F.cross_entropy(tg.zeros(3, 4), tg.tensor([0, 1, 2]))
    labels = tg.tensor([0, 1, 2], dtype="int64")
    np.testing.assert_allclose(F.cross_entropy(tg.zeros(3, 4), labels).item(), np.log(4), rtol=1e-6)
