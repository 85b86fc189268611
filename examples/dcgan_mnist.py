"""DCGAN on digits of 64 x 64 pixels, with soft and noisy labels, and interpolations between samples.

    python examples/dcgan_mnist.py                                          MNIST, narrow networks, for two cores
    python examples/dcgan_mnist.py --data strokes                           synthetic digits, no download
    python examples/dcgan_mnist.py --device gpu --width 128 --epochs 40     the paper's networks

The generator maps 100 latent variables to an image by four transposed convolutions, the discriminator classifies real
and generated images by four convolutions; both have batch normalisation and leaky ReLUs throughout (Radford, Metz and
Chintala 2016). MNIST is resized to 64 x 64. To keep the discriminator from becoming certain, the labels of real images
are drawn from U[0.7, 1.2], and for 5 % of them from U[0, 0.3]; those of generated images are 0 (after Salimans et al.
2016). Samples are drawn with a moving average of the generator's weights, which lags while the weights change fast, so
samples of the last weights are evaluated too. All are resized to 28 x 28 for the classifier.

How to read the curves. The discriminator's loss lies between the dashed lines: the loss of D = 1/2, and the entropy of
the noisy labels, which is the loss of a perfect discriminator. The generator's loss rises while the discriminator
improves faster, and does not measure the quality of samples. Interpolations are drawn twice: linear in latent space,
and on a great circle, since samples of a normal distribution in 100 dimensions lie near a sphere.
"""

import argparse
import math
from dataclasses import replace

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import DCGANCritic, DCGANGenerator, DigitClassifier
from tinygen.objectives import GAMES, NoisyLabels
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import GAN, Run, Snapshots, common_arguments, conduct, fixed_latents, load_splits, train
from tinygen.training.classifier import probabilities
from tinygen.training.options import whole

TITLE = "DCGAN"
LATENT_SIZE, SIDE = 100, 64
LABELS = NoisyLabels(usual=(0.7, 1.2), flipped=(0.0, 0.3), share_flipped=0.05)
SHOWN = (1, 5, 20, 40)  # the epochs whose samples are shown, in addition to the last one


def arguments() -> argparse.Namespace:
    """The common options, and the networks' width."""
    parser = common_arguments(
        TITLE,
        data="mnist",
        datasets=("mnist", "strokes", "fashion-mnist"),
        epochs=6,
        learning_rate=2e-4,
        classifier=True,
        out="runs/dcgan_mnist",
    )
    width = "channels of the layer nearest to the image (%(default)s; the paper: 128)"
    parser.add_argument("--width", type=whole(1), default=16, metavar="N", help=width)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, networks, training, evaluation, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    generator = DCGANGenerator(LATENT_SIZE, options.width).to(options.device)
    critic = DCGANCritic(options.width).to(options.device)
    rate, betas, average = options.learning_rate, (0.5, 0.999), ExponentialMovingAverage(generator, 0.999)
    of_generator, of_critic = (Adam(network.parameters(), rate, betas) for network in (generator, critic))
    game = replace(GAMES["non_saturating"], labels=LABELS)
    gan = GAN(game, generator, critic, LATENT_SIZE, of_generator, of_critic, average)
    z = fixed_latents(max(len(test_set), 100), LATENT_SIZE, options.device)
    snapshots = fit(options, run, gan, z[:100], train_set)

    with gan.averaged():
        tg.save(run.file("model.h5"), generator=generator.state_dict(), critic=critic.state_dict())
    classifier = evaluation.load_or_train_classifier(
        options.classifier, run, train_set, valid_set, make=DigitClassifier, device=options.device
    )
    side, count = test_set.images.shape[2], len(test_set)
    resized = data.resized(data.resized(test_set.images, SIDE), side)  # twice, as the samples are
    reference = data.Dataset(resized, test_set.labels)
    samples = data.as_bytes(gan.generate(z))
    small = data.resized(samples, side)
    results = evaluation.evaluate_samples(classifier, small[:count], reference)
    last = data.resized(data.as_bytes(gan.generate(z[:count], averaged=False)), side)
    of_last = evaluation.evaluate_samples(classifier, last, reference)
    for name in ("samples_mean_top_probability", "samples_least_share", "fid"):
        results[f"last_weights_{name.removeprefix('samples_')}"] = of_last[name]

    draw_samples(run, samples, snapshots, probabilities(classifier, small))
    draw_interpolations(run, gan, z)
    draw_curves(run)
    run.finish(f"{TITLE} on {options.data}", results, text=__doc__)


def fit(options: argparse.Namespace, run: Run, gan: GAN, z: tg.Tensor, train_set: data.Dataset) -> Snapshots:
    """Train ``gan``; returns samples of z (100, latent_size) after some of the epochs."""
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True, drop_last=True, transform=enlarged)
    snapshots = Snapshots()

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        gan.generator_optimizer.lr = gan.critic_optimizer.lr = options.learning_rate
        return gan.train_step(batch[0])

    def evaluate() -> dict[str, float]:
        epoch, images = len(run.rows) + 1, data.as_bytes(gan.generate(z))
        plotting.image_grid(images, run.progress_figure(), columns=10)
        if epoch in (*SHOWN, options.epochs):
            snapshots[epoch] = images
        return {}

    parts = {**gan.parts, "snapshots": snapshots}
    train(run, loader, step, epochs=options.epochs, parts=parts, evaluate=evaluate)
    return snapshots


def enlarged(images: np.ndarray) -> np.ndarray:
    """A batch of bytes (N, 1, 28, 28) as numbers in [-1, 1], (N, 1, 64, 64)."""
    return data.to_tanh_range(data.resized(images, SIDE))


def draw_samples(run: Run, samples: np.ndarray, snapshots: Snapshots, predicted: np.ndarray) -> None:
    """Samples during training, by class, and those with the lowest maximal probability."""
    for epoch, images in snapshots.items():
        caption = f"Samples of the same latents after {epoch} {'epoch' if epoch == 1 else 'epochs'}."
        plotting.image_grid(images, run.figure(f"samples-{epoch:03d}.png", caption), columns=10)
    rows = evaluation.sort_by_class(samples, predicted, 10)
    path = run.figure("classes.png", "Samples by predicted class.")
    plotting.image_grid(rows.reshape(-1, *samples.shape[1:]), path, columns=10)
    path = run.figure("least-recognisable.png", "The samples with the lowest maximal class probability.")
    plotting.image_grid(evaluation.least_recognisable(samples, predicted, 20), path, columns=10)


def draw_interpolations(run: Run, gan: GAN, z: tg.Tensor) -> None:
    """Interpolations between six pairs of samples, linear and spherical."""
    with gan.averaged():
        linear, spherical = (
            plotting.strips(
                evaluation.interpolate_latents(gan.generator, z[:6].numpy(), z[6:12].numpy(), spherical=each)
            )
            for each in (False, True)
        )
    path = run.figure("interpolations.png", "Between two samples: above linear, below on a great circle.")
    plotting.pairs_grid(linear, spherical, path, columns=1, value_range=(-1.0, 1.0))


def draw_curves(run: Run) -> None:
    """The losses beside those of D = 1/2 and of the perfect discriminator, and the gap between the scores."""
    losses = {"discriminator": run.curve("critic_loss"), "generator": run.curve("generator_loss")}
    bounds = {"D = 1/2": run.level(2 * entropy(LABELS.mean / 2)), "perfect D": run.level(entropy(LABELS.mean))}
    panels = [
        plotting.Panel("The losses", "epoch", "nats", losses, bounds),
        plotting.Panel("Score gap", "epoch", "E[logit(real)] - E[logit(fake)]", {"gap": run.curve("score_gap")}),
    ]
    plotting.panels(panels, run.figure("curves.png", "Training, epoch by epoch."))


def entropy(y: float) -> float:
    """The entropy of a label that is 1 with probability y, in nats: the cross entropy of the best prediction, D = y."""
    return -y * math.log(y) - (1 - y) * math.log(1 - y)


if __name__ == "__main__":
    main()
