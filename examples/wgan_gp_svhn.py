"""A generator and a critic play for the Wasserstein distance, and house numbers come of it.

    python examples/wgan_gp_svhn.py                     the embedded house numbers, nothing to download
    python examples/wgan_gp_svhn.py --data svhn         SVHN
    python examples/wgan_gp_svhn.py --n-critic 5        five steps of the critic to one of the generator
    python examples/wgan_gp_svhn.py --device gpu        on a GPU, unchanged

The critic learns to score real images high and the generator's low, and pays for slopes that are not 1, so that the gap
between the scores is an estimate of the Wasserstein distance; the generator learns to close it (Gulrajani et al. 2017).
Samples are drawn with an average of the generator's weights. ``progress`` holds a grid of the same latents an epoch.
"""

import argparse
from dataclasses import replace

import numpy as np

import tinygen as tg
from tinygen import backend, data, evaluation, plotting
from tinygen.models import Critic, Generator
from tinygen.objectives import GAMES
from tinygen.optim import Adam, ExponentialMovingAverage, linear_schedule
from tinygen.training import Players, Run, common_arguments, conduct, load_splits, say, train
from tinygen.training.options import positive, user_path, whole

TITLE = "A WGAN with gradient penalty"
LATENT_SIZE = 100
BETAS = (0.0, 0.9)


def arguments() -> argparse.Namespace:
    """The common options, and the game's."""
    parser = common_arguments(
        TITLE,
        data="street",
        epochs=10,
        out="runs/wgan_gp_svhn",
        datasets=("street", "svhn"),
        batch_help="images a step",
    )
    parser.add_argument(
        "--n-critic", type=whole(1), default=1, metavar="N", help="critic's steps a round (%(default)s)"
    )
    parser.add_argument("--critic-rate", type=positive, default=4e-4, metavar="X", help="learning rate (%(default)s)")
    parser.add_argument(
        "--generator-rate", type=positive, default=2e-4, metavar="X", help="learning rate (%(default)s)"
    )
    parser.add_argument(
        "--classifier",
        type=user_path,
        metavar="FILE",
        help="what judges samples: the checkpoint of examples/classify_svhn.py on the same data; else one is trained",
    )
    return parser.parse_args()


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size * options.n_critic))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, players, game, training, figures, results."""
    tg.manual_seed(options.seed)

    train_set, valid_set, test_set = load_splits(options)
    say(f"{TITLE} on {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")
    loader = data.DataLoader(
        train_set, options.batch_size * options.n_critic, shuffle=True, drop_last=True, transform=data.centred
    )

    generator, critic = Generator(LATENT_SIZE).to(options.device), Critic().to(options.device)
    players = Players(
        replace(GAMES["wasserstein_gradient"], n_critic=options.n_critic),
        generator,
        critic,
        LATENT_SIZE,
        Adam(generator.parameters(), options.generator_rate, BETAS),
        Adam(critic.parameters(), options.critic_rate, BETAS),
        ExponentialMovingAverage(generator, 0.999),
    )
    with backend.fixed_seed(0):
        z = players.latents(10_000)  # the same in every run, so that grids can be compared
    unseen = data.centred(valid_set.images[:1000])

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        total = options.epochs * len(loader)
        players.critic_optimizer.lr = linear_schedule(index, total, options.critic_rate)
        players.generator_optimizer.lr = linear_schedule(index, total, options.generator_rate)
        return players.round(tg.tensor(batch[0], device=options.device))

    def evaluate() -> dict[str, float]:
        plotting.image_grid(players.generate(z[:100]), run.progress_figure(), columns=10, value_range=(-1.0, 1.0))
        return {"valid_score_gap": score_gap(players, unseen, players.generate(z[:1000], averaged=False))}

    train(run, loader, step, epochs=options.epochs, parts=players.parts, evaluate=evaluate)

    samples = players.generate(z[: len(test_set)])
    with players.average.applied():
        tg.save(run.file("model.h5"), generator=generator.state_dict(), critic=critic.state_dict())
    results = {
        "wasserstein_estimate": run.rows[-1]["score_gap"],
        "valid_wasserstein_estimate": run.rows[-1]["valid_score_gap"],
        "slope": run.rows[-1]["slope"],
    }
    classifier = evaluation.obtain_classifier(options.classifier, run, train_set, valid_set, device=options.device)
    results |= evaluation.judge_samples(classifier, samples, test_set)
    draw(run, samples)
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text=__doc__.split("\n\n")[2],
    )


@tg.no_grad()
def score_gap(players: Players, real: np.ndarray, fake: np.ndarray) -> float:
    """E[T(real)] - E[T(fake)] of images (N, C, H, W): on images that the critic was not trained on it falls behind that
    in training where the critic knows its images by heart."""
    device = players.critic.parameters()[0].device
    on_real, on_fake = (players.critic(tg.tensor(images, device=device)).numpy().mean() for images in (real, fake))
    return float(on_real - on_fake)


def draw(run: Run, samples: np.ndarray) -> None:
    """Samples, and what was watched while they came to be."""
    path = run.figure("samples.png", "Samples, by the average of the generator's weights.")
    plotting.image_grid(samples[:100], path, columns=10, value_range=(-1.0, 1.0))
    epochs = [row["epoch"] for row in run.rows]

    def column(name: str) -> tuple[list[float], list[float]]:
        return epochs, [row[name] for row in run.rows]

    gap = {"training, over the epoch": column("score_gap"), "validation, at its end": column("valid_score_gap")}
    panels = [
        plotting.Panel("The estimate of the Wasserstein distance", "epoch", "gap between the scores", gap),
        plotting.Panel(
            "The critic's loss, its sign turned",
            "epoch",
            "gap less 10 x penalty",
            {"minus the critic's loss": (epochs, [-row["critic_loss"] for row in run.rows])},
        ),
        plotting.Panel("The penalty", "epoch", "E[(slope - 1)^2]", {"penalty": column("penalty")}),
        plotting.Panel(
            "The slopes",
            "epoch",
            "E ||grad T||",
            {"slope": column("slope")},
            {"1": ([epochs[0], epochs[-1]], [1.0, 1.0])},
        ),
    ]
    plotting.panels(panels, run.figure("curves.png", "The game, epoch by epoch."))


if __name__ == "__main__":
    main()
