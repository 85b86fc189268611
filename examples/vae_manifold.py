"""The latent plane of a VAE of digits, and its ELBO compared with that of a VAE with 20 latent variables.

    python examples/vae_manifold.py                     the fixed binarised MNIST, 40 epochs for each model
    python examples/vae_manifold.py --data strokes      the synthetic digits, no download

Two VAEs with one hidden layer of 500 units in encoder and decoder, as in Kingma and Welling (2014), with ReLU in place
of their tanh, and with 2 and with 20 latent variables: their ELBOs epoch by epoch, samples after the first epoch, half
of them and all of them, and the latent plane: the decoder's means over a grid of the prior's quantiles, and the
posterior means of test images.

The fixed binarised files have no labels, so the posterior means in colour are then those of MNIST, binarised.
"""

import argparse

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import MLPVAE
from tinygen.nn import ReLU
from tinygen.optim import Adam
from tinygen.training import Run, common_arguments, conduct, load_splits, say, train_vae

TITLE = "The manifold of digits"
LATENT_SIZES = (2, 20)
SAMPLES = 60
COLOURED = 5_000  # images


def arguments() -> argparse.Namespace:
    """The common options."""
    return common_arguments(
        TITLE,
        data="binarized-mnist",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
        epochs=40,
        batch_size=128,
        learning_rate=1e-3,
        out="runs/vae_manifold",
    ).parse_args()


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, both models, both curves, the latent plane."""
    train_set, valid_set, test_set = (split.binarized() for split in load_splits(options))
    models, rows = {}, {}
    for size in LATENT_SIZES:
        models[size], rows[size] = fit(options, run, size, train_set, valid_set)
    for epoch, pair in enumerate(zip(*rows.values(), strict=True), 1):
        each = zip(LATENT_SIZES, pair, strict=True)
        run.log(epoch, **{f"{name}_{size}": row[name] for size, row in each for name in row if name != "epoch"})

    names = {
        f"{split}_elbo_{size}": f"{split}, {size} latents" for size in LATENT_SIZES for split in ("train", "valid")
    }
    path = run.figure("curves.png", "The ELBO, epoch by epoch, on training and validation images.")
    plotting.curves(run.rows, path, names=names)
    draw_plane(options, run, models[2], test_set)
    results = {}
    for size, model in models.items():
        results[f"valid_elbo_{size}"] = evaluation.elbo(model, valid_set.images)
        results[f"test_elbo_{size}"] = evaluation.elbo(model, test_set.images)
    run.finish(f"{TITLE}, {options.data}", results, text=__doc__)


def fit(
    options: argparse.Namespace, parent: Run, latent_size: int, train_set: data.Dataset, valid_set: data.Dataset
) -> tuple[MLPVAE, list[dict[str, float]]]:
    """Train one of the two models in a subfolder of the folder of ``parent``; returns the model and its metrics."""
    tg.manual_seed(options.seed)
    model = MLPVAE(latent_size, hidden=(500,), activation=ReLU).to(options.device)
    run = parent.part(f"latent-{latent_size}")
    subject = f"{latent_size} latents: the pixels' means, and below each pixels drawn from them. After epoch"
    paths = {
        epoch: parent.figure(f"samples-latent-{latent_size}-epoch-{epoch:02}.png", f"{subject} {epoch}.")
        for epoch in sorted({1, (options.epochs + 1) // 2, options.epochs})
    }
    z = tg.randn(SAMPLES, latent_size, device=options.device)  # the same latents each time

    @tg.no_grad()
    def evaluate() -> dict[str, float]:
        epoch = len(run.rows) + 1
        if epoch in paths:
            means = model.pixel_means(model.decode(z))
            pixels = (tg.rand_like(means) < means).numpy()
            plotting.pairs_grid(means.numpy(), pixels, paths[epoch], columns=15)
        return {"valid_elbo": evaluation.elbo(model, valid_set.images)}

    say(f"{latent_size} latents")
    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    optimizer, rate = Adam(model.parameters()), options.learning_rate
    rows = train_vae(run, model, loader, optimizer, epochs=options.epochs, learning_rate=rate, evaluate=evaluate)
    return model, rows


def draw_plane(options: argparse.Namespace, run: Run, model: MLPVAE, test_set: data.Dataset) -> None:
    """The manifold, and the posterior means of test images, coloured by label."""
    path = run.figure("manifold.png", "The decoder's means over a 20 x 20 grid of the prior's quantiles.")
    plotting.image_grid(evaluation.manifold(model, 20), path, columns=20)
    labelled = test_set
    if labelled.labels is None:
        labelled = data.load("mnist", "test", root=options.data_root, limit=options.limit).binarized()
    means, _ = evaluation.encode(model, labelled.images[:COLOURED])
    path = run.figure("plane.png", "The posterior means of test images, coloured by label.")
    plotting.scatter(means, labelled.labels[:COLOURED], path)


if __name__ == "__main__":
    main()
