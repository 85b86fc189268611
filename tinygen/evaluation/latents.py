"""Latent spaces: active units of an encoder, traversals and interpolations of a generator.

A ``generator`` is a network from latents (N, L) to images (N, C, H, W): that of a GAN, or the decoder of a VAE whose
output is the pixel means. Latents are arrays or tensors.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np

from tinygen.autograd.recording import no_grad
from tinygen.checks import AtLeastTwo, Finite, Latents, NonNegative, checked, has_axes
from tinygen.evaluation.pictures import encoded
from tinygen.models.vae import VAE, image_set
from tinygen.nn import Module
from tinygen.training.gan import generate


@checked
@no_grad()
def active_units(model: VAE, images: Any, threshold: NonNegative = 0.01) -> int:
    """The number of active latent variables: those with Var_x(E[z_i|x]) above ``threshold`` over ``images``
    (N, C, H, W), N > 1 (Burda et al. 2016, section 5.2). Raises ``ValueError`` for fewer images."""
    images = image_set("active_units", images)
    if len(images) < 2:
        raise ValueError(f"active_units: images must be 2 or more, got {len(images)}")
    means, _ = encoded("active_units", model, images)
    return int((means.var(axis=0) > threshold).sum())


@checked
def traversals(generator: Module, z: Annotated[np.ndarray, has_axes("L")], steps: Sequence[Finite]) -> np.ndarray:
    """``g(z + step e_i)`` for each latent variable i of one z (L,) and each of S steps -> (L, S, C, H, W). Raises
    ``ValueError`` for no steps."""
    if not steps:
        raise ValueError("traversals: steps must not be empty")
    z = _floating(z)
    moved = z + np.asarray(steps, z.dtype)[:, None] * np.eye(len(z), dtype=z.dtype)[:, None]  # (L, S, L)
    images = generate(generator, moved.reshape(-1, len(z)))
    return images.reshape(len(z), len(steps), *images.shape[1:])


@checked
def effects(
    traversals: Annotated[np.ndarray, has_axes("L, S, C, H, W")], original: Annotated[np.ndarray, has_axes("C, H, W")]
) -> np.ndarray:
    """The root mean square difference between ``traversals`` (L, S, C, H, W) of each latent variable and the
    ``original`` (C, H, W) -> (L,), in the unit of the pixels. Raises ``ValueError`` for inconsistent shapes."""
    _check_alike("effects", "traversals and original", traversals.shape[2:], original.shape)
    traversals, original = _floating(traversals), _floating(original)
    return np.sqrt(np.square(traversals - original).mean(axis=(1, 2, 3, 4)))


@checked
def interpolate_latents(
    generator: Module, z0: Latents, z1: Latents, steps: AtLeastTwo = 11, *, spherical: bool = False
) -> np.ndarray:
    """``g((1 - alpha) z0 + alpha z1)`` for alpha = 0, ..., 1: z0 and z1 (N, L) -> (N, steps, C, H, W). Every image is
    a sample of the generator; with ``spherical`` the latents are those of ``slerp``."""
    _check_alike("interpolate_latents", "z0 and z1", z0.shape, z1.shape)
    z0, z1 = _floating(z0), _floating(z1)
    alphas = np.linspace(0, 1, steps, dtype=z0.dtype)
    z = [slerp(z0, z1, alpha) if spherical else (1 - alpha) * z0 + alpha * z1 for alpha in alphas]
    images = generate(generator, np.stack(z, axis=1).reshape(-1, z0.shape[1]))
    return images.reshape(len(z0), steps, *images.shape[1:])


@checked
def slerp(z0: np.ndarray, z1: np.ndarray, alpha: Finite) -> np.ndarray:
    """Spherical linear interpolation (Shoemake 1985; White 2016) of z0 and z1 (N, L) or (L,):

        sin((1 - alpha) w) / sin(w) z0  +  sin(alpha w) / sin(w) z1,    w the angle between the two

    so z0 at alpha = 0 and z1 at alpha = 1. In many dimensions nearly all of N(0, I) lies near a sphere of radius
    sqrt(L), and so do these points. The straight line passes through the inside, where there are hardly any
    samples: the midpoint of two has a norm of about sqrt(L / 2). At w = 0 this is linear interpolation. Raises
    ``ValueError`` for a z of norm 0, for opposite z, between which no arc is the shortest, and for different shapes.
    """
    if z0.ndim == 0:
        raise ValueError(f"slerp: latents must be (N, L) or (L,), got {z0.shape}")
    _check_alike("slerp", "z0 and z1", z0.shape, z1.shape)
    z0, z1 = _floating(z0), _floating(z1)
    largest = [np.abs(z).max(axis=-1, keepdims=True) for z in (z0, z1)]
    if not all(value.all() for value in largest):
        raise ValueError("slerp: a latent is 0, and has no direction")
    scaled = [
        z / value for z, value in zip((z0, z1), largest, strict=True)
    ]  # whose squares neither over- nor underflow
    cosine = np.prod([z / np.linalg.norm(z, axis=-1, keepdims=True) for z in scaled], axis=0).sum(
        axis=-1, keepdims=True
    )
    w = np.arccos(cosine.clip(-1, 1))
    if np.any(np.sin(w) < 1e-6, where=cosine < 0):
        raise ValueError("slerp: two latents are opposite, and no arc between them is the shortest")
    is_small = np.sin(w) < 1e-6
    sine = np.where(is_small, 1, np.sin(w))
    weight0, weight1 = (np.where(is_small, part, np.sin(part * w) / sine) for part in (1 - alpha, alpha))
    return (weight0 * z0 + weight1 * z1).astype(z0.dtype)


@checked
def interpolate_images(generator: Module, z0: Latents, z1: Latents, steps: AtLeastTwo = 11) -> np.ndarray:
    """``(1 - alpha) g(z0) + alpha g(z1)`` for alpha = 0, ..., 1: z0 and z1 (N, L) -> (N, steps, C, H, W). The images
    between are blends of two samples."""
    _check_alike("interpolate_images", "z0 and z1", z0.shape, z1.shape)
    x0, x1 = generate(generator, z0), generate(generator, z1)
    return np.stack([(1 - alpha) * x0 + alpha * x1 for alpha in np.linspace(0, 1, steps, dtype=x0.dtype)], axis=1)


def _floating(values: np.ndarray) -> np.ndarray:
    """``values``, whole numbers converted to float32."""
    return values if values.dtype.kind == "f" else values.astype(np.float32)


def _check_alike(caller: str, arguments: str, one: tuple[int, ...], other: tuple[int, ...]) -> None:
    if one != other:
        raise ValueError(f"{caller}: {arguments} must be of one shape, got {one} and {other}")
