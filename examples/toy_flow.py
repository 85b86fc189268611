"""Flow matching and diffusion on the mixtures of toy_gan.py.

    python examples/toy_flow.py                                     the ring, on straight paths, by Heun's method
    python examples/toy_flow.py --data spiral --sampler euler --sampling-steps 75
    python examples/toy_flow.py --path diffusion                    the path and the target of diffusion models
    python examples/toy_flow.py --path diffusion --sampler ancestral --sampling-steps 200

A network is trained by regression on pairs of data and noise (``tinygen.flows``); there is no second network and no
equilibrium, so the loss decreases, and the learning rate falls to 0 on half a cosine. Samples are drawn with a moving
average of the weights. They are measured as those of the GANs are: the number of modes covered, the fraction within
three standard deviations of a mode, and lower bounds of three divergences by networks of their own. A flow also has an
exact density, which a GAN has not: log p(x) of new data is computed by integrating from data to noise, and where the
density of the data is known, KL(data || samples) is the mean difference of two log densities.

What to look for. The loss ends far above 0: it contains the variance of the velocities of all paths through a point,
which no network can predict. All modes are covered from the first epoch. In the animation the cloud of noise first
contracts towards the mean of the data, then divides between the modes, and reaches their width in the last tenth of the
time, where the velocity changes most steeply: two thirds of the sampler's steps are made after t = 0.7.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import logsumexp
from toy_gan import DATA, EXTENT, METRICS, WITHIN_3_SD, coverage, lower_bounds

import tinygen as tg
from tinygen import flows, nn, plotting
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.optim import Adam, ExponentialMovingAverage, cosine_schedule
from tinygen.training import Reference, Run, common_arguments, conduct, say, train
from tinygen.training.options import whole

TITLE = "A flow to a mixture"
STEPS = 500  # per epoch
PATHS = {"straight": flows.STRAIGHT, "diffusion": flows.COSINE}
SAMPLERS = {"euler": "straight", "heun": "straight", "ddim": "diffusion", "ancestral": "diffusion"}

HIDDEN = (128, 128, 128)
OCTAVES = 3  # of the Fourier features
LONGEST = 3.0  # their longest period, the side of the square that holds the data
SMALLEST = 0.05  # standard deviation of the noise that the network tells from none
DECAY = 0.99  # of the averaged weights
LATE = 0.7  # the time from which euler and heun make two thirds of their steps, since the velocity changes fast there
BLOCK = 5_000  # samples that are generated together
LIKELIHOOD_POINTS = 2_000
FRAMES, SHOWN, SIDE = 40, 400, 61  # of the animation: frames, samples, and points on a side of the lattice


def arguments() -> argparse.Namespace:
    """The common options, those of the path and those of the sampler."""
    parser = common_arguments(
        TITLE,
        data="ring",
        datasets=tuple(DATA),
        epochs=12,
        batch_size=256,
        learning_rate=5e-3,
        out="runs/toy_flow",
        epochs_help=f"times {STEPS} training steps",
        batch_help="data, noise and times per training step",
        limit_help="train for the first N steps of each epoch only, and make short estimates of divergences",
    )
    add = parser.add_argument
    add(
        "--path",
        choices=PATHS,
        default="straight",
        help="straight paths and their velocity, or diffusion (%(default)s)",
    )
    add("--sampler", choices=SAMPLERS, default="heun", help="ddim and ancestral: of diffusion only (%(default)s)")
    add("--sampling-steps", type=whole(3), default=25, metavar="N", help="of the sampler (%(default)s)")
    options = parser.parse_args()
    if options.path == "straight" and SAMPLERS[options.sampler] == "diffusion":
        parser.error(f"--sampler {options.sampler} needs the noise that --path diffusion estimates")
    return options


def main() -> None:
    """Parse the options and run the experiment."""
    conduct(experiment, arguments(), limit=1, sampling_steps=3)


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Training, evaluation, figures."""
    data, flow = DATA[options.data], Flow(options)
    say(f"{TITLE}: {options.data}, {options.path}, {options.sampler} with {options.sampling_steps} steps")
    fit(options, run, flow)
    results = {name: run.rows[-1][name] for name in METRICS if name in run.rows[-1]}
    # The samples of a flow that is hardly trained miss most of the data: a long estimate of their KL would overflow.
    results |= lower_bounds(in_blocks(flow.generate), data, options.device, thorough=options.limit is None)
    results |= likelihood(flow, data)
    draw(run, flow, data, EXTENT[options.data])
    run.finish(f"{TITLE}: {options.data}", results, references=references(data), text=__doc__)


class Denoiser(nn.Module):
    """Estimates of data and noise from a point x_t of their path, by an MLP D(x_t, t) that estimates the data:

        n  =  (x_t - alpha D) / s,      s  =  sqrt(sigma^2 + 0.05^2), nearly sigma, but not 0 at t = 1

    The velocity near a narrow mode is steep, since all points have to arrive at t = 1; the data that they arrive at are
    the same for all of them, so D is flat (Karras et al. 2022, section 5). Its inputs are x_t, log s, and sines and
    cosines of both, since an MLP learns functions with short periods slowly without them (Tancik et al. 2020).
    """

    def __init__(self, path: flows.Path) -> None:
        self.path = path
        self.mlp = MLP(3 * (1 + 2 * OCTAVES), 2, HIDDEN, nn.ReLU)

    def forward(self, x: tg.Tensor, t: tg.Tensor) -> tuple[tg.Tensor, tg.Tensor]:
        """Points x (N, 2) at times t (N,) -> data (N, 2), noise (N, 2)."""
        alpha, sigma = self.path.coefficients(t, x)
        s = tg.sqrt(sigma**2 + SMALLEST**2)
        inputs = tg.cat([x, 1 + tg.log(s) / 1.5], axis=1)  # all between -1.5 and 1.5
        angles = [2 * math.pi * 2**k / LONGEST * inputs for k in range(OCTAVES)]
        data = self.mlp(tg.cat([inputs, *map(tg.sin, angles), *map(tg.cos, angles)], axis=1))
        return data, (x - alpha * data) / s


class Flow:
    """A network, the path on which it is trained, and the sampler of ``options``."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.path = options, PATHS[options.path]
        self.network = Denoiser(self.path).to(options.device)
        self.optimizer = Adam(self.network.parameters(), betas=(0.9, 0.99))
        self.average = ExponentialMovingAverage(self.network, DECAY)
        self.parts: dict[str, Any] = {"network": self.network, "optimizer": self.optimizer, "average": self.average}

    def noise(self, x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
        """The estimate of the noise: x (N, 2), t (N,) -> (N, 2)."""
        _, noise = self.network(x, t)
        return noise

    def velocity(self, x: tg.Tensor, t: tg.Tensor) -> tg.Tensor:
        """The estimate of the velocity: x (N, 2), t (N,) -> (N, 2)."""
        if self.options.path == "diffusion":  # the loss is on the noise alone
            return flows.velocity_from_noise(self.noise, self.path)(x, t)
        return self.path.velocity(*self.network(x, t), t)

    def train_step(self, x: tg.Tensor, learning_rate: float) -> float:
        """One step on data x (N, 2); returns the loss."""
        if self.options.path == "diffusion":
            loss = flows.diffusion_loss(self.noise, x, self.path)
        else:
            loss = flows.flow_matching_loss(self.velocity, x, self.path)
        self.optimizer.lr = learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.average.update()
        return float(loss.item())

    def latents(self, n: int) -> tg.Tensor:
        """Noise (n, 2)."""
        return tg.randn(n, 2, device=self.options.device)

    def generate(self, n: int) -> np.ndarray:
        """Samples (n, 2) with the averaged weights."""
        sampler, steps = self.options.sampler, self.options.sampling_steps
        with self.average.applied():
            if SAMPLERS[sampler] == "straight":
                x = flows.integrate(self.velocity, self.latents(n), steps // 3, sampler, 0.0, LATE)
                return flows.integrate(self.velocity, x, steps - steps // 3, sampler, LATE, 1.0).numpy()
            eta = float(sampler == "ancestral")
            return flows.denoise(self.noise, self.latents(n), steps, self.path, eta).numpy()


def fit(options: argparse.Namespace, run: Run, flow: Flow) -> None:
    """Train, and count the modes after each epoch."""
    data = DATA[options.data]
    steps = min(STEPS, options.limit or STEPS)

    def step(_: int, index: int) -> dict[str, float]:
        x = tg.tensor(data(options.batch_size), device=options.device)
        rate = cosine_schedule(index, steps * options.epochs, options.learning_rate)
        return {"loss": flow.train_step(x, rate)}

    train(
        run,
        range(steps),
        step,
        epochs=options.epochs,
        parts=flow.parts,
        evaluate=lambda: coverage(flow.generate, data),
    )


def in_blocks(generate: samplers.Sampler) -> samplers.Sampler:
    """A sampler of the samples of ``generate``, generated in blocks: a network takes less time per point for many."""
    stock = np.empty((0, 2), np.float32)

    def draw(n: int) -> np.ndarray:
        nonlocal stock
        while len(stock) < n:
            stock = np.concatenate([stock, generate(BLOCK)])
        drawn, stock = stock[:n], stock[n:]
        return drawn

    return draw


def likelihood(flow: Flow, data: samplers.Sampler) -> dict[str, float]:
    """The mean log-likelihood of new data in nats, and KL(data || samples), where the density of the data is known, as
    the mean of log p(x) - log q(x); with standard errors."""
    x = data(LIKELIHOOD_POINTS)
    log_q = log_density(flow, x)
    results = mean_and_error("log_likelihood", log_q)
    if isinstance(data, samplers.GaussianMixture):
        results |= mean_and_error("kullback_leibler_by_likelihood", mixture_log_density(data, x) - log_q)
    return results


def log_density(flow: Flow, x: np.ndarray) -> np.ndarray:
    """log q(x) of the samples' density at points x (N, 2), in nats: (N,)."""
    with flow.average.applied():
        points = tg.tensor(x, device=flow.options.device)
        return flows.log_likelihood(flow.velocity, points, 4 * flow.options.sampling_steps).numpy()


def mixture_log_density(mixture: samplers.GaussianMixture, x: np.ndarray) -> np.ndarray:
    """log p(x) of a mixture in the plane at points x (N, 2), in nats: (N,)."""
    squares = np.square((x[:, None] - mixture.centres) / mixture.scale).sum(axis=2)  # (N, modes)
    normaliser = len(mixture.centres) * 2 * math.pi * mixture.scale**2
    return np.asarray(logsumexp(-0.5 * squares, axis=1) - math.log(normaliser))


def mean_and_error(name: str, values: np.ndarray) -> dict[str, float]:
    """The mean of ``values`` (N,) and its standard error."""
    return {name: values.mean(), f"{name}_standard_error": values.std(ddof=1) / math.sqrt(len(values))}


def references(data: samplers.Sampler) -> list[Reference]:
    """The values of the results for a perfect model."""
    if not isinstance(data, samplers.GaussianMixture):
        return []
    return [
        Reference("modes_covered", len(data.centres), "number of modes"),
        Reference("share_within_3_sd", WITHIN_3_SD, "of the data"),
        Reference("kullback_leibler_by_likelihood", 0.0, "equal distributions"),
    ]


def draw(run: Run, flow: Flow, data: samplers.Sampler, extent: float) -> None:
    """The animation from noise to data and five moments of it, trajectories, velocities, densities and curves."""
    points, film = data(SHOWN), Film(flow, extent)
    frames = [film.field(index, points) for index in range(FRAMES + 1)]
    shades = "white: div v = 0, red: negative, so the density along a trajectory grows"
    path = run.figure("moments.png", f"Samples (black) at five times, the data (yellow); {shades}.")
    plotting.fields([frames[round(share * FRAMES)] for share in (0, 0.4, 0.7, 0.9, 1)], path, reach=extent)
    path = run.figure("paths.png", "Trajectories from noise (grey) to samples (black); velocities at three times.")
    draw_paths(film, path)

    densities = {"log density of the samples": log_density(flow, film.lattice)}
    if isinstance(data, samplers.GaussianMixture):
        densities["log density of the data"] = mixture_log_density(data, film.lattice)
    peak = max(values.max() for values in densities.values())
    maps = [  # six nats, a factor of 400, below the peak, all is red
        plotting.Field(
            title, values.clip(peak - 6, peak).reshape(SIDE, SIDE), none := np.empty((0, 2)), none, peak - 6, peak
        )
        for title, values in densities.items()
    ]
    plotting.fields(maps, run.figure("density.png", "Exact log densities, from red to blue over 6 nats."), reach=extent)

    curves = {"loss": ("Loss", ""), "share_within_3_sd": ("Samples within 3 sd of a mode", "fraction")}
    levels = {"share_within_3_sd": {"the data's": run.level(WITHIN_3_SD)}}
    panels = [
        plotting.Panel(title, "epoch", unit, {"flow": run.curve(name)}, levels.get(name, {}), markers=False)
        for name, (title, unit) in curves.items()
        if name in run.rows[0]
    ]
    plotting.panels(panels, run.figure("learning.png", "Loss and samples near a mode, epoch by epoch."))
    plotting.field_animation([[frame] for frame in frames], run.figure("film.gif", "From noise to data."), reach=extent)


class Film:
    """The solutions that start from some latents, and the velocity and its divergence on a lattice."""

    def __init__(self, flow: Flow, extent: float) -> None:
        self.flow, self.extent = flow, extent
        ticks = np.linspace(-extent, extent, SIDE, dtype=np.float32)
        self.lattice = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        x = flow.latents(SHOWN)
        positions = [x.numpy()]
        with flow.average.applied():
            for k in range(FRAMES):
                x = flows.integrate(flow.velocity, x, 2, "heun", k / FRAMES, (k + 1) / FRAMES)
                positions.append(x.numpy())
        self.positions = np.stack(positions)  # (FRAMES + 1, SHOWN, 2)

    def velocity(self, t: float) -> tuple[np.ndarray, np.ndarray]:
        """The velocity (SIDE, SIDE, 2) and its divergence (SIDE, SIDE) on the lattice at time t."""
        x = tg.tensor(self.lattice, device=self.flow.options.device, requires_grad=True)
        with self.flow.average.applied():
            v = self.flow.velocity(x, tg.full((len(self.lattice),), t, device=self.flow.options.device))
            parts = [tg.grad(v[:, i].sum(), x)[0][:, i].numpy() for i in range(2)]
        return v.numpy().reshape(SIDE, SIDE, 2), np.add(*parts).reshape(SIDE, SIDE)

    def field(self, index: int, data: np.ndarray) -> plotting.Field:
        """A frame: the divergence, the samples at its time, and the data."""
        t = index / FRAMES
        _, divergence = self.velocity(t)
        scale = float(abs(divergence).max()) or 1.0
        return plotting.Field(f"t = {t:.2f}", divergence, self.positions[index], data, -scale, scale)


def draw_paths(film: Film, path: Path) -> None:
    """Trajectories in the first square, arrows along the velocity at three times in the others."""
    figure = Figure(figsize=(9.6, 2.6), dpi=130, facecolor="white", layout="constrained")
    first, *others = figure.subplots(1, 4)
    some = film.positions[:, : SHOWN // 4]
    first.plot(*some.transpose(2, 0, 1), color="#56b4e9", linewidth=0.6)
    for points, colour in ((some[0], "#999999"), (some[-1], "#111111")):
        first.plot(*points.T, linestyle="none", marker="o", markersize=2, markeredgewidth=0, color=colour)
    frame(first, 2 * film.extent, "from t = 0 to t = 1")
    coarse = (slice(None, None, 4), slice(None, None, 4))
    x, y = film.lattice.reshape(SIDE, SIDE, 2)[coarse].transpose(2, 0, 1)
    for axes, t in zip(others, (0.2, 0.6, 0.9), strict=True):
        u, v = film.velocity(t)[0][coarse].transpose(2, 0, 1)
        axes.quiver(x, y, u, v, color="#0072b2", angles="xy", width=0.006)
        axes.plot(*film.positions[round(t * FRAMES)].T, ".", markersize=2, color="#111111")
        frame(axes, film.extent, f"velocity, t = {t}")
    figure.savefig(path, metadata={"Software": None})


def frame(axes: Axes, extent: float, title: str) -> None:
    """A square without ticks."""
    axes.set(xlim=(-extent, extent), ylim=(-extent, extent), aspect="equal", xticks=[], yticks=[])
    axes.set_title(title, fontsize=9, loc="left")


if __name__ == "__main__":
    main()
