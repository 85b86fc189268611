"""What two latent numbers can say of a digit, and what twenty can.

    python examples/vae_manifold.py                     the fixed binarised MNIST, 40 epochs for either model
    python examples/vae_manifold.py --data strokes      the embedded digits, nothing to download

Two VAEs with one hidden layer of 500 ReLUs each way (Kingma and Welling 2014), one with a latent plane, one with 20
latent numbers: their ELBOs epoch by epoch, what they draw after the first epoch, half of them and all of them, and the
plane itself: the decoder's means over a grid of the prior's quantiles, and where the encoder puts test images.

The fixed binarised files carry no labels, so the images that are coloured by digit are then those of MNIST, binarised.
"""

import argparse

import tinygen as tg
from tinygen import data, evaluation, plotting
from tinygen.models import MLPVAE
from tinygen.nn import ReLU
from tinygen.optim import Adam
from tinygen.training import Run, common_arguments, conduct, say, train_vae
from tinygen.training.options import positive

TITLE = "The manifold of digits"
LATENT_SIZES = (2, 20)
SAMPLES = 60
COLOURED = 5_000  # images


def arguments() -> argparse.Namespace:
    """The common options, and the learning rate."""
    parser = common_arguments(
        TITLE,
        data="binarized-mnist",
        epochs=40,
        batch_size=128,
        out="runs/vae_manifold",
        datasets=("binarized-mnist", "mnist", "fashion-mnist", "strokes"),
    )
    parser.add_argument("--learning-rate", type=positive, default=1e-3, metavar="X", help="Adam's (%(default)s)")
    return parser.parse_args()


def load(options: argparse.Namespace, split: str, name: str | None = None) -> data.Dataset:
    """A split of the data, or of the set ``name``, as 0/1 images."""
    return data.load(name or options.data, split, root=options.data_root, limit=options.limit).binarized()


def fit(options: argparse.Namespace, run: Run, latent_size: int, train_set: data.Dataset, valid_set: data.Dataset):
    """Train one of the two models, in a folder of its own within that of ``run``; returns the model and its rows."""
    tg.manual_seed(options.seed)
    model = MLPVAE(latent_size, hidden=(500,), activation=ReLU).to(options.device)
    own = run.part(f"latent-{latent_size}")
    pictured = sorted({1, (options.epochs + 1) // 2, options.epochs})
    name, of = f"samples-latent-{latent_size}-epoch-", f"{latent_size} latent numbers: the pixels' means, and below"
    paths = {
        epoch: run.figure(f"{name}{epoch:02}.png", f"{of} each the pixels drawn from them. After epoch {epoch}.")
        for epoch in pictured
    }
    z = tg.randn(SAMPLES, latent_size, device=options.device)  # the same latents each time

    def evaluate() -> dict[str, float]:
        epoch = len(own.rows) + 1
        if epoch in paths:
            means = model.pixel_means(model.decode(z))
            pixels = (tg.rand_like(means) < means).numpy()
            plotting.pairs_grid(means.numpy(), pixels, paths[epoch], columns=15)
        return {"valid_elbo": evaluation.elbo(model, valid_set.images)}

    loader = data.DataLoader(train_set, options.batch_size, shuffle=True)
    optimizer = Adam(model.parameters(), lr=options.learning_rate)
    say(f"{latent_size} latent numbers")
    rows = train_vae(
        own,
        model,
        loader,
        optimizer,
        epochs=options.epochs,
        schedule=lambda step: options.learning_rate,
        evaluate=tg.no_grad()(evaluate),
    )
    return model, rows


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=max(32, options.batch_size))


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Data, both models, the curves side by side, the plane."""
    train_set, valid_set, test_set = (load(options, split) for split in ("train", "valid", "test"))
    say(f"{TITLE}, {options.data}: {len(train_set):,} / {len(valid_set):,} / {len(test_set):,} images")

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
    run.finish(
        f"{TITLE}, {options.data}",
        {
            f"{split}_elbo_{size}": elbo
            for size, model in models.items()
            for split, elbo in {
                "valid": evaluation.elbo(model, valid_set.images),
                "test": evaluation.elbo(model, test_set.images),
            }.items()
        },
        seed=options.seed,
        device=options.device,
        text=__doc__.partition("\n\n")[2].partition("\n\n")[2],
    )


def draw_plane(options: argparse.Namespace, run: Run, model: MLPVAE, test_set: data.Dataset) -> None:
    """The manifold, and the posterior means of test images in their labels' colours."""
    path = run.figure("manifold.png", "The decoder's means over a 20 x 20 grid of the prior's quantiles.")
    plotting.image_grid(evaluation.manifold(model, 20), path, columns=20)
    labelled = test_set if test_set.labels is not None else load(options, "test", "mnist")
    means, _ = evaluation.encode(model, labelled.images[:COLOURED])
    path = run.figure("plane.png", "The posterior means of test images, a colour for each label.")
    plotting.scatter(means, labelled.labels[:COLOURED], path)


if __name__ == "__main__":
    main()
