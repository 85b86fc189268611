"""Multilayer perceptrons."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, checked
from tinygen.operations.creation import zeros_like


class MLP(nn.Module):
    """Linear layers of widths ``inputs``, ``hidden`` ..., ``outputs``, with an ``activation`` between any two.

    Default: three layers with ELUs, the critic of ``tinygen.divergences``; its gradient is continuous, so a gradient
    penalty can hold its norm near 1 everywhere. With ``zero_init_last`` the weights and biases of the last layer, and
    so the initial output, are 0.
    """

    @checked
    def __init__(
        self,
        inputs: Count,
        outputs: Count = 1,
        hidden: Sequence[Count] = (64, 64),
        activation: Callable[[], nn.Module] = nn.ELU,
        zero_init_last: bool = False,
    ) -> None:
        widths = [inputs, *hidden, outputs]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers[:-1])

        if zero_init_last:
            for parameter in layers[-2].parameters():
                parameter.data = zeros_like(parameter).data

    def forward(self, x: Tensor) -> Tensor:
        """Points (N, inputs) -> (N, outputs)."""
        return self.layers(x)
