"""Training a classifier, and what it makes of images: probabilities, in evaluation mode, of greys as of 0/1 pixels."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.data import Dataset
from tinygen.models import DigitClassifier
from tinygen.training import Run
from tinygen.training.classifier import accuracy, as_input, probabilities, train_classifier


@pytest.fixture
def halves():
    """Images that are bright on the left (label 0) or on the right (label 1), in greys."""
    drawn = np.random.default_rng(0)
    labels = drawn.integers(0, 2, 120)
    images = drawn.integers(0, 100, (120, 1, 4, 4))
    for image, label in zip(images, labels, strict=True):
        image[:, :, 2 * label : 2 * label + 2] += 100
    return Dataset(images.astype("uint8"), labels)


def small(dropout=0.2):
    return nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(16, 2))


def test_a_classifier_learns_what_can_be_learned(tmp_path, halves):
    tg.manual_seed(0)
    model, run = small(), Run(tmp_path)
    found = train_classifier(run, model, halves[:80], halves[80:], epochs=8, batch_size=16, learning_rate=0.05)
    assert found == accuracy(model, halves[80:]) > 0.95
    assert [list(row) for row in run.rows] == [["epoch", "train_cross_entropy", "valid_accuracy"]] * 8
    assert run.rows[-1]["train_cross_entropy"] < run.rows[0]["train_cross_entropy"]
    assert run.rows[-1]["valid_accuracy"] == found


def test_probabilities_sum_to_1_and_do_not_depend_on_the_batches(halves):
    model = small()
    found = probabilities(model, halves.images)
    assert found.shape == (120, 2)
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(probabilities(model, halves.images, batch_size=7), found, rtol=1e-6)
    assert model.training


def test_the_mode_comes_back_after_an_error(halves):
    model = small()
    model[0].eval()
    with pytest.raises(ValueError, match="linear"):
        probabilities(model, halves.images[:, :, :3])
    assert [module.training for module in model.modules()] == [True, False, True, True]


def test_bytes_are_divided_by_255_and_numbers_in_the_unit_interval_are_not(halves):
    model = small()
    greys, coins = halves.images, halves.images > 99
    assert as_input(greys, model).dtype == "float32"
    np.testing.assert_allclose(as_input(greys, model).numpy(), greys / 255, rtol=1e-6)
    np.testing.assert_array_equal(as_input(coins, model).numpy(), coins)
    np.testing.assert_allclose(as_input(coins.astype("uint8"), model).numpy(), coins / 255, rtol=1e-6)
    np.testing.assert_allclose(as_input(greys / 255, model).numpy(), greys / 255, rtol=1e-6)


def test_pixels_are_brought_into_the_range_that_the_model_names(halves):
    model = small()
    model.pixel_range = (-1.0, 1.0)
    greys, coins = halves.images, halves.images > 99
    np.testing.assert_allclose(as_input(greys, model).numpy(), greys / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(as_input(coins, model).numpy(), 2.0 * coins - 1)
    drawn = (greys / 127.5 - 1).astype("float32")
    np.testing.assert_array_equal(as_input(drawn, model).numpy(), drawn)
    np.testing.assert_array_equal(as_input(tg.tensor(drawn), model).numpy(), drawn)


def test_what_a_classifier_makes_of_a_dark_image_does_not_depend_on_its_batch(halves):
    dark = halves.images[:6].copy()
    dark[2] = dark[2] > 99  # bytes of 0 and 1
    model = small()
    one_by_one = probabilities(model, dark, batch_size=1)
    np.testing.assert_allclose(probabilities(model, dark), one_by_one, rtol=1e-6)


def test_images_that_the_model_does_not_read_are_refused_by_name(halves, tmp_path):
    model = small()
    model.pixel_range = (0.0, 1.0)
    for images, problem in (
        (halves.images.astype("int64"), "images must be bool, uint8 or floating point, got int64"),
        (halves.images.astype("float32"), r"images must hold numbers in \[0, 1\], got 0 to 199"),
        (np.full((2, 1, 4, 4), np.nan), r"images must hold numbers in \[0, 1\], got nan"),
        (halves.images[:0], r"images must be an array \(N, C, H, W\), not empty"),
    ):
        with pytest.raises(ValueError, match=f"^probabilities: {problem}"):
            probabilities(model, images)
    with pytest.raises(
        ValueError, match=r"^probabilities: DigitClassifier reads images \(N, 1, 28, 28\), got \(2, 28, 28, 1\)"
    ):
        probabilities(DigitClassifier(), np.zeros((2, 28, 28, 1), "uint8"))
    raw = Dataset(halves.images.astype("float32"), halves.labels)
    with pytest.raises(ValueError, match=r"^train_classifier: images must hold numbers in \[0, 1\]"):
        train_classifier(Run(tmp_path), model, raw, raw)
    with pytest.raises(ValueError, match=r"^train_classifier: Dataset.* has no labels"):
        train_classifier(Run(tmp_path), model, Dataset(halves.images), raw)


def test_accuracy_needs_labels(halves):
    with pytest.raises(ValueError, match=r"accuracy: Dataset.* has no labels"):
        accuracy(small(), Dataset(halves.images))
