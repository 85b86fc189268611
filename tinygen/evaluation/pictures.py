"""Encodings, reconstructions, interpolations and the latent plane of a VAE.

Images are arrays or tensors, (N, C, H, W) or flat (N, D), in the ``pixel_range`` of the model; others raise a
``ValueError``. ``plotting`` draws the results.
"""

from typing import Any

import numpy as np
from scipy.special import ndtri

from tinygen.autograd.recording import no_grad
from tinygen.checks import AtLeastTwo, Count, checked
from tinygen.models.placement import in_batches, placed
from tinygen.models.vae import VAE, as_images, image_set


@checked
def encode(model: VAE, images: Any, batch_size: Count = 200) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance of q(z|x) for images (N, C, H, W), in batches -> two arrays (N, latent_size)."""
    return encoded("encode", model, images, batch_size)


def encoded(caller: str, model: VAE, images: Any, batch_size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """``encode`` with errors that name ``caller``."""

    def encode_batch(x: Any) -> list[np.ndarray]:
        return [each.numpy() for each in model.encode(as_images(caller, model, x))]

    means, logvars = zip(*in_batches(encode_batch, model, batch_size, image_set(caller, images)), strict=True)
    return np.concatenate(means), np.concatenate(logvars)


@checked
@no_grad()
def manifold(model: VAE, side: Count = 20) -> np.ndarray:
    """The decodings (pixel means) of a grid of ``side`` x ``side`` points of a latent plane -> (side^2, C, H, W), row
    by row, the first row with the largest z_2.

    The coordinates are the quantiles ndtri((i + 1/2) / side) of N(0, 1), so each point represents a cell of the same
    prior probability (Kingma and Welling 2014, figure 4). Raises ``ValueError`` for a model with another latent size
    than 2.
    """
    if model.latent_size != 2:
        raise ValueError(f"manifold: the model must have 2 latent numbers, it has {model.latent_size}")
    quantiles = ndtri((np.arange(side) + 0.5) / side)
    z = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
    with model.evaluating():
        return model.pixel_means(model.decode(placed("manifold", "z", z, model))).numpy()


@checked
@no_grad()
def reconstruct(model: VAE, images: Any) -> np.ndarray:
    """The decoding (pixel means) of the posterior mean of each of ``images`` (N, C, H, W) -> (N, C, H, W)."""
    with model.evaluating():
        mean, _ = model.encode(as_images("reconstruct", model, images))
        return model.pixel_means(model.decode(mean)).numpy()


@checked
@no_grad()
def interpolate(model: VAE, start: Any, end: Any, steps: AtLeastTwo = 11) -> np.ndarray:
    """The decodings (pixel means) of ``(1 - alpha) z0 + alpha z1`` for alpha = 0, ..., 1, z0 and z1 the posterior means
    of ``start`` and ``end`` (N, C, H, W) -> (N, steps, C, H, W).

    Raises ``ValueError`` for different numbers of images.
    """
    x0, x1 = (as_images("interpolate", model, images) for images in (start, end))
    if len(x0) != len(x1):
        raise ValueError(f"interpolate: start and end must be as many images, got {len(x0)} and {len(x1)}")
    with model.evaluating():
        (z0, _), (z1, _) = model.encode(x0), model.encode(x1)
        points = [z0 * (1 - alpha) + z1 * alpha for alpha in np.linspace(0, 1, steps).tolist()]
        images = [model.pixel_means(model.decode(z)).numpy() for z in points]
    return np.stack(images, axis=1)
