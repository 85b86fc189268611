"""A classifier learns to read house numbers; what it sees on the way will judge the models that draw them.

    python examples/classify_svhn.py                    SVHN (fetched where it is missing), 10 epochs
    python examples/classify_svhn.py --data street      the embedded house numbers, nothing to download
    python examples/classify_svhn.py --device gpu       on a GPU, unchanged

The network is the one that IFT6135 (2019), assignment 3, problem 3, hands out trained: seven convolutions whose last
gives the 512 features by which the Frechet distance compares images, and on top a linear layer that reads the digit.
It is trained by Adam on cross entropy, its learning rate falling along a cosine. The checkpoint in ``--out`` holds the
weights; those of the assignment's own file are read by ``tinygen.checkpoint.read_torch``.
"""

import argparse

import numpy as np

import tinygen as tg
from tinygen import data, plotting
from tinygen.models import SVHNClassifier
from tinygen.training import Run, common_arguments, conduct, load_splits, say
from tinygen.training.classifier import accuracy, probabilities, train_classifier
from tinygen.training.options import positive

TITLE = "A classifier of house numbers"
DOUBTFUL = 50  # images in the figure of those on which it is least sure


def arguments() -> argparse.Namespace:
    """The common options, and the learning rate."""
    parser = common_arguments(
        TITLE, data="svhn", epochs=10, out="runs/classify_svhn", batch_size=128, datasets=("svhn", "street")
    )
    parser.add_argument(
        "--learning-rate", type=positive, default=2e-3, metavar="X", help="Adam's at first (%(default)s)"
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

    classifier = SVHNClassifier().to(options.device)
    valid_accuracy = train_classifier(
        run,
        classifier,
        train_set,
        valid_set,
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
    )
    results = {"valid_accuracy": valid_accuracy, "test_accuracy": accuracy(classifier, test_set)}

    draw(run, classifier, test_set)
    run.finish(
        f"{TITLE} on {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        text=__doc__.partition("\n\n")[0],
    )


def draw(run: Run, classifier: SVHNClassifier, test_set: data.Dataset) -> None:
    """The images on which the classifier is least sure, and its training, epoch by epoch."""
    chances = probabilities(classifier, test_set.images)
    doubtful = chances.max(axis=1).argsort(kind="stable")[:DOUBTFUL]
    read = "".join(str(digit) for digit in chances[doubtful].argmax(axis=1))
    wrong = int((chances[doubtful].argmax(axis=1) != test_set.labels[doubtful]).sum())
    caption = (
        f"The {len(doubtful)} test images on which it is least sure, the least sure first. "
        f"Row by row it reads {read}; {wrong} of these are wrong."
    )
    plotting.image_grid(test_set.images[doubtful], run.figure("doubtful.png", caption), columns=10)

    epochs = [row["epoch"] for row in run.rows]
    rows = np.array([[row["train_cross_entropy"], row["valid_accuracy"]] for row in run.rows])
    path = run.figure("curves.png", "The training, epoch by epoch.")
    parts = [
        plotting.Panel("Training", "epoch", "nats an image", {"cross entropy": (epochs, rows[:, 0])}),
        plotting.Panel("Validation", "epoch", "share of images", {"read right": (epochs, rows[:, 1])}),
    ]
    plotting.panels(parts, path)


if __name__ == "__main__":
    main()
