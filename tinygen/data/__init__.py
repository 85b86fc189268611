"""Data: published sets of small images and sets that the library draws itself, and batches of them.

``load("mnist", "train")`` gives a ``Dataset``; a ``DataLoader`` turns it into batches; ``binarize`` makes grey images
fit for a Bernoulli model, ``centred`` fit for a tanh, and ``as_bytes`` takes them back; ``resized`` changes their
size. ``samplers`` are distributions from which there is always one more sample.
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
