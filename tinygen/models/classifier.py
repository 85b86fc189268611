"""Classifiers: they read what the generative models draw, and so judge them."""

from typing import ClassVar

from tinygen import nn
from tinygen.autograd.tensor import Tensor


class Classifier(nn.Module):
    """The interface: images whose numbers lie in ``pixel_range`` to the logits of classes, and on the way features.

    ``image_shape`` is (C, H, W); None where any shape will do.
    """

    pixel_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image_shape: ClassVar[tuple[int, int, int] | None] = None

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, D), what the last layer reads the class from."""
        raise NotImplementedError(f"{type(self).__name__} has no features()")


class DigitClassifier(Classifier):
    """A small convolutional network from 28 x 28 images in [0, 1] to the logits of ten classes: digits, or as many
    kinds of clothes."""

    image_shape: ClassVar = (1, 28, 28)

    def __init__(self) -> None:
        self.layers = nn.Sequential(
            nn.Conv2d(1, 16, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(16, 32, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(32 * 7 * 7, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )

    def features(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 128), what the hidden linear layer makes of the image."""
        for layer in self.layers.items[:-1]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        return self.layers.items[-1](self.features(x))


class SVHNClassifier(Classifier):
    """The network whose features judge house numbers: from 32 x 32 colour images in [-1, 1] to ten digits' logits.

    It is the one that the assignment hands out trained (IFT6135, 2019, assignment 3, problem 3), with its names, so
    its file can be read::

        classifier.load_state_dict(checkpoint.read_torch("svhn_classifier.pt"))
    """

    pixel_range: ClassVar[tuple[float, float]] = (-1.0, 1.0)
    image_shape: ClassVar = (3, 32, 32)

    def __init__(self) -> None:
        self.conv_stack = nn.Sequential(
            *_convolution(3, 8),
            *_convolution(8, 16),
            nn.MaxPool2d(2),
            *_convolution(16, 16),
            *_convolution(16, 32),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            *_convolution(64, 128),
            nn.MaxPool2d(2),
            nn.Conv2d(128, 512, 2),
        )
        self.mlp = nn.Sequential(nn.ELU(), nn.Dropout(0.5), nn.Linear(512, 10))

    def features(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 512), what the last convolution makes of the image.

        It sees its 4 x 4 input at nine places. The assignment's network reads the first of them, the top left corner,
        whose four pixels depend on 30 x 30 pixels of the image; so does this one.
        """
        return self.conv_stack(x)[:, :, 0, 0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 10)."""
        return self.mlp(self.features(x))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU(), nn.Dropout2d(0.1)]
