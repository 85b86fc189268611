"""The results behind the figures of chapter 12 on digits: ``python docs/results/tighter_bounds.py`` writes
``tighter-bounds.json`` here.

A VAE of MLPs (784-200-200-2x50 and back, tanh) is trained on the fixed binarised MNIST for 4 epochs, by Adam with a
cosine schedule, on the K-sample bound for each K of COUNTS, with the plain and with the doubly reparametrised gradient
of the encoder; and on the ELBO, evaluated with the last and with averaged weights, at a constant rate and with the
schedule. Seed 0; about a quarter of an hour of one core. What the file holds already is not computed again. All figures
are of the 10,000 validation images, in nats per image.
"""

import itertools
import json
import math
from functools import partial
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, models, nn, optim, training

FILE = Path(__file__).parent / "tighter-bounds.json"
EPOCHS, RATE, BATCH, COUNTS, DRAWS = 4, 2e-3, 64, (5, 1, 20), 200


def trained(loader, K, path_gradient, constant=False, evaluate=None):
    """The model and the rows of metrics; ``evaluate(model, average)`` gives some of them."""
    tg.manual_seed(0)
    model = models.MLPVAE(50, (200, 200), nn.Tanh, output_bias=-2.0)
    average = optim.ExponentialMovingAverage(model, 0.999)
    rows = training.train_vae(
        None,
        model,
        loader,
        optim.Adam(model.parameters(), betas=(0.9, 0.99)),
        epochs=EPOCHS,
        learning_rate=RATE
        if constant
        else partial(optim.cosine_schedule, total=EPOCHS * len(loader), peak=RATE, warmup=200),
        num_samples=K,
        path_gradient=path_gradient,
        average=average,
        evaluate=dict if evaluate is None else partial(evaluate, model, average),
    )
    return model, rows


def measured(model, images):
    """ELBO, log p(x) by importance sampling with K = 200, its standard error."""
    value, error = evaluation.estimate_log_likelihood(model, images, 200)
    return {"elbo": evaluation.elbo(model, images), "log_likelihood": value, "standard_error": error}


def signal_to_noise(model, x, K, path_gradient):
    """||E g|| / sqrt(E ||g - E g||^2) of the encoder's gradient g for a batch, from DRAWS gradients; the squared norm
    of their mean is corrected for its expected error."""
    gradients = []
    for _ in range(DRAWS):
        bound = tg.mean(model.iwae(x, K, path_gradient=path_gradient))
        gradients.append(
            np.concatenate([g.numpy().ravel() for g in tg.grad(bound, model.encoder.parameters())]).astype("float64")
        )
    noise = np.var(gradients, axis=0, ddof=1).sum()
    signal = (np.mean(gradients, axis=0) ** 2).sum() - noise / DRAWS
    return math.sqrt(max(signal, 0.0) / noise)


def save(found):
    FILE.write_text(json.dumps(found, indent=1) + "\n")


def averages(loader, valid, found):
    """The ELBO after each epoch with the last and with averaged weights, at a constant rate and by a schedule."""

    def both(model, average):
        with average.applied():
            averaged = evaluation.elbo(model, valid)
        return {"last": evaluation.elbo(model, valid), "averaged": averaged}

    for name in ("constant", "cosine"):
        if name not in found["averages"]:
            _, rows = trained(loader, None, True, name == "constant", both)
            found["averages"][name] = {key: [row[key] for row in rows] for key in ("last", "averaged")}
            save(found)


def objectives(loader, valid, found):
    """Each K, and both gradients; for one of the models the signal-to-noise ratios."""
    done = [(row["K"], row["path_gradient"]) for row in found["objectives"]]
    for K, path_gradient in itertools.product(COUNTS, (True, False)):
        if (K, path_gradient) in done:
            continue
        model, rows = trained(loader, K, path_gradient)
        row = {"K": K, "path_gradient": path_gradient, **measured(model, valid)}
        found["objectives"].append(row | {"train": [each["train_iwae"] for each in rows]})
        if (K, path_gradient) == (5, True):
            x = tg.tensor(valid[:32], dtype="float32")
            pairs = list(itertools.product((1, 4, 16, 64), (True, False)))
            ratios = [{"K": k, "path_gradient": path, "ratio": signal_to_noise(model, x, k, path)} for k, path in pairs]
            found["signal_to_noise"] = ratios
        save(found)


def main():
    train_set, valid_set = (data.load("binarized-mnist", split).binarized() for split in ("train", "valid"))
    found = json.loads(FILE.read_text()) if FILE.exists() else {"averages": {}, "objectives": []}
    for part in (averages, objectives):
        part(data.DataLoader(train_set, BATCH, shuffle=True), valid_set.images, found)


if __name__ == "__main__":
    main()
