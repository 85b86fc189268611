"""Samplers: synthetic distributions.

A *sampler* is a callable ``sampler(n)`` that returns ``n`` new points (n, d), float32, drawn from the library's
generator. Known densities and modes are given as well; they serve to evaluate a model, not to train it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from tinygen import backend
from tinygen.checks import Count, Finite, Natural, NonNegative, Positive, checked, checked_fields, has_axes
from tinygen.validation import shown

Sampler = Callable[[int], np.ndarray]


@checked
def line(theta: Finite) -> Sampler:
    """A sampler of points ``(theta, Z)``, Z ~ U[0, 1) (n, 2): a vertical line segment at ``theta`` (Arjovsky et al.
    2017, example 1)."""

    @checked
    def line(n: Natural) -> np.ndarray:
        heights = backend.generator().random(n)
        return _points(np.full(n, theta), heights)

    return line


@checked
def uniform(n: Natural) -> np.ndarray:
    """Points in the plane, both coordinates ~ U[0, 1) (n, 2)."""
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
    """Numbers ``f(x) = tanh(2x + 1) + 0.75x`` with x ~ N(0, 1) (n, 1): a density with two modes."""
    return _transform(backend.generator().standard_normal((n, 1))).astype(np.float32)


@checked
def distribution4_density(y: np.ndarray) -> np.ndarray:
    """The density of ``distribution4`` at each of ``y``, any shape: ``N(x; 0, 1) / f'(x)`` at the x with f(x) = y.

    f is increasing, so there is one such x, and since ``|tanh| < 1`` it lies between (y - 1) / 0.75 and (y + 1) / 0.75;
    60 bisections of that interval give all digits. f'(x) = 2 (1 - tanh(2x + 1)^2) + 0.75.
    """
    y = np.asarray(y, dtype=np.float64)
    low, high = (y - 1) / 0.75, (y + 1) / 0.75
    for _ in range(60):
        middle = (low + high) / 2
        below = _transform(middle) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    x = (low + high) / 2
    derivative = 2 * (1 - np.tanh(2 * x + 1) ** 2) + 0.75
    return standard_gaussian_density(x) / derivative


def _transform(x: np.ndarray) -> np.ndarray:
    return np.tanh(2 * x + 1) + 0.75 * x


# Mixtures in the plane -----------------------------------------------------------------------------------------------


@checked_fields
@dataclass(frozen=True, eq=False)
class GaussianMixture:
    """Gaussians of standard deviation ``scale`` around ``centres`` (modes, d), all equally likely; a sampler.

    Raises ``ValueError`` for centres of another shape and a scale that is not positive.
    """

    centres: Annotated[np.ndarray, has_axes("modes, d")]
    scale: Positive

    @checked
    def __call__(self, n: Natural) -> np.ndarray:
        """``n`` points (n, d)."""
        rng = backend.generator()
        chosen = self.centres[rng.integers(len(self.centres), size=n)]
        return (chosen + self.scale * rng.standard_normal(chosen.shape)).astype(np.float32)

    @checked
    def nearest(self, points: Annotated[np.ndarray, has_axes("n, d", min_length=0)]) -> tuple[np.ndarray, np.ndarray]:
        """The index of the nearest centre of each of ``points`` (n, d), and the distance from it in standard
        deviations: two arrays (n,). Raises ``ValueError`` for points of another dimension."""
        if points.shape[1] != self.centres.shape[1]:
            raise ValueError(f"nearest: points must be (n, {self.centres.shape[1]}), got {shown(points)}")
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
def two_moons(n: Natural, noise: NonNegative = 0.05) -> np.ndarray:
    """Two interleaved half circles of radius 1 (n, 2), with Gaussian noise of standard deviation ``noise``; as
    ``make_moons`` of scikit-learn, centred."""
    rng = backend.generator()
    angles, lower = math.pi * rng.random(n), rng.random(n) < 0.5
    x = np.where(lower, 1 - np.cos(angles), np.cos(angles)) - 0.5
    y = np.where(lower, 0.5 - np.sin(angles), np.sin(angles)) - 0.25
    return _with_noise(x, y, noise)


@checked
def spiral(n: Natural, turns: Finite = 1.5, noise: NonNegative = 0.03) -> np.ndarray:
    """An Archimedean spiral of ``turns`` turns from the origin to radius 1 (n, 2), of nearly uniform density along its
    length, with Gaussian noise of standard deviation ``noise``."""
    radii = np.sqrt(backend.generator().random(n))  # its length grows with the square of the radius
    angles = 2 * math.pi * turns * radii
    return _with_noise(radii * np.cos(angles), radii * np.sin(angles), noise)


def _with_noise(x: np.ndarray, y: np.ndarray, noise: float) -> np.ndarray:
    blur = noise * backend.generator().standard_normal((2, len(x)))
    return _points(x + blur[0], y + blur[1])


def _points(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Coordinates (n,) and (n,) -> points (n, 2), float32."""
    return np.stack([x, y], axis=1).astype(np.float32)
