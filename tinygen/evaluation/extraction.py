"""What a classifier sees in images: the features by which the Frechet distance compares two sets of them."""

from collections.abc import Iterator
from typing import Annotated

import numpy as np

from tinygen.checks import PIXELS, Count, axes, checked
from tinygen.models.classifier import Classifier
from tinygen.models.placement import in_batches
from tinygen.training.classifier import as_input


@checked
def image_features(
    classifier: Classifier,
    images: Annotated[np.ndarray, axes("N, C, H, W", least=0), PIXELS],
    batch_size: Count = 500,
) -> Iterator[np.ndarray]:
    """The features of ``images`` (N, C, H, W) that ``classifier.features`` finds, as arrays (batch_size, D) in their
    order, the last perhaps shorter.

    uint8 images, 0 to 255, and bool images are brought into the classifier's ``pixel_range``; floating-point images lie
    in it already. A batch is computed when it is asked for, in evaluation mode, so memory does not grow with N. Raises
    ``ValueError`` for images of another dtype, shape or range than the classifier reads.
    """

    def features(some: np.ndarray) -> np.ndarray:
        return classifier.features(as_input(some, classifier, "image_features")).numpy()

    return in_batches(features, classifier, batch_size, images)
