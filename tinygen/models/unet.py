"""A small U-Net for images: the velocity of a flow, or the noise of a diffusion, as a function of image, time and class
(Ronneberger, Fischer and Brox 2015; Ho et al. 2020).

Average pooling halves the side of the image from level to level, and repetition of pixels doubles it again; residual
blocks compute at each level. The output of each level on the way down is also an
input of the same level on the way up (a skip connection), so details need not pass the lowest level. The time is
embedded as sines and cosines, the class as a learned vector; both are added to the channels of every block. One more
class means "any class", so that one network gives the conditional and the unconditional velocity.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import numpy as np

from tinygen import functional as F
from tinygen import nn
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, NonNegative, Rule, checked, require
from tinygen.flows import Network
from tinygen.operations.creation import arange, full, randn, zeros_like
from tinygen.operations.elementwise import cos, exp, sin
from tinygen.operations.shaping import cat, reshape, split

GROUPS, MIN_CHANNELS = 8, 4  # in a normalisation; in a group of one channel it would remove what an embedding adds

Widths = Annotated[Sequence[Count], Rule("whole numbers from 1, one per level", len)]
Even = Annotated[int, Rule("an even number from 2", lambda n: n >= 2 and n % 2 == 0)]


class ResidualBlock(nn.Module):
    """``x + conv(SiLU(norm(conv(SiLU(norm(x))) + embedding)))``, where x is mapped by a 1 x 1 convolution if the number
    of channels changes. The last convolution starts at 0."""

    @checked
    def __init__(self, inputs: Count, outputs: Count, embedding: Count) -> None:
        self.norm1, self.conv1 = _norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embed = nn.Linear(embedding, outputs)
        self.norm2, self.conv2 = _norm(outputs), _zero(nn.Conv2d(outputs, outputs, 3, padding=1))
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else None

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x (N, inputs, H, W), embedding (N, embedding) -> (N, outputs, H, W)."""
        h = self.conv1(F.silu(self.norm1(x))) + reshape(self.embed(embedding), (len(x), -1, 1, 1))
        return self.conv2(F.silu(self.norm2(h))) + (x if self.skip is None else self.skip(x))


class UNet(nn.Module):
    """Images (N, channels, H, W), times and classes (N,) -> (N, channels, H, W), initially 0.

    ``widths`` are the channels of the levels; each level but the first halves the side by average pooling. ``classes``
    is the number of classes, ``embedding`` the length of the vectors to which time and class are mapped.
    """

    @checked
    def __init__(
        self, channels: Count = 1, widths: Widths = (32, 64, 128), classes: Count = 10, embedding: Even = 128
    ) -> None:
        self.classes, self.embedding = classes, embedding
        steps = list(pairwise([widths[0], *widths]))  # the channels before and after each level
        self.of_time = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.of_class = nn.Parameter(randn(classes + 1, embedding))
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList([ResidualBlock(before, after, embedding) for before, after in steps])
        self.middle = ResidualBlock(widths[-1], widths[-1], embedding)
        self.up = nn.ModuleList([ResidualBlock(2 * after, before, embedding) for before, after in steps[::-1]])
        self.norm, self.last = _norm(widths[0]), _zero(nn.Conv2d(widths[0], channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, labels: Any = None) -> Tensor:
        """Images (N, C, H, W), times (N,) in [0, 1] -> (N, C, H, W). ``labels`` (N,), from 0 to ``classes``;
        ``classes`` means any class, as does None. Raises ``ValueError`` for other labels (not checked where they are a
        tensor), and for a side that 2^(levels - 1) does not divide."""
        if any(length % 2 ** (len(self.down) - 1) for length in x.shape[2:]):
            raise ValueError(f"UNet: the sides must be multiples of {2 ** (len(self.down) - 1)}, got shape {x.shape}")
        embedding = F.silu(self.of_time(time_embedding(t, self.embedding)) + self.of_class[self._labels(x, labels)])
        h, levels = self.first(x), []
        for level, block in enumerate(self.down):
            h = block(F.avg_pool2d(h, 2) if level else h, embedding)
            levels.append(h)
        h = self.middle(h, embedding)
        for block in self.up:
            h = block(cat([h, levels.pop()], axis=1), embedding)
            h = F.upsample_nearest2d(h, scale_factor=2) if levels else h
        return self.last(F.silu(self.norm(h)))

    @checked
    def guided(self, labels: Any, weight: NonNegative) -> Network:
        """The network of x and t for ``labels`` (N,), with classifier-free guidance (Ho and Salimans 2022, eq. 6):
        ``(1 + weight) v(x, t, label) - weight v(x, t)``. Weight 0: the conditional network."""

        def network(x: Tensor, t: Tensor) -> Tensor:
            if weight == 0:
                return self(x, t, labels)
            both = cat([self._labels(x, labels), self._labels(x, None)])
            conditional, unconditional = split(self(cat([x, x]), cat([t, t]), both), 2)
            return (1 + weight) * conditional - weight * unconditional

        return network

    def _labels(self, x: Tensor, labels: Any) -> Tensor:
        """``labels`` as a tensor (N,) on the device of x."""
        if labels is None:
            return full((len(x),), self.classes, dtype="int64", device=x.device)
        if not isinstance(labels, Tensor):
            labels = require("UNet", "labels", labels, np.ndarray)
            whole = (labels % 1 == 0) & (labels >= 0) & (labels <= self.classes)
            if labels.shape != (len(x),) or not whole.all():
                raise ValueError(f"UNet: labels must be {len(x)} whole numbers from 0 to {self.classes}")
        return tensor(labels, dtype="int64", device=x.device)


def time_embedding(t: Tensor, size: int) -> Tensor:
    """``sin(f t)`` and ``cos(f t)`` for size / 2 frequencies f from 1000 to 0.1 (Vaswani et al. 2017): times
    (N,) -> (N, size)."""
    exponents = arange(size // 2, dtype=t.dtype, device=t.device) / (size // 2)
    angles = reshape(1000 * t, (-1, 1)) * exp(-math.log(1e4) * exponents)
    return cat([sin(angles), cos(angles)], axis=1)


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(GROUPS, channels, max(1, channels // MIN_CHANNELS)), channels)


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    for parameter in layer.parameters():
        parameter.data = zeros_like(parameter).data
    return layer
