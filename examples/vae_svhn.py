"""A VAE of house numbers in colour, whose decoder is the generator network of the WGAN-GP.

    python examples/vae_svhn.py                         the embedded house numbers, no download
    python examples/vae_svhn.py --data svhn             SVHN
    python examples/vae_svhn.py --variance learned      one variance for all pixels, learned rather than 1
    python examples/vae_svhn.py --device gpu            on a GPU, unchanged

Pixels lie in [-1, 1] and p(x|z) = N(x; g(z), variance). At variance 1 most of an image counts as noise, and few of the
100 latents reduce the reconstruction error by more than their KL; a learned variance converges to the mean squared
error of the reconstructions, and all latents can be active (Rybkin et al. 2021). Figures show means. ``progress`` holds
a grid of samples of the same latents per epoch.
"""

import argparse
import math
from functools import partial

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import ColourVAE, GaussianPixels
from tinygen.optim import Adam, ExponentialMovingAverage, linear_schedule
from tinygen.training import Run, common_arguments, conduct, fixed_latents, load_splits, train_vae

TITLE = "A VAE of colour images"
LATENT_SIZE = 100


def arguments() -> argparse.Namespace:
    """The common options, and the variance of the pixels."""
    parser = common_arguments(
        TITLE,
        data="street",
        datasets=("street", "svhn"),
        epochs=14,
        learning_rate=1e-3,
        classifier=True,
        out="runs/vae_svhn",
    )
    variance = "of the pixels (%(default)s)"
    parser.add_argument("--variance", choices=("one", "learned"), default="one", help=variance)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, evaluation, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
    pixels = GaussianPixels(learned=options.variance == "learned")
    model = ColourVAE(LATENT_SIZE, pixels).to(options.device)
    z = fixed_latents(10_000, LATENT_SIZE, options.device)
    fit(options, run, model, pixels, z[:100], train_set, data.to_tanh_range(valid_set.images[:2000]))

    tg.save(run.file("model.h5"), model=model.state_dict(), generator=model.decoder.state_dict())
    draw(run, model, z[:100], data.to_tanh_range(test_set.images[:20]))
    results = {
        "valid_elbo": evaluation.elbo(model, data.to_tanh_range(valid_set.images)),
        "test_elbo": evaluation.elbo(model, data.to_tanh_range(test_set.images)),
    } | {name: run.rows[-1][name] for name in ("train_kl", "active_units", "pixel_standard_deviation")}
    classifier = evaluation.load_or_train_classifier(
        options.classifier, run, train_set, valid_set, device=options.device
    )
    results |= evaluation.evaluate_samples(classifier, evaluation.generate(model.decoder, z[: len(test_set)]), test_set)
    run.finish(f"{TITLE} on {options.data}", results, text=__doc__)


def fit(
    options: argparse.Namespace,
    run: Run,
    model: ColourVAE,
    pixels: GaussianPixels,
    z: tg.Tensor,
    train_set: data.Dataset,
    valid: np.ndarray,
) -> None:
    """Train ``model``, whose weights become their moving average; samples of z and the validation ELBO per epoch."""
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True, drop_last=True, transform=data.to_tanh_range)
    average = ExponentialMovingAverage(model, 0.999)

    def evaluate() -> dict[str, float]:
        with average.applied():
            samples = evaluation.generate(model.decoder, z)
            plotting.image_grid(samples, run.progress_figure(), columns=10, value_range=model.pixel_range)
            return {
                "valid_elbo": evaluation.elbo(model, valid),
                "active_units": evaluation.active_units(model, valid),
                "pixel_standard_deviation": math.sqrt(pixels.variance),
            }

    train_vae(
        run,
        model,
        loader,
        Adam(model.parameters()),
        epochs=options.epochs,
        learning_rate=partial(linear_schedule, total=options.epochs * len(loader), peak=options.learning_rate),
        average=average,
        evaluate=evaluate,
    )
    with average.applied():
        averaged = model.state_dict()
    model.load_state_dict(averaged)


def draw(run: Run, model: ColourVAE, z: tg.Tensor, images: np.ndarray) -> None:
    """Samples, reconstructions, and the learning curves."""
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(evaluation.generate(model.decoder, z), path, columns=10, value_range=model.pixel_range)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path, value_range=model.pixel_range)
    elbo = {"training": run.curve("train_elbo"), "validation": run.curve("valid_elbo")}
    epochs, kl = run.curve("train_kl")
    reconstruction = {"training": (epochs, np.add(kl, elbo["training"][1]))}
    panels = [
        plotting.Panel("The ELBO", "epoch", "nats per image", elbo),
        plotting.Panel("Reconstruction: log p(x|z)", "epoch", "nats per image", reconstruction),
        plotting.Panel("KL(q(z|x) || p(z))", "epoch", "nats per image", {"training": (epochs, kl)}),
        plotting.Panel("Active latents", "epoch", "active units", {"of 100": run.curve("active_units")}),
    ]
    plotting.panels(panels, run.figure("curves.png", "Training, epoch by epoch."))


if __name__ == "__main__":
    main()
