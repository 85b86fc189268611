"""A VAE and a WGAN-GP with the same generator network, compared on house numbers.

    python examples/vae_svhn.py && python examples/wgan_gp_svhn.py && python examples/compare_svhn.py
    python examples/compare_svhn.py --vae DIR/model.h5 --wgan-gp DIR/model.h5 --data svhn

Samples of the same latents; the effect of each of the 100 latent variables on an image; interpolations in latent space
and in pixel space; the training images nearest to samples; and the VAE's reconstructions. report.html has one column
per model.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import ColourVAE, Generator
from tinygen.nn import Module
from tinygen.training import Run, common_arguments, conduct, fixed_latents, load_splits
from tinygen.training.options import user_path

TITLE = "A VAE and a WGAN-GP of house numbers"
REPORTED = ("samples_mean_top_probability", "samples_least_share", "fid", "kid", "kid_standard_error")
STEPS = np.linspace(-3, 3, 11).tolist()
RANGE = (-1.0, 1.0)

Numbers = dict[str, float]


def arguments() -> argparse.Namespace:
    """The common options, and the files of the two models."""
    parser = common_arguments(
        TITLE, data="street", datasets=("street", "svhn"), epochs=1, classifier=True, out="runs/compare_svhn"
    )
    for name, folder in (("--vae", "vae_svhn"), ("--wgan-gp", "wgan_gp_svhn")):
        default = Path("runs") / folder / "model.h5"
        parser.add_argument(name, type=user_path, default=default, metavar="FILE", help="trained model (%(default)s)")
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    conduct(experiment, arguments())


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Models, figures, numbers, report."""
    train_set, valid_set, test_set = load_splits(options)
    vae, generator = ColourVAE(), Generator()
    evaluation.load_weights(vae, options.vae)
    evaluation.load_weights(generator, options.wgan_gp, "generator")
    vae.to(options.device)
    models = {"VAE": vae.decoder, "WGAN-GP": generator.to(options.device)}
    z = fixed_latents(10_000, vae.latent_size, options.device)  # those of the grids that the training runs draw

    samples = {name: evaluation.generate(model, z[: len(test_set)]) for name, model in models.items()}
    untrained = evaluation.generate(Generator().to(options.device), z[: len(test_set)])
    classifier = evaluation.load_or_train_classifier(
        options.classifier, run, train_set, valid_set, device=options.device
    )
    results: dict[str, float] = {}
    for name, images in (samples | {"untrained": untrained}).items():
        scores = evaluation.evaluate_samples(classifier, images, test_set)
        results |= {f"{stem(name)}_{score}": scores[score] for score in REPORTED}
    for name, grid in samples.items():
        path = figure(run, name, "samples", "Samples of the same latents.")
        plotting.image_grid(grid[:100], path, columns=10, value_range=RANGE)
    for name, model in models.items():
        results |= traverse(run, name, model, z[0], samples[name][0])
    for name, model in models.items():
        interpolate(run, name, model, z)
    for name, images in samples.items():
        results |= find_neighbours(run, name, images, train_set)
    images = data.to_tanh_range(test_set.images[:40])
    results["test_distance_to_nearest"] = evaluation.nearest(images, train_set.images)[1].mean()
    path = run.figure("vae-reconstructions.png", "VAE. Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(vae, images), path, value_range=RANGE)
    run.finish(f"{TITLE}: {options.data}", results, text=__doc__, columns=2)


def stem(name: str) -> str:
    """A model's name in the names of results and files."""
    return name.lower().replace("-", "_")


def figure(run: Run, name: str, subject: str, caption: str) -> Path:
    """The path of one model's figure."""
    return run.figure(f"{stem(name)}-{subject}.png", f"{name}. {caption}")


def traverse(run: Run, name: str, model: Module, z: tg.Tensor, sample: np.ndarray) -> Numbers:
    """Change one latent variable at a time, draw the ten with the largest effects, and summarise the effects."""
    images = evaluation.traversals(model, z.numpy(), STEPS)
    effects = evaluation.effects(images, sample)
    order = np.argsort(effects)[::-1]
    caption = (
        f"The ten latents with the largest effects on one image, from -3 to +3: {', '.join(map(str, order[:10]))}."
    )
    plotting.interpolation_grid(images[order[:10]], figure(run, name, "traversals", caption), value_range=RANGE)
    return {
        f"{stem(name)}_largest_effect": effects[order[0]],
        f"{stem(name)}_median_effect": np.median(effects),
        f"{stem(name)}_latents_for_nine_tenths": for_nine_tenths(effects),
    }


def for_nine_tenths(effects: np.ndarray) -> int:
    """The smallest number of latents that make up nine tenths of the sum of the squared effects (D,)."""
    fractions = np.sort(np.square(effects))[::-1].cumsum() / np.square(effects).sum()
    return int(np.searchsorted(fractions, 0.9)) + 1


def interpolate(run: Run, name: str, model: Module, z: tg.Tensor) -> None:
    """Draw interpolations between eight pairs of samples."""
    z0, z1 = z[:8].numpy(), z[8:16].numpy()
    plotting.pairs_grid(
        plotting.strips(evaluation.interpolate_latents(model, z0, z1)),
        plotting.strips(evaluation.interpolate_images(model, z0, z1)),
        figure(run, name, "interpolations", "Between two samples: above in latent space, below in pixel space."),
        columns=1,
        value_range=RANGE,
    )


def find_neighbours(run: Run, name: str, samples: np.ndarray, train_set: data.Dataset) -> Numbers:
    """Draw samples and their nearest training images; the mean distance."""
    indices, distances = evaluation.nearest(samples[:100], train_set.images)
    neighbours = data.to_tanh_range(train_set.images[indices[:20]])
    path = figure(run, name, "neighbours", "Samples, and below each the nearest training image.")
    plotting.pairs_grid(samples[:20], neighbours, path, value_range=RANGE)
    return {f"{stem(name)}_distance_to_nearest": distances.mean()}


if __name__ == "__main__":
    main()
