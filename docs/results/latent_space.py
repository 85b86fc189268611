"""The results behind the figures of chapter 6: ``python docs/results/latent_space.py`` writes ``latent-space.npz``.

Two VAEs with one hidden layer of 500 ReLUs, batches of 128 and Adam at 1e-3 (seed 0), on the 50,000 images of the fixed
binarised MNIST: with 2 latents for 25 epochs, with 50 latents for 15; about five minutes of one core. The file holds

- of the first: the decoder's means on a grid of 20 x 20 quantiles, the posterior means and log-variances of 3,000
  binarised test images of MNIST with their labels, and the ELBO of the test images;
- of the second: the mean KL and the variance of the posterior mean of each latent over 2,000 test images, traversals of
  the three latents with the largest and the one with the smallest KL, and interpolations between test images.

Images (..., 28, 28) have 16 grey levels.
"""

from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, models, nn, optim, training

HERE = Path(__file__).parent
PAIRS = ((3, 8), (1, 7), (0, 5))  # digits between which is interpolated
STEPS = 9


def fit(latent_size: int, epochs: int, train_set: data.Dataset) -> models.MLPVAE:
    tg.manual_seed(0)
    model = models.MLPVAE(latent_size, hidden=(500,), activation=nn.ReLU)
    loader = data.DataLoader(train_set, batch_size=128, shuffle=True)
    training.train_vae(None, model, loader, optim.Adam(model.parameters()), epochs=epochs, learning_rate=1e-3)
    return model


class Means(nn.Module):
    """The decoder of a VAE up to the pixel means, (N, L) -> (N, 1, 28, 28)."""

    def __init__(self, model: models.VAE) -> None:
        self.model = model

    def forward(self, z: tg.Tensor) -> tg.Tensor:
        return self.model.pixel_means(self.model.decode(z))


def grey(images: np.ndarray) -> np.ndarray:
    return (images[..., 0, :, :] * 15).round().astype(np.uint8)


def main() -> None:
    train_set, test_set = (data.load("binarized-mnist", split) for split in ("train", "test"))
    labelled = data.load("mnist", "test", limit=3000).binarized()
    plane = fit(2, 25, train_set)
    mean, logvar = evaluation.encode(plane, labelled.images)
    found = {
        "grid": grey(evaluation.manifold(plane, 20)),
        "mean": mean.astype(np.float16),
        "logvar": logvar.astype(np.float16),
        "labels": labelled.labels.astype(np.uint8),
        "test_elbo": np.array(evaluation.elbo(plane, test_set.images)),
    }

    model = fit(50, 15, train_set)
    mean, logvar = evaluation.encode(model, labelled.images[:2000])
    kl = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).mean(axis=0)
    order = np.argsort(-kl)
    print(f"{evaluation.active_units(model, labelled.images[:2000])} of 50 latents are active")
    of_digit = [np.flatnonzero(labelled.labels == digit) for digit in range(10)]
    latents = list(order[:3]) + [order[-1]]
    steps = np.linspace(-2.5, 2.5, STEPS) - mean[of_digit[5][2], :, None]  # to these values, whatever the mean
    origin = mean[of_digit[5][2]]
    moved = np.stack([np.where(np.arange(50) == i, origin + steps[i][:, None], origin) for i in latents])
    with tg.no_grad():
        traversals = Means(model)(tg.tensor(moved.reshape(-1, 50), dtype="float32")).numpy()
    z0, z1 = (np.stack([mean[of_digit[pair[end]][2]] for pair in PAIRS]) for end in (0, 1))
    found |= {
        "kl": kl.astype(np.float32),
        "variance_of_mean": mean.var(axis=0).astype(np.float32),
        "traversals": grey(traversals).reshape(len(latents), STEPS, 28, 28),
        "interpolations": grey(evaluation.interpolate_latents(Means(model), z0, z1, STEPS)),
        "blends": grey(evaluation.interpolate_images(Means(model), z0, z1, STEPS)),
    }
    np.savez_compressed(HERE / "latent-space.npz", **found)


if __name__ == "__main__":
    main()
