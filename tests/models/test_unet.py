"""The U-Net: shapes, size, labels and the class "any", guidance by its formula, gradients, the same on a GPU."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import flows
from tinygen.models import UNet
from tinygen.models.unet import time_embedding


def network(channels=1, widths=(4, 8), classes=3, dtype="float64"):
    """A small network all of whose weights are random, those that start at 0 too."""
    tg.manual_seed(0)
    made = UNet(channels, widths, classes, embedding=6)
    for parameter in made.parameters():
        parameter.data = (0.3 * tg.randn(*parameter.shape)).data
    return made.astype(dtype)


def inputs(n=4, channels=1, side=4, dtype="float64"):
    tg.manual_seed(1)
    return tg.randn(n, channels, side, side, dtype=dtype), tg.rand(n, dtype=dtype)


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32)])
def test_the_output_has_the_shape_of_the_images_and_starts_at_zero(channels, side):
    x, t = inputs(2, channels, side, "float32")
    y = UNet(channels, (8, 16, 32))(x, t, np.array([0, 10]))
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y.numpy(), np.zeros((2, channels, side, side)))


def test_the_default_has_about_a_million_parameters():
    assert sum(parameter.size for parameter in UNet().parameters()) == 981_313


def test_each_image_has_its_own_time_and_class():
    model, (x, t), labels = network(), inputs(), np.array([0, 1, 2, 3])
    together = model(x, t, labels).numpy()
    alone = np.concatenate([model(x[i : i + 1], t[i : i + 1], labels[i : i + 1]).numpy() for i in range(4)])
    np.testing.assert_allclose(together, alone, atol=1e-12)
    assert not np.allclose(model(x, t[::-1], labels).numpy(), together, atol=1e-3)
    assert not np.allclose(model(x, t, labels[::-1]).numpy(), together, atol=1e-3)


def test_no_labels_mean_the_class_any():
    model, (x, t) = network(), inputs()
    any_class = model(x, t, np.full(4, 3)).numpy()
    np.testing.assert_array_equal(model(x, t).numpy(), any_class)
    np.testing.assert_array_equal(model(x, t, tg.tensor(np.full(4, 3))).numpy(), any_class)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_guidance_extrapolates_from_any_class_to_the_class(weight):
    model, (x, t), labels = network(), inputs(), np.array([2, 0, 1, 1])
    expected = (1 + weight) * model(x, t, labels).numpy() - weight * model(x, t).numpy()
    np.testing.assert_allclose(model.guided(labels, weight)(x, t).numpy(), expected, atol=1e-12)


def test_a_guided_network_is_a_velocity_that_can_be_integrated():
    model, (x, _) = network(dtype="float32"), inputs(dtype="float32")
    samples = flows.integrate(model.guided(np.array([0, 1, 2, 3]), 1.5), x, steps=2)
    assert samples.shape == x.shape
    assert not samples.requires_grad


def test_the_embedding_of_a_time_is_sines_and_cosines():
    t = np.array([0.0, 0.25, 1.0])
    frequencies = 1000 * 10_000 ** (-np.arange(3) / 3)
    angles = t[:, None] * frequencies
    expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(time_embedding(tg.tensor(t), 6).numpy(), expected, atol=1e-12)


def test_gradients_agree_with_finite_differences_in_images_times_and_classes():
    model, (x, t) = network(widths=(2, 4)), inputs(2, side=4)

    def value(x, t, classes):
        vars(model)["of_class"] = classes
        return model(x, t, np.array([0, 3]))

    classes = tg.tensor(model.of_class.numpy(), requires_grad=True)
    x, t = (tg.tensor(each.numpy(), requires_grad=True) for each in (x, 0.01 * t))
    assert tg.gradgradcheck(value, [x, t, classes])


def test_every_parameter_has_a_gradient():
    model, (x, t) = network(), inputs()
    (model(x, t, np.array([0, 1, 2, 3])) ** 2).sum().backward()
    assert all(np.abs(parameter.grad.numpy()).max() > 0 for parameter in model.parameters())


@pytest.mark.parametrize("labels", [[0, 1, 2], [0, 1, 2, 4], [0, 1, 2, -1], [0.0, 1.0, 0.5, 2.0], [[0, 1, 2, 3]]])
def test_other_labels_are_refused(labels):
    with pytest.raises(ValueError, match="UNet: labels must be 4 whole numbers from 0 to 3"):
        network()(*inputs(), np.array(labels))


def test_a_side_that_cannot_be_halved_is_refused():
    with pytest.raises(ValueError, match=r"UNet: the sides must be multiples of 4, got shape \(4, 1, 6, 6\)"):
        network(widths=(2, 2, 2))(*inputs(side=6))


def test_a_training_step_gives_the_same_on_a_gpu(gpu):
    def gradients(device):
        model, (x, t) = network().to(device), (each.to(device) for each in inputs())
        loss = (model.guided(np.array([0, 1, 2, 3]), 0.5)(x, t) ** 2).mean()
        loss.backward()
        return [loss.item(), *(parameter.grad.numpy() for parameter in model.parameters())]

    for there, here in zip(gradients(gpu), gradients("cpu"), strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9)
