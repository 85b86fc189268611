"""The results behind the figures of the ring in chapter 13, from two runs of the example; writes ``toy-flow.npz`` and
``toy-flow.json`` here:

    python examples/toy_flow.py
    python examples/toy_flow.py --path diffusion --out runs/toy_diffusion
    python docs/results/ring_flow.py runs/toy_flow runs/toy_diffusion

The files hold the points of the animation, the log densities on a lattice, the curves of both runs, the fraction of
samples near a mode for several samplers and numbers of calls, and the measures of a VAE that is trained here, with
networks of the same size. Seed 0; about a minute of one core.
"""

import argparse
import csv
import json
import sys
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import likelihoods, nn
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.optim import Adam, cosine_schedule

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))

import toy_flow

HERE = Path(__file__).parent
EXTENT = 1.5  # half the side of the square
CALLS = [12, 24, 50, 100]
STEPS = 3_000  # of the VAE


class RingVAE(nn.Module):
    """A VAE of points in the plane, with two latents and networks of the size of the flow's: q(z | x) and p(x | z) are
    Gaussians, the latter with one learned variance."""

    def __init__(self) -> None:
        self.encoder, self.decoder = (MLP(2, outputs, (128, 128, 128), nn.ReLU) for outputs in (4, 2))
        self.logvar = nn.Parameter(tg.full((1, 2), -4.0))  # from 0 the posterior collapses

    def elbo(self, x: tg.Tensor) -> tg.Tensor:
        """x (N, 2) -> (N,), in nats."""
        mean, logvar = tg.split(self.encoder(x), 2, axis=1)
        z = mean + tg.exp(logvar / 2) * tg.randn_like(mean)
        spread = self.logvar + tg.zeros_like(x)
        log_p = likelihoods.log_likelihood_normal(self.decoder(z), spread, x)
        return log_p - likelihoods.kl_gaussian_standard(mean, logvar)

    @tg.no_grad()
    def generate(self, n: int) -> np.ndarray:
        """Samples (n, 2)."""
        x = self.decoder(tg.randn(n, 2))
        return (x + tg.exp(self.logvar / 2) * tg.randn_like(x)).numpy()


def train_vae(steps: int = STEPS) -> RingVAE:
    """A VAE of the ring."""
    tg.manual_seed(0)
    vae, data = RingVAE(), samplers.ring()
    optimizer = Adam(vae.parameters(), betas=(0.9, 0.99))
    for step in range(steps):
        optimizer.lr = cosine_schedule(step, steps, 2e-3)
        loss = -tg.mean(vae.elbo(tg.tensor(data(256))))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return vae


def trained_flow(folder: Path):
    """The flow of a run of examples/toy_flow.py."""
    checkpoint = tg.load(folder / "checkpoint.h5")
    flow = toy_flow.Flow(argparse.Namespace(**checkpoint["settings"] | {"device": "cpu"}))
    for name, state in checkpoint["parts"].items():
        flow.parts[name].load_state_dict(state)
    return flow


def shares(flow, sampler: str) -> list[float]:
    """The fractions of 5,000 samples near a mode, with each number of CALLS of the network."""
    found = []
    for calls in CALLS:
        flow.options.sampler, flow.options.sampling_steps = sampler, calls // (2 if sampler == "heun" else 1)
        tg.manual_seed(1)
        found.append(round(toy_flow.coverage(flow.generate, samplers.ring())["share_within_3_sd"], 4))
    return found


def main(straight: Path, diffusion: Path) -> None:
    """The small results in docs/results from two runs of the example, and a VAE on the same data."""
    flow, other, data = trained_flow(straight), trained_flow(diffusion), samplers.ring()
    tg.manual_seed(0)
    film = toy_flow.Film(flow, EXTENT)
    side = toy_flow.SIDE
    log_q = toy_flow.log_density(flow, film.lattice).reshape(side, side)
    log_p = toy_flow.mixture_log_density(data, film.lattice).reshape(side, side)
    arrays = {"positions": film.positions, "log_q": log_q, "log_p": log_p}
    np.savez_compressed(HERE / "toy-flow.npz", **{name: each.astype(np.float16) for name, each in arrays.items()})

    curves = {}
    for name, folder in (("straight", straight), ("diffusion", diffusion)):
        with (folder / "metrics.csv").open() as file:
            rows = list(csv.DictReader(file))
        curves[name] = {key: [round(float(row[key]), 5) for row in rows] for key in ("loss", "share_within_3_sd")}
    vae = train_vae()
    tg.manual_seed(0)
    x = tg.tensor(data(20_000))
    measures = toy_flow.coverage(vae.generate, data) | {"elbo": tg.mean(vae.elbo(x)).item()}
    measures |= toy_flow.lower_bounds(vae.generate, data, "cpu", thorough=True)
    stored = {
        "commands": ["python examples/toy_flow.py", "python examples/toy_flow.py --path diffusion"],
        "seed": 0,
        "steps": [toy_flow.STEPS * int(row["epoch"]) for row in rows],
        "curves": curves,
        "calls": CALLS,
        "straight": {sampler: shares(flow, sampler) for sampler in ("euler", "heun")},
        "diffusion": {sampler: shares(other, sampler) for sampler in ("heun", "ddim", "ancestral")},
        "vae": {"made": "docs/results/ring_flow.py", **measures},
    }
    (HERE / "toy-flow.json").write_text(json.dumps(stored) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
