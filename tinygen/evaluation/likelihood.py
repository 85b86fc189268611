"""How likely does a VAE find images? The ELBO, and importance sampling.

The ELBO is a lower bound. Importance sampling (Burda et al. 2016, eq. 8) estimates log p(x) itself, better with every
further draw from the encoder's q(z|x):

    log p(x) ~ log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x),     z_k ~ q(z|x)

The weights differ by hundreds of orders of magnitude and each of them underflows, so everything stays in logarithms
until the mean is taken by log-mean-exp.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, Several, checked, require
from tinygen.console import progress
from tinygen.data import spread
from tinygen.likelihoods import log_likelihood_normal, log_mean_exp
from tinygen.models.placement import in_batches, placed
from tinygen.models.vae import VAE, as_images, image_set
from tinygen.operations.creation import randn, zeros_like
from tinygen.operations.elementwise import exp
from tinygen.operations.reductions import logsumexp
from tinygen.operations.shaping import cat, expand_dims, reshape

DECODED_AT_ONCE = 400  # latents, and images encoded: bounds the memory


@checked
def check_likelihood_options(images: Several, num_samples: Count = 1) -> None:
    """Raise ``ValueError`` unless ``estimate_log_likelihood`` can be computed from so many images, at least 2 for its
    standard error, with ``num_samples`` draws each, at least 1: for callers who want to know before a long training."""


def _draws(name: str, model: VAE, images: Tensor, z: Any) -> Tensor:
    """``z`` as latents (M, K, L) of M images on their device."""
    z = placed(name, "z", z, model)
    if z.ndim != 3 or len(z) != len(images) or z.shape[2] != model.latent_size or z.shape[1] == 0:
        raise ValueError(f"{name}: z must have shape ({len(images)}, K, {model.latent_size}), got {z.shape}")
    return z


@checked
def elbo(model: VAE, images: Any, batch_size: Count = 200) -> float:
    """The mean ELBO per image in nats, with one draw from the posterior an image.

    ``images``: (N, C, H, W) or (N, D), array or tensor. The model is evaluated in evaluation mode and left in the mode
    it was in. Raises ``ValueError`` for images of another shape or dtype, for none, and for NaN and numbers outside
    ``model.pixel_range``; so does every function of a VAE and images here.
    """
    images = image_set("elbo", images)

    def sum_of_batch(x: Any) -> float:
        return float(model.elbo(as_images("elbo", model, x)).data.sum(dtype="float64"))

    return sum(in_batches(sum_of_batch, model, batch_size, images)) / len(images)


@checked
def log_likelihood(model: VAE, x: Any, z: Any) -> Tensor:
    """The importance-sampling estimate of log p(x) in nats: images x (M, D), draws z (M, K, L) from q(z|x) -> (M,).

    Everything is computed from logarithms, so an image whose every weight underflows still gets its right value. The
    model is evaluated in evaluation mode, and memory beyond ``z`` does not grow with K.
    """
    images = as_images("log_likelihood", model, x)
    draws = _draws("log_likelihood", model, images, z)

    def estimate(x: Tensor, z: Tensor) -> Tensor:
        return log_mean_exp(_log_weights(model, x, z, *model.encode(x)))

    return cat(list(in_batches(estimate, model, DECODED_AT_ONCE, images, draws)))


@checked
def log_weights(model: VAE, x: Any, z: Any, mean: Any, logvar: Any) -> Tensor:
    """log p(x|z_k) + log p(z_k) - log q(z_k), the importance weights of draws z (M, K, L) from q = N(mean, e^logvar),
    mean and logvar (M, L), for images x (M, D) -> (M, K), nats.

    The mean of the weights themselves is p(x) on average, whatever q is: the encoder's q(z|x), or, with zeros for mean
    and logvar, the prior, where a weight is p(x|z_k) alone. Raises ``ValueError`` where the shapes of mean and logvar
    are not (M, L). Memory beyond ``z`` is the logarithms' own.
    """
    images = as_images("log_weights", model, x)
    draws = _draws("log_weights", model, images, z)
    q = [
        each if isinstance(each, Tensor) else placed("log_weights", "mean and logvar", each, model)
        for each in (mean, logvar)
    ]
    shape = (len(images), model.latent_size)
    if any(each.shape != shape for each in q):
        raise ValueError(f"log_weights: mean and logvar must have shape {shape}, got {q[0].shape} and {q[1].shape}")
    return _log_weights(model, images, draws, *q)


def _log_weights(model: VAE, images: Tensor, draws: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """``log_weights`` of arguments that are known to be right."""
    M, K, L = draws.shape
    draws = reshape(draws, (M * K, L))
    image_of_draw = tensor(np.repeat(np.arange(M), K), device=images.device)

    def weights(i: Tensor, z: Tensor) -> Tensor:
        origin = zeros_like(z)
        log_joint = model.log_likelihood(model.decode(z), images[i]) + log_likelihood_normal(origin, origin, z)
        return log_joint - log_likelihood_normal(mean[i], logvar[i], z)

    return reshape(cat(list(in_batches(weights, model, DECODED_AT_ONCE, image_of_draw, draws))), (M, K))


@checked
def effective_sample_size(log_weights: Any) -> Tensor:
    """``(sum_k w_k)^2 / sum_k w_k^2`` of weights given by their logarithms (M, K) -> (M,): how many equal weights would
    make as sure a mean, from 1, where one draw outweighs all others, to K (Kong 1992). Raises
    ``ValueError`` for another shape."""
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
    """The mean of log p(x) over ``images`` in nats, by importance sampling with ``num_samples`` draws an image, and the
    standard error of that mean over the images.

    Raises ``ValueError`` for fewer than 2 images (N, C, H, W). Memory is bounded by ``batch_size`` images' draws. The
    estimate is, on average, below the truth, and rises with ``num_samples``.
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
    model: VAE, splits: Mapping[str, Any], num_samples: Count = 200, likelihood_images: Several | None = None
) -> dict[str, float]:
    """The numbers that a VAE is compared by, of each of ``splits`` (name -> images): ``<name>_elbo``, and
    ``<name>_log_likelihood`` by ``estimate_log_likelihood`` over ``likelihood_images`` of them at equal distances (all
    where None), with its standard error."""
    results: dict[str, float] = {}
    for name, images in splits.items():
        results[f"{name}_elbo"] = elbo(model, images)
        results[f"{name}_log_likelihood"], results[f"{name}_log_likelihood_standard_error"] = estimate_log_likelihood(
            model, spread(images, likelihood_images), num_samples, description=f"log p(x), {name}, K = {num_samples}"
        )
    return results
