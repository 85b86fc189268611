"""Batches: the order in which training sees the images."""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Annotated, Any

import numpy as np

from tinygen import backend
from tinygen.checks import Count, checked, described
from tinygen.data.dataset import Dataset

Batch = tuple[np.ndarray, np.ndarray | Any]  # labels may be None


class DataLoader:
    """Iterate over a data set as batches (images, labels): arrays of the set's own types, labels None without any.

    With ``shuffle`` each pass draws one new permutation from the library's generator when it begins, so a seed fixes
    the order of every epoch. The last batch may be short: every image is seen once; with ``drop_last`` a short one is
    left out, and all batches are alike. ``transform``, if given, makes of a batch's images what the batch holds, so
    that greys of 0 to 255 become numbers only where they are needed.

    Raises:
        TypeError: a ``dataset`` that is none, or a ``batch_size`` that is no whole number.
        ValueError: a ``batch_size`` below 1, or a data set without images, or without a whole batch where a short one
            is to be left out, or a ``transform`` that returns another number of images.
    """

    @checked
    def __init__(
        self,
        dataset: Annotated[Dataset, "a Dataset, as Dataset(images) makes"],
        batch_size: Count,
        shuffle: bool = False,
        drop_last: bool = False,
        transform: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        if len(dataset) == 0:
            raise ValueError(f"DataLoader: the data set holds no images ({dataset!r})")
        if drop_last and len(dataset) < batch_size:
            raise ValueError(f"DataLoader: {len(dataset):,} images do not make one batch of {batch_size} ({dataset!r})")
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.drop_last = drop_last
        self.transform = transform

    @cached_property
    def fingerprint(self) -> str:
        """That of the data set."""
        return self.dataset.fingerprint

    def __len__(self) -> int:
        whole, left = divmod(len(self.dataset), self.batch_size)
        return whole + (left > 0 and not self.drop_last)

    def __iter__(self) -> Iterator[Batch]:
        count = len(self.dataset)
        order = backend.generator().permutation(count) if self.shuffle else np.arange(count)
        firsts = range(0, len(self) * self.batch_size, self.batch_size)
        return (self._batch(order[first : first + self.batch_size]) for first in firsts)

    def _batch(self, indices: np.ndarray) -> Batch:
        images, labels = self.dataset.images[indices], self.dataset.labels
        if self.transform is not None:
            images = self.transform(images)
            if not hasattr(images, "__len__") or len(images) != len(indices):
                given = described(images)
                raise ValueError(f"DataLoader: transform must return one image for each of {len(indices)}, got {given}")
        return images, None if labels is None else labels[indices]


class Repeated:
    """The batches of ``loader`` in stretches of ``steps``, each over as many passes as it takes: for trainings that
    count steps. What is left of a stretch's last pass is left out.

    All that a stretch draws by chance it draws when it begins, as an epoch of the loader does. Raises ``ValueError``
    for ``steps`` below 1.
    """

    @checked
    def __init__(self, loader: DataLoader, steps: Count) -> None:
        self.loader, self.steps = loader, steps
        self.fingerprint = loader.fingerprint

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        passes = [iter(self.loader) for _ in range(math.ceil(self.steps / len(self.loader)))]
        return islice(chain.from_iterable(passes), self.steps)
