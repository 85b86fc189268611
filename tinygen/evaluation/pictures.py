"""What a model sees and imagines: reconstructions, and ways through its latent space.

These return images; ``plotting`` draws them.
"""

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import tensor
from tinygen.models.vae import VAE


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
