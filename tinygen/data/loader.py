"""Batches: the order in which training sees the images."""

import math
from collections.abc import Iterator

import numpy as np

from tinygen import backend
from tinygen.data.dataset import Dataset

Batch = tuple[np.ndarray, np.ndarray | None]


class DataLoader:
    """Iterate over a data set as batches (images, labels): arrays of the set's own types, labels None without any.

    With ``shuffle`` each pass draws one new permutation from the library's generator when it begins, so a seed fixes
    the order of every epoch. The last batch may be short: every image is seen once.

    Raises:
        ValueError: a ``batch_size`` below 1, or a data set without images.
    """

    def __init__(self, dataset: Dataset, batch_size: int, shuffle: bool = False) -> None:
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
        if len(dataset) == 0:
            raise ValueError(f"DataLoader: the data set holds no images ({dataset!r})")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        count = len(self.dataset)
        order = backend.generator().permutation(count) if self.shuffle else np.arange(count)
        return (self._batch(order[first : first + self.batch_size]) for first in range(0, count, self.batch_size))

    def _batch(self, indices: np.ndarray) -> Batch:
        labels = self.dataset.labels
        return self.dataset.images[indices], None if labels is None else labels[indices]
