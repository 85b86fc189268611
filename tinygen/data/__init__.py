"""Data: published and synthetic sets of small images, and batches of them.

``load("mnist", "train")`` gives a ``Dataset``, a ``DataLoader`` its batches. ``binarize`` converts grey images for a
Bernoulli model, ``to_tanh_range`` for a tanh, ``as_bytes`` back; ``resized`` changes their size. ``samplers`` are
synthetic distributions of points.
"""

from tinygen.data import samplers
from tinygen.data.dataset import Dataset, as_bytes, binarize, evenly_spaced, resized, to_tanh_range
from tinygen.data.loader import DataLoader, FixedSteps
from tinygen.data.loading import load, names

__all__ = [
    "DataLoader",
    "Dataset",
    "FixedSteps",
    "as_bytes",
    "binarize",
    "evenly_spaced",
    "load",
    "names",
    "resized",
    "samplers",
    "to_tanh_range",
]
