"""What a classifier makes of samples: can classes be read in them, are all there, how far are real ones?"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from tinygen.data import Dataset
from tinygen.evaluation.extraction import image_features
from tinygen.evaluation.frechet import calculate_fid_score
from tinygen.evaluation.kid import calculate_kid_score
from tinygen.evaluation.weights import load_weights
from tinygen.models import Classifier, SVHNClassifier
from tinygen.nn import Module
from tinygen.training.classifier import accuracy, probabilities, train_classifier
from tinygen.training.run import Run


def load_classifier(path: str | Path, make: Callable[[], Classifier] = SVHNClassifier) -> Classifier:
    """The classifier that ``make`` makes, unless told that of house numbers, with the weights in ``path``: a file of
    PyTorch's, such as the assignment hands out, or a checkpoint of its training here.

    Errors are those of ``load_weights``.
    """
    return load_weights(make(), path)


def obtain_classifier(
    path: str | Path | None,
    run: Run,
    train_set: Dataset,
    valid_set: Dataset,
    *,
    make: Callable[[], Classifier] = SVHNClassifier,
    epochs: int = 2,
    device: str = "cpu",
) -> Classifier:
    """The classifier in ``path``, or, without one, what ``make`` makes, trained on ``train_set`` for some ``epochs``.
    Its training is a part of ``run``, in the folder ``classifier`` within its own."""
    if path is not None:
        return load_classifier(path, make).to(device)
    classifier = make().to(device)
    train_classifier(run.part("classifier"), classifier, train_set, valid_set, epochs=epochs)
    return classifier


def read_digits(classifier: Module, images: np.ndarray) -> dict[str, float]:
    """What ``classifier`` reads in ``images`` (N, C, H, W): ``mean_top_probability``, how sure it is of its first
    choice; ``least_share``, that of the class that it chooses least; and ``share_of_0``, ... of each."""
    chances = probabilities(classifier, images)
    shares = np.bincount(chances.argmax(axis=1), minlength=chances.shape[1]) / len(images)
    each = {f"share_of_{digit}": float(share) for digit, share in enumerate(shares)}
    return {"mean_top_probability": float(chances.max(axis=1).mean()), "least_share": float(shares.min())} | each


def sort_by_class(images: np.ndarray, chances: np.ndarray, count: int, blank: float = 255) -> np.ndarray:
    """The first ``count`` of ``images`` (N, ...) in each class, as the classifier chooses by ``chances`` (N, K) ->
    (K, count, ...). Where a class has fewer, the places left are ``blank``, unless told the white of bytes."""
    chosen = chances.argmax(axis=1)
    rows = np.full((chances.shape[1], count, *images.shape[1:]), blank, images.dtype)
    for row, each in enumerate(rows):
        found = images[chosen == row][:count]
        each[: len(found)] = found
    return rows


def least_recognisable(images: np.ndarray, chances: np.ndarray, count: int) -> np.ndarray:
    """The ``count`` of ``images`` (N, ...) whose highest of ``chances`` (N, K) is lowest, the lowest first."""
    return images[chances.max(axis=1).argsort(kind="stable")[:count]]


def judge_samples(classifier: Classifier, samples: np.ndarray, test_set: Dataset) -> dict[str, float]:
    """``samples`` (N, C, H, W), bytes or in its range, as ``classifier`` sees them: what ``read_digits`` finds, each
    name with ``samples_`` before it; the ``fid`` and the ``kid`` (with its standard error) between them and
    ``test_set``, by the classifier's features; and its ``classifier_accuracy`` on that set."""
    found = {f"samples_{name}": value for name, value in read_digits(classifier, samples).items()}
    ours, real = (np.concatenate(list(image_features(classifier, x))) for x in (samples, test_set.images))
    found["fid"] = calculate_fid_score(ours, real)
    kid, kid_standard_error = calculate_kid_score(ours, real, blocks=min(10, len(ours) // 2, len(real) // 2))
    found |= {"kid": kid, "kid_standard_error": kid_standard_error}
    return found | {"classifier_accuracy": accuracy(classifier, test_set)}
