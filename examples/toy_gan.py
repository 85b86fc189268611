"""Five GANs on mixtures in the plane.

    python examples/toy_gan.py                                the ring, with every game of ``objectives.GAMES``
    python examples/toy_gan.py --data spiral --game non_saturating wasserstein_gradient
    python examples/toy_gan.py --n-critic 5                   more steps of the critic per step of the generator
    python examples/toy_gan.py --thorough                     the longer estimates after each epoch too

All GANs start from the same two small networks and the same samples, and none depends on which others are trained.
Both learning rates fall linearly to 0. The quality of the samples is measured by the number of modes covered, by the
fraction of samples within three standard deviations of a mode, and by lower bounds of divergences
(``tinygen.divergences``, with networks of their own on new samples): short estimates after each epoch, longer ones at
the end, as in ``toy_flow.py``. A lower bound by a network that was trained for too few steps is near 0 for any
generator, so the short ones prove nothing when they are small: compare the two.

What to look for. Non-saturating: samples reach the ring, then its modes, and the gradient of the discriminator
vanishes, until D = 1/2 wherever there are samples, real or generated. Minimax: the same critic, but the generator's
gradient vanishes where the critic is certain; on the ring neither network gets ahead, which is the best case. Clipping:
weights in [-0.01, 0.01] leave a critic that is nearly constant, a plane over the whole square; the samples oscillate,
and reach the ring only as the learning rates approach 0, and its modes only approximately. Gradient and Lipschitz
penalty: the critic stays curved, and attracts the samples. The penalty's weight is low here (0.1,
``--penalty-weight``), since the ring's radius is 1: at 10 the critic's gradient cannot change within the width of a
mode, and all samples circle in one cluster.
"""

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

import tinygen as tg
import tinygen.functional as F
from tinygen import divergences, evaluation, nn, plotting
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.objectives import GAMES, Game, NoisyLabels
from tinygen.optim import Adam, linear_schedule
from tinygen.training import GAN, Reference, Run, common_arguments, conduct, say, train
from tinygen.training.options import real, whole

TITLE = "Five GANs on a mixture"
STEPS = 200  # per epoch
DATA: dict[str, samplers.Sampler] = {
    "ring": samplers.ring(),
    "grid": samplers.grid(),
    "moons": samplers.two_moons,
    "spiral": samplers.spiral,
}
EXTENT = {"ring": 1.5, "grid": 1.5, "moons": 2.0, "spiral": 1.5}  # half the side of the square in the figures

LATENT_SIZE = 2
LATENT_SCALE = 3.0  # of the latents, as input of the generator's first layer
N_CRITIC = 2  # of a Wasserstein game
PENALTY_WEIGHT = 0.1
SAMPLES = 5_000  # for counting
ESTIMATE = {"steps": 100, "batch_size": 256, "samples": SAMPLES}  # of a divergence

METRICS = {  # metric at the end of an epoch -> title and unit
    "modes_covered": ("Modes covered", ""),
    "share_within_3_sd": ("Samples within three standard deviations of a mode", "fraction"),
    "distance_from_half": ("Discriminator on data: mean |D - 1/2|", ""),
    "jensen_shannon": ("Jensen-Shannon divergence, short estimate", "nats"),
    "kullback_leibler": ("KL(data || samples), short estimate", "nats"),
    "wasserstein": ("Wasserstein distance, short estimate", "units of x"),
    "jensen_shannon_thorough": ("Jensen-Shannon divergence, longer estimate", "nats"),
    "kullback_leibler_thorough": ("KL(data || samples), longer estimate", "nats"),
    "wasserstein_thorough": ("Wasserstein distance, longer estimate", "units of x"),
}
WITHIN_3_SD = 1 - float(np.exp(-4.5))  # the fraction of a Gaussian in the plane


def arguments() -> argparse.Namespace:
    """The common options, and those of the games."""
    parser = common_arguments(
        TITLE,
        data="ring",
        datasets=tuple(DATA),
        epochs=8,
        batch_size=256,
        out="runs/toy_gan",
        epochs_help=f"times {STEPS} training steps of each GAN",
        batch_help="samples of each distribution per training step",
        limit_help="train for the first N steps of each epoch only",
    )
    add = parser.add_argument
    add("--game", nargs="+", choices=GAMES, default=list(GAMES), metavar="NAME", help=f"of {', '.join(GAMES)} (all)")
    n_critic = f"critic's steps per generator's step (1; Wasserstein: {N_CRITIC})"
    add("--n-critic", type=whole(1), metavar="N", help=n_critic)
    add(
        "--soft",
        type=real(0, 1),
        default=0.0,
        metavar="S",
        help="reduction of the real labels (%(default)s)",
    )
    add("--flipped", type=real(0, 1), default=0.0, metavar="S", help="fraction of flipped labels (%(default)s)")
    weight = "weight of the gradient penalty (%(default)s)"
    add("--penalty-weight", type=real(0), default=PENALTY_WEIGHT, metavar="W", help=weight)
    add("--thorough", action="store_true", help="make the longer estimates of divergences after each epoch too")
    options = parser.parse_args()
    if (options.soft or options.flipped) and not any(GAMES[name].has_labels for name in options.game):
        parser.error("--soft and --flipped are for games with labels: minimax, non_saturating")
    return options


def main() -> None:
    """Parse the options and run the experiment."""
    options = arguments()
    conduct(experiment, options, limit=1, game=options.game[:1])


def experiment(options: argparse.Namespace, run: Run) -> None:
    """GANs, training, evaluation, figures."""
    data = DATA[options.data]
    gans, randoms = {}, {}
    for name in options.game:
        tg.manual_seed(options.seed)  # so all start from the same networks
        gans[name], randoms[name] = new_gan(with_options(GAMES[name], options), options.device), RandomState()
    film = Film(gans, data, EXTENT[options.data])
    say(f"{TITLE}: {options.data}, {', '.join(gans)}")
    fit(options, run, gans, randoms, film)

    draw(run, film, list(gans))
    results: dict[str, float] = {}
    for name, gan in gans.items():
        with randoms[name].active():
            bounds = lower_bounds(sampler(gan), data, options.device, thorough=True)
        last = {metric: run.rows[-1][f"{name}_{metric}"] for metric in METRICS if f"{name}_{metric}" in run.rows[-1]}
        results |= {f"{name}_{metric}": value for metric, value in (last | bounds).items()}
    run.finish(f"{TITLE}: {options.data}", results, references=references(data, gans), text=__doc__)


def with_options(game: Game, options: argparse.Namespace) -> Game:
    """``game`` with the command's options that it has."""
    n_critic = min(game.n_critic, N_CRITIC) if options.n_critic is None else options.n_critic
    game = replace(game, n_critic=n_critic, penalty_weight=options.penalty_weight)
    if not game.has_labels or not (options.soft or options.flipped):
        return game
    label = 1 - options.soft
    return replace(game, labels=NoisyLabels((label, label), flipped=(0.0, 0.0), share_flipped=options.flipped))


class Generator(MLP):
    """Latents z (N, 2) -> points (N, 2). No samples should lie between two modes, so the derivative of the map must be
    large between the latents of two modes; scaling the latents makes it large from the start."""

    def forward(self, z: tg.Tensor) -> tg.Tensor:
        return super().forward(LATENT_SCALE * z)


def new_gan(game: Game, device: str) -> GAN:
    """The two networks and their optimisers, without momentum, which amplifies the oscillations of a GAN."""
    generator = Generator(LATENT_SIZE, 2, (64, 64, 64), nn.ReLU).to(device)
    critic = MLP(2, 1, (128, 128), lambda: nn.LeakyReLU(0.2)).to(device)
    of_generator, of_critic = (Adam(network.parameters(), betas=(0.0, 0.9)) for network in (generator, critic))
    return GAN(game, generator, critic, LATENT_SIZE, of_generator, of_critic)


class RandomState:
    """The random number generator of one GAN, so that its training does not depend on which others are trained. It
    starts from the library's present state."""

    def __init__(self) -> None:
        self.state = tg.get_rng_state()

    @contextmanager
    def active(self) -> Iterator[None]:
        """A context in which the library draws from this generator."""
        outside = tg.get_rng_state()
        tg.set_rng_state(self.state)
        try:
            yield
        finally:
            self.state = tg.get_rng_state()
            tg.set_rng_state(outside)

    def state_dict(self) -> dict[str, Any]:
        """The state, for a checkpoint."""
        return dict(self.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state_dict`` returned."""
        self.state = state


def fit(
    options: argparse.Namespace, run: Run, gans: dict[str, GAN], randoms: dict[str, RandomState], film: "Film"
) -> None:
    """Train all GANs in turn, step by step, and take frames of the film."""
    data = DATA[options.data]
    steps = min(STEPS, options.limit or STEPS)
    total = steps * options.epochs

    def step(_: int, index: int) -> dict[str, float]:
        if index % max(1, total // Film.FRAMES) == 0:
            film.take(index)
        metrics: dict[str, float] = {}
        for name, gan in gans.items():
            factor = linear_schedule(index, total, 1.0)
            gan.generator_optimizer.lr = factor * 2e-3
            # A Wasserstein critic learns faster: the generator's gradient is useful only near the optimal critic.
            gan.critic_optimizer.lr = factor * (2e-3 if gan.game.has_labels else 4e-3)
            with randoms[name].active():
                real = tg.tensor(data(options.batch_size * gan.game.n_critic), device=options.device)
                metrics |= {f"{name}_{metric}": value for metric, value in gan.train_step(real).items()}
        return metrics

    def evaluate() -> dict[str, float]:
        metrics: dict[str, float] = {}
        for name, gan in gans.items():
            with randoms[name].active():
                metrics |= {f"{name}_{metric}": x for metric, x in measure(gan, data, options.device).items()}
                if options.thorough:
                    with RandomState().active():  # so training is the same as without
                        bounds = lower_bounds(sampler(gan), data, options.device, thorough=True)
                    metrics |= {f"{name}_{metric}_thorough": x for metric, x in bounds.items()}
        return metrics

    parts: dict[str, Any] = {"film": film}
    for name, gan in gans.items():
        parts |= {f"{name}_{part}": state for part, state in gan.parts.items()} | {f"{name}_rng": randoms[name]}
    train(run, range(steps), step, epochs=options.epochs, parts=parts, evaluate=evaluate)
    film.take(total)


def measure(gan: GAN, data: samplers.Sampler, device: str) -> dict[str, float]:
    """Lower bounds of divergences, the modes covered, and the discriminator's mean distance from 1/2."""
    metrics = lower_bounds(sampler(gan), data, device) | coverage(sampler(gan), data)
    if gan.game.has_labels:
        with tg.no_grad():
            on_data = F.sigmoid(gan.critic(tg.tensor(data(SAMPLES), device=device)))
        metrics["distance_from_half"] = (on_data - 0.5).abs().mean().item()
    return metrics


def sampler(gan: GAN) -> samplers.Sampler:
    """The generator as a sampler."""
    return lambda n: gan.generate(gan.latents(n))


def coverage(generated: samplers.Sampler, data: samplers.Sampler) -> dict[str, float]:
    """The modes covered and the fraction of samples near one, where the data are a mixture with known modes."""
    if not isinstance(data, samplers.GaussianMixture):
        return {}
    found = evaluation.mode_coverage(generated(SAMPLES), data)
    return {"modes_covered": found.modes, "share_within_3_sd": found.share}


def lower_bounds(
    generated: samplers.Sampler, data: samplers.Sampler, device: str, *, thorough: bool = False
) -> dict[str, float]:
    """Lower bounds of divergences between data and samples, by networks of their own. ``thorough``: four times as many
    steps, and leaky ReLUs, which resolve narrow modes better."""
    options: dict[str, Any] = ESTIMATE | {"device": device}
    if thorough:
        options["steps"] *= 4
    bounds = {}
    for name in ("jensen_shannon", "kullback_leibler"):
        network = MLP(2, 1, (128, 128), lambda: nn.LeakyReLU(0.2), zero_init_last=True) if thorough else None
        bounds[name], _ = divergences.estimate_f_divergence(name, data, generated, network=network, **options)
    bounds["wasserstein"], _ = divergences.estimate_wasserstein(data, generated, penalty="lipschitz", **options)
    return bounds


class Film:
    """Frames of the training: samples of fixed latents, and the critic's values on a lattice. It is saved in the
    checkpoint, so a resumed run draws the same figures."""

    FRAMES, SAMPLES, SIDE = 40, 400, 41

    def __init__(self, gans: Mapping[str, GAN], data: samplers.Sampler, extent: float) -> None:
        self.gans, self.data, self.extent = gans, data(self.SAMPLES), extent
        self.latents = next(iter(gans.values())).latents(self.SAMPLES)
        ticks = np.linspace(-extent, extent, self.SIDE, dtype=np.float32)
        lattice = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        self.lattice = tg.tensor(lattice, device=self.latents.device)
        self.steps: list[int] = []
        self.frames: list[dict[str, dict[str, np.ndarray]]] = []

    @tg.no_grad()
    def take(self, step: int) -> None:
        """Append a frame after so many training steps."""
        self.steps.append(step)
        self.frames.append(
            {
                name: {
                    "samples": gan.generate(self.latents),
                    "scores": gan.critic(self.lattice).numpy().reshape(self.SIDE, self.SIDE),
                }
                for name, gan in self.gans.items()
            }
        )

    def fields(self, index: int) -> list[plotting.Field]:
        """The panels of a frame: D where the critic is a discriminator, else T minus its mean."""
        fields = []
        for name, frame in self.frames[index].items():
            title, values = f"{name.replace('_', ' ')}, step {self.steps[index]}", frame["scores"]
            if self.gans[name].game.has_labels:
                values, low, high = F.sigmoid(tg.tensor(values)).numpy(), 0.0, 1.0
            else:
                values = values - values.mean()
                high = float(abs(values).max())
                low = -high
            fields.append(plotting.Field(title, values, frame["samples"], self.data, low, high))
        return fields

    def state_dict(self) -> dict[str, Any]:
        """The frames so far."""
        return {"steps": list(self.steps), "frames": list(self.frames)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the frames that ``state_dict`` returned."""
        self.steps, self.frames = list(state["steps"]), list(state["frames"])


def references(data: samplers.Sampler, gans: Mapping[str, GAN]) -> list[Reference]:
    """The values of the results at the optimum."""
    optimal = []
    for name, gan in gans.items():
        if isinstance(data, samplers.GaussianMixture):
            optimal.append(Reference(f"{name}_modes_covered", len(data.centres), "number of modes"))
            optimal.append(Reference(f"{name}_share_within_3_sd", WITHIN_3_SD, "of the data"))
        if gan.game.has_labels:
            optimal.append(Reference(f"{name}_distance_from_half", 0.0, "optimal D for equal distributions"))
    return optimal


def draw(run: Run, film: Film, gans: list[str]) -> None:
    """The critic and the samples at five moments, all frames as an animation, and the metrics."""
    last = len(film.frames) - 1
    moments = sorted({round(fraction * last) for fraction in (0.05, 0.15, 0.35, 0.6, 1)})
    shown = [film.fields(moment) for moment in moments]
    by_gan = [fields[i] for i in range(len(gans)) for fields in shown]
    path = run.figure("fields.png", "The critic (blue: real), the data (yellow) and samples (black) during training.")
    plotting.fields(by_gan, path, reach=film.extent, columns=len(moments))

    losses = {"critic_loss": ("Critic's loss", ""), "generator_loss": ("Generator's loss", "")}
    levels = {
        "share_within_3_sd": {"the data's": run.level(WITHIN_3_SD)},
        "jensen_shannon": {"log 2": run.level(float(np.log(2)))},
    }
    panels = []
    for metric, (title, unit) in (losses | METRICS).items():
        names = [name for name in gans if f"{name}_{metric}" in run.rows[0]]
        curves = {name.replace("_", " "): run.curve(f"{name}_{metric}") for name in names}
        if curves:
            panels.append(plotting.Panel(title, "epoch", unit, curves, levels.get(metric, {}), markers=False))
    plotting.panels(panels, run.figure("learning.png", "Losses, modes and divergences, epoch by epoch."))
    path = run.figure("film.gif", "The critic and the samples, animated.")
    plotting.field_animation([film.fields(index) for index in range(last + 1)], path, reach=film.extent)


if __name__ == "__main__":
    main()
