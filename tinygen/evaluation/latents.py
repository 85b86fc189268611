"""What the latent numbers do: which of them an encoder uses, what each one changes in an image, what lies between two.

Images are asked of a ``generator``, a network from latents (N, L) to images (N, C, H, W): that of a GAN, or the decoder
of a VAE whose output is the pixels' means. Latents are arrays or tensors.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor
from tinygen.evaluation.pictures import encode
from tinygen.models.vae import VAE
from tinygen.nn import Module
from tinygen.training.game import generate


def active_units(model: VAE, images: Any, threshold: float = 0.01) -> int:
    """How many latent numbers tell images apart: those whose posterior mean varies over ``images`` (N, C, H, W), N > 1,
    by more than ``threshold``, Var_x(E[z_i|x]) (Burda et al. 2016, section 5.2)."""
    means, _ = encode(model, images)
    return int((means.var(axis=0) > threshold).sum())


def traversals(generator: Module, z: Any, steps: Sequence[float]) -> np.ndarray:
    """``g(z + step e_i)`` for each latent number i of one z (L,) and each of S steps -> (L, S, C, H, W)."""
    z = _array(z)
    if z.ndim != 1:
        raise ValueError(f"traversals: z must be one latent (L,), got shape {z.shape}")
    moved = z + np.asarray(steps, z.dtype)[:, None] * np.eye(len(z), dtype=z.dtype)[:, None]  # (L, S, L)
    images = generate(generator, moved.reshape(-1, len(z)))
    return images.reshape(len(z), len(steps), *images.shape[1:])


def effects(traversals: np.ndarray, original: np.ndarray) -> np.ndarray:
    """How much each latent number changes an image: the root of the mean square of what its traversal (L, S, C, H, W)
    departs from the ``original`` (C, H, W) -> (L,), in the pixels' unit."""
    return np.sqrt(np.square(traversals - original).mean(axis=(1, 2, 3, 4)))


def interpolate_latents(generator: Module, z0: Any, z1: Any, steps: int = 11, *, spherical: bool = False) -> np.ndarray:
    """``g(alpha z0 + (1 - alpha) z1)`` for alpha = 0, ..., 1: latents (N, L) -> (N, steps, C, H, W). What lies between
    is made by the generator, so it is an image as good as any; ``spherical``, the way is that of ``slerp``."""
    z0, z1 = _array(z0), _array(z1)
    alphas = np.linspace(0, 1, steps, dtype=z0.dtype)
    ways = [slerp(z0, z1, alpha) if spherical else alpha * z0 + (1 - alpha) * z1 for alpha in alphas]
    images = generate(generator, np.stack(ways, axis=1).reshape(-1, z0.shape[1]))
    return images.reshape(len(z0), steps, *images.shape[1:])


def slerp(z0: np.ndarray, z1: np.ndarray, alpha: float) -> np.ndarray:
    """The point of a great circle's arc that lies ``1 - alpha`` of the way from z0 to z1, for each of (N, L):

        sin(alpha w) / sin(w) z0  +  sin((1 - alpha) w) / sin(w) z1,    w the angle between the two

    (Shoemake 1985; White 2016). Nearly all of a normal in many dimensions lies near a sphere of radius sqrt(L), and so
    does this way; the straight one leads through the inside, where there are next to no draws: halfway between two
    draws its length is about sqrt(L / 2). Where the angle is 0 the two ways are one. Raises ``ValueError`` where a z
    is 0, or two are opposite: no arc is the shortest.
    """
    lengths = [np.linalg.norm(z, axis=-1, keepdims=True) for z in (z0, z1)]
    if not all(length.all() for length in lengths):
        raise ValueError("slerp: a latent is 0, and lies in no direction")
    cosine = ((z0 / lengths[0]) * (z1 / lengths[1])).sum(axis=-1, keepdims=True)
    w = np.arccos(cosine.clip(-1, 1))
    if np.any(np.sin(w) < 1e-6, where=cosine < 0):
        raise ValueError("slerp: two latents are opposite, and no way between them is the shortest")
    near = np.sin(w) < 1e-6
    sine = np.where(near, 1, np.sin(w))
    first, second = (np.where(near, share, np.sin(share * w) / sine) for share in (alpha, 1 - alpha))
    return (first * z0 + second * z1).astype(z0.dtype)


def interpolate_images(generator: Module, z0: Any, z1: Any, steps: int = 11) -> np.ndarray:
    """``alpha g(z0) + (1 - alpha) g(z1)`` for alpha = 0, ..., 1: latents (N, L) -> (N, steps, C, H, W). What lies
    between is one image shining through another."""
    x0, x1 = generate(generator, z0), generate(generator, z1)
    return np.stack([alpha * x0 + (1 - alpha) * x1 for alpha in np.linspace(0, 1, steps, dtype=x0.dtype)], axis=1)


def _array(z: Any) -> np.ndarray:
    return z.numpy() if isinstance(z, Tensor) else np.asarray(z)
