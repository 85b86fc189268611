"""Features come batch by batch, in the images' order, as the classifier computes them in evaluation."""

import numpy as np
import pytest

import tinygen as tg
from tinygen import backend, evaluation
from tinygen.models import SVHNClassifier

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 3, 32, 32), np.uint8)


@pytest.fixture
def classifier(seeded):
    return SVHNClassifier()


def test_batches_have_the_size_asked_for_and_the_last_what_is_left(classifier):
    found = list(evaluation.image_features(classifier, IMAGES, batch_size=3))
    assert [batch.shape for batch in found] == [(3, 512), (3, 512), (1, 512)]
    whole = classifier.eval().features(tg.tensor((IMAGES / 127.5 - 1).astype("float32"))).numpy()
    np.testing.assert_allclose(np.concatenate(found), whole, rtol=1e-4, atol=1e-5)


def test_images_as_a_generator_draws_them_have_the_same_features_as_their_greys(classifier):
    (greys,) = evaluation.image_features(classifier, IMAGES)
    (drawn,) = evaluation.image_features(classifier, (IMAGES / 127.5 - 1).astype("float32"))
    np.testing.assert_allclose(drawn, greys, rtol=1e-4, atol=1e-5)


def test_a_batch_is_computed_when_it_is_asked_for_and_the_model_trains_on_between(classifier):
    computed, whole = [], classifier.features
    classifier.features = lambda x: computed.append(len(x)) or whole(x)
    batches = evaluation.image_features(classifier, IMAGES, batch_size=4)
    assert computed == []
    next(batches)
    assert computed == [4]
    assert all(module.training for module in classifier.modules())
    assert tg.sum(classifier(tg.zeros(1, 3, 32, 32))).requires_grad


def test_features_are_computed_on_the_device_of_the_model(classifier, device):
    classifier.to(device)
    (found,) = evaluation.image_features(classifier, IMAGES[:2])
    assert type(found) is np.ndarray
    assert {backend.device_of(p.data) for p in classifier.parameters()} == {"cpu" if device == "cpu" else "gpu:0"}


def test_no_images_have_no_features(classifier):
    assert list(evaluation.image_features(classifier, IMAGES[:0])) == []


def test_a_batch_holds_one_image_at_least(classifier):
    with pytest.raises(ValueError, match="image_features: batch_size must be a whole number from 1, got 0"):
        evaluation.image_features(classifier, IMAGES, batch_size=0)
