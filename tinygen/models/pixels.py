"""What a decoder's output says of the pixels: the distribution p(x|z) of a VAE.

A Bernoulli for pixels that are 0 or 1; a Gaussian for greys and colours, by whose variance the model knows how much of
an image it is to explain. At variance 1 a latent is worth its nats only where it moves the image by more than 1, summed
over the pixels in squares: of images in [-1, 1] just the coarse outlines do. A variance that is learned comes to the
mean squared error of the reconstructions, so that every latent pays that explains a share of it (Rybkin et al. 2021,
section 3).
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

PixelRange = tuple[float, float] | None  # the lowest and the highest number that a pixel may be; None: any finite one
TOLERANCE = 1e-3  # of a range's width: rounding in half precision leads no farther beyond it


def check_pixels(caller: str, images: Array, pixel_range: PixelRange) -> None:
    """Raise ``ValueError`` where ``images``, an array of any shape, hold NaN or numbers outside ``pixel_range``."""
    if images.size == 0 or images.dtype.kind == "b":
        return
    low, high = pixel_range or (-math.inf, math.inf)
    slack = TOLERANCE * (high - low) if pixel_range else 0.0
    lowest, highest = images.min(), images.max()
    if low - slack <= lowest and highest <= high + slack and -math.inf < lowest and highest < math.inf:
        return
    expected = "finite numbers" if pixel_range is None else f"numbers in [{low:g}, {high:g}]"
    hint = "" if pixel_range is None else "; data.binarize and data.centred bring bytes into [0, 1] and [-1, 1]"
    raise ValueError(f"{caller}: images must hold {expected}, got {lowest:g} to {highest:g}{hint}")


class Pixels(nn.Module):
    """The interface: what is learned of it, if anything, is a parameter of the model that has it. ``pixel_range``: the
    numbers that images may hold, any finite ones where it is None."""

    pixel_range: ClassVar[PixelRange] = None

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of images x (N, C, H, W) given their decoding -> (N,), nats."""
        raise NotImplementedError(f"{type(self).__name__} has no log_likelihood()")

    def means(self, decoded: Tensor) -> Tensor:
        """The mean of p(x|z), pixel by pixel: (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} has no means()")


class BernoulliPixels(Pixels):
    """0/1 pixels, each 1 with probability sigmoid(decoded). A number between the two stands for the mean of many such
    pixels."""

    pixel_range = (0.0, 1.0)

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        return log_likelihood_bernoulli_logits(decoded, x)

    def means(self, decoded: Tensor) -> Tensor:
        return sigmoid(decoded)


class GaussianPixels(Pixels):
    """Pixels N(decoded, ``variance``), one variance for all of them; ``learned``, it is where training begins.

    Raises ``ValueError`` for a variance that is not a positive number.
    """

    @checked
    def __init__(self, variance: Positive = 1.0, learned: bool = False) -> None:
        self.logvar = nn.Parameter(full(1, math.log(variance)).data) if learned else math.log(variance)

    @property
    def variance(self) -> float:
        """What the variance is now."""
        return math.exp(self.logvar.item() if isinstance(self.logvar, Tensor) else self.logvar)

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """``-D/2 (log 2 pi + logvar) - ||x - decoded||^2 / (2 e^logvar)``, D pixels: the variance once, not at each."""
        distance = reshape(x - decoded, (len(x), -1))  # (N, C, H, W) -> (N, D)
        squares, D = sum(distance * distance, axis=1), distance.shape[1]
        precision = exp(-self.logvar) if isinstance(self.logvar, Tensor) else math.exp(-self.logvar)
        return (squares * precision + D * (LOG_2_PI + self.logvar)) * -0.5

    def means(self, decoded: Tensor) -> Tensor:
        return decoded
