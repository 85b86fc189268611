"""Multilayer perceptrons: linear layers with a bend between them, for points rather than pictures."""

from collections.abc import Callable, Sequence
from itertools import pairwise

from tinygen import nn
from tinygen.autograd.tensor import Tensor
from tinygen.checks import Count, checked
from tinygen.operations.creation import zeros_like


class MLP(nn.Module):
    """Linear layers of the widths ``inputs``, ``hidden`` ..., ``outputs``, with an ``activation`` between any two.

    The critics of ``tinygen.divergences``: as they begin, three layers with ELUs between them, so that their slope has
    no kinks and can be held to 1 everywhere. With ``flat`` the last layer begins at 0 and so does all that it says.
    """

    @checked
    def __init__(
        self,
        inputs: Count,
        outputs: Count = 1,
        hidden: Sequence[Count] = (64, 64),
        activation: Callable[[], nn.Module] = nn.ELU,
        flat: bool = False,
    ) -> None:
        widths = [inputs, *hidden, outputs]
        layers: list[nn.Module] = []
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), activation()]
        self.layers = nn.Sequential(*layers[:-1])

        if flat:
            for parameter in layers[-2].parameters():
                parameter.data = zeros_like(parameter).data

    def forward(self, x: Tensor) -> Tensor:
        """Points (N, inputs) -> (N, outputs)."""
        return self.layers(x)
