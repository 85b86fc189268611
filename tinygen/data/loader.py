"""Batches of a data set."""

import math
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import chain, islice
from typing import Annotated, Any

import numpy as np

from tinygen import backend
from tinygen.checks import Count, checked
from tinygen.data.dataset import Dataset
from tinygen.validation import shown

Batch = tuple[np.ndarray, np.ndarray | Any]  # labels may be None


class DataLoader:
    """Iterate over a data set in batches (images, labels): arrays (N, C, H, W) and (N,) of the set's dtypes, labels
    None without any.

    With ``shuffle`` each pass begins with a new permutation from the library's generator. The last batch may be
    smaller; with ``drop_last`` it is left out. ``transform`` is applied to the images of each batch.

    Raises ``TypeError`` for a ``dataset`` that is not a ``Dataset`` and a ``batch_size`` that is not a whole number,
    and ``ValueError`` for a ``batch_size`` below 1, a data set without a batch, and a ``transform`` that returns
    another number of images.
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
        """The fingerprint of the data set."""
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
                given = shown(images)
                raise ValueError(f"DataLoader: transform must return one image for each of {len(indices)}, got {given}")
        return images, None if labels is None else labels[indices]


class FixedSteps:
    """Batches of ``loader`` in epochs of ``steps`` batches, each from as many passes as that takes; the rest of the
    last pass is not used.

    All random numbers of an epoch are drawn at its beginning, as by the loader. Raises ``ValueError`` for ``steps``
    below 1.
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
