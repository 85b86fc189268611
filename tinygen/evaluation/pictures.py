"""What a model sees and imagines: reconstructions, places in its latent space, and ways through it.

These return images; ``plotting`` draws them. Images are arrays or tensors, (N, C, H, W) or flat (N, D), in the range
that the model states; others are refused.
"""

from typing import Any

import numpy as np
from scipy.special import ndtri

from tinygen.autograd.recording import no_grad
from tinygen.checks import Count, Several, checked
from tinygen.models.placement import in_batches, placed
from tinygen.models.vae import VAE, as_images, image_set


@checked
def encode(model: VAE, images: Any, batch_size: Count = 200) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance of q(z|x) of many images (N, C, H, W), a batch at a time -> two arrays (N, latent_size)."""
    return encoded("encode", model, images, batch_size)


def encoded(caller: str, model: VAE, images: Any, batch_size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """``encode`` for a ``caller`` that errors name."""

    def encode_batch(x: Any) -> list[np.ndarray]:
        return [each.numpy() for each in model.encode(as_images(caller, model, x))]

    means, logvars = zip(*in_batches(encode_batch, model, batch_size, image_set(caller, images)), strict=True)
    return np.concatenate(means), np.concatenate(logvars)


@checked
@no_grad()
def manifold(model: VAE, side: Count = 20) -> np.ndarray:
    """The images of a latent plane: the pixels' means at ``side`` x ``side`` places -> (side^2, C, H, W), row by row,
    the first row where z_2 is largest.

    The places are the normal's quantiles in either direction, ndtri((i + 1/2) / side), each in the middle of a cell
    that holds the same share of the prior (Kingma and Welling 2014, figure 4). Raises ``ValueError`` where the model
    has not two latent numbers.
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
    """The decoding of the posterior's mean of each image: (N, C, H, W) -> the pixels' means, the same shape."""
    with model.evaluating():
        mean, _ = model.encode(as_images("reconstruct", model, images))
        return model.pixel_means(model.decode(mean)).numpy()


@checked
@no_grad()
def interpolate(model: VAE, start: Any, end: Any, steps: Several = 11) -> np.ndarray:
    """Images on the straight way between the posterior means of ``start`` and ``end`` (N, C, H, W) ->
    (N, steps, C, H, W): the decodings of (1 - alpha) z0 + alpha z1 for alpha = 0, ..., 1.

    Raises ``ValueError`` where the two are not as many images.
    """
    x0, x1 = (as_images("interpolate", model, images) for images in (start, end))
    if len(x0) != len(x1):
        raise ValueError(f"interpolate: start and end must be as many images, got {len(x0)} and {len(x1)}")
    with model.evaluating():
        (z0, _), (z1, _) = model.encode(x0), model.encode(x1)
        points = [z0 * (1 - alpha) + z1 * alpha for alpha in np.linspace(0, 1, steps).tolist()]
        ways = [model.pixel_means(model.decode(z)).numpy() for z in points]
    return np.stack(ways, axis=1)
