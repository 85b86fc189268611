"""Samplers: distributions from which there is always one more sample.

A *sampler* is a callable ``sampler(n)`` that returns ``n`` new points (n, d), float32. Each of these draws from the
library's generator, so a seed fixes all that follows. Where the density or the modes are known they are given, too:
they are for judging what was learned, never for learning.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tinygen import backend
from tinygen.checks import Count, Finite, Natural, NotNegative, Positive, axes, checked, described, require

Sampler = Callable[[int], np.ndarray]


@checked
def line(theta: Finite) -> Sampler:
    """Points ``(theta, Z)``, Z ~ U[0, 1): a line that stands upright in the plane at ``theta`` (n, 2).

    Two such lines are the example by which Arjovsky et al. (2017, example 1) tell distances apart.
    """

    @checked
    def line(n: Natural) -> np.ndarray:
        heights = backend.generator().random(n)
        return _points(np.full(n, theta), heights)

    return line


@checked
def uniform(n: Natural) -> np.ndarray:
    """Points of the plane, both coordinates from U[0, 1) (n, 2)."""
    return backend.generator().random((n, 2)).astype(np.float32)


@checked
def standard_gaussian(n: Natural) -> np.ndarray:
    """Numbers from N(0, 1) (n, 1)."""
    return backend.generator().standard_normal((n, 1)).astype(np.float32)


@checked
def standard_gaussian_density(x: np.ndarray) -> np.ndarray:
    """``exp(-x^2 / 2) / sqrt(2 pi)`` at each of ``x``, any shape."""
    return np.exp(-0.5 * np.square(x, dtype=np.float64)) / math.sqrt(2 * math.pi)


# Distribution 4 of IFT6135 (2019), assignment 3, problem 1 -----------------------------------------------------------


@checked
def distribution4(n: Natural) -> np.ndarray:
    """Numbers ``f(x) = tanh(2x + 1) + 0.75x`` with x ~ N(0, 1) (n, 1): a Gaussian with a dip pressed into it."""
    return _press(backend.generator().standard_normal((n, 1))).astype(np.float32)


@checked
def distribution4_density(y: np.ndarray) -> np.ndarray:
    """The density of ``distribution4`` at each of ``y``, any shape: ``N(x; 0, 1) / f'(x)`` at the x with f(x) = y.

    f rises, so there is one such x, and |tanh| < 1 puts it between (y - 1) / 0.75 and (y + 1) / 0.75; halving that
    interval 60 times finds it to all digits. f'(x) = 2 (1 - tanh(2x + 1)^2) + 0.75.
    """
    y = np.asarray(y, dtype=np.float64)
    low, high = (y - 1) / 0.75, (y + 1) / 0.75
    for _ in range(60):
        middle = (low + high) / 2
        below = _press(middle) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    x = (low + high) / 2
    slope = 2 * (1 - np.tanh(2 * x + 1) ** 2) + 0.75
    return standard_gaussian_density(x) / slope


def _press(x: np.ndarray) -> np.ndarray:
    return np.tanh(2 * x + 1) + 0.75 * x


# Mixtures in the plane, which a GAN finds easy or hard to cover ------------------------------------------------------


@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Gaussians of standard deviation ``scale`` around ``centres`` (modes, d), all equally likely; a sampler.

    Raises ``ValueError`` for centres of another shape and a scale that is not positive.
    """

    centres: np.ndarray
    scale: float

    def __post_init__(self) -> None:
        centres = require("GaussianMixture", "centres", self.centres, Annotated[np.ndarray, axes("modes, d")])
        object.__setattr__(self, "centres", centres)
        object.__setattr__(self, "scale", require("GaussianMixture", "scale", self.scale, Positive))

    @checked
    def __call__(self, n: Natural) -> np.ndarray:
        """``n`` points (n, d)."""
        chance = backend.generator()
        chosen = self.centres[chance.integers(len(self.centres), size=n)]
        return (chosen + self.scale * chance.standard_normal(chosen.shape)).astype(np.float32)

    @checked
    def nearest(self, points: Annotated[np.ndarray, axes("n, d", least=0)]) -> tuple[np.ndarray, np.ndarray]:
        """For each of ``points`` (n, d) the number of its nearest centre, and how many standard deviations it lies
        from it: two arrays (n,)."""
        if points.shape[1] != self.centres.shape[1]:
            raise ValueError(f"nearest: points must be (n, {self.centres.shape[1]}), got {described(points)}")
        distances = np.linalg.norm(points[:, None] - self.centres, axis=-1)  # (n, modes)
        return distances.argmin(axis=1), distances.min(axis=1) / self.scale


@checked
def ring(modes: Count = 8, radius: Finite = 1.0, scale: Positive = 0.05) -> GaussianMixture:
    """Gaussians evenly spaced on a circle of ``radius`` around the origin."""
    angles = 2 * math.pi * np.arange(modes) / modes
    return GaussianMixture(radius * np.stack([np.cos(angles), np.sin(angles)], axis=1), scale)


@checked
def grid(side: Count = 5, spacing: Finite = 0.5, scale: Positive = 0.05) -> GaussianMixture:
    """``side`` x ``side`` Gaussians on a square lattice around the origin."""
    ticks = spacing * (np.arange(side) - (side - 1) / 2)
    return GaussianMixture(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2), scale)


@checked
def two_moons(n: Natural, noise: NotNegative = 0.05) -> np.ndarray:
    """Two half circles of radius 1 that reach into each other, blurred by a Gaussian of deviation ``noise`` (n, 2)."""
    chance = backend.generator()
    angles, lower = math.pi * chance.random(n), chance.random(n) < 0.5
    x = np.where(lower, 1 - np.cos(angles), np.cos(angles)) - 0.5
    y = np.where(lower, 0.5 - np.sin(angles), np.sin(angles)) - 0.25
    return _blurred(x, y, noise)


@checked
def spiral(n: Natural, turns: Finite = 1.5, noise: NotNegative = 0.03) -> np.ndarray:
    """A spiral of ``turns`` turns from the origin to radius 1, evenly dense along its way but for its innermost part,
    blurred by a Gaussian of deviation ``noise`` (n, 2)."""
    radii = np.sqrt(backend.generator().random(n))  # an Archimedean spiral's length grows with the radius squared
    angles = 2 * math.pi * turns * radii
    return _blurred(radii * np.cos(angles), radii * np.sin(angles), noise)


def _blurred(x: np.ndarray, y: np.ndarray, noise: float) -> np.ndarray:
    blur = noise * backend.generator().standard_normal((2, len(x)))
    return _points(x + blur[0], y + blur[1])


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coordinates (n,) and (n,) -> points (n, 2), float32."""
    return np.stack([x, y], axis=1).astype(np.float32)
