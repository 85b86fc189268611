"""A classifier of house numbers, whose features evaluate generated images.

    python examples/classify_svhn.py                    SVHN (downloaded where it is missing), 10 epochs
    python examples/classify_svhn.py --data street      the embedded house numbers, no download
    python examples/classify_svhn.py --device gpu       on a GPU, unchanged

The network is that of IFT6135 (2019), assignment 3, problem 3: seven convolutions, the last of which gives the 512
features of the Frechet distance, and a linear layer that predicts the digit. It is trained by Adam on the cross
entropy, with a cosine schedule of the learning rate. The checkpoint in ``--out`` holds the weights; those of the
assignment's own file are read by ``tinygen.checkpoint.read_torch``.
"""

import argparse

from tinygen import data, plotting
from tinygen.models import SVHNClassifier
from tinygen.training import Run, common_arguments, conduct, load_splits
from tinygen.training.classifier import accuracy, probabilities, train_classifier

TITLE = "A classifier of house numbers"
SHOWN = 50  # images in the figure of the least certain predictions


def arguments() -> argparse.Namespace:
    """The common options."""
    return common_arguments(
        TITLE,
        data="svhn",
        datasets=("svhn", "street"),
        epochs=10,
        batch_size=128,
        learning_rate=2e-3,
        out="runs/classify_svhn",
    ).parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, figures, results."""
    train_set, valid_set, test_set = load_splits(options)
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
    run.finish(f"{TITLE} on {options.data}", results, text=__doc__)


def draw(run: Run, classifier: SVHNClassifier, test_set: data.Dataset) -> None:
    """The least certain predictions, and the learning curves."""
    predicted = probabilities(classifier, test_set.images)
    uncertain = predicted.max(axis=1).argsort(kind="stable")[:SHOWN]
    digits = predicted[uncertain].argmax(axis=1)
    wrong = int((digits != test_set.labels[uncertain]).sum())
    caption = (
        f"The {len(uncertain)} test images with the lowest maximal probability, in ascending order. "
        f"The predictions, row by row, are {''.join(map(str, digits))}; {wrong} of them are wrong."
    )
    plotting.image_grid(test_set.images[uncertain], run.figure("doubtful.png", caption), columns=10)

    cross_entropy, correct = run.curve("train_cross_entropy"), run.curve("valid_accuracy")
    panels = [
        plotting.Panel("Training", "epoch", "nats per image", {"cross entropy": cross_entropy}),
        plotting.Panel("Validation", "epoch", "fraction of images", {"accuracy": correct}),
    ]
    plotting.panels(panels, run.figure("curves.png", "Training, epoch by epoch."))


if __name__ == "__main__":
    main()
