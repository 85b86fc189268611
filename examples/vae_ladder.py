"""A ladder VAE: several layers of latents, residual convolutional networks, and a better likelihood.

    python examples/vae_ladder.py                                       the synthetic digits, no download
    python examples/vae_ladder.py --data binarized-mnist --epochs 25    the fixed binarised MNIST
    python examples/vae_ladder.py --layers 1                            one layer of latents, a vector

The latents are in three layers, a vector and two coarse images, and each layer depends on those above it:

    p(z)  =  p(z_1) p(z_2|z_1) p(z_3|z_1, z_2)        q(z|x)  =  q(z_1|x) q(z_2|z_1, x) q(z_3|z_1, z_2, x)

All factors are Gaussians with a diagonal covariance. One top-down network computes the parameters of both
distributions, that of q also from the features that a bottom-up network computes from the image (Sønderby et al. 2016;
Kingma et al. 2016). So prior and posterior need not be Gaussian as a whole: the model is more flexible, and the bound
closer to log p(x). The model is trained on the ELBO by Adam with a cosine schedule of the learning rate, and evaluated
with averaged weights.

What to look for. In row k of ``layers.png`` the first k - 1 layers are drawn from q: compare which features of the
image each further layer determines. In ``metrics.csv`` ``train_kl_1``, ... are the divergences of the layers, in nats
per image.
"""

import argparse
import math
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from typing import Any, NamedTuple

import numpy as np
from vae_mnist import set_log_odds

import tinygen as tg
from tinygen import data, nn, plotting, ranks
from tinygen import functional as F
from tinygen.autograd.tensor import Tensor
from tinygen.console import progress
from tinygen.likelihoods import (
    kl_gaussian_gaussian_analytic,
    log_likelihood_bernoulli_logits,
    log_likelihood_normal,
    log_mean_exp,
)
from tinygen.models.placement import in_batches, placement
from tinygen.models.vae import reparametrise, repeated
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, likelihood_arguments, load_splits, train

TITLE = "A ladder VAE"
PIXELS = 28
WIDTHS = {1: 256, 7: 64, 14: 32, PIXELS: 16}  # channels by the side of the image
LATENTS = {1: 32, 7: 8, 14: 4}  # channels of a layer of latents
WARMUP = 200  # steps over which the learning rate rises
SAMPLES_PER_BATCH = 400  # latents decoded at a time

REFERENCES = {
    "binarized-mnist": [
        Reference("test_log_likelihood", -85.95, "vae_mnist.py, one layer of latents, K = 200"),
        Reference(
            "test_log_likelihood",
            -79.24,
            "three larger layers, free bits, K = 1000 (ladder-vae-pytorch)",
        ),
    ]
}


class Draw(NamedTuple):
    """A sample ``z`` (N, L, H, W) of one layer, and mean and logvar of the q from which it was drawn and of p."""

    z: Tensor
    q: tuple[Tensor, Tensor]
    p: tuple[Tensor, Tensor]


class Residual(nn.Module):
    """``x + conv(ELU(conv(ELU(x))))``, images (N, C, H, W) -> (N, C, H, W)."""

    def __init__(self, channels: int) -> None:
        self.conv1, self.conv2 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv2(F.elu(self.conv1(F.elu(x))))


class Layer(nn.Module):
    """One layer of latents: p(z | layers above) and q(z | layers above, x), convolutions of the top-down features
    (N, C, H, W), q also of the bottom-up features of the same shape. A convolution of the sample is added to the
    top-down features."""

    def __init__(self, channels: int, latents: int, kernel: int) -> None:
        padding = kernel // 2
        self.prior = nn.Conv2d(channels, 2 * latents, kernel, padding=padding)
        self.posterior = nn.Conv2d(2 * channels, 2 * latents, kernel, padding=padding)
        self.merge = nn.Conv2d(latents, channels, kernel, padding=padding)

    def forward(self, down: Tensor, up: Tensor | None) -> tuple[Tensor, Draw]:
        """Top-down and bottom-up features -> top-down features and the sample. Without ``up`` it is drawn from p."""
        mean, logvar = tg.split(self.prior(F.elu(down)), 2, axis=1)
        p = q = mean, logvar
        if up is not None:  # q is learned as the difference from p
            mean_change, logvar_change = tg.split(self.posterior(F.elu(tg.cat([down, up], axis=1))), 2, axis=1)
            q = mean + mean_change, logvar + logvar_change
        z = reparametrise(*q, tg.randn_like(mean))
        return down + self.merge(z), Draw(z, q, p)


class LadderVAE(nn.Module):
    """A VAE of 28 x 28 images of 0/1 pixels. ``sides`` are the sides in pixels of its layers of latents, 1, 7 or 14,
    from the top."""

    def __init__(self, sides: Sequence[int]) -> None:
        self.sides = tuple(sides)
        one, seven, fourteen, pixels = WIDTHS.values()
        self.up = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Conv2d(1, pixels, 3, padding=1), Residual(pixels), *halved(pixels, fourteen), Residual(fourteen)
                ),
                nn.Sequential(*halved(fourteen, seven), Residual(seven)),
                nn.Sequential(nn.ELU(), nn.Conv2d(seven, one, 7)),
            ]
        )
        self.top = nn.Parameter(tg.zeros(1, WIDTHS[sides[0]], sides[0], sides[0]))
        self.layers = nn.ModuleList([Layer(WIDTHS[side], LATENTS[side], min(side, 3)) for side in sides])
        self.down = nn.ModuleList([between(*pair) for pair in pairwise([*sides, PIXELS])])

    def encode(self, x: Tensor) -> list[Tensor]:
        """Images (N, 1, 28, 28) -> for each layer the bottom-up features of its side."""
        features = {}
        for side, block in zip((14, 7, 1), self.up, strict=True):
            x = features[side] = block(x)
        return [features[side] for side in self.sides]

    def decode(self, n: int, features: Sequence[Tensor] = ()) -> tuple[Tensor, list[Draw]]:
        """The logits of p(x|z), (n, 1, 28, 28), and one sample z per image, layer by layer. Layers for which there are
        bottom-up ``features`` are drawn from q, those below from p."""
        down, draws = tg.broadcast_to(self.top, (n, *self.top.shape[1:])), []
        for layer, block, up in zip_longest(self.layers, self.down, features):
            down, draw = layer(down, up)
            draws.append(draw)
            down = block(down)
        return down, draws

    def elbo_terms(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """log p(x|z) of images x (N, 1, 28, 28) for one sample z ~ q(z|x), and for each layer the KL divergence of its
        q from its p, given the sample of the layers above: (N,) each, nats."""
        logits, draws = self.decode(len(x), self.encode(x))
        return log_likelihood_bernoulli_logits(logits, x), [kl_gaussian_gaussian_analytic(*q, *p) for _, q, p in draws]

    def log_weights(self, x: Tensor, num_samples: int) -> Tensor:
        """``log p(x|z) + log p(z) - log q(z|x)`` for K = ``num_samples`` samples z ~ q(z|x) per image x
        (N, 1, 28, 28): (N, K), nats."""
        x, features = repeated(x, num_samples), [repeated(each, num_samples) for each in self.encode(x)]
        logits, draws = self.decode(len(x), features)
        total = log_likelihood_bernoulli_logits(logits, x)
        for z, q, p in draws:
            total = total + log_likelihood_normal(*p, z) - log_likelihood_normal(*q, z)
        return tg.reshape(total, (-1, num_samples))

    def sample(self, n: int) -> Tensor:
        """The means of p(x|z) for n samples of the prior: (n, 1, 28, 28)."""
        return F.sigmoid(self.decode(n)[0])


def halved(before: int, after: int) -> list[nn.Module]:
    """A convolution to half the side."""
    return [nn.ELU(), nn.Conv2d(before, after, 3, stride=2, padding=1)]


def between(side: int, following: int) -> nn.Sequential:
    """The top-down network from a layer to the following one, or to the logits of the pixels."""
    network: list[nn.Module] = [] if side == 1 else [Residual(WIDTHS[side])]
    for before, after in pairwise(WIDTHS):
        if side <= before < following:
            kernel, stride, padding = (7, 1, 0) if before == 1 else (4, 2, 1)
            enlarged = nn.ConvTranspose2d(WIDTHS[before], WIDTHS[after], kernel, stride=stride, padding=padding)
            network += [nn.ELU(), enlarged, Residual(WIDTHS[after])]
    if following == PIXELS:
        network += [nn.ELU(), nn.Conv2d(WIDTHS[PIXELS], 1, 3, padding=1)]
    return nn.Sequential(*network)


def arguments() -> argparse.Namespace:
    """The common options, those of the likelihood, and the sides of the layers."""
    parser = common_arguments(
        TITLE,
        data="strokes",
        datasets=("strokes", "binarized-mnist", "mnist", "fashion-mnist"),
        epochs=4,
        learning_rate=1e-3,
        out="runs/vae_ladder",
    )
    layers = "sides of the layers of latents in pixels, from the top (1 7 14)"
    parser.add_argument("--layers", type=int, choices=LATENTS, nargs="+", default=(1, 7, 14), metavar="N", help=layers)
    likelihood_arguments(parser, images=1000)
    options = parser.parse_args()
    if sorted(options.layers) != list(options.layers):
        parser.error(
            f"argument --layers: the sides must not fall from the top, got {' '.join(map(str, options.layers))}"
        )
    return options


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), importance_samples=2)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, likelihoods, figures, results."""
    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    model = LadderVAE(options.layers)
    set_log_odds(model.down[-1][-1].bias, train_set.images)
    model.to(options.device)
    average = ExponentialMovingAverage(model, 0.999)
    fit(options, run, model, average, train_set, valid_set)
    results = {}
    with average.applied():
        tg.save(run.file("model.h5"), model=model.state_dict())
        for name, split in (("valid", valid_set), ("test", test_set)):
            results[f"{name}_elbo"] = elbo(model, split.images)
            values = log_likelihoods(model, data.evenly_spaced(split.images, options.likelihood_images), options, name)
            results[f"{name}_log_likelihood"] = values.mean()
            results[f"{name}_log_likelihood_standard_error"] = values.std(ddof=1) / len(values) ** 0.5
        draw(run, model, test_set)
    run.finish(f"{TITLE} on {options.data}", results, references=REFERENCES.get(options.data, ()), text=__doc__)


def fit(
    options: argparse.Namespace,
    run: Run,
    model: LadderVAE,
    average: ExponentialMovingAverage,
    train_set: data.Dataset,
    valid_set: data.Dataset,
) -> None:
    """Maximise the ELBO of the training images; that of the validation images is measured with averaged weights."""
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    optimizer, total = Adam(model.parameters(), betas=(0.9, 0.99)), options.epochs * len(loader)

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, total, options.learning_rate, warmup=WARMUP)
        with ranks.shared(len(batch[0])) as own:
            log_likelihood, kl = model.elbo_terms(as_images(model, batch[0][own]))
            divergences = [tg.mean(each) for each in kl]
            loss = sum(divergences, -tg.mean(log_likelihood))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            layers = {f"train_kl_{k}": each.item() for k, each in enumerate(divergences, 1)}
            metrics = ranks.means({"train_elbo": -loss.item(), **layers})
        average.update()
        return metrics

    def evaluate() -> dict[str, float]:
        with average.applied():
            return {"valid_elbo": elbo(model, valid_set.images)}

    parts: dict[str, Any] = {"model": model, "optimizer": optimizer, "average": average}
    train(run, loader, step, epochs=options.epochs, parts=parts, evaluate=evaluate)


def as_images(model: LadderVAE, images: np.ndarray) -> Tensor:
    """Bits (N, 1, 28, 28) as a tensor on the model's device."""
    return tg.tensor(images, **placement(model))


def elbo(model: LadderVAE, images: np.ndarray) -> float:
    """The mean ELBO of images (N, 1, 28, 28), one sample each, in nats per image."""

    def of_batch(x: np.ndarray) -> np.ndarray:
        log_likelihood, kl = model.elbo_terms(as_images(model, x))
        return sum((-each for each in kl), log_likelihood).numpy()

    return float(np.concatenate(list(in_batches(of_batch, model, SAMPLES_PER_BATCH, images))).mean(dtype="float64"))


def log_likelihoods(model: LadderVAE, images: np.ndarray, options: argparse.Namespace, name: str) -> np.ndarray:
    """log p(x) of images (N, 1, 28, 28) by importance sampling: (N,), nats."""
    K = options.importance_samples
    if len(images) < 2:
        raise ValueError(f"images must be 2 or more, for a standard error, got {len(images)}")
    per_batch = max(1, SAMPLES_PER_BATCH // K)  # images

    def of_batch(x: np.ndarray) -> np.ndarray:
        parts = [min(SAMPLES_PER_BATCH, K - done) for done in range(0, K, SAMPLES_PER_BATCH)]
        weights = tg.cat([model.log_weights(as_images(model, x), part) for part in parts], axis=1)
        return log_mean_exp(weights).numpy().astype("float64")

    batches = in_batches(of_batch, model, per_batch, images)
    return np.concatenate(list(progress(batches, f"log p(x), {name}", math.ceil(len(images) / per_batch))))


def draw(run: Run, model: LadderVAE, test_set: data.Dataset) -> None:
    """Samples, reconstructions from some of the layers, and the learning curves."""
    with tg.no_grad(), model.evaluating():
        samples = model.sample(100).numpy()
        images = data.evenly_spaced(test_set.images, 10)
        features = model.encode(as_images(model, images))
        decoded = [F.sigmoid(model.decode(10, features[:known])[0]).numpy() for known in range(len(features) + 1)]
    plotting.image_grid(samples, run.figure("samples.png", "Samples of the prior: the pixels' means."), columns=10)
    caption = "Above: test images. Row k below: the first k - 1 layers of latents drawn from q, the others from p."
    plotting.image_grid(np.concatenate([images, *decoded]), run.figure("layers.png", caption), columns=10)
    path = run.figure("curves.png", "The ELBO of the training and of the validation images.")
    plotting.curves(run.rows, path, names={"train_elbo": "training", "valid_elbo": "validation, averaged weights"})


if __name__ == "__main__":
    main()
