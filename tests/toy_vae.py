"""Variational autoencoders so small that their likelihood, an integral over one or two numbers, can be computed."""

import numpy as np
from scipy import special

from tinygen import nn
from tinygen.models import VAE
from tinygen.models.pixels import GaussianPixels


class ToyVAE(VAE):
    """Linear maps to and from ``latent_size`` numbers, with dropout on the input, so that its mode has an effect."""

    image_shape = (1, 2, 3)

    def __init__(self, latent_size: int = 1, dropout: float = 0.0) -> None:
        self.latent_size = latent_size
        self.encoder = nn.Sequential(nn.Flatten(), nn.Dropout(dropout), nn.Linear(6, 2 * latent_size))
        self.decoder = nn.Sequential(nn.Linear(latent_size, 6), nn.Unflatten(1, self.image_shape))


class GaussianVAE(ToyVAE):
    """The same with pixels N(decoded, VARIANCE)."""

    VARIANCE = 0.3
    pixels = GaussianPixels(VARIANCE)


def exact_log_likelihood(model: ToyVAE, images: np.ndarray) -> np.ndarray:
    """log p(x) of 0/1 images (N, 1, 2, 3), the integral of p(x|z) N(z; 0, I), by Gauss and Hermite's rule."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    grids = np.meshgrid(*[nodes] * model.latent_size, indexing="ij")
    z = np.stack([grid.ravel() for grid in grids], axis=1)
    log_weights = sum(np.log(w).ravel() for w in np.meshgrid(*[weights / weights.sum()] * model.latent_size))
    layer = model.decoder[0]
    logits = z @ layer.weight.numpy().T + layer.bias.numpy()  # (nodes, 6)
    flat = images.reshape(len(images), 1, 6)
    log_p = (flat * logits - np.logaddexp(0, logits)).sum(axis=2)  # (N, nodes)
    return special.logsumexp(log_p + log_weights, axis=1)
