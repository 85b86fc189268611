"""A classifier of digits: it reads what the generative models draw, and so judges them."""

from tinygen import nn
from tinygen.autograd.tensor import Tensor


class DigitClassifier(nn.Module):
    """A small convolutional network from 28 x 28 images in [0, 1] to the logits of ten digits."""

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

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, 28, 28) -> (N, 10)."""
        return self.layers(x)
