"""Training a classifier: cross entropy, a handful of epochs, the accuracy on images it has not seen."""

from collections.abc import Mapping

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
    """``images`` as floating-point numbers in [0, 1] (greys are divided by 255) on the model's device."""
    scale = 255.0 if images.dtype == np.uint8 and images.size and images.max() > 1 else 1.0
    weight = model.parameters()[0]
    return tensor(images.astype(weight.dtype) / scale, device=weight.device).astype(weight.dtype)


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


@no_grad()
def probabilities(model: Module, images: np.ndarray, batch_size: int = 500) -> np.ndarray:
    """What the classifier makes of ``images`` (N, C, H, W): (N, classes), each row summing to 1."""
    with model.evaluating():
        parts = [
            F.softmax(model(as_input(images[first : first + batch_size], model)), axis=1).numpy()
            for first in range(0, len(images), batch_size)
        ]
    return np.concatenate(parts)


def accuracy(model: Module, dataset: Dataset) -> float:
    """The share of ``dataset`` whose label is the classifier's first choice."""
    if dataset.labels is None:
        raise ValueError(f"accuracy: {dataset!r} has no labels")
    return float((probabilities(model, dataset.images).argmax(1) == dataset.labels).mean())
