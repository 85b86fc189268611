"""The classifiers of digits: shapes, dropout in training alone, and the weights that the assignment hands out."""

import os
from pathlib import Path

import numpy as np
import pytest

import tinygen as tg
from tinygen import data, evaluation
from tinygen.checkpoint import read_torch
from tinygen.models import DigitClassifier, SVHNClassifier
from tinygen.training.classifier import accuracy

FEATURES = [-2.1209676, -30.5987282, -39.5911713, -23.2179642, -9.5098457]  # the first five of PyTorch 2.13
HANDED_OUT = Path(os.environ.get("TINYGEN_DATA", ".")) / "svhn_classifier.pt"


@pytest.fixture(params=[(DigitClassifier, (1, 28, 28)), (SVHNClassifier, (3, 32, 32))], ids=["grey", "colour"])
def kind(request):
    return request.param


@pytest.mark.parametrize("n", [1, 3])
def test_images_become_the_logits_of_ten_digits(kind, n):
    classifier, shape = kind
    logits = classifier()(tg.rand(n, *shape))
    assert logits.shape == (n, 10)
    assert logits.dtype == "float32"


def test_it_is_deterministic_in_evaluation_and_noisy_in_training(kind):
    classifier, shape = kind
    model, x = classifier(), tg.rand(2, *shape)
    assert (model(x).numpy() != model(x).numpy()).any()
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())


def test_the_parameters_of_the_house_number_classifier_have_the_assignment_s_names_and_shapes():
    channels = [3, 8, 16, 16, 32, 64, 128]
    expected = {}
    for index, inputs, outputs in zip([0, 3, 7, 10, 14, 17], channels[:-1], channels[1:], strict=True):
        expected |= {f"conv_stack.{index}.weight": (outputs, inputs, 3, 3), f"conv_stack.{index}.bias": (outputs,)}
    expected |= {"conv_stack.21.weight": (512, 128, 2, 2), "conv_stack.21.bias": (512,)}
    expected |= {"mlp.2.weight": (10, 512), "mlp.2.bias": (10,)}
    assert {name: array.shape for name, array in SVHNClassifier().state_dict().items()} == expected


@pytest.mark.usefixtures("seeded")
def test_features_are_what_the_digit_is_read_from():
    model, x = SVHNClassifier().eval(), tg.rand(3, 3, 32, 32)
    found = model.features(x)
    assert found.shape == (3, 512)
    np.testing.assert_array_equal(model.mlp(found).numpy(), model(x).numpy())


@pytest.mark.usefixtures("seeded")
def test_features_depend_on_the_first_30_rows_and_columns():
    model, x = SVHNClassifier().eval(), tg.rand(1, 3, 32, 32, requires_grad=True)
    tg.sum(model.features(x)).backward()
    reached = (x.grad.numpy()[0] != 0).any(axis=0)
    assert reached[:30, :30].all()
    assert not reached[30:].any()
    assert not reached[:, 30:].any()


@pytest.mark.skipif(not HANDED_OUT.exists(), reason="$TINYGEN_DATA holds no svhn_classifier.pt")
@pytest.mark.filterwarnings("ignore:.*is not the official")
def test_the_weights_of_the_assignment_give_the_features_of_pytorch_and_classify_house_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = SVHNClassifier()
    model.load_state_dict(read_torch(HANDED_OUT))
    images = data.load("svhn", "train", download=False).images[:1]
    (found,) = evaluation.image_features(model, images)
    np.testing.assert_allclose(found[0, :5], FEATURES, atol=1e-4)
    assert accuracy(model, data.load("svhn", "test", download=False, limit=200)) > 0.9
