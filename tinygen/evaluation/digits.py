"""Samples judged by a classifier: its confidence, the frequency of each class, and distances between features."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np

from tinygen.checks import Count, Finite, Images, Rule, checked, has_axes
from tinygen.data import Dataset
from tinygen.data.dataset import BLACK_AND_WHITE
from tinygen.evaluation.features import image_features
from tinygen.evaluation.frechet import calculate_fid_score
from tinygen.evaluation.kid import calculate_kid_score, kid_blocks
from tinygen.evaluation.neighbours import precision_recall
from tinygen.evaluation.weights import load_weights
from tinygen.models import Classifier, SVHNClassifier
from tinygen.nn import Module
from tinygen.training.classifier import accuracy, probabilities, train_classifier
from tinygen.training.run import Run
from tinygen.validation import shown

ImageArray = Annotated[np.ndarray, Rule("an array (N, ...), not empty", lambda a: a.ndim > 1 and a.size > 0)]
Probabilities = Annotated[np.ndarray, has_axes("N, K")]


@checked
def load_classifier(path: str | Path, make: Callable[[], Classifier] = SVHNClassifier) -> Classifier:
    """The classifier ``make()`` (default: that of house numbers) with the weights in ``path``: a file of PyTorch, such
    as that of the assignment, or a checkpoint of its training.

    Raises ``TypeError`` where ``make`` does not return a ``Classifier``, and as ``load_weights`` does.
    """
    classifier = make()
    if not isinstance(classifier, Classifier):
        raise TypeError(f"load_classifier: make must make a Classifier, it makes {shown(classifier)}")
    load_weights(classifier, path)
    return classifier


@checked
def load_or_train_classifier(
    path: str | Path | None,
    run: Run,
    train_set: Dataset,
    valid_set: Dataset,
    *,
    make: Callable[[], Classifier] = SVHNClassifier,
    epochs: Count = 2,
    device: str = "cpu",
) -> Classifier:
    """The classifier ``make()`` with the weights in ``path``, or, if that is None, trained on ``train_set`` for
    ``epochs``, as a part of ``run`` in its folder ``classifier``. Errors are those of ``load_classifier`` and
    ``train_classifier``."""
    if path is not None:
        return load_classifier(path, make).to(device)
    classifier = make().to(device)
    train_classifier(run.part("classifier"), classifier, train_set, valid_set, epochs=epochs)
    return classifier


@checked
def prediction_statistics(classifier: Module, images: Images) -> dict[str, float]:
    """The predictions of ``classifier`` for ``images`` (N, C, H, W): ``mean_top_probability``, the mean of the highest
    probability; ``share_of_0``, ..., the fraction of images in each class; and ``least_share``, the smallest of
    these."""
    p = probabilities(classifier, images)
    shares = np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(images)
    each = {f"share_of_{digit}": float(share) for digit, share in enumerate(shares)}
    return {"mean_top_probability": float(p.max(axis=1).mean()), "least_share": float(shares.min())} | each


@checked
def sort_by_class(
    images: ImageArray, probabilities: Probabilities, count: Count, blank: Finite | None = None
) -> np.ndarray:
    """The first ``count`` of ``images`` (N, ...) of each class, the class being that of the highest probability in
    ``probabilities`` (N, K) -> (K, count, ...). A class with fewer is filled with the value ``blank`` (default: white).

    Raises ``ValueError`` for different numbers of images and probabilities, and for floating-point images without a
    ``blank``, whose white is not defined.
    """
    _check_numbers("sort_by_class", images, probabilities)
    if blank is None:
        if images.dtype.name not in BLACK_AND_WHITE:
            raise ValueError(f"sort_by_class: {images.dtype} images need a blank, the number that is white")
        _, blank = BLACK_AND_WHITE[images.dtype.name]
    if images.dtype.kind != "f" and blank not in range(2 if images.dtype == bool else np.iinfo(images.dtype).max + 1):
        raise ValueError(f"sort_by_class: blank must be a number that {images.dtype} images can hold, got {blank:g}")
    chosen = probabilities.argmax(axis=1)
    rows = np.full((probabilities.shape[1], count, *images.shape[1:]), blank, images.dtype)
    for row, each in enumerate(rows):
        found = images[chosen == row][:count]
        each[: len(found)] = found
    return rows


@checked
def least_recognisable(images: ImageArray, probabilities: Probabilities, count: Count) -> np.ndarray:
    """The ``count`` of ``images`` (N, ...) with the lowest maximum of ``probabilities`` (N, K), the probabilities of
    their classes, the lowest first. Raises ``ValueError`` for different numbers of images and probabilities."""
    _check_numbers("least_recognisable", images, probabilities)
    return images[probabilities.max(axis=1).argsort(kind="stable")[:count]]


def _check_numbers(caller: str, images: np.ndarray, probabilities: np.ndarray) -> None:
    if len(images) != len(probabilities):
        raise ValueError(
            f"{caller}: images and probabilities must be as many, got {len(images)} and {len(probabilities)}"
        )


@checked
def evaluate_samples(classifier: Classifier, samples: Images, test_set: Dataset) -> dict[str, float]:
    """An evaluation of ``samples`` (N, C, H, W) by ``classifier``: the results of ``prediction_statistics`` with the
    prefix ``samples_``; ``fid``, ``kid``, ``kid_standard_error``, ``precision`` and ``recall`` between samples and
    ``test_set``, by the classifier's features; and ``classifier_accuracy`` on that set. Raises ``ValueError`` as
    ``kid_blocks`` and ``image_features`` do."""
    blocks = kid_blocks(len(samples), len(test_set))
    found = {f"samples_{name}": value for name, value in prediction_statistics(classifier, samples).items()}
    ours, real = (np.concatenate(list(image_features(classifier, x))) for x in (samples, test_set.images))
    found["fid"] = calculate_fid_score(ours, real)
    found["kid"], found["kid_standard_error"] = calculate_kid_score(ours, real, blocks=blocks)
    found["precision"], found["recall"] = precision_recall(ours, real)
    return found | {"classifier_accuracy": accuracy(classifier, test_set)}
