"""The results behind the figures of chapter 5: ``python docs/results/vae_strokes.py`` writes ``vae-strokes.npz`` here.

The network of ``examples/minimal_vae.py`` is trained on the 60,000 binarised ``strokes`` for 8 epochs; then, for each
weight beta of the KL, an MLP VAE (20 latents, one hidden layer of 300 ReLUs) on 20,000 of them for 20 epochs. Seed 0;
about ten minutes of one core. The file holds both terms of the ELBO per epoch, samples, reconstructions, and for each
beta the rate (the KL), the distortion (-E[log p(x|z)]) and the number of active latents on test images.
"""

from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, models, nn, optim, training

HERE = Path(__file__).parent
EPOCHS, BETAS, SHOWN = 8, (0.1, 0.3, 1.0, 3.0, 10.0, 30.0), 10


class SmallVAE(models.VAE):
    """Encoder and decoder of ``examples/minimal_vae.py``."""

    image_shape, latent_size = (1, 28, 28), 20

    def __init__(self) -> None:
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 16, 4, stride=2, padding=1),
            nn.ELU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),
            nn.ELU(),
            nn.Flatten(),
            nn.Linear(32 * 7 * 7, 40),
        )
        self.decoder = nn.Sequential(
            nn.Linear(20, 32 * 7 * 7),
            nn.ELU(),
            nn.Unflatten(1, (32, 7, 7)),
            nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
            nn.ELU(),
            nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        )


@tg.no_grad()
def terms(model: models.VAE, images: np.ndarray) -> tuple[float, float]:
    """The means of -log p(x|z) and of the KL over images, nats per image."""
    log_likelihood, kl = model.elbo_terms(tg.tensor(images, dtype="float32"))
    return -log_likelihood.numpy().mean(dtype=float), kl.numpy().mean(dtype=float)


def grey(means: np.ndarray) -> np.ndarray:
    """Probabilities (N, 1, 28, 28) as grey values (N, 28, 28), in steps of 8 of 255."""
    return ((means[:, 0] * 31).round() * 8.2).astype(np.uint8)


def main() -> None:
    train_set = data.load("strokes", "train").binarized()
    valid, test = (data.load("strokes", split, limit=2000).binarized() for split in ("valid", "test"))
    found: dict[str, np.ndarray] = {}

    tg.manual_seed(0)
    model, rows, z = SmallVAE(), [], tg.randn(2 * SHOWN, 20)
    found["samples_epoch_0"] = grey(model.pixel_means(model.decode(z)).numpy())

    def evaluate() -> dict[str, float]:
        distortion, kl = terms(model, valid.images)
        rows.append([distortion, kl])
        if len(rows) in (1, EPOCHS):
            with tg.no_grad():
                found[f"samples_epoch_{len(rows)}"] = grey(model.pixel_means(model.decode(z)).numpy())
        return {"valid_elbo": -distortion - kl}

    loader = data.DataLoader(train_set, batch_size=64, shuffle=True)
    optimizer = optim.Adam(model.parameters())
    metrics = training.train_vae(None, model, loader, optimizer, epochs=EPOCHS, learning_rate=2e-3, evaluate=evaluate)
    found["train_elbo"] = np.array([row["train_elbo"] for row in metrics])
    found["valid_terms"] = np.array(rows)
    found["log_likelihood"] = np.array(evaluation.estimate_log_likelihood(model, test.images[:500], 200))
    found["test_terms"] = np.array(terms(model, test.images))
    chosen = [int(np.flatnonzero(test.labels == digit)[0]) for digit in range(10)]
    found["originals"] = (test.images[chosen][:, 0] * 255).astype(np.uint8)
    found["reconstructions"] = grey(evaluation.reconstruct(model, test.images[chosen]))
    found["active"] = np.array(evaluation.active_units(model, test.images))

    few = data.Dataset(train_set.images[:20_000], train_set.labels[:20_000], "strokes", "train")
    for beta in BETAS:
        tg.manual_seed(0)
        model = models.MLPVAE(20, (300,), nn.ReLU)
        loader = data.DataLoader(few, batch_size=100, shuffle=True)
        optimizer = optim.Adam(model.parameters(), lr=1e-3)
        training.train_vae(None, model, loader, optimizer, epochs=20, kl_weight=beta)
        distortion, rate = terms(model, test.images)
        units = evaluation.active_units(model, test.images)
        found[f"beta_{beta:g}"] = np.array([beta, rate, distortion, units])
        found[f"samples_beta_{beta:g}"] = grey(model.sample(SHOWN).numpy())
        found[f"reconstructions_beta_{beta:g}"] = grey(evaluation.reconstruct(model, test.images[chosen]))
        print(f"beta {beta:g}: KL {rate:.1f}, distortion {distortion:.1f}, {units} active")
    np.savez_compressed(HERE / "vae-strokes.npz", **found)


if __name__ == "__main__":
    main()
