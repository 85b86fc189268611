"""Generators and critics for grey images in [-1, 1]: a pair for 28 x 28 pixels, and DCGAN for 64 x 64.

Both double or halve the side of the image by convolutions of stride 2, without pooling, and use batch normalisation
(Radford, Metz and Chintala 2016). From 7 x 7 to 14 x 14 and on to 28 x 28 a kernel of 5 x 5 with padding 2 needs
``output_padding=1``; from 4 x 4 to 7 x 7 it needs none. A kernel of 4 x 4 with padding 1 doubles the side exactly, and
each output pixel receives the same number of kernel elements.
"""

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, checked
from tinygen.nn.initialisation import normal_weights


class GreyGenerator(nn.Module):
    """Latents to 28 x 28 images: a linear layer to 4 x 4, three transposed convolutions of 5 x 5, tanh."""

    @checked
    def __init__(self, latent_size: Count = 128, width: Count = 64) -> None:
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 4 * width * 4 * 4),
            nn.Unflatten(1, (4 * width, 4, 4)),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 5, stride=2, padding=2),  # 4 -> 7
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 5, stride=2, padding=2, output_padding=1),  # 7 -> 14
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 5, stride=2, padding=2, output_padding=1),  # 14 -> 28
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        """(N, latent_size) -> (N, 1, 28, 28) in (-1, 1)."""
        return self.layers(z)


class GreyCritic(nn.Module):
    """28 x 28 images to one score per image: three convolutions of 5 x 5 and a linear unit.

    ``normalised``: with batch normalisation. Set it to False under a gradient penalty, which is defined per example
    (Gulrajani et al. 2017, section 4).
    """

    @checked
    def __init__(self, width: Count = 64, normalised: bool = True) -> None:
        self.layers = nn.Sequential(
            *_down_block(1, width, 5, normalised),  # 28 -> 14
            *_down_block(width, 2 * width, 5, normalised),  # 14 -> 7
            *_down_block(2 * width, 4 * width, 5, normalised),  # 7 -> 4
            nn.Flatten(),
            nn.Linear(4 * width * 4 * 4, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 1)."""
        return self.layers(x)


class DCGANGenerator(nn.Module):
    """Latents to 64 x 64 images: a linear layer to 4 x 4, four transposed convolutions of 4 x 4, tanh.

    ``width`` is the number of channels of the layer next to the image; the paper's is 128. Depth, channels and the
    initial weights, N(0, 0.02^2), are the paper's; the generator's activations are leaky ReLUs, as the critic's.
    """

    @checked
    def __init__(self, latent_size: Count = 100, width: Count = 128) -> None:
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 8 * width * 4 * 4),
            nn.Unflatten(1, (8 * width, 4, 4)),
            nn.BatchNorm2d(8 * width),
            nn.LeakyReLU(0.2),
            *_up_block(8 * width, 4 * width),  # 4 -> 8
            *_up_block(4 * width, 2 * width),  # 8 -> 16
            *_up_block(2 * width, width),  # 16 -> 32
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),  # 32 -> 64
            nn.Tanh(),
        )
        normal_weights(self, 0.02)

    def forward(self, z: Tensor) -> Tensor:
        """(N, latent_size) -> (N, 1, 64, 64) in (-1, 1)."""
        return self.layers(z)


class DCGANCritic(nn.Module):
    """64 x 64 images to one score per image: four convolutions of 4 x 4 and a linear unit; ``width`` as in the
    generator.

    All four have batch normalisation; in the paper the first has none.
    """

    @checked
    def __init__(self, width: Count = 128) -> None:
        self.layers = nn.Sequential(
            *_down_block(1, width, 4),  # 64 -> 32
            *_down_block(width, 2 * width, 4),  # 32 -> 16
            *_down_block(2 * width, 4 * width, 4),  # 16 -> 8
            *_down_block(4 * width, 8 * width, 4),  # 8 -> 4
            nn.Flatten(),
            nn.Linear(8 * width * 4 * 4, 1),
        )
        normal_weights(self, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 64, 64) -> (N, 1)."""
        return self.layers(x)


def _up_block(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]


def _down_block(inputs: int, outputs: int, kernel: int, normalised: bool = True) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2)
    return [convolution, *([nn.BatchNorm2d(outputs)] if normalised else []), nn.LeakyReLU(0.2)]
