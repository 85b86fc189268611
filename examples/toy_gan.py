"""Five games between a generator and a critic, on mixtures that fit on a page.

    python examples/toy_gan.py                                the ring, by every game of the table
    python examples/toy_gan.py --data spiral --game non_saturating wasserstein_gradient
    python examples/toy_gan.py --n-critic 5                   critics that are ahead

All games begin with the same two small networks and the same samples, and none depends on which others are played.
Both learning rates fall to 0 on a line, so that the players come to rest. Samples are never compared with data one by
one: how good they are is counted (the modes covered, the share of samples within three standard deviations of one) and
estimated (``tinygen.divergences``, networks of their own on fresh samples: bounds from below). The estimates at the end
are careful ones, those on the way are quick.

What to look for. Non-saturating: samples find the ring, then its modes, and the field fades as they do, until the
discriminator says 1/2 wherever there are samples, real or generated. Minimax: the same critic, but a generator that
learns nothing where the critic is sure; on the ring the two are so well matched that it keeps up, and that is the best
case. Clipping: a box of 0.01 around every weight leaves a critic that is next to nothing, a plain slope over the whole
square; it pushes the samples to and fro, and they find the ring only as the rates come to 0, and its modes but loosely.
Gradient and Lipschitz penalty: the critic keeps its bends, and draws the samples in. The price of a slope is low here
(0.1, ``--penalty-weight``), since the ring's radius is 1: at 10 the critic may not bend within the width of a mode, and
all samples go round in one clump.
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
from tinygen.training import Players, Reference, Run, conduct, sampler_arguments, say, train
from tinygen.training.options import real, whole

TITLE = "Five games on a mixture"
STEPS = 200  # rounds an epoch
DATA = {"ring": samplers.ring(), "grid": samplers.grid(), "moons": samplers.two_moons, "spiral": samplers.spiral}
REACH = {"ring": 1.5, "grid": 1.5, "moons": 2.0, "spiral": 1.5}  # of the square that is drawn

LATENT_SIZE = 2
SPREAD = 3.0  # of the latents, as the generator's first layer sees them
N_CRITIC = 2  # of a Wasserstein game
PENALTY_WEIGHT = 0.1
SAMPLES = 5_000  # for counting
ESTIMATE = {"steps": 100, "batch_size": 256, "samples": SAMPLES}  # of a divergence

PROMISED = ("non_saturating", "wasserstein_gradient")


def arguments() -> argparse.Namespace:
    """The common options and the games'."""
    parser = sampler_arguments(
        TITLE,
        data="ring",
        datasets=tuple(DATA),
        epochs=8,
        batch_size=256,
        out="runs/toy_gan",
        epochs_help=f"times {STEPS} rounds of each game",
        limit_help="play the first N rounds of each epoch only",
    )
    parser.add_argument(
        "--game", nargs="+", choices=GAMES, default=list(GAMES), metavar="NAME", help=f"of {', '.join(GAMES)} (all)"
    )
    parser.add_argument(
        "--n-critic", type=whole(1), metavar="N", help=f"the critic's steps a round (1; Wasserstein: {N_CRITIC})"
    )
    parser.add_argument(
        "--soft",
        type=real(0, 1),
        default=0.0,
        metavar="S",
        help="how much of a real label is taken from it (%(default)s)",
    )
    parser.add_argument(
        "--flipped",
        type=real(0, 1),
        default=0.0,
        metavar="S",
        help="how many of the real labels are 0 (%(default)s)",
    )
    parser.add_argument(
        "--penalty-weight", type=real(0), default=PENALTY_WEIGHT, metavar="W", help="the price of a slope (%(default)s)"
    )
    options = parser.parse_args()
    if (options.soft or options.flipped) and not any(GAMES[name].has_labels for name in options.game):
        parser.error("--soft and --flipped are for games with labels: minimax, non_saturating")
    return options


def as_asked(game: Game, options: argparse.Namespace) -> Game:
    """``game`` with the options that it has."""
    n_critic = min(game.n_critic, N_CRITIC) if options.n_critic is None else options.n_critic
    game = replace(game, n_critic=n_critic, penalty_weight=options.penalty_weight)
    if not game.has_labels or not (options.soft or options.flipped):
        return game
    label = 1 - options.soft
    return replace(game, labels=NoisyLabels((label, label), flipped=(0.0, 0.0), share_flipped=options.flipped))


class Generator(MLP):
    """Latents z (N, 2) -> points (N, 2). Between two modes there should be no samples, so where z crosses from one to
    the other the map has to be steep: wide latents make it so from the start."""

    def forward(self, z: tg.Tensor) -> tg.Tensor:
        return super().forward(SPREAD * z)


def new_players(game: Game, device: str) -> Players:
    """The two networks and their optimisers, without momentum: in a game it only makes the circles wider."""
    generator = Generator(LATENT_SIZE, 2, (64, 64, 64), nn.ReLU).to(device)
    critic = MLP(2, 1, (128, 128), lambda: nn.LeakyReLU(0.2)).to(device)
    optimizers = (Adam(player.parameters(), betas=(0.0, 0.9)) for player in (generator, critic))
    return Players(game, generator, critic, LATENT_SIZE, *optimizers)


def set_rates(players: Players, share: float) -> None:
    """``share`` of the learning rates with which a game begins. A Wasserstein critic learns faster than its generator:
    its advice is worth something only where it is nearly the best critic."""
    players.generator_optimizer.lr = share * 2e-3
    players.critic_optimizer.lr = share * (2e-3 if players.game.has_labels else 4e-3)


class Chance:
    """The random numbers of one game, so that what happens in it does not depend on which others are played beside it.
    They go on from where the library's are as it is made."""

    def __init__(self) -> None:
        self.state = tg.get_rng_state()

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Within, random numbers are this game's."""
        others = tg.get_rng_state()
        tg.set_rng_state(self.state)
        yield
        self.state = tg.get_rng_state()
        tg.set_rng_state(others)

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return dict(self.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict`` returned."""
        self.state = state


class Film:
    """What each game looked like now and then: always the same latents' samples, and the critic's field. It is part of
    the checkpoint, so a resumed run draws the same figures."""

    FRAMES, SAMPLES, SIDE = 40, 400, 41

    def __init__(self, games: Mapping[str, Players], data: samplers.Sampler, reach: float) -> None:
        self.games, self.data, self.reach = games, data(self.SAMPLES), reach
        self.latents = next(iter(games.values())).latents(self.SAMPLES)
        ticks = np.linspace(-reach, reach, self.SIDE, dtype=np.float32)
        lattice = np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)
        self.lattice = tg.tensor(lattice, device=self.latents.device)
        self.rounds: list[int] = []
        self.frames: list[dict[str, dict[str, np.ndarray]]] = []

    @tg.no_grad()
    def take(self, rounds: int) -> None:
        """One frame, after so many rounds."""
        self.rounds.append(rounds)
        self.frames.append(
            {
                name: {
                    "samples": players.generate(self.latents),
                    "scores": players.critic(self.lattice).numpy().reshape(self.SIDE, self.SIDE),
                }
                for name, players in self.games.items()
            }
        )

    def fields(self, index: int) -> list[plotting.Field]:
        """A frame as it is drawn: D where the critic is a discriminator, else T less its mean, all shades used."""
        drawn = []
        for name, seen in self.frames[index].items():
            title, scores = f"{name.replace('_', ' ')}, round {self.rounds[index]}", seen["scores"]
            if self.games[name].game.has_labels:
                values, low, high = F.sigmoid(tg.tensor(scores)).numpy(), 0.0, 1.0
            else:
                values = scores - scores.mean()
                high = float(abs(values).max())
                low = -high
            drawn.append(plotting.Field(title, values, seen["samples"], self.data, low, high))
        return drawn

    def state_dict(self) -> dict[str, Any]:
        """The frames so far."""
        return {"rounds": list(self.rounds), "frames": list(self.frames)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from the frames that ``state_dict`` returned."""
        self.rounds, self.frames = list(state["rounds"]), list(state["frames"])


def distances(players: Players, data: samplers.Sampler, device: str, *, careful: bool = False) -> dict[str, float]:
    """Bounds from below of distances between data and samples, by networks of their own. The quick ones, for curves,
    leave a lot to be found between narrow modes; the careful ones are longer at it, with networks that bend sharply."""

    def generated(n: int) -> np.ndarray:
        return players.generate(players.latents(n))

    options: dict[str, Any] = ESTIMATE | {"device": device}
    if careful:
        options["steps"] *= 4
    found = {}
    for name in ("jensen_shannon", "kullback_leibler"):
        network = MLP(2, 1, (128, 128), lambda: nn.LeakyReLU(0.2), zero_init_last=True) if careful else None
        found[name], _ = divergences.estimate_f_divergence(name, data, generated, network=network, **options)
    found["wasserstein"], _ = divergences.estimate_wasserstein(data, generated, penalty="lipschitz", **options)
    return found


def judge(players: Players, data: samplers.Sampler, device: str) -> dict[str, float]:
    """Quick distances, modes, and how far the discriminator is from not knowing."""
    found = distances(players, data, device)
    if isinstance(data, samplers.GaussianMixture):
        coverage = evaluation.mode_coverage(players.generate(players.latents(SAMPLES)), data)
        found |= {"modes_covered": coverage.modes, "share_within_3_sd": coverage.share}
    if players.game.has_labels:
        with tg.no_grad():
            on_data = F.sigmoid(players.critic(tg.tensor(data(SAMPLES), device=device)))
        found["distance_from_half"] = (on_data - 0.5).abs().mean().item()
    return found


def main() -> None:
    """The options, and the experiment that they describe."""
    options = arguments()
    conduct(experiment, options, limit=1, game=options.game[:1])


def experiment(options: argparse.Namespace, run: Run) -> None:
    """Players, rounds, verdicts, figures."""
    data = DATA[options.data]
    games, chances = {}, {}
    for name in options.game:
        tg.manual_seed(options.seed)  # so all begin with the same networks
        games[name], chances[name] = new_players(as_asked(GAMES[name], options), options.device), Chance()
    film = Film(games, data, REACH[options.data])
    steps = min(STEPS, options.limit or STEPS)
    total = steps * options.epochs
    say(f"{TITLE}: {options.data}, {', '.join(games)}")

    def step(_: int, index: int) -> dict[str, float]:
        if index % max(1, total // Film.FRAMES) == 0:
            film.take(index)
        told = {}
        for name, players in games.items():
            set_rates(players, linear_schedule(index, total, 1.0))
            with chances[name].drawn():
                real = tg.tensor(data(options.batch_size * players.game.n_critic), device=options.device)
                told |= {f"{name}_{what}": value for what, value in players.round(real).items()}
        return told

    def evaluate() -> dict[str, float]:
        found = {}
        for name, players in games.items():
            with chances[name].drawn():
                verdict = judge(players, data, options.device)
            found |= {f"{name}_{what}": value for what, value in verdict.items()}
        return found

    parts: dict[str, Any] = {"film": film}
    for name, players in games.items():
        parts |= {f"{name}_{part}": state for part, state in players.parts.items()}
        parts[f"{name}_chance"] = chances[name]
    rows = train(run, range(steps), step, epochs=options.epochs, parts=parts, evaluate=evaluate)
    film.take(total)

    draw(run, film, list(games))
    results = {}
    for name, players in games.items():
        with chances[name].drawn():
            found = distances(players, data, options.device, careful=True)
        last = {f"{name}_{what}": rows[-1].get(f"{name}_{what}") for what in VERDICTS}
        last |= {f"{name}_{what}": value for what, value in found.items()}
        results |= {what: value for what, value in last.items() if value is not None}
    run.finish(
        f"{TITLE}: {options.data}",
        results,
        seed=options.seed,
        device=options.device,
        references=references(data, games),
        text=__doc__.split("\n\n", 2)[2],
    )


VERDICTS = {  # what is found at the end of an epoch -> what to call it, in which units
    "modes_covered": ("Modes covered", ""),
    "share_within_3_sd": ("Samples within three deviations of a mode", "share"),
    "distance_from_half": ("Discriminator on data: mean |D - 1/2|", ""),
    "jensen_shannon": ("Jensen-Shannon divergence, a quick bound", "nats"),
    "kullback_leibler": ("KL(data || samples), a quick bound", "nats"),
    "wasserstein": ("Wasserstein distance, a quick bound", "units of x"),
}
GOOD_SHARE = 1 - float(np.exp(-4.5))  # of a Gaussian in the plane, within three standard deviations


def references(data: samplers.Sampler, games: Mapping[str, Players]) -> list[Reference]:
    """What the results are to be compared with."""
    found = []
    for name, players in games.items():
        if isinstance(data, samplers.GaussianMixture):
            found.append(Reference(f"{name}_modes_covered", len(data.centres), "the modes there are"))
            found.append(Reference(f"{name}_share_within_3_sd", GOOD_SHARE, "of the data themselves"))
        if players.game.has_labels:
            found.append(Reference(f"{name}_distance_from_half", 0.0, "the best discriminator of equal distributions"))
    return found


def draw(run: Run, film: Film, games: list[str]) -> None:
    """The fields and samples of a few moments, all of them as an animation, and the numbers along the way."""
    last = len(film.frames) - 1
    moments = sorted({round(share * last) for share in (0.05, 0.15, 0.35, 0.6, 1)})
    caption = "What the critic says (blue: real), the data (yellow) and the samples (black), as training goes."
    shown = [film.fields(moment) for moment in moments]
    path = run.figure("fields.png", caption)
    plotting.fields(
        [fields[i] for i in range(len(games)) for fields in shown], path, reach=film.reach, columns=len(moments)
    )

    losses = {"critic_loss": ("Critic's loss", ""), "generator_loss": ("Generator's loss", "")}
    epochs = [row["epoch"] for row in run.rows]
    ends = [epochs[0], epochs[-1]]
    known: dict[str, dict[str, plotting.Curve]] = {
        "share_within_3_sd": {"the data's": (ends, [GOOD_SHARE] * 2)},
        "jensen_shannon": {"log 2": (ends, [float(np.log(2))] * 2)},
    }
    parts = []
    for what, (title, unit) in (losses | VERDICTS).items():
        measured: dict[str, plotting.Curve] = {
            game.replace("_", " "): (epochs, [row[f"{game}_{what}"] for row in run.rows])
            for game in games
            if f"{game}_{what}" in run.rows[0]
        }
        if measured:
            parts.append(plotting.Panel(title, "epoch", unit, measured, known.get(what, {}), markers=False))
    plotting.panels(parts, run.figure("learning.png", "Losses, modes and distances, epoch by epoch."))
    path = run.figure("film.gif", "Fields and samples, moving.")
    plotting.field_animation([film.fields(index) for index in range(last + 1)], path, reach=film.reach)


if __name__ == "__main__":
    main()
