"""The log-likelihood of images under a VAE: the ELBO, a lower bound, and importance sampling.

Importance sampling (Burda et al. 2016, eq. 8) estimates log p(x) with an error that vanishes as the number K of samples
from the encoder's q(z|x) grows:

    log p(x) ~ log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x),     z_k ~ q(z|x)

The weights differ by hundreds of orders of magnitude and underflow, so all is computed from their logarithms, and the
mean by log-mean-exp.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import AtLeastTwo, Count, checked, require
from tinygen.console import progress
from tinygen.data import evenly_spaced
from tinygen.likelihoods import log_likelihood_normal, log_mean_exp
from tinygen.models.placement import in_batches, placed
from tinygen.models.vae import VAE, as_images, image_set
from tinygen.operations.creation import randn, zeros_like
from tinygen.operations.elementwise import exp
from tinygen.operations.reductions import logsumexp
from tinygen.operations.shaping import cat, expand_dims, reshape

LATENTS_PER_BATCH = 400  # latents decoded, and images encoded, at a time


def _as_latents(name: str, model: VAE, images: Tensor, z: Any) -> Tensor:
    """``z`` as latents (M, K, L) of M images on their device."""
    z = placed(name, "z", z, model)
    if z.ndim != 3 or len(z) != len(images) or z.shape[2] != model.latent_size or z.shape[1] == 0:
        raise ValueError(f"{name}: z must have shape ({len(images)}, K, {model.latent_size}), got {z.shape}")
    return z


@checked
def elbo(model: VAE, images: Any, batch_size: Count = 200) -> float:
    """The mean ELBO per image in nats, with one sample from the posterior per image.

    ``images``: (N, C, H, W) or (N, D), array or tensor; evaluation mode. Raises ``ValueError`` for images of another
    shape or dtype, for none, and for NaN and values outside ``model.pixel_range``, as all functions of a VAE and images
    here do.
    """
    images = image_set("elbo", images)

    def sum_of_batch(x: Any) -> float:
        return float(model.elbo(as_images("elbo", model, x)).data.sum(dtype="float64"))

    return sum(in_batches(sum_of_batch, model, batch_size, images)) / len(images)


@checked
def log_likelihood(model: VAE, x: Any, z: Any) -> Tensor:
    """The importance-sampling estimate of log p(x) in nats: images x (M, D), samples z (M, K, L) from q(z|x) -> (M,).

    Computed from logarithms, so the result is right even if all weights of an image underflow; evaluation mode. Memory
    beyond ``z`` does not grow with K. Raises ``ValueError`` for other shapes.
    """
    images = as_images("log_likelihood", model, x)
    latents = _as_latents("log_likelihood", model, images, z)

    def estimate(x: Tensor, z: Tensor) -> Tensor:
        return log_mean_exp(_log_weights(model, x, z, *model.encode(x)))

    return cat(list(in_batches(estimate, model, LATENTS_PER_BATCH, images, latents)))


@checked
def log_weights(model: VAE, x: Any, z: Any, mean: Any, logvar: Any) -> Tensor:
    """log p(x|z_k) + log p(z_k) - log q(z_k), the importance weights of samples z (M, K, L) from q = N(mean, e^logvar),
    mean and logvar (M, L), for images x (M, D) -> (M, K), nats.

    The mean of the weights is an unbiased estimate of p(x) for every q: the encoder's q(z|x), or the prior, with zeros
    for mean and logvar, where a weight is p(x|z_k). Raises ``ValueError`` for other shapes.
    """
    images = as_images("log_weights", model, x)
    latents = _as_latents("log_weights", model, images, z)
    q = [
        each if isinstance(each, Tensor) else placed("log_weights", "mean and logvar", each, model)
        for each in (mean, logvar)
    ]
    shape = (len(images), model.latent_size)
    if any(each.shape != shape for each in q):
        raise ValueError(f"log_weights: mean and logvar must have shape {shape}, got {q[0].shape} and {q[1].shape}")
    return _log_weights(model, images, latents, *q)


def _log_weights(model: VAE, images: Tensor, latents: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """``log_weights`` of checked arguments."""
    M, K, L = latents.shape
    latents = reshape(latents, (M * K, L))
    image_of_sample = tensor(np.repeat(np.arange(M), K), device=images.device)

    def weights(i: Tensor, z: Tensor) -> Tensor:
        origin = zeros_like(z)
        log_joint = model.log_likelihood(model.decode(z), images[i]) + log_likelihood_normal(origin, origin, z)
        return log_joint - log_likelihood_normal(mean[i], logvar[i], z)

    return reshape(cat(list(in_batches(weights, model, LATENTS_PER_BATCH, image_of_sample, latents))), (M, K))


@checked
def effective_sample_size(log_weights: Any) -> Tensor:
    """``(sum_k w_k)^2 / sum_k w_k^2`` of weights given by their logarithms, ``log_weights`` (M, K), -> (M,): the number
    of equal weights whose mean has the same variance, from 1 to K (Kong 1992). Raises ``ValueError`` for other
    shapes."""
    log_weights = (
        log_weights
        if isinstance(log_weights, Tensor)
        else tensor(require("effective_sample_size", "log_weights", log_weights, np.ndarray))
    )
    if log_weights.ndim != 2 or log_weights.size == 0:
        raise ValueError(f"effective_sample_size: log_weights must be (M, K), not empty, got {log_weights.shape}")
    return exp(logsumexp(log_weights, axis=1) * 2 - logsumexp(log_weights * 2, axis=1))


@checked
def estimate_log_likelihood(
    model: VAE, images: Any, num_samples: Count = 200, batch_size: Count = 64, description: str = "log p(x)"
) -> tuple[float, float]:
    """The mean of log p(x) over ``images`` (N, C, H, W) or (N, D) in nats, by importance sampling with ``num_samples``
    samples per image, and the standard error of that mean over the images.

    Its expectation is below log p(x) and rises with ``num_samples``. Memory is bounded by the samples of ``batch_size``
    images. Raises ``ValueError`` for fewer than 2 images, and as ``elbo`` does.
    """
    images = image_set("estimate_log_likelihood", images)
    if len(images) < 2:
        raise ValueError("estimate_log_likelihood: images must be 2 or more, for a standard error, got 1")

    def estimate(batch: Any) -> np.ndarray:
        x = as_images("estimate_log_likelihood", model, batch)
        mean, logvar = model.encode(x)
        noise = randn(len(x), num_samples, model.latent_size, dtype=x.dtype, device=x.device)
        z = expand_dims(mean, 1) + expand_dims(exp(logvar * 0.5), 1) * noise
        return log_mean_exp(_log_weights(model, x, z, mean, logvar)).numpy().astype(np.float64)

    batches = in_batches(estimate, model, batch_size, images)
    values = np.concatenate(list(progress(batches, description, math.ceil(len(images) / batch_size))))
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


@checked
def measure_likelihoods(
    model: VAE, splits: Mapping[str, Any], num_samples: Count = 200, likelihood_images: AtLeastTwo | None = None
) -> dict[str, float]:
    """``<name>_elbo``, ``<name>_log_likelihood`` and ``<name>_log_likelihood_standard_error`` of each of ``splits``
    (name -> images (N, C, H, W)). The likelihood is estimated from ``likelihood_images`` images at evenly spaced
    indices (default: all). Errors are those of ``elbo`` and ``estimate_log_likelihood``."""
    results: dict[str, float] = {}
    for name, images in splits.items():
        results[f"{name}_elbo"] = elbo(model, images)
        results[f"{name}_log_likelihood"], results[f"{name}_log_likelihood_standard_error"] = estimate_log_likelihood(
            model,
            evenly_spaced(images, likelihood_images),
            num_samples,
            description=f"log p(x), {name}, K = {num_samples}",
        )
    return results
