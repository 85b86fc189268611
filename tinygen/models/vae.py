"""Variational autoencoders (Kingma and Welling 2014; Rezende et al. 2014).

A latent variable z ~ N(0, I) is decoded into the distribution p(x|z) of an image. The likelihood of an image, the
integral of p(x|z) p(z) over z, is intractable, but for any distribution q(z|x)

    log p(x) >= E_q[log p(x|z)] - KL(q(z|x) || p(z))        (the evidence lower bound, ELBO)

The encoder computes q(z|x) = N(mean, e^logvar) and the KL divergence has a closed form. The expectation is estimated
from one sample z = mean + e^(logvar/2) noise with noise ~ N(0, I), a differentiable function of mean and logvar (the
reparametrisation trick).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygen import nn
from tinygen.autograd.operation import operation
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.backend import Array, array_module, is_numpy
from tinygen.checks import Count, Finite, checked, require
from tinygen.functional.activations import softmax
from tinygen.likelihoods import kl_gaussian_standard, log_likelihood_normal, log_mean_exp
from tinygen.models.mlp import MLP
from tinygen.models.pixels import BernoulliPixels, PixelDistribution, PixelRange, check_pixels
from tinygen.models.placement import placement
from tinygen.operations.creation import full_like, randn, randn_like, zeros_like
from tinygen.operations.elementwise import exp
from tinygen.operations.shaping import broadcast_to, expand_dims, reshape, split
from tinygen.validation import shown


@operation(
    lambda g, mean, logvar, noise: g,
    lambda g, mean, logvar, noise: g * (exp(logvar * 0.5) * noise * 0.5),  # not (z - mean) / 2, which loses digits
    lambda g, mean, logvar, noise: g * exp(logvar * 0.5),
)
def reparametrise(mean: Array, logvar: Array, noise: Array) -> Array:
    """``z = mean + e^(logvar/2) noise``: a sample of N(mean, e^logvar) if ``noise`` is a sample of N(0, I)."""
    return mean + array_module(logvar).exp(logvar * 0.5) * noise


@operation(lambda g, x, scale: g * scale[0])
def gradient_scaled(x: Array, scale: list[Tensor]) -> Array:
    """``x``, whose gradient the backward pass multiplies by ``scale[0]``, a tensor that broadcasts to the shape of x.
    The list may be filled after this call, for instance with a function of the result."""
    return x


def repeated(x: Tensor, K: int) -> Tensor:
    """Each row of x (N, ...) K times in succession: (N K, ...)."""
    return reshape(broadcast_to(expand_dims(x, 1), (len(x), K, *x.shape[1:])), (len(x) * K, *x.shape[1:]))


class VAE(nn.Module):
    """A variational autoencoder: an ``encoder``, (N, C, H, W) -> (N, 2 latent_size), and a ``decoder``, (N,
    latent_size) -> the parameters of p(x|z), (N, C, H, W).

    ``image_shape`` is (C, H, W). ``pixels`` is the family of p(x|z); default: Bernoulli, whose logits are decoded.
    ``pixel_range`` is the lowest and the highest value of a pixel; default: that of ``pixels``; None: any finite
    value. Images outside it raise ``ValueError``.
    """

    encoder: nn.Module
    decoder: nn.Module
    latent_size: int
    image_shape: tuple[int, int, int]
    pixels: PixelDistribution = BernoulliPixels()

    @property
    def pixel_range(self) -> PixelRange:
        """The lowest and the highest value of a pixel; None (any finite value) for a model that overrides
        ``log_likelihood`` and so does not use ``pixels``."""
        return self.pixels.pixel_range if type(self).log_likelihood is VAE.log_likelihood else None

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) -> mean and log-variance (N, latent_size) of q(z|x)."""
        mean, logvar = split(self.encoder(x), 2, axis=1)
        return mean, logvar

    def decode(self, z: Tensor) -> Tensor:
        """Latents (N, latent_size) -> parameters of p(x|z), (N, C, H, W): Bernoulli logits or Gaussian means."""
        decoded: Tensor = self.decoder(z)
        return decoded

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Images (N, C, H, W) -> mean and logvar of q(z|x), and one sample of it, decoded."""
        mean, logvar = self.encode(x)
        return mean, logvar, self.decode(self.sample_latent(mean, logvar))

    def sample_latent(self, mean: Tensor, logvar: Tensor) -> Tensor:
        """One sample z ~ N(mean, e^logvar) per row of the two (N, latent_size), differentiable in both."""
        return reparametrise(mean, logvar, randn_like(mean))

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of images x (N, C, H, W), given the decoded latents -> (N,), nats."""
        return self.pixels.log_likelihood(decoded, x)

    def pixel_means(self, decoded: Tensor) -> Tensor:
        """The mean of p(x|z), (N, C, H, W); for Bernoulli pixels the probability of a 1."""
        return self.pixels.means(decoded)

    def elbo_terms(self, x: Tensor, *, path_gradient: bool = False) -> tuple[Tensor, Tensor]:
        """log p(x|z) for one sample z ~ q(z|x), and KL(q(z|x) || N(0, I)): (N,) each, nats. The ELBO is the first
        minus the second.

        With ``path_gradient`` the KL is estimated from the same sample, as log q(z|x) - log p(z), and differentiated
        through z alone. The omitted term, the gradient of log q with respect to its parameters at fixed z, has
        expectation 0 and a variance that does not vanish where q is the posterior (Roeder, Wu and Duvenaud 2017,
        eq. 8).

        Raises ``ValueError`` where ``x`` (N, C, H, W) holds NaN or values outside ``pixel_range``; not checked on a
        GPU, where the check would synchronise with the host.
        """
        x = self._images(x)
        mean, logvar = self.encode(x)
        z = self.sample_latent(mean, logvar)
        log_likelihood = self.log_likelihood(self.decode(z), x)
        if path_gradient:
            log_q, origin = log_likelihood_normal(mean.detach(), logvar.detach(), z), zeros_like(mean)
            return log_likelihood, log_q - log_likelihood_normal(origin, origin, z)
        return log_likelihood, kl_gaussian_standard(mean, logvar)

    def elbo(self, x: Tensor) -> Tensor:
        """A one-sample estimate of the ELBO of each image: (N, C, H, W) -> (N,), nats."""
        log_likelihood, kl = self.elbo_terms(x)
        return log_likelihood - kl

    @checked
    def iwae(self, x: Any, num_samples: Count, *, path_gradient: bool = False) -> Tensor:
        """The K-sample bound ``log 1/K sum_k w_k`` of the importance-weighted autoencoder, w_k = p(x|z_k) p(z_k) /
        q(z_k|x), for K = ``num_samples`` samples z_k ~ q(z|x) (Burda et al. 2016, eq. 8): images x (N, C, H, W) ->
        (N,), nats.

        Its expectation is at most log p(x), does not fall with K, and is the ELBO for K = 1. With ``path_gradient`` the
        encoder's gradient is doubly reparametrised (DReG; Tucker et al. 2019): through the samples alone,
        ``sum_k v_k^2 d log w_k/dz_k dz_k/dphi`` for the normalised weights v. Its expectation is the same, and its
        signal-to-noise ratio rises for large K, whereas that of the plain gradient falls. The decoder's gradient is
        unchanged, ``sum_k v_k d log w_k/dtheta``; second derivatives are not those of the bound. Raises ``ValueError``
        as ``elbo_terms`` does.
        """
        x, K = self._images(x), num_samples
        mean, logvar = (repeated(each, K) for each in self.encode(x))  # (N K, L): the encoder runs once per image
        z = self.sample_latent(mean, logvar)
        weights: list[Tensor] = []
        if path_gradient:  # the bound's gradient has one factor v_k, the operation multiplies it by the second
            z, mean, logvar = gradient_scaled(z, weights), mean.detach(), logvar.detach()
        origin = zeros_like(z)
        log_joint = self.log_likelihood(self.decode(z), repeated(x, K)) + log_likelihood_normal(origin, origin, z)
        log_weights = reshape(log_joint - log_likelihood_normal(mean, logvar, z), (len(x), K))
        weights.append(reshape(softmax(log_weights.detach(), axis=1), (-1, 1)))
        return log_mean_exp(log_weights)

    def _images(self, x: Any) -> Tensor:
        """``x`` as images (N, C, H, W), their pixels checked except on a GPU."""
        if not isinstance(x, Tensor):
            return as_images(type(self).__name__, self, x)
        if is_numpy(x.data):
            check_pixels(type(self).__name__, x.data, self.pixel_range)
        return x

    @checked
    def sample(self, n: Count) -> Tensor:
        """The means of p(x|z) for ``n`` latents z ~ N(0, I): images (n, C, H, W)."""
        return self.pixel_means(self.decode(randn(n, self.latent_size, **placement(self))))


def image_set(caller: str, images: Any) -> Any:
    """``images``, at least one, as a tensor or an array; slices of it are batches for ``as_images``."""
    images = images if isinstance(images, Tensor) else require(caller, "images", images, np.ndarray)
    if images.ndim == 0 or len(images) == 0:
        raise ValueError(f"{caller}: images must have shape (N, C, H, W) or (N, D) with N > 0, got {images.shape}")
    return images


def as_images(caller: str, model: VAE, images: Any) -> Tensor:
    """``images``, (N, C, H, W) or flat (N, D), array or tensor, as the model's floating-point images on its device.

    Values are not rescaled: images of an integer dtype must be 0 and 1, and the model's ``pixel_range`` begin at 0.

    Raises, naming ``caller``, ``TypeError`` if ``images`` is no array of real numbers, and ``ValueError`` for another
    shape or dtype, for no images, and for NaN and values outside the model's ``pixel_range``.
    """
    images = image_set(caller, images)
    values = images.data if isinstance(images, Tensor) else images
    shape, flat = model.image_shape, math.prod(model.image_shape)
    if values.shape[1:] not in (shape, (flat,)):
        expected = f"(N, {', '.join(map(str, shape))}) or (N, {flat}) with N > 0"
        raise ValueError(f"{caller}: images must have shape {expected}, got {tuple(values.shape)}")
    pixel_range = model.pixel_range
    bits = pixel_range is None or pixel_range[0] == 0  # whether 0 and 1 may be pixels of this model
    if values.dtype.kind != "f" and not bits:
        within = "" if pixel_range is None else f" in [{pixel_range[0]:g}, {pixel_range[1]:g}]"
        raise ValueError(f"{caller}: images of this model must be floating point{within}, got {shown(values)}")
    check_pixels(caller, values, pixel_range)
    return reshape(tensor(values, **placement(model)), (len(values), *shape))


class ConvVAE(VAE):
    """The convolutional VAE for 28 x 28 images of 0/1 pixels of IFT6135 (2019), assignment 3."""

    image_shape = (1, 28, 28)
    decoder: nn.Sequential

    @checked
    def __init__(self, latent_size: Count = 100) -> None:
        self.latent_size = latent_size
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(64, 256, 5),
            nn.ELU(),
            nn.Flatten(),
            nn.Linear(256, 2 * latent_size),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_size, 256),
            nn.ELU(),
            nn.Unflatten(1, (256, 1, 1)),
            nn.Conv2d(256, 64, 5, padding=4),
            nn.ELU(),
            nn.UpsamplingBilinear2d(scale_factor=2),
            nn.Conv2d(64, 32, 3, padding=2),
            nn.ELU(),
            nn.UpsamplingBilinear2d(scale_factor=2),
            nn.Conv2d(32, 16, 3, padding=2),
            nn.ELU(),
            nn.Conv2d(16, 1, 3, padding=2),
        )


class MLPVAE(VAE):
    """Two multilayer perceptrons: image_shape -> ``hidden`` -> 2 x latent_size, and back through ``hidden`` reversed.

    Default: 300 and 300 ELUs on 28 x 28 pixels. ``(500,)`` tanh units are the networks of Kingma and Welling (2014),
    ``(600, 600)`` softplus units those of Kingma et al. (2014). ``output_bias`` is the initial bias of the decoder's
    last layer (default: PyTorch's initialisation); at -5 a pixel is 1 with probability 0.007.
    """

    @checked
    def __init__(
        self,
        latent_size: Count = 100,
        hidden: Sequence[Count] = (300, 300),
        activation: Callable[[], nn.Module] = nn.ELU,
        image_shape: tuple[Count, Count, Count] = (1, 28, 28),
        output_bias: Finite | None = None,
    ) -> None:
        self.latent_size, self.image_shape = latent_size, image_shape
        pixels = math.prod(image_shape)
        encoder = MLP(pixels, 2 * latent_size, hidden, activation)
        decoder = MLP(latent_size, pixels, hidden[::-1], activation)
        if output_bias is not None:
            _, bias = decoder.layers[-1].parameters()
            bias.data = full_like(bias, output_bias).data
        self.encoder = nn.Sequential(nn.Flatten(), *encoder.layers)
        self.decoder = nn.Sequential(*decoder.layers, nn.Unflatten(1, image_shape))
