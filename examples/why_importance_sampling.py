"""Why log p(x) of a VAE is not estimated with draws from the prior.

    python examples/why_importance_sampling.py                      the fixed binarised MNIST
    python examples/why_importance_sampling.py --data strokes       the embedded digits, nothing to download

p(x) is the mean of p(x|z) over the prior, so drawing z from the prior and averaging is right. But hardly any z explains
a given image, and fewer still the more latent numbers there are. The encoder proposes z that do; importance sampling
weighs each draw by how much too often it was proposed, and the same mean comes out of far fewer draws.

Two VAEs, one with 2 latent numbers and one with 20, are asked for log p(x) of test images with K = 1 to 10,000 draws of
each kind. An effective sample size says how many of the draws count. In the plane there is a third way: the integral
as a sum over a fine grid, which is the truth that the estimates have to meet.

The encoder's normal can leave out a part of the plane that explains the image too. It will hardly ever draw there, so
its estimate is too low, and its standard error, which knows only what was drawn, too small. To draw every other z from
the prior insures against that: weighed as draws from the mixture of the two, none weighs more than twice what it does
as a draw from either (Hesterberg 1995), and the price is at most half of the draws.
"""

import argparse
import math

import numpy as np
from scipy.special import logsumexp

import tinygen as tg
import tinygen.functional as F
from tinygen import data, evaluation, plotting
from tinygen.likelihoods import log_likelihood_normal, log_mean_exp
from tinygen.models import MLPVAE
from tinygen.nn import ReLU
from tinygen.optim import Adam
from tinygen.training import Run, common_arguments, conduct, load_splits, progress, say, train_vae
from tinygen.training.options import whole

TITLE = "Why importance sampling"
LATENT_SIZES = (2, 20)
DRAWS = 10_000  # an image, of each kind
COUNTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)  # divisors of DRAWS
REACH, SPACING = 6.0, 0.025  # of the grid: from -6 to 6 in either direction


def arguments() -> argparse.Namespace:
    """The common options, and how many test images are asked about."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        epochs=10,
        batch_size=128,
        out="runs/why_importance_sampling",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
    )
    parser.add_argument(
        "--images", type=whole(1), default=50, metavar="N", help="test images asked about (%(default)s)"
    )
    return parser.parse_args()


def fit(options: argparse.Namespace, run: Run, latent_size: int, train_set: data.Dataset) -> MLPVAE:
    """Train one of the two models, in a folder of its own."""
    tg.manual_seed(options.seed)
    model = MLPVAE(latent_size, hidden=(500,), activation=ReLU).to(options.device)
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    say(f"{latent_size} latent numbers")
    own = run.part(f"latent-{latent_size}")
    train_vae(own, model, loader, Adam(model.parameters(), lr=1e-3), epochs=options.epochs)
    return model


@tg.no_grad()
def weights_of(model: MLPVAE, images: np.ndarray, description: str) -> dict[str, np.ndarray]:
    """The logarithms of DRAWS weights of each image (N, DRAWS): of draws from the prior, from the encoder, and from
    both in turn, which are weighed as draws from their mixture."""
    found: dict[str, list[np.ndarray]] = {"prior": [], "encoder": [], "both": []}
    for image in progress(images, description):
        x = tg.tensor(image[None], dtype="float32", device=model.parameters()[0].device)
        mean, logvar = (tg.broadcast_to(each, (DRAWS, model.latent_size)) for each in model.encode(x))
        origin = tg.zeros_like(mean)
        of_mixture = []
        for name, (center, spread) in {"prior": (origin, origin), "encoder": (mean, logvar)}.items():
            z = center + tg.exp(spread * 0.5) * tg.randn_like(center)
            excess = log_likelihood_normal(mean, logvar, z) - log_likelihood_normal(origin, origin, z)  # q over prior
            # With the prior for q the two cancel: log p(x|z).
            given_z = evaluation.log_weights(model, x, tg.expand_dims(z, 0), origin[:1], origin[:1])[0]
            found[name].append((given_z - excess if name == "encoder" else given_z).numpy())
            of_mixture.append((given_z - F.softplus(excess) + math.log(2)).numpy()[: DRAWS // 2])
        found["both"].append(np.stack(of_mixture, axis=1).reshape(-1))
    return {name: np.array(rows, np.float64) for name, rows in found.items()}


def estimates(weights: np.ndarray, count: int) -> np.ndarray:
    """log p(x) from ``count`` draws at a time: (N, DRAWS) -> (N, DRAWS / count), each from draws of its own."""
    blocks = weights.reshape(-1, count)
    return log_mean_exp(tg.tensor(blocks)).numpy().reshape(len(weights), -1)


def standard_errors(weights: np.ndarray) -> np.ndarray:
    """Of the estimate from all K draws, to first order: the deviation of w / mean(w), over sqrt(K): (N, K) -> (N,)."""
    ratios = np.exp(weights - logsumexp(weights, axis=1, keepdims=True) + math.log(weights.shape[1]))
    return ratios.std(axis=1, ddof=1) / math.sqrt(weights.shape[1])


@tg.no_grad()
def by_quadrature(model: MLPVAE, images: np.ndarray, spacing: float = SPACING) -> np.ndarray:
    """log p(x) of 0/1 images (N, 1, 28, 28) as a sum over a grid in the latent plane -> (N,), nats.

    For a pixel with logit l, log p(x|z) = x l - log(1 + e^l): a matrix product serves all images at once. A sum of
    equal steps is very exact for a smooth function that vanishes at both ends, once the step is below its width.
    """
    flat = images.reshape(len(images), -1).astype(np.float32)
    device = model.parameters()[0].device
    line = np.arange(-REACH, REACH + spacing / 2, spacing)
    parts = []
    for z_1 in progress(line, "quadrature"):
        z = np.stack([np.full_like(line, z_1), line], axis=1)
        logits = model.decode(tg.tensor(z, dtype="float32", device=device)).numpy().reshape(len(z), -1)
        given_z = logits @ flat.T - np.logaddexp(0, logits).sum(axis=1, dtype=np.float64)[:, None]  # (z, N)
        parts.append(logsumexp(given_z - 0.5 * (z**2).sum(axis=1)[:, None], axis=0))
    return logsumexp(parts, axis=0) + 2 * math.log(spacing) - math.log(2 * math.pi)


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), images=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, two models, weights, the truth in the plane, one figure."""
    train_set, test_set = (split.binarized() for split in load_splits(options, "train", "test"))
    images = data.spread(test_set.images, options.images)
    say(f"{TITLE}, {options.data}: {len(train_set):,} images to learn from, {len(images)} to ask about")

    results: dict[str, float] = {}
    weights, bounds = {}, {}
    for size in LATENT_SIZES:
        model = fit(options, run, size, train_set)
        weights[size] = weights_of(model, images, f"{DRAWS:,} draws an image, {size} latent numbers")
        bounds[size] = weights[size]["encoder"].mean()  # log w on average is the ELBO
        results[f"elbo_{size}"] = bounds[size]
        for name, each in weights[size].items():
            results[f"{name}_{size}"] = estimates(each, DRAWS).mean()
            sizes = evaluation.effective_sample_size(tg.tensor(each)).numpy()
            results[f"{name}_{size}_effective_sample_size"] = np.median(sizes)
        if size == 2:
            truth = by_quadrature(model, images)
            results["quadrature_2"] = truth.mean()
            results["quadrature_2_change_on_twice_the_spacing"] = abs(
                by_quadrature(model, images, 2 * SPACING) - truth
            ).max()
            for name, each in weights[2].items():
                deviations = (estimates(each, DRAWS)[:, 0] - truth) / standard_errors(each)
                results[f"{name}_2_within_two_standard_errors"] = (abs(deviations) < 2).mean()

    draw(run, weights, bounds, truth.mean())
    run.finish(
        f"{TITLE}, {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text="\n\n".join(__doc__.split("\n\n")[2:]),
    )


def draw(
    run: Run, weights: dict[int, dict[str, np.ndarray]], bounds: dict[int, float], truth_in_the_plane: float
) -> None:
    """The estimates against K above, the effective sample sizes below; latent sizes side by side."""
    labels = {
        "encoder": "draws from the encoder",
        "prior": "draws from the prior",
        "both": "half from either",
    }
    above, below = [], []
    for size, by_name in weights.items():
        means = {
            labels[name]: (COUNTS, [estimates(by_name[name], count).mean() for count in COUNTS]) for name in labels
        }
        known: dict[str, plotting.Curve] = {"ELBO": (COUNTS, [bounds[size]] * len(COUNTS))}
        if size == 2:
            known["_quadrature"] = (COUNTS, [truth_in_the_plane] * len(COUNTS))
        floor = min(bounds[size], means[labels["prior"]][1][-1]) - 150
        means = {label: (x, np.where(np.array(y) < floor, np.nan, y)) for label, (x, y) in means.items()}
        title = f"{size} latent numbers" + (" (upper dashes: quadrature)" if size == 2 else "")
        above.append(plotting.Panel(title, "draws K", "log p(x), nats an image", means, known, False, "log"))
        effective = {
            labels[name]: (COUNTS, [effective_draws(by_name[name], count) for count in COUNTS]) for name in labels
        }
        ideal: dict[str, plotting.Curve] = {"all of them": (COUNTS, COUNTS)}
        below.append(plotting.Panel("", "draws K", "effective sample size", effective, ideal, False, "log", "log"))
    caption = "The mean estimate from K draws, and how many of the K draws count."
    plotting.panels(above + below, run.figure("why_importance_sampling.png", caption))


def effective_draws(weights: np.ndarray, count: int) -> float:
    """The median effective sample size among ``count`` draws, over images and repetitions."""
    return float(np.median(evaluation.effective_sample_size(tg.tensor(weights.reshape(-1, count))).numpy()))


if __name__ == "__main__":
    main()
