"""Figures of chapter 4, networks and training.

The trainings of two figures take two minutes; their results are kept in ``docs/results/ch04-training.json``, which

    cd docs && python -m drawings.ch04

writes anew.
"""

import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

import tinygen as tg
import tinygen.functional as F
from drawings.style import BLUE, FAINT, GREEN, INK, ORANGE, PINK, new_figure
from tinygen import data, nn, optim
from tinygen.models import MLP

RESULTS = Path(__file__).parents[1] / "results" / "ch04-training.json"
SEEDS, WIDTHS, EPOCHS = 5, (1, 2, 4, 8, 16, 32, 64, 128), 100


def stored() -> dict:
    """The stored results of the trainings."""
    return json.loads(RESULTS.read_text(encoding="utf-8"))


def digit_classifier() -> Figure:
    """The losses of the digit classifier in training, its confusion matrix, and misclassified test images."""
    kept = stored()["classifier"]
    figure, (left, middle, right) = new_figure(10.0, 3.3, 3, width_ratios=(1, 1, 1.15))
    left.plot(kept["train_loss"], color=BLUE, linewidth=0.8, label="training batch")
    left.plot(kept["valid_steps"], kept["valid_loss"], "o-", color=ORANGE, linewidth=1.4, label="validation set")
    left.set(xlabel="step", ylabel="cross-entropy (nats)", ylim=(0, 2.4))
    left.axhline(math.log(10), color=FAINT, linewidth=1, linestyle=":")
    left.text(len(kept["train_loss"]), math.log(10) - 0.03, r"$\log 10$", fontsize=8.5, ha="right", va="top")
    left.legend(fontsize=8.5, loc="center right")

    confusion = np.array(kept["confusion"])
    shares = confusion / confusion.sum(axis=1, keepdims=True)
    middle.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.1)
    for row in range(10):
        for column in range(10):
            if confusion[row, column]:
                colour = "white" if row == column else "#222222"
                middle.text(column, row, confusion[row, column], ha="center", va="center", fontsize=6.5, color=colour)
    middle.set(xlabel="predicted class", ylabel="label", xticks=range(10), yticks=range(10))
    middle.set_title("confusion matrix (test images)", fontsize=9, color=INK)

    test_set = data.load("strokes", "test", limit=kept["test_images"])
    errors = kept["misclassified"][:15]
    grid = np.full((3 * 34, 5 * 30), np.nan)
    for place, (index, predicted) in enumerate(errors):
        top, first = 34 * (place // 5), 30 * (place % 5)
        grid[top + 6 : top + 34, first + 1 : first + 29] = test_set.images[index, 0]
        words = f"{test_set.labels[index]} as {predicted}"
        right.text(first + 15, top + 3, words, fontsize=7, ha="center", va="center", color=INK)
    right.imshow(grid, cmap="gray", vmin=0, vmax=255)
    right.axis("off")
    right.set_title("misclassified: label as prediction", fontsize=9, color=INK)
    return figure


def initialisation() -> Figure:
    """The standard deviation of pre-activations and of their gradients by layer, for three distributions of weights."""
    figure, (left, right) = new_figure(8.6, 3.0, 2)
    width, depth = 256, 20
    scales = {"He": math.sqrt(2 / width), "Glorot": math.sqrt(1 / width), "uniform (the library's default)": None}
    for (label, scale), colour in zip(scales.items(), (GREEN, BLUE, ORANGE), strict=True):
        with_seed = tg.get_rng_state()
        tg.manual_seed(0)
        x = tg.randn(256, width)
        layers = []
        for _ in range(depth):
            layer = nn.Linear(width, width)
            if scale is not None:
                layer.weight.data = (scale * tg.randn(width, width)).data
                layer.bias.data = np.zeros(width, np.float32)
            layers.append(layer(x if not layers else F.relu(layers[-1])))
        gradients = tg.grad(layers[-1], layers, tg.randn(256, width))
        tg.set_rng_state(with_seed)
        each = np.arange(1, depth + 1)
        left.semilogy(each, [a.numpy().std() for a in layers], "o-", color=colour, markersize=3, label=label)
        right.semilogy(each, [g.numpy().std() for g in gradients], "o-", color=colour, markersize=3, label=label)
    left.axhline(math.sqrt(2 / (5 * width)), color=FAINT, linewidth=1, linestyle=":")
    left.text(depth, math.sqrt(2 / (5 * width)) * 1.25, r"$\sqrt{2 / 5n}$", fontsize=8.5, ha="right")
    left.set(xlabel="layer", ylabel="standard deviation", xticks=(1, 5, 10, 15, 20))
    right.set(xlabel="layer", xticks=(1, 5, 10, 15, 20))
    left.set_title("pre-activations (forward pass)", fontsize=9.5, color=INK)
    right.set_title("gradients of pre-activations (backward pass)", fontsize=9.5, color=INK)
    right.legend(fontsize=8.5, loc="lower right")
    return figure


CURVATURES = np.array([1.0, 50.0])


def descent(optimizer, steps: int, angle: float = 0.0) -> np.ndarray:
    """The iterates (steps + 1, 2) of ``optimizer(params)`` on the quadratic with the eigenvalues ``CURVATURES``, whose
    axes are rotated by ``angle``, from the point with coordinates (-2, 0.5) along its axes."""
    rotation = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    x = tg.tensor(rotation @ [-2.0, 0.5], requires_grad=True)
    hessian = tg.tensor(rotation @ np.diag(CURVATURES) @ rotation.T)
    own = optimizer([x])
    iterates = [x.numpy()]
    for _ in range(steps):
        x.grad = hessian @ x.detach()
        own.step()
        iterates.append(x.numpy())
    return np.array(iterates)


root = math.sqrt(50)
OPTIMIZERS = {
    "gradient descent": (lambda p: optim.SGD(p, lr=2 / 51), ORANGE),
    "momentum": (lambda p: optim.SGD(p, lr=4 / (1 + root) ** 2, momentum=((root - 1) / (root + 1)) ** 2), BLUE),
    "RMSprop": (lambda p: optim.RMSprop(p, lr=0.03), PINK),
    "Adam": (lambda p: optim.Adam(p, lr=0.1), GREEN),
}


def optimisers() -> Figure:
    """Four optimisers on a quadratic with condition number 50: iterates, and loss by step."""
    figure, panels = new_figure(10.0, 3.4, 3, width_ratios=(1, 1, 1.1))
    u, v = np.meshgrid(np.linspace(-2.4, 2.4, 161), np.linspace(-2.4, 2.4, 161))
    for axes, angle, name in ((panels[0], 0.0, "aligned with the coordinates"), (panels[1], math.pi / 4, "rotated")):
        along = np.stack([math.cos(angle) * u + math.sin(angle) * v, math.cos(angle) * v - math.sin(angle) * u])
        f = 0.5 * np.tensordot(CURVATURES, along**2, 1)
        axes.contour(u, v, f, levels=(0.1, 0.5, 1.5, 4, 10, 25), colors=FAINT, linewidths=0.6)
        for optimizer, colour in OPTIMIZERS.values():
            iterates = descent(optimizer, 40, angle)
            axes.plot(*iterates.T, ".-", color=colour, linewidth=1, markersize=3)
        axes.plot(0, 0, "+", color=INK, markersize=8)
        limits = {0.0: ((-2.3, 0.7), (-1.5, 1.5)), math.pi / 4: ((-2.2, 0.8), (-2.2, 0.8))}[angle]
        axes.set(aspect="equal", xlim=limits[0], ylim=limits[1], xlabel=r"$x_1$", ylabel=r"$x_2$")
        axes.set_title(name, fontsize=9.5, color=INK)
    for name, (optimizer, colour) in OPTIMIZERS.items():
        for angle, style in ((0.0, "-"), (math.pi / 4, "--")):
            if angle and colour in (ORANGE, BLUE):
                continue  # these do not depend on the coordinates
            rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
            loss = 0.5 * (descent(optimizer, 150, angle) @ rotation.T) ** 2 @ CURVATURES
            panels[2].semilogy(loss, style, color=colour, linewidth=1.2, label=name + (", rotated" if angle else ""))
    panels[2].set(xlabel="step", ylabel=r"$f$", ylim=(1e-8, 1e6), xlim=(0, 150))
    panels[2].legend(fontsize=7.5, loc="upper right", ncols=2, columnspacing=1.2)
    return figure


def schedules() -> Figure:
    """Learning-rate schedules, and the error that each leaves in a quadratic with noisy gradients."""
    figure, (left, right) = new_figure(8.6, 2.9, 2)
    total, problems = 300, 4000
    shapes = {
        "constant": (lambda k: 0.3, ORANGE),
        "linear": (lambda k: optim.linear_schedule(k, total, peak=0.3, warmup=20), GREEN),
        "cosine": (lambda k: optim.cosine_schedule(k, total, peak=0.3, warmup=20), BLUE),
    }
    for name, (rate, colour) in shapes.items():
        before = tg.get_rng_state()
        tg.manual_seed(0)
        x = tg.full((problems,), 10.0, dtype="float64", requires_grad=True)
        optimizer = optim.SGD([x], lr=0.0)
        errors = []
        for k in range(total):
            optimizer.lr = rate(k)
            x.grad = x.detach() + tg.randn(problems, dtype="float64")
            optimizer.step()
            errors.append((x.numpy() ** 2).mean())
        tg.set_rng_state(before)
        left.plot([rate(k) for k in range(total)], color=colour, label=name)
        right.semilogy(errors, color=colour, linewidth=1.2, label=name)
    right.axhline(0.3 / 1.7, color=FAINT, linewidth=1, linestyle=":", zorder=0)
    right.text(total, 0.3 / 1.7 * 1.3, r"$\eta \sigma^2 / (2 - \eta)$", fontsize=8.5, ha="right", color=INK)
    left.set(xlabel="step", ylabel=r"learning rate $\eta$", ylim=(0, 0.33))
    right.set(xlabel="step", ylabel=r"$E[x^2]$", ylim=(1e-3, 200))
    left.legend(fontsize=8.5, loc=(0.12, 0.05))
    return figure


def overfitting() -> Figure:
    """Training and validation error against the width of a network and against the number of epochs."""
    kept = stored()
    figure, (left, middle, right) = new_figure(10.0, 3.1, 3)
    widths = kept["capacity"]["widths"]
    for axes, name in ((left, "error"), (middle, "loss")):
        for part, colour in (("train", BLUE), ("valid", ORANGE)):
            each = np.array(kept["capacity"][f"{part}_{name}"])  # (seeds, widths)
            axes.plot(widths, each.mean(axis=0), "o-", color=colour, markersize=3, label=PARTS[part])
            axes.fill_between(widths, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.25, linewidth=0)
        axes.set_xscale("log", base=2)
        axes.set(xlabel="hidden units", ylim=(0, None), xticks=widths, xticklabels=widths)
    left.set(ylabel="error rate")
    middle.set(ylabel="cross-entropy (nats)")
    left.legend(fontsize=8.5, loc="upper right")
    for axes, words in ((left, "capacity: error rate"), (middle, "capacity: cross-entropy")):
        axes.set_title(words, fontsize=9.5, color=INK)
        axes.xaxis.set_minor_formatter(NullFormatter())
    curves = kept["epochs"]
    epochs = np.arange(1, len(curves["plain"]["valid_error"]) + 1)
    right.plot(epochs, curves["plain"]["train_error"], color=BLUE, label="training set")
    right.plot(epochs, curves["plain"]["valid_error"], color=ORANGE, label="validation set")
    right.plot(epochs, curves["decay"]["valid_error"], "--", color=GREEN, label="validation, weight decay")
    right.set(xlabel="epoch", ylabel="error rate", ylim=(0, 0.65))
    right.legend(fontsize=8.5, loc="upper right")
    right.set_title("time: a fifth of the labels random", fontsize=9.5, color=INK)
    return figure


PARTS = {"train": "training set", "valid": "validation set"}

FIGURES = {
    "digit-classifier.png": digit_classifier,
    "initialisation.png": initialisation,
    "optimisers.png": optimisers,
    "schedules.png": schedules,
    "overfitting.png": overfitting,
}


# The trainings -------------------------------------------------------------------------------------------------------


def few_digits(wrong: float = 0.0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """300 training and 2,000 validation images of 14 x 14 pixels, (N, 196), with labels; the labels of a fraction
    ``wrong`` of the training images are replaced by random ones."""
    parts = {}
    for part, count in (("train", 300), ("valid", 2000)):
        digits = data.load("strokes", part, limit=count)
        pixels = digits.images.reshape(count, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(count, -1) / 255
        parts[part] = pixels.astype(np.float32), digits.labels.copy()
    random = np.random.default_rng(0)
    labels = parts["train"][1]
    chosen = random.random(len(labels)) < wrong
    labels[chosen] = random.integers(0, 10, chosen.sum())
    return parts


def train_mlp(parts: dict, width: int, seed: int, weight_decay: float = 0.0) -> Iterator[dict[str, float]]:
    """Losses and error rates after each of ``EPOCHS`` epochs of an MLP with ``width`` hidden units."""
    tg.manual_seed(seed)
    net = MLP(196, 10, hidden=(width,), activation=nn.ReLU)
    optimizer = optim.Adam(net.parameters(), lr=3e-3, weight_decay=weight_decay)
    loader = data.DataLoader(data.Dataset(*parts["train"]), 50, shuffle=True)
    for _ in range(EPOCHS):
        for x, labels in loader:
            optimizer.zero_grad()
            F.cross_entropy(net(tg.tensor(x)), labels).backward()
            optimizer.step()
        found = {}
        for part, (x, labels) in parts.items():
            with tg.no_grad():
                logits = net(tg.tensor(x))
            found[f"{part}_loss"] = F.cross_entropy(logits, labels).item()
            found[f"{part}_error"] = float((logits.numpy().argmax(axis=1) != labels).mean())
        yield found


def digits_net() -> nn.Module:
    """The network of the chapter."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 10))


def train_classifier() -> dict:
    """The training of the chapter: the losses, the confusion matrix and the misclassified test images."""
    tg.manual_seed(0)
    net = digits_net()
    train_set, valid_set, test_set = (
        data.load("strokes", part, limit=count) for part, count in (("train", 3000), ("valid", 1000), ("test", 2000))
    )
    loader = data.DataLoader(train_set, batch_size=50, shuffle=True)
    optimizer = optim.Adam(net.parameters(), lr=0.0)
    total = 5 * len(loader)
    losses, valid_losses, valid_steps = [], [], []

    def logits_of(digits: data.Dataset) -> tg.Tensor:
        with net.evaluating(), tg.no_grad():
            return net(tg.tensor(digits.images.astype(np.float32) / 255))

    for _ in range(5):
        for images, labels in loader:
            if len(losses) % 20 == 0:
                valid_steps.append(len(losses))
                valid_losses.append(F.cross_entropy(logits_of(valid_set), valid_set.labels).item())
            optimizer.lr = optim.cosine_schedule(len(losses), total, peak=3e-3, warmup=20)
            loss = F.cross_entropy(net(tg.tensor(images.astype(np.float32) / 255)), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    predicted = logits_of(test_set).numpy().argmax(axis=1)
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (test_set.labels, predicted), 1)
    wrong = np.flatnonzero(predicted != test_set.labels)
    return {
        "test_images": len(test_set),
        "train_loss": np.round(losses, 4).tolist(),
        "valid_steps": valid_steps,
        "valid_loss": np.round(valid_losses, 4).tolist(),
        "confusion": confusion.tolist(),
        "misclassified": [(int(index), int(predicted[index])) for index in wrong],
    }


def measure() -> dict:
    """All trainings whose results are stored."""
    clean, wrong = few_digits(), few_digits(wrong=0.2)
    last = [[list(train_mlp(clean, width, seed))[-1] for width in WIDTHS] for seed in range(SEEDS)]
    names = list(last[0][0])
    capacity = {name: [[round(each[name], 4) for each in row] for row in last] for name in names}
    epochs = {}
    for label, decay in (("plain", 0.0), ("decay", 1e-2)):
        runs = [list(train_mlp(wrong, 64, seed, decay)) for seed in range(SEEDS)]
        epochs[label] = {
            name: np.mean([[each[name] for each in run] for run in runs], axis=0).round(4).tolist() for name in names
        }
    return {
        "command": "cd docs && python -m drawings.ch04",
        "settings": f"capacity: 300 training images, {EPOCHS} epochs, {SEEDS} seeds; epochs: 64 hidden units, the same "
        f"with 20 % of the labels replaced by random ones, mean of {SEEDS} seeds; classifier: as in the chapter",
        "classifier": train_classifier(),
        "capacity": {"widths": list(WIDTHS)} | capacity,
        "epochs": epochs,
    }


if __name__ == "__main__":
    RESULTS.write_text(json.dumps(measure()) + "\n", encoding="utf-8")
