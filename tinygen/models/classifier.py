"""Classifiers of images, for evaluating generative models: their features give the FID, their classes the modes."""

from typing import ClassVar

from tinygen import nn
from tinygen.autograd.tensor import Tensor


class Classifier(nn.Module):
    """The interface: images with values in ``pixel_range`` to features and class logits.

    ``image_shape`` is (C, H, W); None: any shape.
    """

    pixel_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    image_shape: ClassVar[tuple[int, int, int] | None] = None

    def features(self, x: Tensor) -> Tensor:
        """Images (N, C, H, W) -> (N, D), the input of the last layer."""
        raise NotImplementedError(f"{type(self).__name__} has no features()")


class DigitClassifier(Classifier):
    """A small convolutional network from 28 x 28 images in [0, 1] to the logits of ten classes (digits, or the
    classes of Fashion-MNIST)."""

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
        """(N, 1, 28, 28) -> (N, 128), the output of the hidden linear layer."""
        for layer in self.layers.items[:-1]:
            x = layer(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        logits: Tensor = self.layers.items[-1](self.features(x))
        return logits


class SVHNClassifier(Classifier):
    """The network whose features give the FID of house numbers: 32 x 32 colour images in [-1, 1] to the logits of ten
    digits.

    Layers and names are those of the trained network handed out with IFT6135 (2019), assignment 3, problem 3, so its
    file can be loaded::

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
        """(N, 3, 32, 32) -> (N, 512), the output of the last convolution at one of its positions.

        The 2 x 2 kernel of the last convolution has nine positions on its 4 x 4 input (stride 1). As in the
        assignment's network, the first, top left, is used; it depends on 30 x 30 pixels of the image.
        """
        return self.conv_stack(x)[:, :, 0, 0]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 32, 32) -> (N, 10)."""
        return self.mlp(self.features(x))


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ELU(), nn.Dropout2d(0.1)]
