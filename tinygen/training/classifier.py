"""Training a classifier: cross entropy, a handful of epochs, the accuracy on images it has not seen."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from tinygen import functional as F
from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.data import DataLoader, Dataset
from tinygen.data.loader import Batch
from tinygen.nn import Module
from tinygen.optim import Adam, cosine_schedule
from tinygen.training.loop import train
from tinygen.training.run import Run


def as_input(images: np.ndarray, model: Module) -> Tensor:
    """``images`` as the floating-point numbers that ``model`` reads, on its device.

    Whole numbers, 0 to 255 or (where none is above 1) 0 and 1, are brought into ``model.pixel_range``, [0, 1] for a
    model that names none. Floating-point images are taken to lie in that range already.
    """
    weight = model.parameters()[0]
    pixels = images.astype(weight.dtype)
    if images.dtype.kind in "bui":
        low, high = getattr(model, "pixel_range", (0.0, 1.0))
        white = 255.0 if images.size and images.max() > 1 else 1.0
        pixels = low + (high - low) * (pixels / white)
    return tensor(pixels, device=weight.device)


def in_batches(
    function: Callable[[Tensor], Tensor], model: Module, images: np.ndarray, batch_size: int
) -> Iterator[np.ndarray]:
    """What ``function``, made of ``model``, returns for ``images`` (N, C, H, W), batch by batch.

    The model is in evaluation mode while it computes, and between batches in the mode that it was in.
    """
    for first in range(0, len(images), batch_size):
        with no_grad(), model.evaluating():
            found = function(as_input(images[first : first + batch_size], model)).numpy()
        yield found


def train_classifier(
    run: Run,
    model: Module,
    train_set: Dataset,
    valid_set: Dataset,
    *,
    epochs: int = 2,
    batch_size: int = 128,
    learning_rate: float = 2e-3,
) -> float:
    """Train ``model`` on the labels of ``train_set``, Adam down a cosine; returns its accuracy on ``valid_set``."""
    loader = DataLoader(train_set, batch_size, shuffle=True)
    optimizer = Adam(model.parameters(), learning_rate)

    def step(batch: Batch, index: int) -> Mapping[str, float]:
        images, labels = batch
        optimizer.lr = cosine_schedule(index, epochs * len(loader), learning_rate)
        loss = F.cross_entropy(model(as_input(images, model)), tensor(labels, device=model.parameters()[0].device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return {"train_cross_entropy": loss.item()}

    def evaluate() -> Mapping[str, float]:
        return {"valid_accuracy": accuracy(model, valid_set)}

    train(run, loader, step, epochs=epochs, parts={"model": model, "optimizer": optimizer}, evaluate=evaluate)
    return accuracy(model, valid_set)


def probabilities(model: Module, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """What the classifier makes of ``images`` (N, C, H, W): (N, classes), each row summing to 1."""
    return np.concatenate(list(in_batches(lambda x: F.softmax(model(x), axis=1), model, images, batch_size)))


def accuracy(model: Module, dataset: Dataset) -> float:
    """The share of ``dataset`` whose label is the classifier's first choice."""
    if dataset.labels is None:
        raise ValueError(f"accuracy: {dataset!r} has no labels")
    return float((probabilities(model, dataset.images).argmax(1) == dataset.labels).mean())
