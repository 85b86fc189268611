"""The distribution p(x|z) of the pixels of a VAE, given the decoder's output.

Bernoulli for pixels that are 0 or 1, Gaussian for grey and colour images. The variance of the Gaussian weighs the
reconstruction against the KL divergence: at variance 1 a latent dimension lowers the loss only if it changes the image
by more than about 1 in summed squares, so for images in [-1, 1] only coarse outlines are encoded. The optimum of a
learned variance is the mean squared error of the reconstructions (Rybkin et al. 2021, section 3).
"""

import math
from typing import ClassVar

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array
from tinygen.checks import Positive, checked
from tinygen.likelihoods import LOG_2_PI, log_likelihood_bernoulli_logits
from tinygen.operations.creation import full
from tinygen.operations.elementwise import exp, sigmoid
from tinygen.operations.reductions import sum
from tinygen.operations.shaping import reshape

PixelRange = tuple[float, float] | None  # lowest and highest value of a pixel; None: any finite value
TOLERANCE = 1e-3  # of the range's width: the rounding error of half precision


def check_pixels(caller: str, images: Array, pixel_range: PixelRange) -> None:
    """Raise ``ValueError`` where ``images``, an array of any shape, hold NaN or values outside ``pixel_range``."""
    if images.size == 0 or images.dtype.kind == "b":
        return
    low, high = pixel_range or (-math.inf, math.inf)
    slack = TOLERANCE * (high - low) if pixel_range else 0.0
    lowest, highest = images.min(), images.max()
    if low - slack <= lowest and highest <= high + slack and -math.inf < lowest and highest < math.inf:
        return
    expected = "finite numbers" if pixel_range is None else f"numbers in [{low:g}, {high:g}]"
    hint = "" if pixel_range is None else "; data.binarize and data.to_tanh_range bring bytes into [0, 1] and [-1, 1]"
    raise ValueError(f"{caller}: images must hold {expected}, got {lowest:g} to {highest:g}{hint}")


class PixelDistribution(nn.Module):
    """The interface of p(x|z). ``pixel_range``: lowest and highest value of a pixel; None: any finite value."""

    pixel_range: ClassVar[PixelRange] = None

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of images x (N, C, H, W), given the decoder's output of that shape -> (N,), nats."""
        raise NotImplementedError(f"{type(self).__name__} has no log_likelihood()")

    def means(self, decoded: Tensor) -> Tensor:
        """The mean of p(x|z), (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} has no means()")


class BernoulliPixels(PixelDistribution):
    """0/1 pixels, each 1 with probability sigmoid(decoded). A value between 0 and 1 counts as the mean of many 0/1
    pixels."""

    pixel_range = (0.0, 1.0)

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        return log_likelihood_bernoulli_logits(decoded, x)

    def means(self, decoded: Tensor) -> Tensor:
        return sigmoid(decoded)


class GaussianPixels(PixelDistribution):
    """Pixels N(decoded, ``variance``), with one variance for all pixels; with ``learned`` it is a parameter, initially
    ``variance``.

    Raises ``ValueError`` for a variance that is not a positive number.
    """

    @checked
    def __init__(self, variance: Positive = 1.0, learned: bool = False) -> None:
        self.logvar = nn.Parameter(full(1, math.log(variance)).data) if learned else math.log(variance)

    @property
    def variance(self) -> float:
        """The current variance."""
        return math.exp(self.logvar.item() if isinstance(self.logvar, Tensor) else self.logvar)

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """``-D/2 (log 2 pi + logvar) - ||x - decoded||^2 / (2 e^logvar)`` for D = C H W pixels -> (N,), nats."""
        distance = reshape(x - decoded, (len(x), -1))  # (N, C, H, W) -> (N, D)
        squares, D = sum(distance * distance, axis=1), distance.shape[1]
        precision = exp(-self.logvar) if isinstance(self.logvar, Tensor) else math.exp(-self.logvar)
        return (squares * precision + D * (LOG_2_PI + self.logvar)) * -0.5

    def means(self, decoded: Tensor) -> Tensor:
        return decoded
