"""What is a latent space worth? Semi-supervised learning with the model M1 (Kingma et al. 2014).

    python examples/semi_supervised_m1.py                     Fashion-MNIST
    python examples/semi_supervised_m1.py --data strokes      the embedded digits, nothing to download
    python examples/semi_supervised_m1.py --kl-weight 1       the ELBO itself as objective, as published

A VAE with two hidden layers of 600 softplus units each way and 50 latent numbers learns from all training images, and
no label. Then a support vector machine with a Gaussian kernel sees a few labelled images, equally many of each class,
through the eyes of the encoder: as the mean of q(z|x). It is asked about the whole test set, with several draws of the
labelled images, and so is the same machine on the grey pixels and on their 50 principal components.

The VAE's likelihood is that of 0/1 pixels. The greys stand for the mean of all their binarisations: log p(x|z) is
linear in x, so it is then the mean log-likelihood of those 0/1 images, and no likelihood of the grey ones. With
``--pixels binary`` each grey image is binarised once, as everywhere else in this library.

By the ELBO a latent number has to earn its KL, and few of the fifty do. The encoder is not here to describe images in
few nats, though, but to show them to a machine: at a fifth of the KL's price (``--kl-weight``) more of them are in use,
the bound is worse, and the machine is right more often.

Needs scikit-learn: pip install "tinygen[svm]".
"""

import argparse
import csv
import time
from collections.abc import Callable

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.backend import generator
from tinygen.files import atomic_write
from tinygen.models import MLPVAE
from tinygen.nn import Softplus
from tinygen.optim import Adam
from tinygen.training import Reference, Run, common_arguments, conduct, load_splits, progress, say, train_vae
from tinygen.training.options import positive, real, whole

try:
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC
except ModuleNotFoundError as error:
    raise SystemExit('semi_supervised_m1 needs scikit-learn: pip install "tinygen[svm]"') from error

TITLE = "M1: a support vector machine in latent space"
LATENT_SIZE = 50
LABELS = (100, 600, 1000, 3000)
MOST = 60_000  # images without labels
CANDIDATES = (1.0, 10.0, 100.0)  # for C, when cross-validated

REFERENCES = {
    "fashion-mnist": [
        Reference(f"latents_{count}_labels", accuracy, "the bar, a published solution, %")
        for count, accuracy in zip(LABELS, (65.05, 76.83, 78.43, 80.17), strict=True)
    ]
}


def arguments() -> argparse.Namespace:
    """The common options, the VAE's and the machine's."""
    parser = common_arguments(
        TITLE,
        data="fashion-mnist",
        epochs=50,
        batch_size=256,
        out="runs/semi_supervised_m1",
        datasets=("fashion-mnist", "mnist", "strokes"),
    )
    parser.add_argument("--pixels", choices=("binary", "mean"), default="mean", help="what the VAE sees (%(default)s)")
    parser.add_argument(
        "--kl-weight", type=real(0), default=0.2, metavar="X", help="of the KL in the loss (%(default)s)"
    )
    parser.add_argument("--learning-rate", type=positive, default=1e-3, metavar="X", help="Adam's (%(default)s)")
    parser.add_argument("--draws", type=whole(1), default=5, metavar="N", help="of the labelled images (%(default)s)")
    parser.add_argument("--svm-c", type=positive, default=10.0, metavar="C", help="price of a wrong side (%(default)s)")
    return parser.parse_args()


def load(options: argparse.Namespace, *splits: str) -> data.Dataset:
    """Some splits as one; no more than Fashion-MNIST has, whatever the data."""
    parts = load_splits(options, *splits)
    images, labels = (np.concatenate([getattr(part, name) for part in parts])[:MOST] for name in ("images", "labels"))
    return data.Dataset(images, labels, options.data, "+".join(splits))


def seen_by_vae(options: argparse.Namespace, dataset: data.Dataset) -> data.Dataset:
    """The images as 0/1 pixels, or as the means of such."""
    if options.pixels == "binary":
        return dataset.binarized()
    return data.Dataset(dataset.images / np.float32(255), dataset.labels, dataset.name, dataset.split)


def principal_components(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of ``pixels`` (N, D), and the directions (D, count) in which they differ most."""
    mean = pixels.mean(axis=0)
    covariance = np.cov(pixels.T)
    return mean, np.linalg.eigh(covariance)[1][:, ::-1][:, :count].astype(np.float32)


def views(options: argparse.Namespace, model: MLPVAE, unlabelled: data.Dataset, test_set: data.Dataset):
    """What a machine may see of the training and of the test images: name -> two arrays (N, features)."""
    both = (unlabelled, test_set)
    posteriors = [evaluation.encode(model, seen_by_vae(options, dataset).images) for dataset in both]
    means = [mean for mean, _ in posteriors]
    spread = means[0].std(axis=0)
    draws = [mean + np.exp(logvar / 2) * tg.randn(*mean.shape).numpy() for mean, logvar in posteriors]
    pixels = [dataset.images.reshape(len(dataset), -1) / np.float32(255) for dataset in both]
    center, directions = principal_components(pixels[0], LATENT_SIZE)
    return {
        "latents": means,
        "latents_drawn": draws,
        "latents_standardised": [mean / spread for mean in means],
        "principal_components": [(each - center) @ directions for each in pixels],
        "pixels": pixels,
    }


def labelled(labels: np.ndarray, count: int) -> np.ndarray:
    """The places of ``count`` images, equally many of each class, drawn without replacement."""
    classes = np.unique(labels)
    places = [generator().permutation(np.flatnonzero(labels == each))[: count // len(classes)] for each in classes]
    return np.concatenate(places)


def fit_and_ask(
    make: Callable[[], SVC], features: list[np.ndarray], labels: list[np.ndarray], chosen: np.ndarray
) -> tuple[float, float, float]:
    """Fit a machine to the ``chosen`` training images; its accuracy on all test images in %, the seconds that the fit
    took, and its C."""
    machine, started = make(), time.perf_counter()
    machine.fit(features[0][chosen], labels[0][chosen])
    seconds = time.perf_counter() - started
    best = getattr(machine, "best_estimator_", machine)
    return 100 * float((machine.predict(features[1]) == labels[1]).mean()), seconds, best.C


def compare(options: argparse.Namespace, run: Run, features: dict, labels: list[np.ndarray]) -> dict[str, float]:
    """Accuracies in %: the mean over the draws of labelled images, with its standard error; every fit in svm.csv."""

    def machine() -> SVC:
        return SVC(kernel="rbf", gamma="scale", C=options.svm_c)

    def cross_validated() -> GridSearchCV:
        return GridSearchCV(machine(), {"C": CANDIDATES}, cv=5)

    contestants = {name: (name, machine) for name in features} | {
        "latents_cross_validated": ("latents", cross_validated)
    }
    counts = [count for count in LABELS if count // 10 <= np.bincount(labels[0]).min()]
    if not counts:
        raise ValueError(
            f"the rarest class has {np.bincount(labels[0]).min()} images, expected {LABELS[0] // 10} or more"
        )
    rows = []
    for draw in progress(range(options.draws), "draws of labelled images"):
        for count in counts:
            chosen = labelled(labels[0], count)
            for name, (view, make) in contestants.items():
                accuracy, seconds, C = fit_and_ask(make, features[view], labels, chosen)
                rows.append({"view": name, "labels": count, "draw": draw, "C": C, "accuracy": accuracy, "fit": seconds})

    with atomic_write(run.file("svm.csv")) as path, open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)

    results = {}
    say("\nmedian seconds of a fit, with " + ", ".join(f"{count:,}" for count in counts) + " labels")
    for name in contestants:
        each = {count: [row for row in rows if (row["view"], row["labels"]) == (name, count)] for count in counts}
        medians = (np.median([row["fit"] for row in each[count]]) for count in counts)
        say(f"{name:<24}" + "".join(f"{seconds:10.3f}" for seconds in medians))
        for count in counts:
            accuracies = [row["accuracy"] for row in each[count]]
            results[f"{name}_{count}_labels"] = float(np.mean(accuracies))
            error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies)) if len(accuracies) > 1 else 0.0
            results[f"{name}_{count}_labels_standard_error"] = float(error)
    say()
    return results


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(200, options.batch_size), draws=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Images without labels, the VAE, a few labels, the machines."""
    tg.manual_seed(options.seed)
    unlabelled, test_set = load(options, "train", "valid"), load(options, "test")
    say(f"{TITLE}, {options.data}: {len(unlabelled):,} images without labels, {len(test_set):,} to be tested on")

    model = MLPVAE(LATENT_SIZE, hidden=(600, 600), activation=Softplus).to(options.device)
    seen = seen_by_vae(options, unlabelled)
    loader = data.DataLoader(seen, options.batch_size, shuffle=True)
    optimizer = Adam(model.parameters(), lr=options.learning_rate)
    train_vae(
        run,
        model,
        loader,
        optimizer,
        epochs=options.epochs,
        schedule=lambda step: options.learning_rate,
        kl_weight=options.kl_weight,
    )

    results = {
        "train_elbo": evaluation.elbo(model, seen.images),
        "test_elbo": evaluation.elbo(model, seen_by_vae(options, test_set).images),
    }
    features = views(options, model, unlabelled, test_set)
    spread = features["latents"][0].std(axis=0)
    results["latents_in_use"] = int((spread > 0.1).sum())  # a dead one's mean is the prior's, whatever the image
    accuracies = compare(options, run, features, [unlabelled.labels, test_set.labels])
    results |= accuracies
    draw(run, model, accuracies)
    run.finish(
        f"{TITLE}, {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        references=REFERENCES.get(options.data, ()),
        text="\n\n".join(__doc__.split("\n\n")[2:4]),
    )


def draw(run: Run, model: MLPVAE, accuracies: dict[str, float]) -> None:
    """What each view is worth, samples, and the two parts of the loss."""
    by_view: dict[str, tuple[list[float], list[float]]] = {}
    for name, accuracy in accuracies.items():
        view, _, count = name.removesuffix("_labels").rpartition("_")
        if count.isdecimal():
            x, y = by_view.setdefault(view.replace("_", " "), ([], []))
            x.append(int(count))
            y.append(accuracy)
    caption = "The mean accuracy on the test images, against the number of labelled images."
    ylabel = "accuracy on the test images, %"
    panel = plotting.Panel("What the machine sees", "labelled images", ylabel, by_view, markers=False, xscale="log")
    plotting.panels([panel], run.figure("accuracy.png", caption))
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(model.sample(100).numpy(), path, columns=10)
    epochs = [row["epoch"] for row in run.rows]
    kl = np.array([row["train_kl"] for row in run.rows])
    reconstruction = kl + [row["train_elbo"] for row in run.rows]
    parts = [
        plotting.Panel("Reconstruction", "epoch", "log p(x|z), nats an image", {"training": (epochs, reconstruction)}),
        plotting.Panel("KL(q(z|x) || p(z))", "epoch", "nats an image", {"training": (epochs, kl)}),
    ]
    plotting.panels(parts, run.figure("curves.png", "The two parts of the ELBO, epoch by epoch."))


if __name__ == "__main__":
    main()
