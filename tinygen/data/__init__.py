"""Data: published and synthetic sets of small images, and batches of them.

``load("mnist", "train")`` gives a ``Dataset``, a ``DataLoader`` its batches. ``binarize`` converts grey images for a
Bernoulli model, ``centred`` for a tanh, ``as_bytes`` back; ``resized`` changes their size. ``samplers`` are synthetic
distributions of points.
"""

from tinygen.data import samplers
from tinygen.data.dataset import Dataset, as_bytes, binarize, centred, resized, spread
from tinygen.data.loader import DataLoader, Repeated
from tinygen.data.loading import load, names

__all__ = [
    "DataLoader",
    "Dataset",
    "Repeated",
    "as_bytes",
    "binarize",
    "centred",
    "load",
    "names",
    "resized",
    "samplers",
    "spread",
]
