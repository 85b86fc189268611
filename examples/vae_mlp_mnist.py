"""A VAE of two multilayer perceptrons learns to draw digits.

    python examples/vae_mlp_mnist.py                      the fixed binarised MNIST, 20 epochs
    python examples/vae_mlp_mnist.py --data strokes       the embedded digits, nothing to download
    python examples/vae_mlp_mnist.py --no-path-gradient   the gradient with all its noise
    python examples/vae_mlp_mnist.py --schedule cosine --learning-rate 1e-3

The encoder is 784-300-300-2x100, the decoder 100-300-300-784, with ELUs between their layers. A digit is mostly
background, and the decoder says so from the start: its last bias begins at -5, so a pixel is 1 with probability 0.007.
"""

import argparse
from functools import partial

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import MLPVAE
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, load_splits, say, train_vae
from tinygen.training.options import positive, real, whole

TITLE = "A VAE of two perceptrons"

REFERENCES = {
    "binarized-mnist": [
        Reference("valid_elbo", -101.28, "the bar, a published solution with this network"),
        Reference("test_log_likelihood", -95.54, "the bar, a published solution with this network, K = 200"),
    ]
}


def arguments() -> argparse.Namespace:
    """The common options, and those of this model."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        epochs=20,
        out="runs/vae_mlp_mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
    )
    parser.add_argument("--learning-rate", type=positive, default=3e-4, metavar="X", help="Adam's (%(default)s)")
    parser.add_argument(
        "--schedule",
        choices=("constant", "cosine"),
        default="constant",
        help="the learning rate over time: as it is, or down half a cosine to 0 (%(default)s)",
    )
    parser.add_argument(
        "--output-bias", type=real(), default=-5.0, metavar="X", help="where the logits begin (%(default)s)"
    )
    parser.add_argument(
        "--path-gradient",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="a less noisy gradient of the KL (%(default)s)",
    )
    parser.add_argument(
        "--importance-samples", type=whole(1), default=200, metavar="K", help="draws per image (%(default)s)"
    )
    parser.add_argument(
        "--likelihood-images", type=whole(2), metavar="N", help="estimate log p(x) of N images of each split"
    )
    return parser.parse_args()


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), importance_samples=2)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, likelihoods, figures, results."""
    tg.manual_seed(options.seed)
    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    say(f"{TITLE} on {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")

    model = MLPVAE(latent_size=100, hidden=(300, 300), output_bias=options.output_bias).to(options.device)
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    falling = partial(cosine_schedule, total=options.epochs * len(loader), peak=options.learning_rate)
    train_vae(
        run,
        model,
        loader,
        Adam(model.parameters(), lr=options.learning_rate),
        epochs=options.epochs,
        schedule=falling if options.schedule == "cosine" else lambda step: options.learning_rate,
        path_gradient=options.path_gradient,
        evaluate=lambda: {"valid_elbo": evaluation.elbo(model, valid_set.images)},
    )

    splits = {"valid": valid_set.images, "test": test_set.images}
    results = evaluation.measure_likelihoods(model, splits, options.importance_samples, options.likelihood_images)
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(model.sample(100).numpy(), path, columns=10)
    images = data.spread(test_set.images, 20)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path)
    path = run.figure("curves.png", "The ELBO, epoch by epoch.")
    plotting.curves(run.rows, path, names={"train_elbo": "training", "valid_elbo": "validation"})
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        references=REFERENCES.get(options.data, ()),
        text=__doc__.split("\n\n")[2],
    )


if __name__ == "__main__":
    main()
