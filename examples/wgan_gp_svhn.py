"""A WGAN-GP of house numbers in colour (Gulrajani et al. 2017).

    python examples/wgan_gp_svhn.py                     the embedded house numbers, no download
    python examples/wgan_gp_svhn.py --data svhn         SVHN
    python examples/wgan_gp_svhn.py --n-critic 5        five steps of the critic per step of the generator
    python examples/wgan_gp_svhn.py --device gpu        on a GPU, unchanged

The critic maximises the gap between its mean scores of real and generated images, minus a penalty on gradient norms
that differ from 1, so the gap estimates the Wasserstein distance; the generator minimises the gap. Samples are drawn
with a moving average of the generator's weights. ``progress`` holds a grid of samples of the same latents per epoch.
"""

import argparse
from dataclasses import replace

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import Critic, Generator
from tinygen.objectives import GAMES
from tinygen.optim import Adam, ExponentialMovingAverage, linear_schedule
from tinygen.training import GAN, Run, common_arguments, conduct, fixed_latents, load_splits, train
from tinygen.training.options import positive, whole

TITLE = "A WGAN with gradient penalty"
LATENT_SIZE = 100
BETAS = (0.0, 0.9)


def arguments() -> argparse.Namespace:
    """The common options, and those of the GAN."""
    parser = common_arguments(
        TITLE,
        data="street",
        datasets=("street", "svhn"),
        epochs=10,
        batch_help="real images per step of the critic",
        classifier=True,
        out="runs/wgan_gp_svhn",
    )
    add, rate = parser.add_argument, "initial learning rate (%(default)s)"
    add("--n-critic", type=whole(1), default=1, metavar="N", help="critic's steps per generator's step (%(default)s)")
    add("--critic-rate", type=positive, default=4e-4, metavar="X", help=rate)
    add("--generator-rate", type=positive, default=2e-4, metavar="X", help=rate)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size * options.n_critic))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, networks, training, evaluation, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    generator, critic = Generator(LATENT_SIZE).to(options.device), Critic().to(options.device)
    gan = GAN(
        replace(GAMES["wasserstein_gradient"], n_critic=options.n_critic),
        generator,
        critic,
        LATENT_SIZE,
        Adam(generator.parameters(), options.generator_rate, BETAS),
        Adam(critic.parameters(), options.critic_rate, BETAS),
        ExponentialMovingAverage(generator, 0.999),
    )
    z = fixed_latents(10_000, LATENT_SIZE, options.device)
    fit(options, run, gan, z, train_set, data.to_tanh_range(valid_set.images[:1000]))

    samples = gan.generate(z[: len(test_set)])
    with gan.averaged():
        tg.save(run.file("model.h5"), generator=generator.state_dict(), critic=critic.state_dict())
    results = {
        "wasserstein_estimate": run.rows[-1]["score_gap"],
        "valid_wasserstein_estimate": run.rows[-1]["valid_score_gap"],
        "gradient_norm": run.rows[-1]["gradient_norm"],
    }
    classifier = evaluation.load_or_train_classifier(
        options.classifier, run, train_set, valid_set, device=options.device
    )
    results |= evaluation.evaluate_samples(classifier, samples, test_set)
    draw(run, samples)
    run.finish(f"{TITLE} on {options.data}", results, text=__doc__)


def fit(
    options: argparse.Namespace, run: Run, gan: GAN, z: tg.Tensor, train_set: data.Dataset, valid: np.ndarray
) -> None:
    """Train ``gan``; samples of z and the score gap on validation images per epoch."""
    batch_size = options.batch_size * options.n_critic
    loader = data.DataLoader(train_set, batch_size, shuffle=True, drop_last=True, transform=data.to_tanh_range)

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        total = options.epochs * len(loader)
        gan.critic_optimizer.lr = linear_schedule(index, total, options.critic_rate)
        gan.generator_optimizer.lr = linear_schedule(index, total, options.generator_rate)
        return gan.train_step(batch[0])

    def evaluate() -> dict[str, float]:
        plotting.image_grid(gan.generate(z[:100]), run.progress_figure(), columns=10, value_range=(-1.0, 1.0))
        return {"valid_score_gap": score_gap(gan, valid, gan.generate(z[:1000], averaged=False))}

    train(run, loader, step, epochs=options.epochs, parts=gan.parts, evaluate=evaluate)


@tg.no_grad()
def score_gap(gan: GAN, real: np.ndarray, fake: np.ndarray) -> float:
    """E[T(real)] - E[T(fake)] for images (N, C, H, W). On validation images it is smaller than on training images where
    the critic overfits."""
    device = gan.critic.parameters()[0].device
    on_real, on_fake = (gan.critic(tg.tensor(images, device=device)).numpy().mean() for images in (real, fake))
    return float(on_real - on_fake)


def draw(run: Run, samples: np.ndarray) -> None:
    """Samples, and the learning curves."""
    path = run.figure("samples.png", "Samples, with the average of the generator's weights.")
    plotting.image_grid(samples[:100], path, columns=10, value_range=(-1.0, 1.0))
    gap = {
        "training, mean of the epoch": run.curve("score_gap"),
        "validation, at its end": run.curve("valid_score_gap"),
    }
    epochs, loss = run.curve("critic_loss")
    objective = {"minus the critic's loss": (epochs, np.negative(loss))}
    norm, one = {"gradient norm": run.curve("gradient_norm")}, {"1": run.level(1.0)}
    panels = [
        plotting.Panel("Estimated Wasserstein distance", "epoch", "score gap", gap),
        plotting.Panel("The critic's objective", "epoch", "gap - 10 x penalty", objective),
        plotting.Panel("The penalty", "epoch", "E[(||grad T|| - 1)^2]", {"penalty": run.curve("penalty")}),
        plotting.Panel("Gradient norms", "epoch", "E ||grad T||", norm, one),
    ]
    plotting.panels(panels, run.figure("curves.png", "Training, epoch by epoch."))


if __name__ == "__main__":
    main()
