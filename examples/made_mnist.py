"""MADE, a masked autoencoder: the exact log p(x) of binary digits.

    python examples/made_mnist.py                           the synthetic digits, no download
    python examples/made_mnist.py --data binarized-mnist    the fixed binarised MNIST
    python examples/made_mnist.py --hidden 500 500          two hidden layers

A multilayer perceptron with masked weights computes the probability of each pixel given all pixels before it, row by
row (Germain et al. 2015). Their product is p(x), so the figures are log-likelihoods, not bounds, and can be set
against the bounds of a VAE of the same images. The model is trained by Adam with a cosine schedule of the learning
rate; it is evaluated, and sampled pixel by pixel, with averaged weights.
"""

import argparse

import numpy as np

import tinygen as tg
from tinygen import data, plotting, ranks
from tinygen.models import MADE
from tinygen.models.placement import in_batches
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, load_splits, train
from tinygen.training.options import whole

TITLE = "MADE"
SAMPLES = 100
WARMUP = 200  # steps over which the learning rate rises

REFERENCES = {
    "binarized-mnist": [
        Reference("test_log_likelihood", -88.40, "up to 8,000 hidden units, one mask (Germain et al. 2015, table 6)"),
        Reference("test_log_likelihood", -89.59, "two hidden layers, one mask (Germain et al. 2015, table 6)"),
    ]
}


def arguments() -> argparse.Namespace:
    """The common options, and those of the network."""
    parser = common_arguments(
        TITLE,
        data="strokes",
        datasets=("strokes", "binarized-mnist", "mnist", "fashion-mnist"),
        epochs=20,
        batch_size=100,
        learning_rate=2e-3,
        out="runs/made_mnist",
    )
    widths = "units of each hidden layer (%(default)s)"
    parser.add_argument("--hidden", type=whole(1), nargs="+", default=[1000], metavar="N", help=widths)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size), hidden=[2])


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, model, training, likelihoods, figures, results."""
    train_set, *others = (split.binarized() for split in load_splits(options))
    model = MADE(train_set.images[0].size, options.hidden).to(options.device)
    average = ExponentialMovingAverage(model, 0.999)
    fit(options, run, model, average, train_set, others[0])

    results = {}
    with average.applied():
        for name, split in zip(("valid", "test"), others, strict=True):
            values = log_likelihoods(model, split)
            results[f"{name}_log_likelihood"] = values.mean()
            results[f"{name}_log_likelihood_standard_error"] = values.std(ddof=1) / len(values) ** 0.5
        samples = model.sample(SAMPLES).numpy().reshape(SAMPLES, *train_set.images.shape[1:])
    plotting.image_grid(samples, run.figure("samples.png", "Samples of p(x), not means: 0 or 1."), columns=10)
    path = run.figure("curves.png", "The log-likelihood, epoch by epoch.")
    plotting.curves(run.rows, path, names={"train_log_likelihood": "training", "valid_log_likelihood": "validation"})
    run.finish(f"{TITLE} on {options.data}", results, references=REFERENCES.get(options.data, ()), text=__doc__)


def fit(
    options: argparse.Namespace,
    run: Run,
    model: MADE,
    average: ExponentialMovingAverage,
    train_set: data.Dataset,
    valid_set: data.Dataset,
) -> None:
    """Maximise the mean log p(x) of the training images; the validation images are evaluated with averaged weights."""
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    optimizer, total = Adam(model.parameters(), betas=(0.9, 0.99)), options.epochs * len(loader)

    def step(batch: tuple[np.ndarray, np.ndarray | None], index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, total, options.learning_rate, warmup=WARMUP)
        with ranks.shared(len(batch[0])) as own:
            loss = -tg.mean(model.log_likelihood(flat(batch[0][own])))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            metrics = ranks.means({"train_log_likelihood": -loss.item()})
        average.update()
        return metrics

    def evaluate() -> dict[str, float]:
        with average.applied():
            return {"valid_log_likelihood": log_likelihoods(model, valid_set).mean()}

    train(
        run,
        loader,
        step,
        epochs=options.epochs,
        parts={"model": model, "optimizer": optimizer, "average": average},
        evaluate=evaluate,
    )


def flat(images: np.ndarray) -> np.ndarray:
    """Images (N, 1, H, W) as rows of pixels, (N, D)."""
    return images.reshape(len(images), -1)


def log_likelihoods(model: MADE, split: data.Dataset) -> np.ndarray:
    """log p(x) of each image, (N,), nats."""
    values = in_batches(lambda x: model.log_likelihood(x).numpy(), model, 500, flat(split.images))
    return np.concatenate(list(values)).astype("float64")


if __name__ == "__main__":
    main()
