"""Training a classifier: cross entropy, a few epochs, the accuracy on validation images."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np

from tinygen import functional as F
from tinygen import ranks
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import PIXELS, Count, Images, Positive, checked, require
from tinygen.data import DataLoader, Dataset
from tinygen.data.dataset import as_numbers
from tinygen.data.loader import Batch
from tinygen.models.pixels import check_pixels
from tinygen.models.placement import in_batches, placement
from tinygen.nn import Module
from tinygen.optim import Adam, cosine_schedule
from tinygen.training.loop import train
from tinygen.training.run import Run


def as_input(images: Any, model: Module, caller: str = "as_input") -> Tensor:
    """``images`` (N, C, H, W) as a floating-point input of ``model``, on its device.

    bool images, 0 and 1, and uint8 images, 0 to 255, are scaled to ``model.pixel_range``, default: [0, 1].
    Floating-point images must be in that range already and keep their values.

    Raises ``ValueError`` for images of another dtype, of another shape than ``model.image_shape``, and for NaN or
    numbers outside ``model.pixel_range``, where the model has them; the messages name the ``caller``.
    """
    model = require(caller, "model", model, Module)
    values = require(caller, "images", images, Annotated[np.ndarray, PIXELS])
    shape, pixel_range = getattr(model, "image_shape", None), getattr(model, "pixel_range", None)
    if shape is not None and values.shape[1:] != shape:
        expected = f"(N, {', '.join(map(str, shape))})"
        raise ValueError(f"{caller}: {type(model).__name__} reads images {expected}, got {values.shape}")
    if values.dtype.kind == "f":
        check_pixels(caller, values, pixel_range)
    place = placement(model)
    return tensor(as_numbers(values, pixel_range or (0.0, 1.0), place["dtype"]), **place)


@checked
def train_classifier(
    run: Run,
    model: Module,
    train_set: Dataset,
    valid_set: Dataset,
    *,
    epochs: Count = 2,
    batch_size: Count = 128,
    learning_rate: Positive = 2e-3,
) -> float:
    """Train ``model`` on the labels of ``train_set`` by Adam with a cosine schedule; returns its accuracy on
    ``valid_set``.

    Raises ``ValueError`` where one of the sets has no labels, and as ``as_input`` does.
    """
    for dataset in (train_set, valid_set):
        _check_labels("train_classifier", dataset)
    loader = DataLoader(train_set, batch_size, shuffle=True)
    optimizer = Adam(model.parameters(), learning_rate)

    def step(batch: Batch, index: int) -> Mapping[str, float]:
        images, labels = batch
        optimizer.lr = cosine_schedule(index, epochs * len(loader), learning_rate)
        with ranks.shared(len(images)) as own:
            x = as_input(images[own], model, "train_classifier")
            loss = F.cross_entropy(model(x), tensor(labels[own], device=x.device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return ranks.means({"train_cross_entropy": loss.item()})

    def evaluate() -> Mapping[str, float]:
        return {"valid_accuracy": accuracy(model, valid_set)}

    train(run, loader, step, epochs=epochs, parts={"model": model, "optimizer": optimizer}, evaluate=evaluate)
    return accuracy(model, valid_set)


@checked
def probabilities(model: Module, images: Images, batch_size: Count = 500) -> np.ndarray:
    """The classifier's probabilities softmax(model(x)) of ``images`` (N, C, H, W): (N, classes).

    Dtypes and errors are those of ``as_input``.
    """

    def classify(some: np.ndarray) -> np.ndarray:
        return F.softmax(model(as_input(some, model, "probabilities")), axis=1).numpy()

    return np.concatenate(list(in_batches(classify, model, batch_size, images)))


@checked
def accuracy(model: Module, dataset: Dataset) -> float:
    """The fraction of ``dataset`` whose label has the classifier's highest probability.

    Raises ``ValueError`` where the set has no labels or no images, and as ``as_input`` does.
    """
    _check_labels("accuracy", dataset)
    return float((probabilities(model, dataset.images).argmax(1) == dataset.labels).mean())


def _check_labels(caller: str, dataset: Dataset) -> None:
    if dataset.labels is None or len(dataset) == 0:
        raise ValueError(f"{caller}: {dataset!r} has no {'images' if len(dataset) == 0 else 'labels'}")
