"""What a classifier sees in images: the features by which the Frechet distance compares two sets of them."""

from collections.abc import Iterator

import numpy as np

from tinygen.models.classifier import Classifier
from tinygen.training.classifier import in_batches


def image_features(classifier: Classifier, images: np.ndarray, batch_size: int = 500) -> Iterator[np.ndarray]:
    """The features of ``images`` (N, C, H, W) that ``classifier.features`` finds, as arrays (batch_size, D) in their
    order, the last perhaps shorter.

    Whole numbers from 0 to 255 are brought into the classifier's ``pixel_range``; floating-point images lie in it
    already. A batch is computed when it is asked for, in evaluation mode, so memory does not grow with N. Raises
    ``ValueError`` for a ``batch_size`` below 1.
    """
    if batch_size < 1:
        raise ValueError(f"image_features: expects a batch_size from 1, got {batch_size}")
    return in_batches(classifier.features, classifier, images, batch_size)
