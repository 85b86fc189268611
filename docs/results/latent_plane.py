"""The results behind the figures of chapter 6: ``python docs/results/latent_plane.py`` writes ``latent-plane.npz`` here.

The VAE of ``examples/vae_manifold.py`` with a latent plane (one hidden layer of 500 ReLUs; batches of 128, Adam at
1e-3, seed 0) on the 50,000 images of the fixed binarised MNIST, for 25 epochs; about ten minutes of one core. The file
holds the decoder's means on a grid of 20 x 20 quantiles (in 16 grey levels), the posterior means of 3,000 binarised
test images of MNIST with their labels, a posterior's log-variance for each of them, and the ELBO of the test images.
"""

from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, models, nn, optim, training

HERE = Path(__file__).parent


def main() -> None:
    train_set, test_set = (data.load("binarized-mnist", split) for split in ("train", "test"))
    tg.manual_seed(0)
    model = models.MLPVAE(2, hidden=(500,), activation=nn.ReLU)
    loader = data.DataLoader(train_set, batch_size=128, shuffle=True)
    training.train_vae(None, model, loader, optim.Adam(model.parameters()), epochs=25, learning_rate=1e-3)
    labelled = data.load("mnist", "test", limit=3000).binarized()
    mean, logvar = evaluation.encode(model, labelled.images)
    grid = evaluation.manifold(model, 20)[:, 0]
    np.savez_compressed(
        HERE / "latent-plane.npz",
        grid=(grid * 15).round().astype(np.uint8),
        mean=mean.astype(np.float16),
        logvar=logvar.astype(np.float16),
        labels=labelled.labels.astype(np.uint8),
        test_elbo=evaluation.elbo(model, test_set.images),
    )


if __name__ == "__main__":
    main()
