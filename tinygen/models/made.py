"""MADE, a masked autoencoder for distribution estimation (Germain et al. 2015).

Every distribution of D bits is a product of conditional distributions, in any order of the bits:

    p(x)  =  prod_i p(x_i | x_1, ..., x_(i-1))

A multilayer perceptron computes the logits of all of them in one pass, if its output i depends on the inputs before i
alone. Each unit has a degree: input i has degree i; a hidden unit of degree m depends on the first m inputs at most;
output i is connected to hidden units of degree less than i. All other weights are multiplied by 0. Thus log p(x) is
exact, without latent variables and without a bound; a sample takes D passes, one per bit.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from tinygen import nn
from tinygen.autograd.recording import no_grad
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, checked
from tinygen.functional import linear
from tinygen.likelihoods import log_likelihood_bernoulli_logits
from tinygen.models.placement import placed, placement
from tinygen.operations.arithmetic import where
from tinygen.operations.creation import arange, rand, zeros
from tinygen.operations.elementwise import sigmoid
from tinygen.operations.shaping import expand_dims
from tinygen.validation import shown


class MaskedLinear(nn.Linear):
    """``x (W * mask)^T + b``: a linear layer with a ``mask`` of 0 and 1, of the shape of W, (out, in)."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__(mask.shape[1], mask.shape[0])
        self.mask = nn.Buffer(mask.astype("float32"))

    def forward(self, x: Tensor) -> Tensor:
        """x (..., in) -> (..., out)."""
        return linear(x, self.weight * self.mask, self.bias)


class MADE(nn.Module):
    """A distribution of ``inputs`` = D bits: a multilayer perceptron D -> ``hidden`` ... -> D whose masks make output
    i, the logit of bit i, a function of the bits before i in ``order`` alone.

    ``order``: the indices of the bits, the first to be generated first; default: 0, 1, ..., D - 1. The degrees of a
    layer's hidden units are evenly spaced from 1 to D - 1. Raises ``ValueError`` for an order that is not a permutation
    of the D indices.
    """

    @checked
    def __init__(
        self,
        inputs: Count,
        hidden: Sequence[Count] = (500,),
        activation: Callable[[], nn.Module] = nn.ReLU,
        order: Sequence[int] | None = None,
    ) -> None:
        self.inputs, self.order = inputs, tuple(range(inputs) if order is None else order)
        if sorted(self.order) != list(range(inputs)):
            raise ValueError(f"MADE: order must be a permutation of 0 to {inputs - 1}, got {shown(order)}")
        place = {bit: i for i, bit in enumerate(self.order, 1)}
        inner = [[1 + unit * (inputs - 1) // width for unit in range(width)] for width in hidden]
        degrees = [tensor(layer) for layer in ([place[bit] for bit in range(inputs)], *inner)]
        layers: list[nn.Module] = []
        for before, after in pairwise(degrees):
            layers += [MaskedLinear(expand_dims(after, 1) >= before), activation()]
        self.layers = nn.Sequential(*layers, MaskedLinear(expand_dims(degrees[0], 1) > degrees[-1]))

    def forward(self, x: Tensor) -> Tensor:
        """Bits x (N, D) -> the logits (N, D) of ``p(x_i = 1 | the bits before i)``."""
        return self.layers(x)

    def log_likelihood(self, x: Any) -> Tensor:
        """log p(x) of bits x (N, D), exact: (N,), nats. Only values 0 and 1 give a log-probability; between them it is
        minus a cross-entropy. Raises ``ValueError`` for another shape and for values outside [0, 1]."""
        x = placed("log_likelihood", "x", x, self)
        if x.ndim != 2 or x.shape[1] != self.inputs:
            raise ValueError(f"log_likelihood: x must have shape (N, {self.inputs}), got {x.shape}")
        return log_likelihood_bernoulli_logits(self(x), x)

    @checked
    def sample(self, n: Count) -> Tensor:
        """``n`` samples (n, D), bit by bit: each of the D passes gives the distribution of one bit (ancestral
        sampling)."""
        options = placement(self)
        x, index = zeros(n, self.inputs, **options), arange(self.inputs, device=options["device"])
        with no_grad():
            for bit in self.order:
                drawn = rand(n, **options) < sigmoid(self(x)[:, bit])
                x = where(index == bit, expand_dims(drawn, 1), x)
        return x.astype(options["dtype"])
