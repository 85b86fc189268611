"""Semi-supervised learning with the model M2 (Kingma et al. 2014): a generative model of images and labels.

    python examples/semi_supervised_m2.py                            Fashion-MNIST, 100 to 3,000 labels
    python examples/semi_supervised_m2.py --data mnist --labels 100 --alpha 100
    python examples/semi_supervised_m2.py --features latents         M1+M2: M2 of the latents of a VAE
    python examples/semi_supervised_m2.py --data strokes             the synthetic digits, no download

M2 is trained on all training images, of which a few have labels, equally many of each class. Its classifier q(y|x)
gives the accuracy on the whole test set, for several random choices of the labelled images. A support vector machine
(SVM) with a Gaussian kernel, trained on the same labelled images, is the comparison: on pixels, or on the means of the
latents, which is M1.

The bound of an image without a label is a sum over the ten classes. It is therefore computed for a fifth of each batch,
the images are reduced to 14 x 14 pixels (``--side``), and the networks have one hidden layer. Grey values are the means
of binary pixels, as in semi_supervised_m1.py.

With 100 labels the classifier is the weak part: it fits the labelled images after a few steps. Three regularisers on
images without labels, none of them part of M2, are added (``--smoothing``): virtual adversarial training (Miyato et al.
2018), the divergence of q(y|x) from q(y|x + r) for the r of a given norm that changes it most; the entropy of q(y|x)
(Grandvalet and Bengio 2005); and the divergence of the mean of q(y|x) from the uniform prior p(y).
``--smoothing 0 --alpha 0.1`` has the published objective, with smaller networks and fewer latents and pixels.

Needs scikit-learn: pip install -e ".[svm]".
"""

import argparse
import itertools
import math
from typing import NamedTuple

import numpy as np
from semi_supervised_m1 import balanced

import tinygen as tg
from tinygen import data, evaluation, nn, plotting
from tinygen.autograd.tensor import Tensor
from tinygen.backend import generator
from tinygen.models import M2, MLPVAE, GaussianPixels
from tinygen.optim import Adam, cosine_schedule
from tinygen.training import Run, common_arguments, conduct, load_splits, say, train, train_vae
from tinygen.training.options import positive, real, whole

try:
    from sklearn.svm import SVC
except ModuleNotFoundError as error:
    raise SystemExit('semi_supervised_m2 needs scikit-learn: pip install -e ".[svm]"') from error

TITLE = "M2: a generative model of images and labels"
MOST = 60_000  # images without labels
LATENT_SIZE, HIDDEN = 5, (100,)
LABELLED = 200  # images per step, at most
BOUND_PART = 5  # the bound of images without labels is computed for a fifth of a batch, the regularisers for all of it
WIDTH = 200  # of the classifier's hidden layers
# Chosen on validation images: the norm of r, for pixels in [0, 1], and the weight of the entropy beside 1.
RADIUS = {"mnist": 1.5, "strokes": 1.5, "fashion-mnist": 0.5}
ENTROPY = {"mnist": 1.0, "strokes": 1.0, "fashion-mnist": 0.3}
M1_LATENTS, M1_EPOCHS = 50, 10


class Features(NamedTuple):
    """What M2 models: N(mean, deviation^2), (N, D) each, one sample of which is drawn per step, and the means of the
    test images."""

    mean: np.ndarray
    deviation: np.ndarray | None  # None: 0
    test: np.ndarray
    vae: MLPVAE | None  # that of which they are the latents; None: they are pixels

    def sample(self, indices: np.ndarray, device: str) -> Tensor:
        """One sample for each of the images at ``indices`` (N,) -> (N, D)."""
        x = tg.tensor(self.mean[indices], device=device)
        return x if self.deviation is None else x + tg.tensor(self.deviation[indices], device=device) * tg.randn_like(x)


def arguments() -> argparse.Namespace:
    """The common options, and those of the objective."""
    parser = common_arguments(
        TITLE,
        data="fashion-mnist",
        datasets=("fashion-mnist", "mnist", "strokes"),
        epochs=6,
        batch_size=160,
        learning_rate=2e-3,
        out="runs/semi_supervised_m2",
    )
    add = parser.add_argument
    counts = "numbers of labelled images (100 600 1000 3000)"
    add("--labels", type=whole(10), nargs="+", default=(100, 600, 1000, 3000), metavar="N", help=counts)
    add("--draws", type=whole(1), default=5, metavar="N", help="random choices of the labelled images (%(default)s)")
    add("--features", choices=("pixels", "latents"), default="pixels", help="what is modelled (%(default)s)")
    add("--side", type=whole(1), default=14, metavar="N", help="images are reduced to N x N pixels (%(default)s)")
    add("--alpha", type=positive, default=20.0, metavar="X", help="of the classification loss (%(default)s)")
    smoothing = "weight of the regularisers at 100 labels, in alphas (%(default)s)"
    add("--smoothing", type=real(0), default=1.0, metavar="X", help=smoothing)
    radius = "norm of the perturbation r (0.5 for Fashion-MNIST, 1.5 for digits)"
    add("--radius", type=positive, metavar="X", help=radius)
    return parser.parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(200, options.batch_size), draws=1, labels=[10])


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Images, features, M2 and the SVM for each number and choice of labelled images."""
    train_set, test_set = load(options, "train", "valid"), load(options, "test")
    choices = {}
    for draw, count in itertools.product(range(options.draws), options.labels):
        tg.manual_seed(options.seed + draw)  # so that no choice depends on the others
        choices[draw, count] = balanced(train_set.labels, count)
    features = pixels(train_set, test_set)
    if options.features == "latents":
        features = latents(options, run, train_set, test_set)
    accuracies: dict[str, dict[int, list[float]]] = {"m2": {}, "svm": {}}
    for (draw, count), chosen in choices.items():
        name = f"labels-{count}-draw-{draw}"
        tg.manual_seed(options.seed + draw)
        model = fit(options, run.part(name), features, train_set.labels, chosen)
        svm = SVC(kernel="rbf", gamma="scale", C=10.0).fit(features.mean[chosen], train_set.labels[chosen])
        for method, predicted in (("m2", classify(model, features.test)), ("svm", svm.predict(features.test))):
            accuracy = 100 * float((predicted == test_set.labels).mean())
            accuracies[method].setdefault(count, []).append(accuracy)
            say(f"{name}, {method}: accuracy {accuracy:.2f} %")
    draw_accuracies(options, run, accuracies)
    caption = "Left: a test image of each class. Right of it: the images with the same z and each of the ten classes."
    plotting.interpolation_grid(analogies(model, features, test_set), run.figure("analogies.png", caption))
    run.finish(f"{TITLE}, {options.data}, {options.features}", summarise(accuracies), text=__doc__)


def load(options: argparse.Namespace, *splits: str) -> data.Dataset:
    """Some splits as one, of at most as many images as Fashion-MNIST has, reduced to ``--side``."""
    parts = load_splits(options, *splits)
    images, labels = (np.concatenate([getattr(part, name) for part in parts])[:MOST] for name in ("images", "labels"))
    return data.Dataset(data.resized(images, options.side) / np.float32(255), labels, options.data, "+".join(splits))


def pixels(train_set: data.Dataset, test_set: data.Dataset) -> Features:
    """Grey values, the means of binary pixels."""
    train, test = (each.images.reshape(len(each), -1) for each in (train_set, test_set))
    return Features(train, None, test, None)


def latents(options: argparse.Namespace, run: Run, train_set: data.Dataset, test_set: data.Dataset) -> Features:
    """q(z|x) of a VAE, trained on all training images, of which M2 models samples (M1+M2)."""
    tg.manual_seed(options.seed)
    vae = MLPVAE(M1_LATENTS, (300, 300), nn.ReLU, train_set.images.shape[1:]).to(options.device)
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    optimizer, total = Adam(vae.parameters()), M1_EPOCHS * len(loader)

    def rate(step: int) -> float:
        return cosine_schedule(step, total, options.learning_rate)

    train_vae(run.part("m1"), vae, loader, optimizer, epochs=M1_EPOCHS, learning_rate=rate)
    (mean, logvar), (test, _) = (evaluation.encode(vae, each.images) for each in (train_set, test_set))
    return Features(mean, np.exp(logvar / 2), test, vae)


def fit(options: argparse.Namespace, run: Run, features: Features, labels: np.ndarray, chosen: np.ndarray) -> M2:
    """M2, trained on all images, of which those with the indices ``chosen`` have labels."""
    inputs, classes = features.mean.shape[1], int(labels.max()) + 1
    family = None if features.vae is None else GaussianPixels(1.0, learned=True)
    model = M2(inputs, classes, LATENT_SIZE, HIDDEN, nn.ReLU, family, classifier(inputs, classes)).to(options.device)
    optimizer = Adam(model.parameters())
    steps = max(1, len(labels) // options.batch_size)
    radius = options.radius or RADIUS[options.data]
    smoothing = options.smoothing * math.sqrt(100 / len(chosen))

    def step(batch: int, index: int) -> dict[str, float]:
        optimizer.lr = cosine_schedule(index, options.epochs * steps, options.learning_rate)
        some = chosen[balanced(labels[chosen], min(len(chosen), LABELLED))]
        unlabelled = features.sample(generator().integers(len(labels), size=options.batch_size), options.device)
        part = unlabelled[: max(1, options.batch_size // BOUND_PART)]
        x = features.sample(some, options.device)
        loss = model.loss(x, labels[some], part, len(chosen) / len(labels), options.alpha)
        metrics = {"train_loss": loss.item()}
        if smoothing:
            log_q = model.log_posterior(unlabelled)
            smoothness = virtual_adversarial_loss(model, unlabelled, log_q.detach(), radius)
            smoothness = smoothness + ENTROPY[options.data] * entropy(log_q) + mismatch(log_q)
            loss = loss + options.alpha * smoothing * smoothness
            metrics["train_smoothness"] = smoothness.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return metrics

    train(run, range(steps), step, epochs=options.epochs, parts={"model": model, "optimizer": optimizer})
    return model


def classifier(inputs: int, classes: int) -> nn.Sequential:
    """A multilayer perceptron with two hidden layers and batch normalisation."""
    layers: list[nn.Module] = []
    for before, after in ((inputs, WIDTH), (WIDTH, WIDTH)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTH, classes))


def virtual_adversarial_loss(model: M2, x: Tensor, log_q: Tensor, radius: float) -> Tensor:
    """KL(q(y|x) || q(y|x + r)), its mean over x (N, D) in nats, for the r of norm ``radius`` that maximises it; log_q
    (N, K), the logarithm of q(y|x), is a constant (Miyato et al. 2018).

    To second order in r the divergence is r^T H r / 2. One step of the power iteration from a random direction d
    approximates the eigenvector of the largest eigenvalue: H d is nearly proportional to the gradient of the divergence
    at a small multiple of d.
    """
    d = directions(tg.randn_like(x)) * 0.1
    d.requires_grad = True
    (gradient,) = tg.grad(divergence(log_q, model.log_posterior(x + d)), d)
    return divergence(log_q, model.log_posterior(x + directions(gradient) * radius))


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """KL(p || q), the mean over rows of log-probabilities (N, K), nats."""
    return tg.mean(tg.sum(tg.exp(log_p) * (log_p - log_q), axis=1))


def directions(x: Tensor) -> Tensor:
    """Each row of x (N, D) divided by its norm."""
    return x / (tg.norm(x, axis=1, keepdims=True) + 1e-12)


def entropy(log_q: Tensor) -> Tensor:
    """The mean entropy of the distributions of which log_q (N, K) are the logarithms, nats."""
    return -tg.mean(tg.sum(tg.exp(log_q) * log_q, axis=1))


def mismatch(log_q: Tensor) -> Tensor:
    """KL(q(y) || p(y)), nats: q(y) is the mean of the distributions of which log_q (N, K) are the logarithms, p(y) is
    uniform."""
    q = tg.mean(tg.exp(log_q), axis=0)
    return tg.sum(q * tg.log(q + 1e-12)) + math.log(log_q.shape[1])


@tg.no_grad()
def classify(model: M2, x: np.ndarray) -> np.ndarray:
    """The most probable class of each of x (N, D): (N,)."""
    with model.evaluating():
        classes: np.ndarray = model.log_posterior(x).numpy().argmax(axis=1)
        return classes


def summarise(accuracies: dict[str, dict[int, list[float]]]) -> dict[str, float]:
    """Mean accuracies in % over the choices of labelled images, with standard errors."""
    results = {}
    for method, by_count in accuracies.items():
        for count, each in by_count.items():
            results[f"{method}_{count}_labels"] = float(np.mean(each))
            if len(each) > 1:
                error = np.std(each, ddof=1) / np.sqrt(len(each))
                results[f"{method}_{count}_labels_standard_error"] = float(error)
    return results


def draw_accuracies(options: argparse.Namespace, run: Run, accuracies: dict[str, dict[int, list[float]]]) -> None:
    """The mean accuracy of each method against the number of labelled images."""
    curves = {
        name: (list(by_count), [float(np.mean(each)) for each in by_count.values()])
        for name, by_count in zip(("M2", f"SVM on {options.features}"), accuracies.values(), strict=True)
    }
    ylabel = "accuracy on the test images, %"
    panel = plotting.Panel("Accuracy", "labelled images", ylabel, curves, xscale="log")
    plotting.panels([panel], run.figure("accuracy.png", "The mean accuracy on the test images."))


@tg.no_grad()
def analogies(model: M2, features: Features, test_set: data.Dataset) -> np.ndarray:
    """A row for each class: a test image, and images with its z and each of the classes: (K, 1 + K, 1, H, H)."""
    first = [int(np.argmax(test_set.labels == label)) for label in range(model.classes)]
    with model.evaluating():
        z, _ = model.encode(features.test[first], test_set.labels[first])  # (K, L)
        every = np.tile(np.arange(model.classes), len(first))
        decoded = model.pixels.means(model.decode(np.repeat(z.numpy(), model.classes, axis=0), every))  # (K K, D)
        if features.vae is not None:
            decoded = features.vae.pixel_means(features.vae.decode(decoded))
    originals = test_set.images[first][:, None]
    return np.concatenate([originals, decoded.numpy().reshape(len(first), -1, *originals.shape[2:])], axis=1)


if __name__ == "__main__":
    main()
