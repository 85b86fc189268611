"""Semi-supervised learning with the model M1 (Kingma et al. 2014): a VAE's latents as features of few labelled images.

    python examples/semi_supervised_m1.py                     Fashion-MNIST
    python examples/semi_supervised_m1.py --data strokes      the synthetic digits, no download
    python examples/semi_supervised_m1.py --kl-weight 1       the ELBO itself as objective, as published

A VAE whose encoder and decoder have two hidden layers of 600 softplus units and which has 50 latent variables is
trained on all training images, without labels. Then a support vector machine (SVM) with a Gaussian kernel is trained on
a few labelled images, equally many of each class, represented by the mean of q(z|x). Its accuracy is measured on the
whole test set, for several random choices of the labelled images, and compared with that of the same SVM on the pixels
and on their 50 principal components.

The VAE's likelihood is that of binary pixels. Grey values are the means of all their binarisations: log p(x|z) is
linear in x, so it is the mean log-likelihood of those binary images, and no likelihood of the grey ones. With
``--pixels binary`` each grey image is binarised once, as everywhere else in this library.

Under the ELBO a latent variable has to improve the reconstruction by more than its KL, and few of the fifty do. The
latents serve here as features, not as a short code: with a fifth of the KL's weight (``--kl-weight``) more of them are
active, the bound is lower, and the SVM is more accurate.

Needs scikit-learn: pip install -e ".[svm]".
"""

import argparse
import csv
import time
from typing import Any

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.backend import generator
from tinygen.files import atomic_write
from tinygen.models import MLPVAE
from tinygen.nn import Softplus
from tinygen.optim import Adam
from tinygen.training import (
    Reference,
    Run,
    common_arguments,
    conduct,
    load_splits,
    print_table,
    progress,
    say,
    train_vae,
)
from tinygen.training.options import positive, real, whole

try:
    from sklearn.model_selection import GridSearchCV
    from sklearn.svm import SVC
except ModuleNotFoundError as error:
    raise SystemExit('semi_supervised_m1 needs scikit-learn: pip install -e ".[svm]"') from error

TITLE = "M1: a support vector machine in latent space"
LATENT_SIZE = 50
LABELS = (100, 600, 1000, 3000)
MOST = 60_000  # images without labels
CANDIDATES = (1.0, 10.0, 100.0)  # for C in the cross-validation
SOURCE = "a published solution, in %"

REFERENCES = {
    "fashion-mnist": [
        Reference(f"latents_{count}_labels", accuracy, SOURCE)
        for count, accuracy in zip(LABELS, (65.05, 76.83, 78.43, 80.17), strict=True)
    ]
}


def arguments() -> argparse.Namespace:
    """The common options, and those of the VAE and the SVM."""
    parser = common_arguments(
        TITLE,
        data="fashion-mnist",
        datasets=("fashion-mnist", "mnist", "strokes"),
        epochs=50,
        batch_size=256,
        learning_rate=1e-3,
        out="runs/semi_supervised_m1",
    )
    add = parser.add_argument
    add("--pixels", choices=("binary", "mean"), default="mean", help="the VAE's data (%(default)s)")
    add("--kl-weight", type=real(0), default=0.2, metavar="X", help="of the KL in the loss (%(default)s)")
    add("--draws", type=whole(1), default=5, metavar="N", help="random choices of the labelled images (%(default)s)")
    add("--svm-c", type=positive, default=10.0, metavar="C", help="the SVM's penalty C (%(default)s)")
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(200, options.batch_size), draws=1)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Images without labels, the VAE, a few labels, the SVMs."""
    unlabelled, test_set = load(options, "train", "valid"), load(options, "test")
    model = MLPVAE(LATENT_SIZE, hidden=(600, 600), activation=Softplus).to(options.device)
    images = vae_input(options, unlabelled)
    loader = data.DataLoader(images, options.batch_size, shuffle=True)
    train_vae(
        run,
        model,
        loader,
        Adam(model.parameters()),
        epochs=options.epochs,
        learning_rate=options.learning_rate,
        kl_weight=options.kl_weight,
    )

    results = {
        "train_elbo": evaluation.elbo(model, images.images),
        "test_elbo": evaluation.elbo(model, vae_input(options, test_set).images),
    }
    features = representations(options, model, unlabelled, test_set)
    results["latents_in_use"] = int((features["latents"][0].std(axis=0) > 0.1).sum())  # the others do not depend on x
    fits = compare(options, features, [unlabelled.labels, test_set.labels])
    write_csv(run, fits)
    accuracies = summarise(fits)
    draw(run, model, accuracies)
    references = REFERENCES.get(options.data, ())
    run.finish(f"{TITLE}, {options.data}", results | accuracies, references=references, text=__doc__)


def load(options: argparse.Namespace, *splits: str) -> data.Dataset:
    """Some splits as one, of at most as many images as Fashion-MNIST has."""
    parts = load_splits(options, *splits)
    images, labels = (np.concatenate([getattr(part, name) for part in parts])[:MOST] for name in ("images", "labels"))
    return data.Dataset(images, labels, options.data, "+".join(splits))


def vae_input(options: argparse.Namespace, dataset: data.Dataset) -> data.Dataset:
    """The images as binary pixels, or as the means of binary pixels."""
    if options.pixels == "binary":
        return dataset.binarized()
    return data.Dataset(dataset.images / np.float32(255), dataset.labels, dataset.name, dataset.split)


def representations(
    options: argparse.Namespace, model: MLPVAE, unlabelled: data.Dataset, test_set: data.Dataset
) -> dict[str, list[np.ndarray]]:
    """The features of the SVMs: name -> those of the training and of the test images, each (N, features)."""
    both = (unlabelled, test_set)
    posteriors = [evaluation.encode(model, vae_input(options, dataset).images) for dataset in both]
    means = [mean for mean, _ in posteriors]
    deviations = means[0].std(axis=0)
    draws = [mean + np.exp(logvar / 2) * tg.randn(*mean.shape).numpy() for mean, logvar in posteriors]
    pixels = [dataset.images.reshape(len(dataset), -1) / np.float32(255) for dataset in both]
    center, directions = principal_components(pixels[0], LATENT_SIZE)
    return {
        "latents": means,
        "latents_drawn": draws,
        "latents_standardised": [mean / deviations for mean in means],
        "principal_components": [(each - center) @ directions for each in pixels],
        "pixels": pixels,
    }


def principal_components(pixels: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The mean of ``pixels`` (N, D), and the directions (D, count) of largest variance."""
    mean = pixels.mean(axis=0)
    covariance = np.cov(pixels.T)
    return mean, np.linalg.eigh(covariance)[1][:, ::-1][:, :count].astype(np.float32)


def compare(
    options: argparse.Namespace, features: dict[str, list[np.ndarray]], labels: list[np.ndarray]
) -> list[dict[str, Any]]:
    """Train an SVM on each representation, number of labels and random choice of labelled images; a row for each."""

    def svm() -> SVC:
        return SVC(kernel="rbf", gamma="scale", C=options.svm_c)

    def cross_validated() -> GridSearchCV:
        return GridSearchCV(svm(), {"C": CANDIDATES}, cv=5)

    methods = {name: (name, svm) for name in features} | {"latents_cross_validated": ("latents", cross_validated)}
    rarest = np.bincount(labels[0]).min()
    counts = [count for count in LABELS if count // 10 <= rarest]
    if not counts:
        raise ValueError(f"the rarest class has {rarest} images, expected {LABELS[0] // 10} or more")
    rows = []
    for draw in progress(range(options.draws), "choices of labelled images"):
        for count in counts:
            chosen = balanced(labels[0], count)
            for name, (view, make) in methods.items():
                setting = {"view": name, "labels": count, "draw": draw}
                rows.append(setting | fit_svm(make(), features[view], labels, chosen))
    return rows


def balanced(labels: np.ndarray, count: int) -> np.ndarray:
    """The indices of ``count`` images, equally many of each class of ``labels`` (N,), drawn without replacement from
    the library's generator; a remainder of ``count`` / classes is left out.

    Raises ``ValueError`` where a class has too few images.
    """
    classes, sizes = np.unique(labels, return_counts=True)
    each = count // len(classes)
    if each > sizes.min():
        raise ValueError(f"the rarest class has {sizes.min()} images, expected {each} or more")
    return np.concatenate([generator().permutation(np.flatnonzero(labels == name))[:each] for name in classes])


def fit_svm(
    svm: SVC | GridSearchCV, features: list[np.ndarray], labels: list[np.ndarray], chosen: np.ndarray
) -> dict[str, float]:
    """Train on the ``chosen`` training images: C, the accuracy on all test images in %, the seconds of the training."""
    started = time.perf_counter()
    svm.fit(features[0][chosen], labels[0][chosen])
    seconds = time.perf_counter() - started
    best = getattr(svm, "best_estimator_", svm)
    return {"C": best.C, "accuracy": 100 * float((svm.predict(features[1]) == labels[1]).mean()), "fit": seconds}


def write_csv(run: Run, rows: list[dict[str, Any]]) -> None:
    """Write one line per SVM to svm.csv."""
    with atomic_write(run.file("svm.csv")) as path, open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def summarise(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The mean accuracies in % over the random choices, with standard errors; prints the median training times."""
    groups: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for row in rows:
        groups.setdefault(row["view"], {}).setdefault(row["labels"], []).append(row)
    results, table = {}, [["", *map(str, sorted({row["labels"] for row in rows}))]]
    for name, by_count in groups.items():
        table.append([name, *(f"{np.median([row['fit'] for row in each]):.3f}" for each in by_count.values())])
        for count, each in by_count.items():
            accuracies = [row["accuracy"] for row in each]
            results[f"{name}_{count}_labels"] = float(np.mean(accuracies))
            if len(accuracies) > 1:
                error = np.std(accuracies, ddof=1) / np.sqrt(len(accuracies))
                results[f"{name}_{count}_labels_standard_error"] = float(error)
    say("\nmedian seconds of the training of an SVM, by the number of labels")
    print_table(table)
    say()
    return results


def draw(run: Run, model: MLPVAE, accuracies: dict[str, float]) -> None:
    """The accuracy of each representation, samples, and both terms of the loss."""
    by_view: dict[str, tuple[list[float], list[float]]] = {}
    for name, accuracy in accuracies.items():
        view, _, count = name.removesuffix("_labels").rpartition("_")
        if count.isdecimal():
            x, y = by_view.setdefault(view.replace("_", " "), ([], []))
            x.append(int(count))
            y.append(accuracy)
    caption = "The mean accuracy on the test images, against the number of labelled images."
    ylabel = "accuracy on the test images, %"
    panel = plotting.Panel("Features of the SVM", "labelled images", ylabel, by_view, markers=False, xscale="log")
    plotting.panels([panel], run.figure("accuracy.png", caption))
    path = run.figure("samples.png", "Samples from the prior: the pixels' means.")
    plotting.image_grid(model.sample(100).numpy(), path, columns=10)
    epochs, kl = run.curve("train_kl")
    reconstruction = np.add(kl, run.curve("train_elbo")[1])
    panels = [
        plotting.Panel("Reconstruction", "epoch", "log p(x|z), nats per image", {"training": (epochs, reconstruction)}),
        plotting.Panel("KL(q(z|x) || p(z))", "epoch", "nats per image", {"training": (epochs, kl)}),
    ]
    plotting.panels(panels, run.figure("curves.png", "Both terms of the ELBO, epoch by epoch."))


if __name__ == "__main__":
    main()
