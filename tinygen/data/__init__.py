"""Data: published sets of small images and sets that the library draws itself, and batches of them.

``load("mnist", "train")`` gives a ``Dataset``; a ``DataLoader`` turns it into batches; ``binarize`` makes grey images
fit for a Bernoulli model. ``samplers`` are distributions from which there is always one more sample.
"""

from tinygen.data import samplers
from tinygen.data.dataset import Dataset, binarize, spread
from tinygen.data.loader import DataLoader
from tinygen.data.loading import load, names

__all__ = ["DataLoader", "Dataset", "binarize", "load", "names", "samplers", "spread"]
