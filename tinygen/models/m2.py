"""The model M2 of images and their labels (Kingma et al. 2014, section 2).

A class y is drawn uniformly from K classes and a latent variable z from N(0, I); the decoder computes the parameters of
p(x|y, z). Where y is known, z alone is latent, and for any distribution q(z|x, y) (eq. 6)

    log p(x, y) >= E_q(z|x, y)[log p(x|y, z)] - log K - KL(q(z|x, y) || p(z)) = -L(x, y)

Where y is unknown, it is a second latent variable, with the distribution q(y|x), whose entropy is H (eq. 7):

    log p(x) >= sum_y q(y|x) (-L(x, y)) + H(q(y|x)) = -U(x)

q(y|x) is the classifier. L does not depend on it, so a classification loss of the labelled images is added to the
bounds (eq. 9). The expectations over z are estimated from one reparametrised sample; the sum over y is exact.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from tinygen import functional as F
from tinygen import nn
from tinygen.autograd.tensor import Tensor, tensor
from tinygen.checks import Count, Fraction, NonNegative, checked, require
from tinygen.data.dataset import Labels
from tinygen.likelihoods import kl_gaussian_standard
from tinygen.models.mlp import MLP
from tinygen.models.pixels import BernoulliPixels, PixelDistribution
from tinygen.models.placement import placed, placement
from tinygen.models.vae import reparametrise
from tinygen.operations.comparison import equal
from tinygen.operations.creation import arange, eye, randn_like
from tinygen.operations.elementwise import exp
from tinygen.operations.reductions import mean, sum
from tinygen.operations.shaping import broadcast_to, cat, expand_dims, reshape, split


class M2(nn.Module):
    """The model M2 of x, vectors of ``inputs`` numbers such as flat images, and labels y, 0 to K - 1 for K ``classes``,
    with ``latent_size`` latent variables z.

    A multilayer perceptron with layers of ``hidden`` units computes the mean and log-variance of q(z|x, y), one with
    these layers reversed the parameters of p(x|y, z); y enters as a one-hot vector. ``pixels`` is the family of
    p(x|y, z), default: Bernoulli, whose logits are decoded. ``classifier`` computes the logits of q(y|x), (N, inputs)
    -> (N, K), default: a perceptron like the encoder. Raises ``ValueError`` for no hidden layer.
    """

    @checked
    def __init__(
        self,
        inputs: Count,
        classes: Count = 10,
        latent_size: Count = 50,
        hidden: Sequence[Count] = (500,),
        activation: Callable[[], nn.Module] = nn.Softplus,
        pixels: PixelDistribution | None = None,
        classifier: nn.Module | None = None,
    ) -> None:
        if not hidden:
            raise ValueError("M2: hidden must have one layer or more, got none")
        self.inputs, self.classes, self.latent_size = inputs, classes, latent_size
        self.pixels = BernoulliPixels() if pixels is None else pixels
        self.classifier = MLP(inputs, classes, hidden, activation) if classifier is None else classifier
        # The encoder's first layer, on (x, y), is a sum, whose part of x is computed once for all classes.
        self.encoder_x = nn.Linear(inputs, hidden[0])
        self.encoder_y = nn.Linear(classes, hidden[0], bias=False)
        self.encoder = nn.Sequential(activation(), *MLP(hidden[0], 2 * latent_size, hidden[1:], activation).layers)
        self.decoder = MLP(classes + latent_size, inputs, hidden[::-1], activation)

    def log_posterior(self, x: Any) -> Tensor:
        """log q(y|x) of all classes: x (N, inputs) -> (N, K), nats."""
        return F.log_softmax(self.classifier(self._rows("log_posterior", x, self.inputs)), axis=1)

    def encode(self, x: Any, labels: Any) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(z|x, y): x (N, inputs) and ``labels`` (N,) -> (N, latent_size) each."""
        rows, y = self._pairs("encode", x, labels, self.inputs)
        mean, logvar = split(self.encoder(self.encoder_x(rows) + self.encoder_y(y)), 2, axis=1)
        return mean, logvar

    def decode(self, z: Any, labels: Any) -> Tensor:
        """z (N, latent_size) and ``labels`` (N,) -> the parameters of p(x|y, z), (N, inputs): logits of Bernoulli
        pixels."""
        rows, y = self._pairs("decode", z, labels, self.latent_size)
        return self.decoder(cat([y, rows], axis=1))

    def elbo(self, x: Any, labels: Any) -> Tensor:
        """-L(x, y), the bound of log p(x, y): x (N, inputs) and ``labels`` (N,) -> (N,), nats."""
        rows, y = self._pairs("elbo", x, labels, self.inputs)
        return self._bound(rows, y, self.encoder_x(rows) + self.encoder_y(y))

    def elbos(self, x: Any) -> Tensor:
        """-L(x, y) of all classes, with a sample of z for each of them: x (N, inputs) -> (N, K), nats."""
        rows, y = self._rows("elbos", x, self.inputs), eye(self.classes, **placement(self))
        N, K = len(rows), len(y)
        first = expand_dims(self.encoder_x(rows), 1) + self.encoder_y(y)  # (N, 1, H) + (K, H) -> (N, K, H)
        pairs = broadcast_to(expand_dims(rows, 1), (N, K, self.inputs)), broadcast_to(y, (N, K, K)), first
        return reshape(self._bound(*[reshape(each, (N * K, -1)) for each in pairs]), (N, K))

    def marginal_elbo(self, x: Any) -> Tensor:
        """-U(x), the bound of log p(x): x (N, inputs) -> (N,), nats."""
        log_q = self.log_posterior(x)
        return sum(exp(log_q) * (self.elbos(x) - log_q), axis=1)

    @checked
    def loss(self, x: Any, labels: Any, unlabelled: Any, labelled_share: Fraction, alpha: NonNegative = 0.1) -> Tensor:
        """The objective per image (eq. 8 and 9), nats: ``labelled_share`` E[L(x, y)] + (1 - ``labelled_share``) E[U(x)]
        + ``alpha`` E[-log q(y|x)].

        The expectations are means over a batch of labelled x (N, inputs) with ``labels`` (N,), and over a batch
        ``unlabelled`` (M, inputs). ``labelled_share`` is the fraction of labelled images in the whole training set; the
        paper's alpha, 0.1 times the number of all images, is 0.1 here.
        """
        classification = F.cross_entropy(self.log_posterior(x), labels)  # log q is its own log-softmax
        labelled, unlabelled = mean(self.elbo(x, labels)), mean(self.marginal_elbo(unlabelled))
        loss: Tensor = alpha * classification - labelled_share * labelled - (1 - labelled_share) * unlabelled
        return loss

    def _bound(self, x: Tensor, y: Tensor, first: Tensor) -> Tensor:
        """-L(x, y) for one-hot y, ``first`` being the output of the encoder's first layer -> (N,)."""
        mu, logvar = split(self.encoder(first), 2, axis=1)
        decoded = self.decoder(cat([y, reparametrise(mu, logvar, randn_like(mu))], axis=1))
        return self.pixels.log_likelihood(decoded, x) - kl_gaussian_standard(mu, logvar) - math.log(self.classes)

    def _rows(self, caller: str, x: Any, width: int) -> Tensor:
        """``x`` (N, width) as a tensor."""
        rows = placed(caller, "x", x, self)
        if rows.ndim != 2 or rows.shape[1] != width or len(rows) == 0:
            raise ValueError(f"{caller}: expected an array (N, {width}) with N > 0, got {rows.shape}")
        return rows

    def _pairs(self, caller: str, x: Any, labels: Any, width: int) -> tuple[Tensor, Tensor]:
        """``x`` (N, width), and ``labels`` (N,) as one-hot vectors (N, K)."""
        rows, y = self._rows(caller, x, width), require(caller, "labels", labels, Labels)
        if len(y) != len(rows) or y.min() < 0 or y.max() >= self.classes:
            expected = f"{len(rows)} labels from 0 to {self.classes - 1}"
            raise ValueError(f"{caller}: expected {expected}, got {len(y)} from {y.min()} to {y.max()}")
        classes = arange(self.classes, dtype="int64", device=rows.device)
        return rows, equal(tensor(y[:, None], device=rows.device), classes).astype(rows.dtype)
