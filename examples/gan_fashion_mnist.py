"""Three games between the same two networks, on clothes: what each constraint does to the images and to the curves.

    python examples/gan_fashion_mnist.py                                all three games, one after the other
    python examples/gan_fashion_mnist.py --game wasserstein-gp          one of them
    python examples/gan_fashion_mnist.py --resume                       go on; a game that is over is only judged again
    python examples/gan_fashion_mnist.py --steps 90000 --width 64 --device gpu          as long as published runs
    python examples/gan_fashion_mnist.py --data strokes --limit 2000    embedded digits: nothing to download, minutes

A generator of three transposed convolutions draws images of 28 x 28 from 128 numbers; a critic of three convolutions
scores them. All games begin with the same weights, none depends on which others are played, and each sees as many real
images: where the critic makes five steps to one, the generator makes a fifth of the steps. A classifier that was
trained on the same images sorts the samples, says of which it is least sure and whether a class is missing, and its
features measure FID and KID. Samples are drawn with an average of the generator's weights.

Non-saturating: the critic is a discriminator, whose loss is the surprise at which images are real. It begins near
log 4 = 1.39, that of one who knows nothing, and goes towards 0 in the first hundreds of steps, as the discriminator
learns to tell the samples; the generator's loss, the surprise that its samples are taken for fake, climbs at the same
time. Then the two stay about where they are, while the samples get better: at its best this game would end at log 4 and
log 2, and it does not get there.

Wasserstein with weights clipped at 0.1: the loss is minus the gap between the scores of real and fake images. It falls
fast, while the critic learns to tell them apart, and then climbs slowly toward 0 as the generator closes the gap. The
climb is the good news. The gap has no unit: it is the distance times a slope that the box allows, and nobody knows it.

Wasserstein with gradient penalty: the same curve, fast down and slowly up, after a first moment in which slopes far
from 1 cost the critic more than the gap gains. Slopes near 1 give the gap a unit, that of the pixels.
"""

import argparse
import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

import tinygen as tg
from tinygen import backend, data, evaluation, plotting
from tinygen.models import DigitClassifier, GreyCritic, GreyGenerator
from tinygen.objectives import GAMES as TABLE
from tinygen.optim import Adam, ExponentialMovingAverage
from tinygen.training import Players, Run, Snapshots, common_arguments, conduct, load_splits, say, train
from tinygen.training.classifier import probabilities
from tinygen.training.options import positive, real, user_path, whole

TITLE = "Three games on grey images"
GAMES = {
    "non-saturating": TABLE["non_saturating"],
    "wasserstein-clip": replace(TABLE["wasserstein_clip"], clip=0.1),
    "wasserstein-gp": replace(TABLE["wasserstein_gradient"], n_critic=1),
}
LATENT_SIZE = 128
LOOKS = 50  # times that a training is looked at: rows of metrics, grids of samples
CLASSES = {
    "fashion-mnist": "T-shirt, trousers, pullover, dress, coat, sandal, shirt, sneaker, bag, ankle boot",
    "strokes": "the digits from 0 to 9",
    "mnist": "the digits from 0 to 9",
}


class Played(NamedTuple):
    """What a game leaves to be judged: its metrics, pictures of the way, and samples, uint8 (N, 1, 28, 28)."""

    rows: list[dict[str, float]]
    snapshots: Snapshots
    samples: np.ndarray


def arguments() -> argparse.Namespace:
    """The common options, and the games'."""
    parser = common_arguments(
        TITLE,
        data="fashion-mnist",
        epochs=6,
        out="runs/gan_fashion_mnist",
        batch_size=32,
        datasets=tuple(CLASSES),
        batch_help="real images a critic's step",
    )
    parser.add_argument(
        "--game", nargs="+", choices=GAMES, default=list(GAMES), metavar="NAME", help=f"of {', '.join(GAMES)} (all)"
    )
    parser.add_argument(
        "--steps",
        type=whole(1),
        metavar="N",
        help="the generator's steps in each game, in place of --epochs; 6 epochs are 10,000, or 2,000 where the critic "
        "makes five to its one",
    )
    parser.add_argument(
        "--n-critic", type=whole(1), metavar="N", help="critic's steps a round (1; wasserstein-clip: 5)"
    )
    parser.add_argument("--learning-rate", type=positive, default=2e-4, metavar="X", help="of both (%(default)s)")
    parser.add_argument("--beta1", type=real(0, 1), default=0.5, metavar="X", help="Adam's, of both (%(default)s)")
    parser.add_argument(
        "--width",
        type=whole(1),
        default=32,
        metavar="N",
        help="channels beside the image (%(default)s; on a GPU rather 64)",
    )
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
    n_critic = options.n_critic or max(GAMES[name].n_critic for name in options.game)
    conduct(experiment, options, limit=max(32, options.batch_size * n_critic), steps=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, games, the judge, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    say(f"{TITLE}: {options.data}, {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")
    games = {name: play(name, options, run, train_set, len(test_set)) for name in options.game}

    tg.manual_seed(options.seed)
    classifier = evaluation.obtain_classifier(
        options.classifier,
        run,
        train_set,
        valid_set,
        make=DigitClassifier,
        epochs=5,
        device=options.device,
    )
    results = {}
    for name, game in games.items():
        found = evaluation.judge_samples(classifier, game.samples, test_set)
        results["classifier_accuracy"] = found.pop("classifier_accuracy")
        results |= {f"{name.replace('-', '_')}_{what.removeprefix('samples_')}": each for what, each in found.items()}
    real = evaluation.judge_samples(classifier, train_set.images[: len(test_set)], test_set)
    results |= {f"training_images_{what}": real[what] for what in ("fid", "kid", "kid_standard_error")}
    chances = {name: probabilities(classifier, game.samples) for name, game in games.items()}
    draw(run, games, chances, test_set, CLASSES[options.data])
    run.finish(
        f"{TITLE}: {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text="\n\n".join(__doc__.split("\n\n")[2:]),
        columns=len(games),
    )


def play(name: str, options: argparse.Namespace, parent: Run, train_set: data.Dataset, count: int) -> Played:
    """Play one game to its end, in a folder of its name within that of ``parent``, and draw ``count`` samples."""
    game = GAMES[name] if options.n_critic is None else replace(GAMES[name], n_critic=options.n_critic)
    tg.manual_seed(options.seed)
    generator = GreyGenerator(LATENT_SIZE, options.width).to(options.device)
    critic = GreyCritic(options.width, normalised=game.slope_penalty is None).to(options.device)
    optimizers = [
        Adam(player.parameters(), options.learning_rate, (options.beta1, 0.999)) for player in (generator, critic)
    ]
    average = ExponentialMovingAverage(generator, 0.999)
    players = Players(game, generator, critic, LATENT_SIZE, *optimizers, average)

    batch = options.batch_size * game.n_critic
    loader = data.DataLoader(train_set, batch, shuffle=True, drop_last=True, transform=data.centred)
    steps = options.steps or options.epochs * len(loader)
    rounds = math.ceil(steps / LOOKS)  # from one look to the next
    looks = math.ceil(steps / rounds)
    say(f"{name}: {looks * rounds:,} steps of the generator, {game.n_critic} of the critic to each")
    run, snapshots = parent.part(name), Snapshots()
    with backend.fixed_seed(0):
        z = players.latents(max(count, 100))  # the same in every game, so that grids can be compared

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        for optimizer in optimizers:
            optimizer.lr = options.learning_rate
        return players.round(tg.tensor(batch[0], device=options.device))

    def evaluate() -> dict[str, float]:
        done = (len(run.rows) + 1) * rounds
        images = data.as_bytes(players.generate(z[:100]))
        snapshots[done] = images[:10]
        plotting.image_grid(images, run.progress_figure("look"), columns=10)
        return {"generator_steps": done}

    parts = {**players.parts, "snapshots": snapshots}
    train(run, data.Repeated(loader, rounds), step, epochs=looks, parts=parts, evaluate=evaluate)
    with average.applied():
        tg.save(run.file("model.h5"), generator=generator.state_dict(), critic=critic.state_dict())
    return Played(run.rows, snapshots, data.as_bytes(players.generate(z))[:count])


def draw(
    run: Run, games: dict[str, Played], chances: dict[str, np.ndarray], test_set: data.Dataset, classes: str
) -> None:
    """One kind of figure after the other, each for all games, side by side in the report."""
    for name, game in games.items():
        path = run.figure(f"{name}-samples.png", f"{name}: samples.")
        plotting.image_grid(game.samples[:100], path, columns=10)
    for name, game in games.items():
        plotting.panels(curves(game.rows), run.figure(f"{name}-curves.png", f"{name}: the game's curves."))
    for name, game in games.items():
        moments, images = game.snapshots.rows(10)
        caption = f"{name}: the same ten latents after {', '.join(f'{moment:,}' for moment in moments)} steps."
        path = run.figure(f"{name}-progress.png", caption)
        plotting.image_grid(images.reshape(-1, *images.shape[2:]), path, columns=10)
    real = evaluation.sort_by_class(test_set.images, np.eye(10)[test_set.labels], 6)
    for name, game in games.items():
        made = evaluation.sort_by_class(game.samples, chances[name], 6)
        rows = np.concatenate([made, np.full_like(made[:, :1], 255), real], axis=1)
        caption = f"{name}: samples by class, as the classifier sorts them, and on the right real ones: {classes}."
        plotting.image_grid(rows.reshape(-1, *rows.shape[2:]), run.figure(f"{name}-classes.png", caption), columns=13)
    for name, game in games.items():
        least = evaluation.least_recognisable(game.samples, chances[name], 40)
        caption = f"{name}: the samples of which the classifier is least sure."
        plotting.image_grid(least, run.figure(f"{name}-least-recognisable.png", caption), columns=10)
    path = run.figure("shares.png", f"How often each class is drawn: {classes}.")
    plotting.panels([shares(chances, test_set)], path)


def curves(rows: list[dict[str, float]]) -> list[plotting.Panel]:
    """What both players pay; the gap between the scores; the slopes, where they are paid for."""
    steps = [row["generator_steps"] for row in rows]

    def column(name: str) -> tuple[list[float], list[float]]:
        return steps, [row[name] for row in rows]

    losses = {"critic": column("critic_loss"), "generator": column("generator_loss")}
    panels = [
        plotting.Panel("The losses", "steps of the generator", "loss", losses, markers=False),
        plotting.Panel(
            "The gap between the scores",
            "steps of the generator",
            "E[T(real)] - E[T(fake)]",
            {"gap": column("score_gap")},
            markers=False,
        ),
    ]
    if "slope" in rows[0]:
        one = {"1": ([steps[0], steps[-1]], [1.0, 1.0])}
        slope = {"slope": column("slope")}
        panels.append(plotting.Panel("The slopes", "steps of the generator", "E ||grad T||", slope, one, markers=False))
    return panels


def shares(chances: dict[str, np.ndarray], test_set: data.Dataset) -> plotting.Panel:
    """How often each class is drawn, beside how often it is real."""
    classes = np.arange(10)

    def share(chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return classes, np.bincount(chosen, minlength=10) / len(chosen)

    drawn = {name: share(each.argmax(axis=1)) for name, each in chances.items()}
    real, title = {"real": share(test_set.labels)}, "Shares of the classes"
    return plotting.Panel(title, "class", "share of samples", drawn, real, from_zero=True, xticks=classes.tolist())


if __name__ == "__main__":
    main()
