"""A VAE of two multilayer perceptrons, trained on digits.

    python examples/vae_mlp_mnist.py                      the fixed binarised MNIST, 20 epochs
    python examples/vae_mlp_mnist.py --data strokes       the synthetic digits, no download
    python examples/vae_mlp_mnist.py --no-path-gradient   the gradient with higher variance
    python examples/vae_mlp_mnist.py --schedule cosine --learning-rate 1e-3

The encoder is 784-300-300-2x100, the decoder 100-300-300-784, with ELUs between their layers. Most pixels of a digit
are background, so the decoder's last bias is initialised with -5: a pixel is 1 with probability 0.007.
"""

import argparse
from functools import partial

from tinygen import data, evaluation, plotting
from tinygen.models import MLPVAE
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, likelihood_arguments, load_splits, train_vae
from tinygen.training.options import real

TITLE = "A VAE of two multilayer perceptrons"

REFERENCES = {
    "binarized-mnist": [
        Reference("valid_elbo", -101.28, "a published solution with this network"),
        Reference("test_log_likelihood", -95.54, "a published solution with this network, K = 200"),
    ]
}


def arguments() -> argparse.Namespace:
    """The common options, and those of this model."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
        epochs=20,
        learning_rate=3e-4,
        out="runs/vae_mlp_mnist",
    )
    add, switch = parser.add_argument, argparse.BooleanOptionalAction
    add("--schedule", choices=("constant", "cosine"), default="constant", help="of the learning rate (%(default)s)")
    add("--output-bias", type=real(), default=-5.0, metavar="X", help="initial bias of the logits (%(default)s)")
    add("--path-gradient", action=switch, default=True, help="a lower-variance gradient of the KL (%(default)s)")
    likelihood_arguments(parser)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), importance_samples=2)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, likelihoods, figures, results."""
    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    model = MLPVAE(latent_size=100, hidden=(300, 300), output_bias=options.output_bias).to(options.device)
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    cosine = partial(cosine_schedule, total=options.epochs * len(loader), peak=options.learning_rate)
    train_vae(
        run,
        model,
        loader,
        Adam(model.parameters()),
        epochs=options.epochs,
        learning_rate=cosine if options.schedule == "cosine" else options.learning_rate,
        path_gradient=options.path_gradient,
        evaluate=lambda: {"valid_elbo": evaluation.elbo(model, valid_set.images)},
    )

    splits = {"valid": valid_set.images, "test": test_set.images}
    results = evaluation.measure_likelihoods(model, splits, options.importance_samples, options.likelihood_images)
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(model.sample(100).numpy(), path, columns=10)
    images = data.evenly_spaced(test_set.images, 20)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path)
    path = run.figure("curves.png", "The ELBO, epoch by epoch.")
    plotting.curves(run.rows, path, names={"train_elbo": "training", "valid_elbo": "validation"})
    run.finish(f"{TITLE} on {options.data}", results, references=REFERENCES.get(options.data, ()), text=__doc__)


if __name__ == "__main__":
    main()
