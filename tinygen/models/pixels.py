"""What a decoder's output says of the pixels: the distribution p(x|z) of a VAE.

A Bernoulli for pixels that are 0 or 1; a Gaussian for greys and colours, by whose variance the model knows how much of
an image it is to explain. At variance 1 a latent is worth its nats only where it moves the image by more than 1, summed
over the pixels in squares: of images in [-1, 1] just the coarse outlines do. A variance that is learned comes to the
mean squared error of the reconstructions, so that every latent pays that explains a share of it (Rybkin et al. 2021,
section 3).
"""

import math

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.likelihoods import LOG_2_PI, log_likelihood_bernoulli_logits
from tinygen.operations.creation import full
from tinygen.operations.elementwise import exp, sigmoid
from tinygen.operations.reductions import sum
from tinygen.operations.shaping import reshape


class Pixels(nn.Module):
    """The interface: what is learned of it, if anything, is a parameter of the model that has it."""

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) of images x (N, C, H, W) given their decoding -> (N,), nats."""
        raise NotImplementedError(f"{type(self).__name__} has no log_likelihood()")

    def means(self, decoded: Tensor) -> Tensor:
        """The mean of p(x|z), pixel by pixel: (N, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} has no means()")


class BernoulliPixels(Pixels):
    """0/1 pixels, each 1 with probability sigmoid(decoded)."""

    def log_likelihood(self, decoded: Tensor, x: Tensor) -> Tensor:
        return log_likelihood_bernoulli_logits(decoded, x)

    def means(self, decoded: Tensor) -> Tensor:
        return sigmoid(decoded)


class GaussianPixels(Pixels):
    """Pixels N(decoded, ``variance``), one variance for all of them; ``learned``, it is where training begins.

    Raises ``ValueError`` for a variance that is not a positive number.
    """

    def __init__(self, variance: float = 1.0, learned: bool = False) -> None:
        if not 0 < variance < math.inf:
            raise ValueError(f"GaussianPixels: variance must be a positive number, got {variance}")
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
