"""A convolutional VAE of digits, and its log-likelihood on validation and test images.

    python examples/vae_mnist.py                        the fixed binarised MNIST, the better recipe, 20 epochs
    python examples/vae_mnist.py --recipe plain         Adam at 3e-4 throughout, as in the assignment
    python examples/vae_mnist.py --objective iwae --num-samples 5 --average 0.999      a tighter bound, averaged weights
    python examples/vae_mnist.py --data strokes         the synthetic digits, no download
    python examples/vae_mnist.py --device gpu           on a GPU, unchanged

The model is that of IFT6135 (2019), assignment 3, problem 2: 100 latent variables, decoded into the probabilities of
784 pixels. It is trained on the ELBO or on the K-sample bound of the importance-weighted autoencoder; then log p(x) of
the validation and test images is estimated by importance sampling. With --average all of this uses averaged weights;
the figures named *_last are those of the last weights. Where the data have labels, a classifier trained on the same
data evaluates the samples.
"""

import argparse
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import ConvVAE, DigitClassifier
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, likelihood_arguments, load_splits, train_vae
from tinygen.training.classifier import probabilities, train_classifier
from tinygen.training.options import positive, real, whole

TITLE = "A convolutional VAE"

REFERENCES = {
    "binarized-mnist": [
        Reference("valid_elbo", -96.0, "required by the assignment"),
        Reference("valid_elbo", -93.96, "PyTorch, plain recipe, seed 0"),
        Reference("test_elbo", -93.39, "PyTorch, plain recipe, seed 0"),
        Reference("valid_log_likelihood", -88.80, "PyTorch, plain recipe, K = 200"),
        Reference("test_log_likelihood", -88.19, "PyTorch, plain recipe, K = 200"),
        Reference("test_log_likelihood", -88.71, "a VAE of one layer, K = 5000 (Burda et al. 2016, appendix D)"),
    ]
}


@dataclass
class Recipe:
    """Settings of the training; each field is also an option of the command line."""

    learning_rate: float
    schedule: str  # "constant", or "cosine": a linear rise over ``warmup`` steps, then half a cosine down to 0
    warmup: int
    beta2: float  # the decay rate of Adam's average of squared gradients
    output_bias: bool  # initialise the decoder's last bias with the log-odds of a pixel of the training images
    path_gradient: bool  # the encoder's gradient through the samples alone (iwae: doubly reparametrised): less variance


RECIPES = {
    "plain": Recipe(3e-4, "constant", warmup=0, beta2=0.999, output_bias=False, path_gradient=False),
    "better": Recipe(2e-3, "cosine", warmup=200, beta2=0.99, output_bias=True, path_gradient=True),
}


def arguments() -> argparse.Namespace:
    """The common options, and those of the recipe, whose values are the defaults."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
        epochs=20,
        out="runs/vae_mnist",
    )
    add, switch = parser.add_argument, argparse.BooleanOptionalAction
    add("--recipe", choices=list(RECIPES), default="better", help="settings of the training (%(default)s)")
    add("--learning-rate", type=positive, metavar="X", help="Adam's learning rate at its peak")
    add("--schedule", choices=("constant", "cosine"), help="of the learning rate")
    add("--warmup", type=whole(0), metavar="N", help="steps over which the learning rate rises (cosine)")
    add("--beta2", type=real(0, 1), metavar="X", help="Adam's decay rate of squared gradients")
    add("--output-bias", action=switch, help="initialise the last bias with the data's log-odds")
    add("--path-gradient", action=switch, help="a lower-variance gradient of the encoder (iwae: DReG)")
    add("--objective", choices=("elbo", "iwae"), default="elbo", help="the bound to maximise (%(default)s)")
    add("--num-samples", type=whole(1), default=5, metavar="K", help="samples of the bound iwae (%(default)s)")
    add("--average", type=real(0, 1), metavar="X", help="evaluate weights averaged with this decay")
    likelihood_arguments(parser)
    options = parser.parse_args()
    for name, value in vars(RECIPES[options.recipe]).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    return options


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), importance_samples=2)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, likelihoods, figures, results."""
    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)

    model = ConvVAE(latent_size=100)
    if options.output_bias:
        set_log_odds(model.decoder[-1].bias, train_set.images)
    model.to(options.device)
    optimizer = Adam(model.parameters(), lr=options.learning_rate, betas=(0.9, options.beta2))
    average = None if options.average is None else ExponentialMovingAverage(model, options.average)
    total, peak = options.epochs * len(loader), options.learning_rate
    cosine = partial(cosine_schedule, total=total, peak=peak, warmup=options.warmup)
    train_vae(
        run,
        model,
        loader,
        optimizer,
        epochs=options.epochs,
        learning_rate=cosine if options.schedule == "cosine" else options.learning_rate,
        num_samples=options.num_samples if options.objective == "iwae" else None,
        path_gradient=options.path_gradient,
        average=average,
        evaluate=lambda: validation_elbos(model, average, valid_set.images),
    )

    results = {}
    if average is not None:
        results = likelihoods(options, model, {"valid_last": valid_set.images, "test_last": test_set.images})
    with nullcontext() if average is None else average.applied():
        results |= likelihoods(options, model, {"valid": valid_set.images, "test": test_set.images})
        if train_set.labels is not None:
            results |= classify_samples(model, run, options.device, train_set, valid_set)
        draw(run, model, test_set, options.objective)
    run.finish(f"{TITLE} on {options.data}", results, references=REFERENCES.get(options.data, ()), text=__doc__)


def validation_elbos(model: ConvVAE, average: ExponentialMovingAverage | None, images: np.ndarray) -> dict[str, float]:
    """The ELBO of the current weights, and that of the averaged ones, if there are any."""
    elbos = {"valid_elbo": evaluation.elbo(model, images)}
    if average is not None:
        with average.applied():
            elbos["valid_elbo_averaged"] = evaluation.elbo(model, images)
    return elbos


def likelihoods(options: argparse.Namespace, model: ConvVAE, splits: dict[str, np.ndarray]) -> dict[str, float]:
    """ELBO and log p(x) of each of ``splits``, images (N, 1, 28, 28) by name."""
    return evaluation.measure_likelihoods(model, splits, options.importance_samples, options.likelihood_images)


def set_log_odds(bias: tg.Tensor, images: np.ndarray) -> None:
    """Set the bias of a decoder's last layer to log(p / (1 - p)), where p is the mean pixel of ``images``
    (N, 1, 28, 28): the initial model then has the right mean."""
    p = float(images.mean())
    bias.data = np.full_like(bias.data, np.log(p / (1 - p)))


def classify_samples(
    model: ConvVAE, run: Run, device: str, train_set: data.Dataset, valid_set: data.Dataset
) -> dict[str, float]:
    """Statistics of the predictions of a classifier, trained on the same images, for 1,000 samples."""
    classifier = DigitClassifier().to(device)
    accuracy = train_classifier(run.part("classifier"), classifier, train_set, valid_set, epochs=1)
    predicted = probabilities(classifier, model.sample(1000).numpy())
    return {
        "classifier_accuracy": accuracy,
        "samples_mean_top_probability": predicted.max(axis=1).mean(),
        "samples_distinct_digits": len(np.unique(predicted.argmax(axis=1))),
    }


def draw(run: Run, model: ConvVAE, test_set: data.Dataset, objective: str) -> None:
    """Samples, reconstructions, interpolations, and the learning curves."""
    images = data.evenly_spaced(test_set.images, 20)
    samples = model.sample(100).numpy()
    plotting.image_grid(samples, run.figure("samples.png", "Samples from the prior: the pixels' means."), columns=10)
    path = run.figure("reconstructions.png", "Test images, and below each its reconstruction.")
    plotting.pairs_grid(images, evaluation.reconstruct(model, images), path)
    path = run.figure("interpolation.png", "Linear interpolations in latent space, from one test image to another.")
    half = len(images) // 2
    plotting.interpolation_grid(evaluation.interpolate(model, images[:half], images[half : 2 * half]), path)
    path = run.figure("curves.png", "The objective on the training images and the ELBO of the validation images.")
    names = {f"train_{objective}": "training", "valid_elbo": "validation"}
    if "valid_elbo_averaged" in run.rows[0]:
        names["valid_elbo_averaged"] = "validation, averaged weights"
    plotting.curves(run.rows, path, names=names)


if __name__ == "__main__":
    main()
