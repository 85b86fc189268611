"""A convolutional VAE learns to draw digits, and says how likely it finds digits that it has never seen.

    python examples/vae_mnist.py                        the fixed binarised MNIST, the better recipe, 20 epochs
    python examples/vae_mnist.py --recipe plain         Adam at 3e-4 throughout, as the assignment has it
    python examples/vae_mnist.py --data strokes         the embedded digits, nothing to download
    python examples/vae_mnist.py --device gpu           on a GPU, unchanged

The model is the one of IFT6135 (2019), assignment 3, problem 2: 100 latent numbers, decoded into the probabilities of
784 pixels. It is trained on the ELBO; then log p(x) of the validation and test images is estimated by importance
sampling. Where the data have labels, a classifier trained on the same data reads the samples.
"""

import argparse
from dataclasses import dataclass
from functools import partial

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import ConvVAE, DigitClassifier
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, load_splits, say, train_vae
from tinygen.training.classifier import probabilities, train_classifier
from tinygen.training.options import positive, real, whole

TITLE = "A convolutional VAE"

REFERENCES = {
    "binarized-mnist": [
        Reference("valid_elbo", -96.0, "the assignment's bar"),
        Reference("valid_elbo", -93.96, "PyTorch, plain recipe, seed 0"),
        Reference("test_elbo", -93.39, "PyTorch, plain recipe, seed 0"),
        Reference("valid_log_likelihood", -88.80, "PyTorch, plain recipe, K = 200"),
        Reference("test_log_likelihood", -88.19, "PyTorch, plain recipe, K = 200"),
        Reference("test_log_likelihood", -88.71, "a VAE of one layer, K = 5000 (Burda et al. 2016, appendix D)"),
    ]
}


@dataclass
class Recipe:
    """How to train: each field is an option of the command line, too."""

    learning_rate: float
    schedule: str  # "constant", or "cosine": up a line over ``warmup`` steps, then down to 0 at the last step
    warmup: int
    beta2: float  # the decay of Adam's average of squared gradients
    output_bias: bool  # the decoder's last bias begins at the log-odds of a pixel of the training images
    path_gradient: bool  # the KL's gradient takes the path through the draw alone, which is less noisy


RECIPES = {
    "plain": Recipe(3e-4, "constant", warmup=0, beta2=0.999, output_bias=False, path_gradient=False),
    "better": Recipe(2e-3, "cosine", warmup=200, beta2=0.99, output_bias=True, path_gradient=True),
}


def arguments() -> argparse.Namespace:
    """The common options, and the recipe's; an option that is not given is what the recipe says."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        epochs=20,
        out="runs/vae_mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
    )
    parser.add_argument("--recipe", choices=list(RECIPES), default="better", help="how to train (%(default)s)")
    parser.add_argument("--learning-rate", type=positive, metavar="X", help="Adam's learning rate at its peak")
    parser.add_argument("--schedule", choices=("constant", "cosine"), help="the learning rate over time")
    parser.add_argument(
        "--warmup", type=whole(0), metavar="N", help="steps over which the learning rate rises (cosine)"
    )
    parser.add_argument("--beta2", type=real(0, 1), metavar="X", help="Adam's decay of squared gradients")
    parser.add_argument("--output-bias", action=argparse.BooleanOptionalAction, help="begin at the data's log-odds")
    parser.add_argument(
        "--path-gradient", action=argparse.BooleanOptionalAction, help="a less noisy gradient of the KL"
    )
    parser.add_argument(
        "--importance-samples", type=whole(1), default=200, metavar="K", help="draws per image (%(default)s)"
    )
    parser.add_argument(
        "--likelihood-images", type=whole(2), metavar="N", help="estimate log p(x) of N images of each split"
    )
    options = parser.parse_args()
    for name, value in vars(RECIPES[options.recipe]).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def begin_at_log_odds(model: ConvVAE, images: np.ndarray) -> None:
    """Set the bias of the decoder's last layer so that, before it has learned anything, each pixel is as often 1 as
    the average pixel of ``images``."""
    share = float(images.mean())
    last = model.decoder[-1]
    last.bias.data = np.full_like(last.bias.data, np.log(share / (1 - share)))


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), importance_samples=2)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, objective, training, likelihoods, figures, results."""
    tg.manual_seed(options.seed)

    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    say(f"{TITLE} on {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)

    model = ConvVAE(latent_size=100)
    if options.output_bias:
        begin_at_log_odds(model, train_set.images)
    model.to(options.device)
    optimizer = Adam(model.parameters(), lr=options.learning_rate, betas=(0.9, options.beta2))

    cosine = partial(
        cosine_schedule, total=options.epochs * len(loader), peak=options.learning_rate, warmup=options.warmup
    )
    train_vae(
        run,
        model,
        loader,
        optimizer,
        epochs=options.epochs,
        schedule=cosine if options.schedule == "cosine" else lambda step: options.learning_rate,
        path_gradient=options.path_gradient,
        evaluate=lambda: {"valid_elbo": evaluation.elbo(model, valid_set.images)},
    )

    results = evaluation.measure_likelihoods(
        model,
        {"valid": valid_set.images, "test": test_set.images},
        options.importance_samples,
        options.likelihood_images,
    )
    if train_set.labels is not None:
        results |= read_samples(model, run, options.device, train_set, valid_set)
    draw(run, model, test_set)
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        references=REFERENCES.get(options.data, ()),
        text=__doc__.partition("\n\n")[0],
    )


def read_samples(
    model: ConvVAE, run: Run, device: str, train_set: data.Dataset, valid_set: data.Dataset
) -> dict[str, float]:
    """What a classifier, trained on the same images, makes of 1,000 samples."""
    classifier = DigitClassifier().to(device)
    accuracy = train_classifier(run.part("classifier"), classifier, train_set, valid_set, epochs=1)
    chances = probabilities(classifier, model.sample(1000).numpy())
    return {
        "classifier_accuracy": accuracy,
        "samples_mean_top_probability": chances.max(axis=1).mean(),
        "samples_distinct_digits": len(np.unique(chances.argmax(axis=1))),
    }


def draw(run: Run, model: ConvVAE, test_set: data.Dataset) -> None:
    """Samples, reconstructions, a way through latent space, and the training curves."""
    images = data.spread(test_set.images, 20)
    samples = model.sample(100).numpy()
    plotting.image_grid(samples, run.figure("samples.png", "Samples from the prior: the pixels' means."), columns=10)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path)
    path = run.figure("interpolation.png", "From one test image to another, straight through latent space.")
    half = len(images) // 2
    plotting.interpolation_grid(evaluation.interpolate(model, images[:half], images[half : 2 * half]), path)
    path = run.figure("curves.png", "The ELBO, epoch by epoch.")
    plotting.curves(run.rows, path, names={"train_elbo": "training", "valid_elbo": "validation"})


if __name__ == "__main__":
    main()
