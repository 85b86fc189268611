"""Networks for colour images of 32 x 32 pixels in [-1, 1]: a generator, which is also a VAE's decoder, and a critic,
which with more outputs is also its encoder.

The shapes are those of DCGAN (Radford, Metz and Chintala 2016): each layer doubles (or halves) the side of the image by
a convolution of 4 x 4 with stride 2, and halves (or doubles) the number of channels. The critic has no batch
normalisation, because a gradient penalty is defined per example (Gulrajani et al. 2017, section 4).
"""

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, checked
from tinygen.models.pixels import GaussianPixels, PixelDistribution, PixelRange
from tinygen.models.vae import VAE

SHAPE = (3, 32, 32)
WIDTH = 48  # channels of the layer next to the image; 64 takes about twice the time per step


class Generator(nn.Module):
    """Latents to images: a linear layer to 4 x 4, three transposed convolutions of 4 x 4, tanh."""

    @checked
    def __init__(self, latent_size: Count = 100, width: Count = WIDTH) -> None:
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 4 * width * 4 * 4),
            nn.Unflatten(1, (4 * width, 4, 4)),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, SHAPE[0], 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """(N, latent_size) -> (N, 3, 32, 32) in (-1, 1)."""
        return self.layers(z)


class Critic(nn.Module):
    """Images to ``outputs`` numbers per image: three convolutions and a linear layer, no batch normalisation."""

    @checked
    def __init__(self, outputs: Count = 1, width: Count = WIDTH) -> None:
        self.layers = nn.Sequential(
            nn.Conv2d(SHAPE[0], width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * 4 * 4, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, outputs)."""
        return self.layers(x)


class ColourVAE(VAE):
    """A VAE of colour images in [-1, 1], (3, 32, 32): the decoder is ``Generator``, whose output is the mean of p(x|z).

    ``pixels``: the family of p(x|z); default: N(x; g(z), I).
    """

    image_shape = SHAPE

    @property
    def pixel_range(self) -> PixelRange:
        """That of ``pixels`` if it has one, else [-1, 1], the range of the generator's tanh."""
        return self.pixels.pixel_range or (-1.0, 1.0)

    @checked
    def __init__(self, latent_size: Count = 100, pixels: PixelDistribution | None = None, width: Count = WIDTH) -> None:
        self.latent_size = latent_size
        self.encoder = Critic(2 * latent_size, width)
        self.decoder = Generator(latent_size, width)
        self.pixels = GaussianPixels() if pixels is None else pixels
