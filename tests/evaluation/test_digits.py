"""A classifier judges samples: what it reads in them, and by whose weights."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import evaluation, nn
from tinygen.data import Dataset
from tinygen.models import DigitClassifier, SVHNClassifier
from tinygen.training import Run


class Brightness(nn.Module):
    """Reads digit 1 in bright images and digit 0 in dark ones, the surer the farther from grey."""

    pixel_range = (-1.0, 1.0)

    def __init__(self):
        self.scale = nn.Parameter(np.ones(1, "float32"))

    def forward(self, x):
        mean = tg.mean(x, axis=(1, 2, 3))
        return tg.stack([-mean * self.scale, mean * self.scale, mean * 0 - 100], axis=1)


def test_prediction_statistics_are_the_confidence_and_the_frequency_of_each_class():
    images = np.stack([np.full((3, 4, 4), value, "float32") for value in (1.0, 1.0, 1.0, -1.0)])
    found = evaluation.prediction_statistics(Brightness(), images)
    assert found["mean_top_probability"] == pytest.approx(1 / (1 + np.exp(-2)), rel=1e-5)
    assert [found[f"share_of_{digit}"] for digit in range(3)] == [0.25, 0.75, 0]
    assert found["least_share"] == 0


def test_a_training_s_checkpoint_and_plain_weights_are_read(tmp_path):
    tg.manual_seed(0)
    state = SVHNClassifier().state_dict()
    tg.save(tmp_path / "plain.h5", model=state)
    tg.save(tmp_path / "run.h5", parts={"model": state, "optimizer": {}}, epoch=1)
    for name in ("plain.h5", "run.h5"):
        found = evaluation.load_classifier(tmp_path / name).state_dict()
        assert all(np.array_equal(found[key], state[key]) for key in state)


def test_weights_of_another_network_are_refused(tmp_path):
    tg.save(tmp_path / "other.h5", generator={})
    with pytest.raises(ValueError, match=r"other\.h5 holds generator, expected 'model'"):
        evaluation.load_classifier(tmp_path / "other.h5")
    tg.save(tmp_path / "other.h5", model={"weight": np.zeros(2)})
    with pytest.raises(
        ValueError, match=r"other\.h5 does not hold the weights of a SVHNClassifier: load_state_dict: miss"
    ):
        evaluation.load_classifier(tmp_path / "other.h5")


@pytest.mark.filterwarnings("ignore:.*images for 512 features")
def test_the_test_set_itself_is_at_distance_zero_from_it():
    tg.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (12, 3, 32, 32), np.uint8)
    test_set = Dataset(images, np.zeros(12, np.int64))
    same = evaluation.evaluate_samples(SVHNClassifier(), images, test_set)
    darker = evaluation.evaluate_samples(SVHNClassifier(), images // 2, test_set)
    assert same["fid"] == pytest.approx(0, abs=1e-3)
    assert darker["fid"] > 10 * abs(same["fid"])
    assert (same["precision"], same["recall"]) == (1, 1)
    assert {"kid", "kid_standard_error", "classifier_accuracy", "samples_mean_top_probability"} <= same.keys()


def test_features_are_what_the_last_layer_reads_the_class_from():
    tg.manual_seed(0)
    classifier = DigitClassifier().eval()
    x = tg.rand(3, 1, 28, 28)
    features = classifier.features(x)
    assert features.shape == (3, 128)
    np.testing.assert_array_equal(classifier.layers[-1](features).numpy(), classifier(x).numpy())


def test_another_classifier_is_obtained_from_its_file_or_trained_as_long_as_told(tmp_path):
    tg.manual_seed(0)
    images = Dataset(np.random.default_rng(0).integers(0, 256, (6, 1, 28, 28), np.uint8), np.arange(6))
    run = Run(tmp_path)
    trained = evaluation.load_or_train_classifier(None, run, images, images, make=DigitClassifier, epochs=3)
    assert len((tmp_path / "classifier" / "metrics.csv").read_text().splitlines()) == 1 + 3
    resumed = Run(tmp_path, resume=True)
    again = evaluation.load_or_train_classifier(None, resumed, images, images, make=DigitClassifier, epochs=3)
    path = tmp_path / "classifier" / "checkpoint.h5"
    read = evaluation.load_or_train_classifier(path, run, images, images, make=DigitClassifier)
    for other in (again, read):
        np.testing.assert_equal(other.state_dict(), trained.state_dict())
    with pytest.raises(ValueError, match=r"does not hold the weights of a SVHNClassifier"):
        evaluation.load_classifier(path)


def test_images_are_sorted_by_class_and_by_how_sure_their_reader_is():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    probabilities = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.5, 0.5, 0], [0.8, 0.2, 0], [0.3, 0.7, 0]])
    rows = evaluation.sort_by_class(images, probabilities, 2)
    assert rows.shape == (3, 2, 1, 1, 1)
    assert rows.dtype == np.uint8
    assert rows[..., 0, 0, 0].tolist() == [[0, 2], [1, 4], [255, 255]]
    assert evaluation.least_recognisable(images, probabilities, 3).ravel().tolist() == [2, 1, 4]


def test_missing_images_have_the_white_of_the_dtype():
    probabilities = np.eye(2)[[0, 0]]
    for images, white in ((np.zeros((2, 1, 1, 1), bool), True), (np.zeros((2, 1, 1, 1), np.uint8), 255)):
        assert (evaluation.sort_by_class(images, probabilities, 1)[1] == white).all()
    numbers = np.zeros((2, 1, 1, 1), np.float32)
    assert (evaluation.sort_by_class(numbers, probabilities, 1, blank=1.0)[1] == 1).all()
    with pytest.raises(ValueError, match=r"^sort_by_class: float32 images need a blank"):
        evaluation.sort_by_class(numbers, probabilities, 1)


def test_judging_a_handful_of_images_is_refused_before_anything_is_computed(monkeypatch):
    images = np.zeros((3, 3, 32, 32), np.uint8)
    monkeypatch.setattr(SVHNClassifier, "forward", lambda self, x: pytest.fail("computed"))
    with pytest.raises(ValueError, match="needs 4 samples and 4 test images, got 3 and 3"):
        evaluation.evaluate_samples(SVHNClassifier(), images, Dataset(images, np.zeros(3, int)))


def test_a_file_of_weights_that_is_none_is_named(tmp_path):
    tg.save(tmp_path / "number.h5", parts=3)
    (tmp_path / "text.pt").write_text("no weights")
    for name, error, problem in (
        (".", IsADirectoryError, "is a folder, expected a file of weights"),
        ("missing.pt", FileNotFoundError, "No such file"),
        ("missing.h5", FileNotFoundError, "No such file"),
        ("number.h5", ValueError, "number.h5 holds parts, expected 'model'"),
        ("text.pt", ValueError, "text.pt"),
    ):
        with pytest.raises(error, match=problem):
            evaluation.load_classifier(tmp_path / name)
    with pytest.raises(TypeError, match=r"^load_classifier: make must make a Classifier, it makes dict"):
        evaluation.load_classifier(tmp_path / "number.h5", dict)


def test_features_do_not_depend_on_the_batches_where_an_image_is_dark():
    tg.manual_seed(0)
    images = np.random.default_rng(0).integers(0, 256, (4, 3, 32, 32), np.uint8)
    images[1] = images[1] > 200  # bytes of 0 and 1
    classifier = SVHNClassifier()
    whole, one_by_one = (
        np.concatenate(list(evaluation.image_features(classifier, images, batch_size))) for batch_size in (4, 1)
    )
    np.testing.assert_allclose(whole, one_by_one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("blank", [300, -1, 0.5])
def test_a_blank_that_the_images_cannot_hold_is_refused(blank):
    images, probabilities = np.zeros((2, 1, 2, 2), "uint8"), np.eye(2)
    with pytest.raises(ValueError, match="sort_by_class: blank must be a number that uint8 images can hold"):
        evaluation.sort_by_class(images, probabilities, 2, blank)
