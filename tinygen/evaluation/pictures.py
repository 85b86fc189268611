"""What a model sees and imagines: reconstructions, places in its latent space, and ways through it.

These return images; ``plotting`` draws them.
"""

import numpy as np
from scipy.special import ndtri

from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import tensor
from tinygen.models.vae import VAE


@no_grad()
def encode(model: VAE, images: np.ndarray, batch_size: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Mean and log-variance of q(z|x) of many images (N, C, H, W), a batch at a time -> two arrays (N, latent_size)."""
    weight = model.parameters()[0]
    parts = []
    with model.evaluating():
        for first in range(0, len(images), batch_size):
            x = tensor(images[first : first + batch_size], dtype=weight.dtype, device=weight.device)
            parts.append([part.numpy() for part in model.encode(x)])
    means, logvars = zip(*parts, strict=True)
    return np.concatenate(means), np.concatenate(logvars)


@no_grad()
def manifold(model: VAE, side: int = 20) -> np.ndarray:
    """The images of a latent plane: the pixels' means at ``side`` x ``side`` places -> (side^2, C, H, W), row by row,
    the first row where z_2 is largest.

    The places are the normal's quantiles in either direction, ndtri((i + 1/2) / side), each in the middle of a cell
    that holds the same share of the prior (Kingma and Welling 2014, figure 4). Raises ``ValueError`` where the model
    has not two latent numbers.
    """
    if model.latent_size != 2:
        raise ValueError(f"manifold: the model must have 2 latent numbers, it has {model.latent_size}")
    weight = model.parameters()[0]
    quantiles = ndtri((np.arange(side) + 0.5) / side)
    z = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2)
    with model.evaluating():
        return model.pixel_means(model.decode(tensor(z, dtype=weight.dtype, device=weight.device))).numpy()


@no_grad()
def reconstruct(model: VAE, images: np.ndarray) -> np.ndarray:
    """The decoding of the posterior's mean of each image: (N, C, H, W) -> the pixels' means, the same shape."""
    weight = model.parameters()[0]
    with model.evaluating():
        mean, _ = model.encode(tensor(images, dtype=weight.dtype, device=weight.device))
        return model.pixel_means(model.decode(mean)).numpy()


@no_grad()
def interpolate(model: VAE, start: np.ndarray, end: np.ndarray, steps: int = 11) -> np.ndarray:
    """Images on the straight way between the posterior means of ``start`` and ``end`` (N, C, H, W) ->
    (N, steps, C, H, W): the decodings of (1 - alpha) z0 + alpha z1 for alpha = 0, ..., 1."""
    weight = model.parameters()[0]
    with model.evaluating():
        (z0, _), (z1, _) = (model.encode(tensor(x, dtype=weight.dtype, device=weight.device)) for x in (start, end))
        points = [z0 * (1 - alpha) + z1 * alpha for alpha in np.linspace(0, 1, steps).tolist()]
        ways = [model.pixel_means(model.decode(z)).numpy() for z in points]
    return np.stack(ways, axis=1)
