"""Importance sampling of log p(x): why samples of a VAE's prior do not suffice.

    python examples/why_importance_sampling.py                      the fixed binarised MNIST
    python examples/why_importance_sampling.py --data strokes       the synthetic digits, no download

p(x) is the mean of p(x|z) over the prior, so the mean over samples z of the prior is an unbiased estimate. But p(x|z)
is negligible for nearly all z of the prior, more so in more dimensions. The encoder q(z|x) proposes z with a high
p(x|z); importance sampling weights each sample by p(z) / q(z|x), and estimates the same mean from far fewer samples.

For two VAEs, with 2 and with 20 latent variables, log p(x) of test images is estimated with K = 1 to 10,000 samples of
each proposal. The effective sample size measures how many of them contribute. In the plane there is a third method: the
integral as a sum over a fine grid, an exact reference for the estimates.

The encoder's normal distribution can miss a part of the posterior. It hardly ever proposes samples there, so its
estimate is too low, and its standard error, computed from the samples alone, too small. Drawing every other z from the
prior prevents this: with the weights of a mixture proposal no weight exceeds twice that under either component
(Hesterberg 1995), at the cost of at most half of the samples.
"""

import argparse
import json
import math
from typing import Any

import numpy as np
from scipy.special import logsumexp

import tinygen as tg
import tinygen.functional as F
from tinygen import data, evaluation, plotting
from tinygen.files import atomic_write
from tinygen.likelihoods import log_likelihood_normal, log_mean_exp
from tinygen.models import MLPVAE
from tinygen.nn import ReLU
from tinygen.optim import Adam
from tinygen.training import Run, common_arguments, conduct, load_splits, progress, say, train_vae
from tinygen.training.options import whole

TITLE = "Why importance sampling"
LATENT_SIZES = (2, 20)
DRAWS = 10_000  # per image and proposal
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # divisors of DRAWS
EXTENT, SPACING = 6.0, 0.025  # of the grid: from -6 to 6 in both directions


def arguments() -> argparse.Namespace:
    """The common options, and the number of test images."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
        epochs=10,
        batch_size=128,
        out="runs/why_importance_sampling",
    )
    parser.add_argument("--images", type=whole(1), default=50, metavar="N", help="number of test images (%(default)s)")
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), images=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, two models, log-weights, quadrature in the plane, one figure."""
    train_set, test_set = (split.binarized() for split in load_splits(options, "train", "test"))
    images = data.evenly_spaced(test_set.images, options.images)
    results: dict[str, float] = {}
    weights, bounds = {}, {}
    for size in LATENT_SIZES:
        model = fit(options, run, size, train_set)
        weights[size] = weights_of(model, images, f"{DRAWS:,} samples per image, {size} latents")
        bounds[size] = weights[size]["encoder"].mean()  # the mean of log w is the ELBO
        results[f"elbo_{size}"] = bounds[size]
        for name, each in weights[size].items():
            results[f"{name}_{size}"] = estimates(each, DRAWS).mean()
            results[f"{name}_{size}_effective_sample_size"] = effective_draws(each, DRAWS)
        if size == 2:
            exact = by_quadrature(model, images)
            coarse = by_quadrature(model, images, 2 * SPACING)
            results["quadrature_2"] = exact.mean()
            results["quadrature_2_change_on_twice_the_spacing"] = abs(coarse - exact).max()
            for name, each in weights[2].items():
                deviations = (estimates(each, DRAWS)[:, 0] - exact) / standard_errors(each)
                results[f"{name}_2_within_two_standard_errors"] = (abs(deviations) < 2).mean()
    found = curves(weights) | {"elbo": bounds, "quadrature": exact.mean()}
    with atomic_write(run.file("estimates.json")) as path:
        path.write_text(json.dumps(found, default=float, indent=1) + "\n", encoding="utf-8")
    draw(run, found)
    run.finish(f"{TITLE}, {options.data}", results, text=__doc__)


def fit(options: argparse.Namespace, run: Run, latent_size: int, train_set: data.Dataset) -> MLPVAE:
    """Train one of the two models in a subfolder of the run's folder."""
    tg.manual_seed(options.seed)
    model = MLPVAE(latent_size, hidden=(500,), activation=ReLU).to(options.device)
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    say(f"{latent_size} latents")
    train_vae(run.part(f"latent-{latent_size}"), model, loader, Adam(model.parameters()), epochs=options.epochs)
    return model


@tg.no_grad()
def weights_of(model: MLPVAE, images: np.ndarray, description: str) -> dict[str, np.ndarray]:
    """The log-weights (N, DRAWS) of samples for each image of ``images`` (N, 1, 28, 28): from the prior, from the
    encoder, and alternately from both, with the weights of their mixture."""
    logs: dict[str, list[np.ndarray]] = {"prior": [], "encoder": [], "both": []}
    for image in progress(images, description):
        x = tg.tensor(image[None], dtype="float32", device=model.parameters()[0].device)
        mean, logvar = (tg.broadcast_to(each, (DRAWS, model.latent_size)) for each in model.encode(x))
        origin = tg.zeros_like(mean)
        of_mixture = []
        for name, (mu, log_variance) in {"prior": (origin, origin), "encoder": (mean, logvar)}.items():
            z = mu + tg.exp(log_variance * 0.5) * tg.randn_like(mu)
            excess = log_likelihood_normal(mean, logvar, z) - log_likelihood_normal(origin, origin, z)  # q over prior
            # log p(x|z): with the prior as q, p(z) / q(z|x) = 1
            given_z = evaluation.log_weights(model, x, tg.expand_dims(z, 0), origin[:1], origin[:1])[0]
            logs[name].append((given_z - excess if name == "encoder" else given_z).numpy())
            of_mixture.append((given_z - F.softplus(excess) + math.log(2)).numpy()[: DRAWS // 2])
        logs["both"].append(np.stack(of_mixture, axis=1).reshape(-1))
    return {name: np.array(rows, np.float64) for name, rows in logs.items()}


def estimates(weights: np.ndarray, count: int) -> np.ndarray:
    """Estimates of log p(x) from ``count`` samples each: log-weights (N, DRAWS) -> (N, DRAWS / count)."""
    blocks = weights.reshape(-1, count)
    return log_mean_exp(tg.tensor(blocks)).numpy().reshape(len(weights), -1)


def standard_errors(weights: np.ndarray) -> np.ndarray:
    """Standard errors of the estimates from all K samples, to first order: the standard deviation of w / mean(w) over
    sqrt(K); log-weights (N, K) -> (N,)."""
    ratios = np.exp(weights - logsumexp(weights, axis=1, keepdims=True) + math.log(weights.shape[1]))
    errors: np.ndarray = ratios.std(axis=1, ddof=1) / math.sqrt(weights.shape[1])
    return errors


@tg.no_grad()
def by_quadrature(model: MLPVAE, images: np.ndarray, spacing: float = SPACING) -> np.ndarray:
    """log p(x) of 0/1 images (N, 1, 28, 28) as a sum over a grid in the latent plane -> (N,), nats.

    For a pixel with logit l, log p(x|z) = x l - log(1 + e^l), so one matrix product gives all images. The trapezoidal
    rule converges exponentially for a smooth function that vanishes at both ends.
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    device = model.parameters()[0].device
    line = np.arange(-EXTENT, EXTENT + spacing / 2, spacing)
    parts = []
    for z_1 in progress(line, "quadrature"):
        z = np.stack([np.full_like(line, z_1), line], axis=1)
        logits = model.decode(tg.tensor(z, dtype="float32", device=device)).numpy().reshape(len(z), -1)
        given_z = logits @ flat.T - np.logaddexp(0, logits).sum(axis=1, dtype=np.float64)[:, None]  # (z, N)
        parts.append(logsumexp(given_z - 0.5 * (z**2).sum(axis=1)[:, None], axis=0))
    log_p: np.ndarray = logsumexp(parts, axis=0) + 2 * math.log(spacing) - math.log(2 * math.pi)
    return log_p


def effective_draws(weights: np.ndarray, count: int) -> float:
    """The median effective sample size of ``count`` samples, over images and repetitions; log-weights (N, DRAWS)."""
    return float(np.median(evaluation.effective_sample_size(tg.tensor(weights.reshape(-1, count))).numpy()))


def curves(weights: dict[int, dict[str, np.ndarray]]) -> dict[str, dict[int, dict[str, list[float]]]]:
    """The mean estimate of log p(x) and the effective sample size for each number of samples in COUNTS; log-weights:
    number of latents -> proposal -> (N, DRAWS)."""
    return {
        "estimate": {
            size: {name: [estimates(each, count).mean() for count in COUNTS] for name, each in by_name.items()}
            for size, by_name in weights.items()
        },
        "effective_sample_size": {
            size: {name: [effective_draws(each, count) for count in COUNTS] for name, each in by_name.items()}
            for size, by_name in weights.items()
        },
    }


def draw(run: Run, found: dict[str, Any]) -> None:
    """The estimates against K above, the effective sample sizes below; a column per number of latents."""
    labels = {"encoder": "samples of the encoder", "prior": "samples of the prior", "both": "half of each"}
    above, below = [], []
    for size in LATENT_SIZES:
        means, bound = found["estimate"][size], found["elbo"][size]
        floor = min(bound, means["prior"][-1]) - 10  # lower values would compress the axis
        measured = {
            labels[name]: (COUNTS, np.where(np.less(means[name], floor), np.nan, means[name])) for name in labels
        }
        levels: dict[str, plotting.Curve] = {"ELBO": (COUNTS, [bound] * len(COUNTS))}
        title = f"{size} latents"
        if size == 2:
            levels["_quadrature"] = (COUNTS, [found["quadrature"]] * len(COUNTS))
            title += " (upper dashed line: quadrature)"
        above.append(plotting.Panel(title, "samples K", "log p(x), nats per image", measured, levels, False, "log"))
        sizes = {labels[name]: (COUNTS, found["effective_sample_size"][size][name]) for name in labels}
        ideal: dict[str, plotting.Curve] = {"K": (COUNTS, COUNTS)}
        below.append(plotting.Panel("", "samples K", "effective sample size", sizes, ideal, False, "log", "log"))
    caption = "The mean estimate from K samples, and the effective sample size of K samples."
    plotting.panels(above + below, run.figure("why_importance_sampling.png", caption))


if __name__ == "__main__":
    main()
