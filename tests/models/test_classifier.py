"""The classifier of digits: shapes, and dropout in training alone."""

import numpy as np
import pytest

import tinygen as tg
from tinygen.models import DigitClassifier


@pytest.mark.parametrize("n", [1, 3])
def test_images_become_the_logits_of_ten_digits(n):
    logits = DigitClassifier()(tg.rand(n, 1, 28, 28))
    assert logits.shape == (n, 10)
    assert logits.dtype == "float32"


def test_it_is_deterministic_in_evaluation_and_noisy_in_training():
    model, x = DigitClassifier(), tg.rand(2, 1, 28, 28)
    assert (model(x).numpy() != model(x).numpy()).any()
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
