"""Programs for several ranks: ``python rank_programs.py NAME DTYPE FILE`` writes losses as JSON, on rank 0."""

import json
import os
import signal
import sys
from dataclasses import replace
from itertools import chain

import numpy as np

import tinygen as tg
from tinygen import data, models, objectives, optim, ranks
from tinygen.divergences import estimate, estimate_jensen_shannon, estimate_wasserstein
from tinygen.training import GAN, train, train_vae

STEPS, BATCH = 50, 7  # rows, which neither 2 nor 4 divides


def digits(count, dtype):
    return data.load("strokes", "train", limit=count).images.astype(dtype) / 255


def vae(dtype, **options):
    """The training objective in each step; the last batch of a pass has 3 rows, fewer than 4 ranks."""
    images = digits(5 * BATCH + 3, dtype).round()
    model = models.MLPVAE(4, (12,)).astype(dtype)
    optimizer, losses = optim.Adam(model.parameters(), 1e-2), []
    while len(losses) < STEPS:
        for first in range(0, len(images), BATCH):
            batches = [(images[first : first + BATCH], None)]
            (row,) = train_vae(None, model, batches, optimizer, epochs=1, **options)
            losses.append(row["train_iwae" if options else "train_elbo"])
    return losses


def plain_vae(dtype):
    return vae(dtype)


def importance_weighted_vae(dtype):
    return vae(dtype, num_samples=3, path_gradient=True)


def gan(dtype, name, normalised):
    game = replace(objectives.GAMES[name], n_critic=2)
    generator, critic = models.GreyGenerator(4, 2).astype(dtype), models.GreyCritic(2, normalised).astype(dtype)
    optimizers = [optim.Adam(each.parameters(), 2e-4) for each in (generator, critic)]
    model = GAN(game, generator, critic, 4, *optimizers)
    images = digits(100, dtype) * 2 - 1
    return [model.train_step(images[step : step + 2 * BATCH]) for step in range(STEPS)]


def wgan_gp(dtype):
    """Without the generator's loss: it is that of the critic's mean output, which the critic's loss does not depend
    on; Adam amplifies the rounding of its zero gradient."""
    rows = gan(dtype, "wasserstein_gradient", normalised=False)
    return [[row[name] for name in ("critic_loss", "penalty", "gradient_norm")] for row in rows]


def dcgan(dtype):
    """With batch normalisation in both networks."""
    rows = gan(dtype, "non_saturating", normalised=True)
    return [[row["critic_loss"], row["generator_loss"]] for row in rows]


def divergences(dtype):
    """The losses of both estimators, float32. (Rounding grows with the rate: at the default of 0.01 to 5e-5.)"""
    losses = []

    def recorded(run, loader, step, **options):
        def spy(batch, index):
            losses.append(step(batch, index)["loss"])
            return {"loss": losses[-1]}

        return train(run, loader, spy, **options)

    estimate.train = recorded
    samplers = [lambda n: tg.randn(n, 2).numpy() + 1, lambda n: tg.randn(n, 2).numpy()]
    for function in (estimate_jensen_shannon, estimate_wasserstein):
        function(*samplers, steps=STEPS, batch_size=33, samples=100, learning_rate=0.002)
    return losses


def draws_and_evaluation(dtype):
    """Numbers drawn for a shared batch and outside of one, and the evaluation of a VAE."""
    with ranks.shared(BATCH) as own:
        rows = len(range(BATCH)[own])
        drawn = [tg.randn(rows, 2), tg.rand(2 * rows, 3), tg.nn.Dropout(0.5)(tg.ones(rows, 4)), tg.randn(1)]
        drawn = [ranks.joined(each.numpy()) if ranks.communicator() else each.numpy() for each in drawn[:3]]
    model = models.MLPVAE(4, (12,))
    images = digits(11, "float32").round()
    values = [tg.evaluation.elbo(model, images, 5), *tg.evaluation.estimate_log_likelihood(model, images, 6, 4)]
    means = tg.evaluation.encode(model, images)[0]
    return [*chain.from_iterable(each.reshape(-1).tolist() for each in [*drawn, means, tg.randn(3).numpy()]), *values]


def fails(dtype):
    """An error on the last rank, while the others wait for it."""
    world = ranks.communicator()
    if world.rank == world.size - 1:
        raise RuntimeError("only here")
    world.Barrier()


def dies(dtype):
    world = ranks.communicator()
    if world.rank == world.size - 1:
        os.kill(os.getpid(), signal.SIGKILL)
    world.Barrier()


def differs(dtype):
    """Other data on each rank."""
    images = np.full((4, 1, 28, 28), ranks.rank(), np.float32)
    loader = data.DataLoader(data.Dataset(images, None), 2)
    model = models.MLPVAE(4, (12,))
    train_vae(None, model, loader, optim.Adam(model.parameters()), epochs=1)


if __name__ == "__main__":
    name, dtype, path = sys.argv[1:]
    found = globals()[name](dtype)
    if ranks.rank() == 0:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(found, file)
