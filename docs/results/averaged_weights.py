"""The results behind a figure of chapter 12: ``python docs/results/averaged_weights.py`` writes
``averaged-weights.json`` here.

A VAE of MLPs (784-200-200-2x50 and back, tanh) is trained on the ELBO for 4 epochs of the fixed binarised MNIST, by
Adam, at a constant rate and with a cosine schedule. After each epoch the ELBO of the 10,000 validation images is
measured with the last weights and with their exponential moving average. Seed 0; about two minutes of one core.
"""

import json
from functools import partial
from pathlib import Path

import tinygen as tg
from tinygen import data, evaluation, models, nn, optim, training

FILE = Path(__file__).parent / "averaged-weights.json"
EPOCHS, RATE, DECAY = 4, 2e-3, 0.999


def trained(schedule, loader, images):
    """The validation ELBO after each epoch, nats per image: of the last and of the averaged weights."""
    tg.manual_seed(0)
    model = models.MLPVAE(50, (200, 200), nn.Tanh, output_bias=-2.0)
    average = optim.ExponentialMovingAverage(model, DECAY)
    cosine = partial(optim.cosine_schedule, total=EPOCHS * len(loader), peak=RATE, warmup=200)

    def evaluate():
        with average.applied():
            averaged = evaluation.elbo(model, images)
        return {"last": evaluation.elbo(model, images), "averaged": averaged}

    rows = training.train_vae(
        None,
        model,
        loader,
        optim.Adam(model.parameters(), betas=(0.9, 0.99)),
        epochs=EPOCHS,
        learning_rate=RATE if schedule == "constant" else cosine,
        path_gradient=True,
        average=average,
        evaluate=evaluate,
    )
    return {key: [row[key] for row in rows] for key in ("last", "averaged")}


def main():
    train_set, valid_set = (data.load("binarized-mnist", split).binarized() for split in ("train", "valid"))
    loader = data.DataLoader(train_set, 64, shuffle=True)
    found = {schedule: trained(schedule, loader, valid_set.images) for schedule in ("constant", "cosine")}
    FILE.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
