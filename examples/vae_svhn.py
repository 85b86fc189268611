"""A variational autoencoder learns to draw house numbers in colour, with the generator that the GAN has.

    python examples/vae_svhn.py                         the embedded house numbers, nothing to download
    python examples/vae_svhn.py --data svhn             SVHN
    python examples/vae_svhn.py --variance learned      one variance for all pixels, learned rather than 1
    python examples/vae_svhn.py --device gpu            on a GPU, unchanged

Pixels lie in [-1, 1] and p(x|z) = N(x; g(z), variance). At variance 1 most of an image counts as noise, and few of the
100 latents are worth their nats; where the variance is learned it comes to what the reconstructions leave, and all of
them can be (Rybkin et al. 2021). Pictures show means. ``progress`` holds a grid of the same latents an epoch.
"""

import argparse
import math
from functools import partial

import numpy as np

import tinygen as tg
from tinygen import backend, data, evaluation, plotting
from tinygen.models import ColourVAE, GaussianPixels
from tinygen.optim import Adam, ExponentialMovingAverage, linear_schedule
from tinygen.training import Run, common_arguments, conduct, load_splits, say, train_vae
from tinygen.training.options import positive, user_path

TITLE = "A VAE of colour images"
LATENT_SIZE = 100


def arguments() -> argparse.Namespace:
    """The common options, and the model's."""
    parser = common_arguments(TITLE, data="street", epochs=14, out="runs/vae_svhn", datasets=("street", "svhn"))
    parser.add_argument("--variance", choices=("one", "learned"), default="one", help="of the pixels (%(default)s)")
    parser.add_argument("--learning-rate", type=positive, default=1e-3, metavar="X", help="Adam's (%(default)s)")
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
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, figures, results."""
    tg.manual_seed(options.seed)

    train_set, valid_set, test_set = load_splits(options)
    say(f"{TITLE} on {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True, drop_last=True, transform=data.centred)

    pixels = GaussianPixels(learned=options.variance == "learned")
    model = ColourVAE(LATENT_SIZE, pixels).to(options.device)
    optimizer = Adam(model.parameters(), options.learning_rate)
    average = ExponentialMovingAverage(model, 0.999)
    with backend.fixed_seed(0):
        z = tg.randn(10_000, LATENT_SIZE).to(options.device)  # the same in every run, so that grids can be compared
    unseen = data.centred(valid_set.images[:2000])

    def evaluate() -> dict[str, float]:
        with average.applied():
            drawn = evaluation.generate(model.decoder, z[:100])
            plotting.image_grid(drawn, run.progress_figure(), columns=10, value_range=model.pixel_range)
            return {
                "valid_elbo": evaluation.elbo(model, unseen),
                "active_units": evaluation.active_units(model, unseen),
                "pixel_standard_deviation": math.sqrt(pixels.variance),
            }

    train_vae(
        run,
        model,
        loader,
        optimizer,
        epochs=options.epochs,
        schedule=partial(linear_schedule, total=options.epochs * len(loader), peak=options.learning_rate),
        average=average,
        evaluate=evaluate,
    )

    with average.applied():
        state = model.state_dict()
    model.load_state_dict(state)
    tg.save(run.file("model.h5"), model=state, generator=model.decoder.state_dict())
    draw(run, model, z, data.centred(test_set.images[:20]))
    results = {
        "valid_elbo": evaluation.elbo(model, data.centred(valid_set.images)),
        "test_elbo": evaluation.elbo(model, data.centred(test_set.images)),
        "train_kl": run.rows[-1]["train_kl"],
        "active_units": run.rows[-1]["active_units"],
        "pixel_standard_deviation": run.rows[-1]["pixel_standard_deviation"],
    }
    classifier = evaluation.obtain_classifier(options.classifier, run, train_set, valid_set, device=options.device)
    results |= evaluation.judge_samples(classifier, evaluation.generate(model.decoder, z[: len(test_set)]), test_set)
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text=__doc__.split("\n\n")[2],
    )


def draw(run: Run, model: ColourVAE, z: tg.Tensor, images: np.ndarray) -> None:
    """Samples, reconstructions, and what was watched while they came to be."""
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(evaluation.generate(model.decoder, z[:100]), path, columns=10, value_range=model.pixel_range)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path, value_range=model.pixel_range)
    epochs = [row["epoch"] for row in run.rows]

    def column(name: str) -> tuple[list[float], list[float]]:
        return epochs, [row[name] for row in run.rows]

    reconstruction = [row["train_elbo"] + row["train_kl"] for row in run.rows]
    elbo = {"training": column("train_elbo"), "validation": column("valid_elbo")}
    panels = [
        plotting.Panel("The ELBO", "epoch", "nats an image", elbo),
        plotting.Panel("Reconstruction: log p(x|z)", "epoch", "nats an image", {"training": (epochs, reconstruction)}),
        plotting.Panel("KL(q(z|x) || p(z))", "epoch", "nats an image", {"training": column("train_kl")}),
        plotting.Panel("Latents in use", "epoch", "active units", {"of 100": column("active_units")}),
    ]
    plotting.panels(panels, run.figure("curves.png", "Training, epoch by epoch."))


if __name__ == "__main__":
    main()
