"""Two models with one generator, side by side: what a VAE and a WGAN-GP have learned of house numbers.

    python examples/vae_svhn.py && python examples/wgan_gp_svhn.py && python examples/compare_svhn.py
    python examples/compare_svhn.py --vae DIR/model.h5 --wgan-gp DIR/model.h5 --data svhn

Samples of the same latents; what each of the 100 latent numbers changes; what lies between two samples, in latent space
and between their pixels; the training images nearest to samples; and the VAE's reconstructions. report.html has the two
models in two columns.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import backend, data, evaluation, plotting
from tinygen.models import ColourVAE, Generator
from tinygen.training import Run, common_arguments, conduct, load_splits
from tinygen.training.options import user_path

TITLE = "A VAE and a WGAN-GP of house numbers"
JUDGED = ("samples_mean_top_probability", "samples_least_share", "fid", "kid", "kid_standard_error")
STEPS = np.linspace(-3, 3, 11)
RANGE = (-1.0, 1.0)


def arguments() -> argparse.Namespace:
    """The common options, and the two models' files."""
    parser = common_arguments(TITLE, data="street", epochs=1, out="runs/compare_svhn", datasets=("street", "svhn"))
    for name, folder in (("--vae", "vae_svhn"), ("--wgan-gp", "wgan_gp_svhn")):
        default = Path("runs") / folder / "model.h5"
        parser.add_argument(
            name, type=user_path, default=default, metavar="FILE", help="the trained model (%(default)s)"
        )
    parser.add_argument(
        "--classifier",
        type=user_path,
        metavar="FILE",
        help="what judges samples, trained on the same data; else one is made",
    )
    return parser.parse_args()


def main() -> None:
    """The options, and the experiment that they describe."""
    conduct(experiment, arguments())


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Models, pictures, numbers, report."""
    tg.manual_seed(options.seed)
    train_set, valid_set, test_set = load_splits(options)
    vae, generator = ColourVAE(), Generator()
    evaluation.load_weights(vae, options.vae)
    evaluation.load_weights(generator, options.wgan_gp, "generator")
    vae.to(options.device)
    models = {"VAE": vae.decoder, "WGAN-GP": generator.to(options.device)}
    with backend.fixed_seed(0):
        z = tg.randn(10_000, vae.latent_size).to(options.device)  # those of the grids that the trainings draw

    results = {}
    samples = {name: evaluation.generate(model, z[: len(test_set)]) for name, model in models.items()}
    untrained = evaluation.generate(Generator().to(options.device), z[: len(test_set)])
    classifier = evaluation.obtain_classifier(options.classifier, run, train_set, valid_set, device=options.device)
    for name, drawn in (samples | {"untrained": untrained}).items():
        found = evaluation.judge_samples(classifier, drawn, test_set)
        results |= {f"{stem(name)}_{what}": found[what] for what in JUDGED}
    for name, grid in samples.items():
        path = figure(run, name, "samples", "Samples of the same latents.")
        plotting.image_grid(grid[:100], path, columns=10, value_range=RANGE)
    for name, model in models.items():
        ways = evaluation.traversals(model, z[0], STEPS)
        moved = evaluation.effects(ways, samples[name][0])
        most = np.argsort(moved)[::-1]
        results[f"{stem(name)}_largest_effect"] = moved[most[0]]
        results[f"{stem(name)}_median_effect"] = np.median(moved)
        results[f"{stem(name)}_latents_for_nine_tenths"] = for_nine_tenths(moved)
        caption = f"The ten latents that change one image most, each from -3 to +3: {', '.join(map(str, most[:10]))}."
        path = figure(run, name, "traversals", caption)
        plotting.interpolation_grid(ways[most[:10]], path, value_range=RANGE)
    for name, model in models.items():
        z0, z1 = z[:8], z[8:16]
        caption = "Between two samples: above through latent space, below from pixel to pixel."
        plotting.pairs_grid(
            plotting.strips(evaluation.interpolate_latents(model, z0, z1)),
            plotting.strips(evaluation.interpolate_images(model, z0, z1)),
            figure(run, name, "interpolations", caption),
            columns=1,
            value_range=RANGE,
        )
    for name, drawn in samples.items():
        which, distance = evaluation.nearest(drawn[:100], train_set.images)
        results[f"{stem(name)}_distance_to_nearest"] = distance.mean()
        caption = "Samples, and below each the nearest training image."
        neighbours = data.centred(train_set.images[which[:20]])
        plotting.pairs_grid(drawn[:20], neighbours, figure(run, name, "neighbours", caption), value_range=RANGE)
    images = data.centred(test_set.images[:40])
    results["test_distance_to_nearest"] = evaluation.nearest(images, train_set.images)[1].mean()
    path = run.figure("vae-reconstructions.png", "VAE. Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(vae, images), path, value_range=RANGE)

    run.finish(
        f"{TITLE}: {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text=__doc__.split("\n\n")[2],
        columns=2,
    )


def stem(name: str) -> str:
    """A model's name as results' and files' names have it."""
    return name.lower().replace("-", "_")


def figure(run: Run, name: str, what: str, caption: str) -> Path:
    """Where to draw one model's figure."""
    return run.figure(f"{stem(name)}-{what}.png", f"{name}. {caption}")


def for_nine_tenths(moved: np.ndarray) -> int:
    """How many latents, those with the largest effects first, make nine tenths of the sum of the squared effects: few
    where each has a meaning of its own and the others none, many where all of them share everything."""
    shares = np.sort(np.square(moved))[::-1].cumsum() / np.square(moved).sum()
    return int(np.searchsorted(shares, 0.9)) + 1


if __name__ == "__main__":
    main()
