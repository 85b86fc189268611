"""Three GANs with the same networks on images of clothes: the effect of each objective on samples and curves.

    python examples/gan_fashion_mnist.py                                all three, one after the other
    python examples/gan_fashion_mnist.py --game wasserstein-gp          one of them
    python examples/gan_fashion_mnist.py --resume                       continue; a finished one is only evaluated again
    python examples/gan_fashion_mnist.py --steps 90000 --width 64 --device gpu          as long as published runs
    python examples/gan_fashion_mnist.py --data strokes --limit 2000    synthetic digits, no download, minutes

A generator of three transposed convolutions maps 128 latent variables to images of 28 x 28; the critic has three
convolutions. All GANs start from the same weights, none depends on which others are trained, and each uses as many real
images: with five critic's steps per generator's step, the generator makes a fifth of the steps. A classifier trained on
the same images predicts the classes of the samples and how often each occurs; its features give FID, KID, precision and
recall. Samples are drawn with a moving average of the generator's weights.

Non-saturating: the critic is a discriminator whose loss is the cross entropy of real and generated. It starts near
log 4 = 1.39, the loss of D = 1/2, and falls towards 0 in the first hundreds of steps; the generator's loss rises at the
same time. Then both stay nearly constant while the samples improve: at the optimum the losses are log 4 and log 2,
which are not reached.

Wasserstein with weights clipped at 0.1: the loss is minus the gap between the scores of real and generated images. It
falls fast while the critic learns to separate them, and then rises slowly toward 0 as the generator closes the gap.
The gap has no unit: it is the distance times the Lipschitz constant that clipping allows, which is unknown.

Wasserstein with gradient penalty: the same shape, after a few first steps in which gradient norms far from 1 cost the
critic more than the gap gains. Gradient norms near 1 give the gap the unit of the pixels.
"""

import argparse
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import DigitClassifier, GreyCritic, GreyGenerator
from tinygen.objectives import GAMES as TABLE
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import GAN, Run, Snapshots, common_arguments, conduct, fixed_latents, load_splits, say, train
from tinygen.training.classifier import probabilities
from tinygen.training.options import real, whole

TITLE = "Three GANs on grey images"
GAMES = {
    "non-saturating": TABLE["non_saturating"],
    "wasserstein-clip": replace(TABLE["wasserstein_clip"], clip=0.1),
    "wasserstein-gp": replace(TABLE["wasserstein_gradient"], n_critic=1),
}
LATENT_SIZE = 128
ROWS = 50  # rows of metrics, and grids of samples, per training run
CLASSES = {
    "fashion-mnist": "T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot",
    "strokes": "the digits from 0 to 9",
    "mnist": "the digits from 0 to 9",
}


class Trained(NamedTuple):
    """A trained GAN: its run, samples during training, and final samples, uint8 (N, 1, 28, 28)."""

    run: Run
    snapshots: Snapshots
    samples: np.ndarray


def arguments() -> argparse.Namespace:
    """The common options, and those of the GANs."""
    parser = common_arguments(
        TITLE,
        data="fashion-mnist",
        datasets=tuple(CLASSES),
        epochs=6,
        batch_size=32,
        batch_help="real images per step of the critic",
        learning_rate=2e-4,
        classifier=True,
        out="runs/gan_fashion_mnist",
    )
    add = parser.add_argument
    add("--game", nargs="+", choices=GAMES, default=list(GAMES), metavar="NAME", help=f"of {', '.join(GAMES)} (all)")
    steps = "steps of the generator, in place of --epochs; 6 epochs are 10,000, or 2,000 with five critic's steps each"
    add("--steps", type=whole(1), metavar="N", help=steps)
    add("--n-critic", type=whole(1), metavar="N", help="critic's steps per generator's step (1; wasserstein-clip: 5)")
    add("--beta1", type=real(0, 1), default=0.5, metavar="X", help="Adam's, for both networks (%(default)s)")
    width = "channels of the layer nearest to the image (%(default)s; recommended on a GPU: 64)"
    add("--width", type=whole(1), default=32, metavar="N", help=width)
    options = parser.parse_args()
    options.game = list(dict.fromkeys(options.game))  # each once
    return options


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    n_critic = options.n_critic or max(GAMES[name].n_critic for name in options.game)
    conduct(experiment, options, limit=max(32, options.batch_size * n_critic), steps=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, GANs, evaluation by a classifier, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    gans = {name: fit(name, options, run, train_set, len(test_set)) for name in options.game}

    tg.manual_seed(options.seed)  # the classifier does not depend on which GANs were trained
    classifier = evaluation.load_or_train_classifier(
        options.classifier, run, train_set, valid_set, make=DigitClassifier, epochs=5, device=options.device
    )
    results = {}
    for name, gan in gans.items():
        scores = evaluation.evaluate_samples(classifier, gan.samples, test_set)
        results["classifier_accuracy"] = scores.pop("classifier_accuracy")
        prefix = name.replace("-", "_")
        results |= {f"{prefix}_{score.removeprefix('samples_')}": value for score, value in scores.items()}
    real = evaluation.evaluate_samples(classifier, train_set.images[: len(test_set)], test_set)
    compared = ("fid", "kid", "kid_standard_error", "precision", "recall")
    results |= {f"training_images_{score}": real[score] for score in compared}
    predicted = {name: probabilities(classifier, gan.samples) for name, gan in gans.items()}
    draw_samples_and_curves(run, gans)
    draw_classes(run, gans, predicted, test_set, CLASSES[options.data])
    run.finish(f"{TITLE}: {options.data}", results, text=__doc__, columns=len(gans))


def fit(name: str, options: argparse.Namespace, parent: Run, train_set: data.Dataset, count: int) -> Trained:
    """Train one GAN in the subfolder ``name`` of the folder of ``parent``, and draw ``count`` samples."""
    gan = new_gan(name, options)
    loader = data.DataLoader(
        train_set, options.batch_size * gan.game.n_critic, shuffle=True, drop_last=True, transform=data.to_tanh_range
    )
    steps = options.steps or options.epochs * len(loader)
    interval = math.ceil(steps / ROWS)  # steps per row
    rows = math.ceil(steps / interval)
    say(f"{name}: {rows * interval:,} steps of the generator, each with {gan.game.n_critic} of the critic")
    run, snapshots = parent.part(name), Snapshots()
    z = fixed_latents(max(count, 100), LATENT_SIZE, options.device)

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        gan.generator_optimizer.lr = gan.critic_optimizer.lr = options.learning_rate
        return gan.train_step(batch[0])

    def evaluate() -> dict[str, float]:
        done = (len(run.rows) + 1) * interval
        images = data.as_bytes(gan.generate(z[:100]))
        snapshots[done] = images[:10]
        plotting.image_grid(images, run.progress_figure("row"), columns=10)
        return {"generator_steps": done}

    parts = {**gan.parts, "snapshots": snapshots}
    train(run, data.FixedSteps(loader, interval), step, epochs=rows, parts=parts, evaluate=evaluate)
    with gan.averaged():
        tg.save(run.file("model.h5"), generator=gan.generator.state_dict(), critic=gan.critic.state_dict())
    return Trained(run, snapshots, data.as_bytes(gan.generate(z))[:count])


def new_gan(name: str, options: argparse.Namespace) -> GAN:
    """A GAN with the initial weights that all of them share."""
    tg.manual_seed(options.seed)
    game = GAMES[name] if options.n_critic is None else replace(GAMES[name], n_critic=options.n_critic)
    generator = GreyGenerator(LATENT_SIZE, options.width).to(options.device)
    critic = GreyCritic(options.width, normalised=game.norm_penalty is None).to(options.device)
    rate, betas = options.learning_rate, (options.beta1, 0.999)
    of_generator, of_critic = (Adam(network.parameters(), rate, betas) for network in (generator, critic))
    average = ExponentialMovingAverage(generator, 0.999)
    return GAN(game, generator, critic, LATENT_SIZE, of_generator, of_critic, average)


def draw_samples_and_curves(run: Run, gans: dict[str, Trained]) -> None:
    """Samples, curves, and samples of ten latents during training; one kind of figure after the other, so that the
    report has one column per GAN."""
    for name, gan in gans.items():
        path = run.figure(f"{name}-samples.png", f"{name}: samples.")
        plotting.image_grid(gan.samples[:100], path, columns=10)
    for name, gan in gans.items():
        plotting.panels(curves(gan.run), run.figure(f"{name}-curves.png", f"{name}: learning curves."))
    for name, gan in gans.items():
        steps, images = gan.snapshots.rows(10)
        caption = f"{name}: the same ten latents after {', '.join(f'{step:,}' for step in steps)} steps."
        path = run.figure(f"{name}-progress.png", caption)
        plotting.image_grid(images.reshape(-1, *images.shape[2:]), path, columns=10)


def curves(run: Run) -> list[plotting.Panel]:
    """Both losses; the gap between the scores; the gradient norms, where they are penalised."""
    x, label = "generator_steps", "steps of the generator"
    losses = {"critic": run.curve("critic_loss", x), "generator": run.curve("generator_loss", x)}
    gap = {"gap": run.curve("score_gap", x)}
    panels = [
        plotting.Panel("The losses", label, "loss", losses, markers=False),
        plotting.Panel("Score gap", label, "E[T(real)] - E[T(fake)]", gap, markers=False),
    ]
    if "gradient_norm" in run.rows[0]:
        norms, one = {"gradient norm": run.curve("gradient_norm", x)}, {"1": run.level(1.0, x)}
        panels.append(plotting.Panel("Gradient norms", label, "E ||grad T||", norms, one, markers=False))
    return panels


def draw_classes(
    run: Run, gans: dict[str, Trained], predicted: dict[str, np.ndarray], test_set: data.Dataset, classes: str
) -> None:
    """Samples by predicted class, those with the lowest maximal probability, and the frequencies of the classes."""
    real = evaluation.sort_by_class(test_set.images, np.eye(10)[test_set.labels], 6)
    for name, gan in gans.items():
        generated = evaluation.sort_by_class(gan.samples, predicted[name], 6)
        rows = np.concatenate([generated, np.full_like(generated[:, :1], 255), real], axis=1)
        caption = f"{name}: samples by predicted class, and on the right real images: {classes}."
        plotting.image_grid(rows.reshape(-1, *rows.shape[2:]), run.figure(f"{name}-classes.png", caption), columns=13)
    for name, gan in gans.items():
        least = evaluation.least_recognisable(gan.samples, predicted[name], 40)
        caption = f"{name}: the samples with the lowest maximal class probability."
        plotting.image_grid(least, run.figure(f"{name}-least-recognisable.png", caption), columns=10)

    def frequencies(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return np.arange(10), np.bincount(chosen, minlength=10) / len(chosen)

    measured = {name: frequencies(each.argmax(axis=1)) for name, each in predicted.items()}
    real_ones, ticks = {"real": frequencies(test_set.labels)}, list(range(10))
    panel = plotting.Panel(
        "Frequencies of the classes", "class", "fraction of samples", measured, real_ones, from_zero=True, xticks=ticks
    )
    plotting.panels([panel], run.figure("shares.png", f"The frequency of each class: {classes}."))


if __name__ == "__main__":
    main()
