"""DCGAN: digits of 64 x 64 pixels, by a game whose labels are soft and noisy, and the ways between them.

    python examples/dcgan_mnist.py                                          MNIST, narrow networks, for two cores
    python examples/dcgan_mnist.py --data strokes                           embedded digits, nothing to download
    python examples/dcgan_mnist.py --device gpu --width 128 --epochs 40     the paper's networks

A generator of four transposed convolutions draws from 100 numbers, a discriminator of four convolutions says which
images are real; both are normalised by the batch and have leaky units throughout (Radford, Metz and Chintala 2016).
MNIST is resized to 64 x 64. So that the discriminator is never sure, the labels of real images are drawn from
U[0.7, 1.2], and for 5 % of them from U[0, 0.3]; those of fake images are 0 (after Salimans et al. 2016). Samples are
drawn with an average of the generator's weights, which lags behind while they still change fast (so those of the last
weights are judged too), and brought back to 28 x 28 for a classifier to read.

How to read the curves. The discriminator's loss is between the dashed lines: what it pays where it knows nothing, and
the price of the noise in its labels, which it pays even where it can tell every sample. The generator's loss climbs
while the discriminator is ahead, and says nothing of the samples. The ways between two samples are drawn twice:
straight through latent space, and on a great circle, where the draws of a normal in 100 dimensions lie.
"""

import argparse
import math
from dataclasses import replace

import numpy as np

import tinygen as tg
from tinygen import backend, data, evaluation, plotting
from tinygen.models import DCGANCritic, DCGANGenerator, DigitClassifier
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import Players, Run, Snapshots, common_arguments, conduct, load_splits, say, train
from tinygen.training.classifier import probabilities
from tinygen.training.options import positive, user_path, whole

TITLE = "DCGAN"
LATENT_SIZE, SIDE = 100, 64
LABELS = NoisyLabels(usual=(0.7, 1.2), flipped=(0.0, 0.3), share_flipped=0.05)
SHOWN = (1, 5, 20, 40)  # the epochs of which samples are shown, and the last one


def arguments() -> argparse.Namespace:
    """The common options, and the networks' width."""
    parser = common_arguments(
        TITLE, data="mnist", epochs=6, out="runs/dcgan_mnist", datasets=("mnist", "strokes", "fashion-mnist")
    )
    parser.add_argument(
        "--width",
        type=whole(1),
        default=16,
        metavar="N",
        help="channels beside the image (%(default)s; the paper: 128)",
    )
    parser.add_argument("--learning-rate", type=positive, default=2e-4, metavar="X", help="of both (%(default)s)")
    parser.add_argument(
        "--classifier",
        type=user_path,
        metavar="FILE",
        help="what judges samples: the classifier's checkpoint of an earlier run on the same data; else one is trained",
    )
    return parser.parse_args()


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, players, game, training, figures, results."""
    tg.manual_seed(options.seed)
    train_set, valid_set, test_set = load_splits(options)
    say(f"{TITLE} on {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True, drop_last=True, transform=enlarged)

    generator = DCGANGenerator(LATENT_SIZE, options.width).to(options.device)
    critic = DCGANCritic(options.width).to(options.device)
    optimizers = [Adam(player.parameters(), options.learning_rate, (0.5, 0.999)) for player in (generator, critic)]
    average, snapshots = ExponentialMovingAverage(generator, 0.999), Snapshots()
    game = replace(GAMES["non_saturating"], labels=LABELS)
    players = Players(game, generator, critic, LATENT_SIZE, *optimizers, average)
    with backend.fixed_seed(0):
        z = players.latents(max(len(test_set), 100))  # the same in every run, so that grids can be compared

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        for optimizer in optimizers:
            optimizer.lr = options.learning_rate
        return players.round(tg.tensor(batch[0], device=options.device))

    def evaluate() -> dict[str, float]:
        epoch, images = len(run.rows) + 1, data.as_bytes(players.generate(z[:100]))
        plotting.image_grid(images, run.progress_figure(), columns=10)
        if epoch in (*SHOWN, options.epochs):
            snapshots[epoch] = images
        return {}

    parts = {**players.parts, "snapshots": snapshots}
    train(run, loader, step, epochs=options.epochs, parts=parts, evaluate=evaluate)

    with average.applied():
        tg.save(run.file("model.h5"), generator=generator.state_dict(), critic=critic.state_dict())
    samples = data.as_bytes(players.generate(z))
    classifier = evaluation.obtain_classifier(
        options.classifier, run, train_set, valid_set, make=DigitClassifier, device=options.device
    )
    side, count = test_set.images.shape[2], len(test_set)
    judged = data.Dataset(
        data.resized(data.resized(test_set.images, SIDE), side), test_set.labels
    )  # resized as samples
    small = data.resized(samples, side)
    results = evaluation.judge_samples(classifier, small[:count], judged)
    last = data.resized(data.as_bytes(players.generate(z[:count], averaged=False)), side)
    of_last = evaluation.judge_samples(classifier, last, judged)
    for name in ("mean_top_probability", "least_share"):
        results[f"last_weights_{name}"] = of_last[f"samples_{name}"]
    results["last_weights_fid"] = of_last["fid"]
    draw(run, players, z, samples, snapshots, probabilities(classifier, small))
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text="\n\n".join(__doc__.split("\n\n")[2:]),
    )


def enlarged(images: np.ndarray) -> np.ndarray:
    """A batch of bytes (N, 1, 28, 28) as numbers in [-1, 1], (N, 1, 64, 64)."""
    return data.centred(data.resized(images, SIDE))


def draw(
    run: Run, players: Players, z: tg.Tensor, samples: np.ndarray, snapshots: Snapshots, chances: np.ndarray
) -> None:
    """Samples as training went, by class and the least recognisable, ways between them, and the curves."""
    for epoch, images in snapshots.items():
        caption = f"Samples of the same latents after {epoch} {'epoch' if epoch == 1 else 'epochs'}."
        plotting.image_grid(images, run.figure(f"samples-{epoch:03d}.png", caption), columns=10)
    rows = evaluation.sort_by_class(samples, chances, 10)
    path = run.figure("classes.png", "Samples by class, as the classifier sorts them.")
    plotting.image_grid(rows.reshape(-1, *samples.shape[1:]), path, columns=10)
    path = run.figure("least-recognisable.png", "The samples of which the classifier is least sure.")
    plotting.image_grid(evaluation.least_recognisable(samples, chances, 20), path, columns=10)

    z0, z1 = z[:6], z[6:12]
    with players.average.applied():
        straight, round_about = (
            plotting.strips(evaluation.interpolate_latents(players.generator, z0, z1, spherical=spherical))
            for spherical in (False, True)
        )
    path = run.figure("interpolations.png", "Between two samples: above straight, below on a great circle.")
    plotting.pairs_grid(straight, round_about, path, columns=1, value_range=(-1.0, 1.0))

    epochs = [row["epoch"] for row in run.rows]

    def column(name: str) -> tuple[list[float], list[float]]:
        return epochs, [row[name] for row in run.rows]

    def level(value: float) -> tuple[list[float], list[float]]:
        return [epochs[0], epochs[-1]], [value, value]

    losses = {"discriminator": column("critic_loss"), "generator": column("generator_loss")}
    known = {"knows nothing": level(2 * entropy(LABELS.mean / 2)), "knows everything": level(entropy(LABELS.mean))}
    gap = {"gap": column("score_gap")}
    parts = [
        plotting.Panel("The losses", "epoch", "nats", losses, known),
        plotting.Panel("The gap between the scores", "epoch", "E[logit(real)] - E[logit(fake)]", gap),
    ]
    plotting.panels(parts, run.figure("curves.png", "The game, epoch by epoch."))


def entropy(y: float) -> float:
    """That of a label which is 1 with probability y: what the best answer, D = y, pays for it, in nats."""
    return -y * math.log(y) - (1 - y) * math.log(1 - y)


if __name__ == "__main__":
    main()
