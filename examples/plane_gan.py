"""A GAN in the plane that is trained step by step, and what can be seen of it: the part of ``live_gan.py`` without a
page.

The networks, their optimisers and the measures are those of ``toy_gan.py``. All settings can change between two steps;
the architecture and the seed begin a new training. The random numbers of the training are its own, so it depends on its
settings and on nothing that is measured meanwhile.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from toy_gan import DATA, EXTENT, LATENT_SIZE, Generator, RandomState, coverage, lower_bounds

import tinygen as tg
import tinygen.functional as F
from tinygen import evaluation, nn
from tinygen.data import samplers
from tinygen.models import MLP
from tinygen.objectives import GAMES, Game
from tinygen.optim import Adam
from tinygen.training import GAN

BATCH = 256  # samples of each distribution per step
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky ReLU": lambda: nn.LeakyReLU(0.2),
    "ReLU": nn.ReLU,
    "ELU": nn.ELU,
    "tanh": nn.Tanh,
}
SHOWN, SIDE, ARROWS = 400, 61, 15  # samples; pixels and arrows along a side of the square
NOISE = 0.04  # standard deviation of the samples of a drawing around its lines


@dataclass(frozen=True)
class Settings:
    """The settings of a training; ``data`` is a name of ``toy_gan.DATA`` or ``drawing``, the text of ``written``."""

    objective: str = "non_saturating"
    data: str = "ring"
    drawing: str = ""
    critic_rate: float = 2e-3
    generator_rate: float = 1e-3
    penalty_weight: float = 0.1
    critic_steps: int = 2  # per step of the generator
    layers: int = 2  # of the critic
    units: int = 128  # per layer
    activation: str = "leaky ReLU"
    seed: int = 0

    @property
    def start(self) -> tuple[Any, ...]:
        """The settings without which no network exists."""
        return self.layers, self.units, self.activation, self.seed

    @property
    def game(self) -> Game:
        """The row of ``objectives.GAMES`` with the settings that it has."""
        return replace(GAMES[self.objective], n_critic=self.critic_steps, penalty_weight=self.penalty_weight)

    @property
    def sampler(self) -> samplers.Sampler:
        """The distribution of the data."""
        return Drawing(read(self.drawing)) if self.data == "drawing" else DATA[self.data]

    @property
    def extent(self) -> float:
        """Half the side of the square that is shown."""
        return EXTENT.get(self.data, 1.5)


# Drawn data ----------------------------------------------------------------------------------------------------------

Line = list[tuple[float, float]]


class Drawing:
    """A sampler of points near ``lines``: uniform along their length, with Gaussian noise of standard deviation
    ``NOISE``. A line of one point is that point."""

    def __init__(self, lines: list[Line]) -> None:
        pairs = [pair for line in lines for pair in zip(line, line[1:] or line, strict=False)]
        self.starts, self.ends = np.array(pairs).transpose(1, 0, 2)
        lengths = np.linalg.norm(self.ends - self.starts, axis=1) + NOISE
        self.fractions = lengths / lengths.sum()

    def __call__(self, n: int) -> np.ndarray:
        rng = tg.backend.generator()
        chosen = rng.choice(len(self.fractions), size=n, p=self.fractions)
        start, end = self.starts[chosen], self.ends[chosen]
        points = start + rng.random((n, 1)) * (end - start)
        return np.asarray(points + NOISE * rng.standard_normal((n, 2)), np.float32)


def written(lines: list[Line]) -> str:
    """``lines`` as text, ``x,y x,y/x,y ...`` in hundredths, the lines separated by ``/``. Points nearer than 0.08 to
    the one before are left out."""
    texts = []
    for line in lines:
        kept = line[:1]
        for point in line[1:]:
            if np.hypot(point[0] - kept[-1][0], point[1] - kept[-1][1]) >= 0.08:
                kept.append(point)
        texts.append(" ".join(f"{round(100 * x)},{round(100 * y)}" for x, y in kept))
    return "/".join(texts)


def read(text: str) -> list[Line]:
    """The lines of a ``text`` that ``written`` returned; ``ValueError`` for another text."""
    if not re.fullmatch(r"(-?\d{1,3},-?\d{1,3}([ /](?!$)|$))+", text, re.ASCII):
        raise ValueError(f"drawing must be points 'x,y x,y/x,y' in hundredths, got {text!r}")
    points = [[point.split(",") for point in line.split()] for line in text.split("/")]
    return [[(int(x) / 100, int(y) / 100) for x, y in line] for line in points]


# Training ------------------------------------------------------------------------------------------------------------


class PlaneGAN:
    """A generator and a critic with changing ``settings``. ``new_critic`` makes a critic, points (N, 2) -> scores
    (N, 1), in place of the one that the settings describe."""

    def __init__(self, settings: Settings, new_critic: Callable[[], nn.Module] | None = None) -> None:
        self.new_critic = new_critic
        self.begin(settings)

    def begin(self, settings: Settings) -> None:
        """New networks."""
        outside = tg.get_rng_state()
        tg.manual_seed(settings.seed)
        generator = new_generator()
        critic = self.new_critic() if self.new_critic else critic_of(settings)
        of_generator, of_critic = (Adam(network.parameters(), betas=(0.0, 0.9)) for network in (generator, critic))
        self.gan = GAN(settings.game, generator, critic, LATENT_SIZE, of_generator, of_critic)
        self.latents = self.gan.latents(SHOWN)
        self.random, self.aside = RandomState(), RandomState()
        tg.set_rng_state(outside)
        self.steps = {"critic": 0, "generator": 0}
        self.settings = settings
        self.change(settings)

    def change(self, settings: Settings) -> None:
        """Continue with other settings; with new networks where these depend on them."""
        if settings.start != self.settings.start:
            self.begin(settings)
            return
        self.settings, self.gan.game, self.data = settings, settings.game, settings.sampler
        self.gan.critic_optimizer.lr, self.gan.generator_optimizer.lr = settings.critic_rate, settings.generator_rate

    @property
    def total(self) -> int:
        """The steps of both networks."""
        return sum(self.steps.values())

    def critic_step(self) -> dict[str, float]:
        """One step of the critic; returns its metrics."""
        self.steps["critic"] += 1
        with self.random.active():
            return self.gan.critic_step(tg.tensor(self.data(BATCH)))

    def generator_step(self) -> dict[str, float]:
        """One step of the generator; returns its loss."""
        self.steps["generator"] += 1
        with self.random.active():
            return self.gan.generator_step(BATCH)

    def round(self) -> dict[str, float]:
        """``critic_steps`` steps of the critic and one of the generator; returns the last metrics of each."""
        metrics = [self.critic_step() for _ in range(self.settings.critic_steps)][-1]
        return metrics | self.generator_step()

    # What can be seen ---------------------------------------------------------------------------------------------

    def samples(self) -> np.ndarray:
        """The generator's samples of the same latents each time (SHOWN, 2)."""
        return self.gan.generate(self.latents)

    def real(self) -> np.ndarray:
        """Samples of the data (SHOWN, 2)."""
        with self.aside.active():
            return self.data(SHOWN)

    @tg.no_grad()
    def scores(self) -> tuple[np.ndarray, float, float]:
        """The critic on a square lattice (SIDE, SIDE), rows upwards, and the ends of its colour scale: D = sigmoid(T)
        in [0, 1] where the critic is a discriminator, else T minus its mean."""
        values = self.gan.critic(tg.tensor(lattice(self.settings.extent, SIDE)))
        values = F.sigmoid(values) if self.gan.game.has_labels else values - values.mean()
        image = values.numpy().reshape(SIDE, SIDE)
        high = 1.0 if self.gan.game.has_labels else max(float(np.abs(image).max()), 1e-12)
        return image, 0.0 if self.gan.game.has_labels else -high, high

    def field(self) -> tuple[np.ndarray, np.ndarray]:
        """Points of a lattice (ARROWS^2, 2), and there the direction in which the generator's loss falls: minus the
        gradient of the loss of a sample at that point, with respect to the point (ARROWS^2, 2)."""
        points = tg.tensor(lattice(0.93 * self.settings.extent, ARROWS), requires_grad=True)
        with self.gan.critic.frozen():
            loss = self.gan.game.generator_loss(self.gan.critic, points) * len(points)
            (gradient,) = tg.grad(loss, points)
        return points.numpy(), -gradient.numpy()

    def coverage(self) -> dict[str, float]:
        """``toy_gan.coverage`` of the samples, the modes as a fraction of those there are."""
        if not isinstance(self.data, samplers.GaussianMixture):
            return {}
        with self.aside.active():
            found = coverage(partial(generated, self.gan.generator), self.data)
        return found | {"modes_covered": found["modes_covered"] / len(self.data.centres)}


def critic_of(settings: Settings) -> nn.Module:
    """The critic that the settings describe."""
    return MLP(2, 1, (settings.units,) * settings.layers, ACTIVATIONS[settings.activation])


def lattice(extent: float, side: int) -> np.ndarray:
    """Points (side^2, 2) of the square [-extent, extent]^2, row by row from below, float32."""
    ticks = np.linspace(-extent, extent, side, dtype=np.float32)
    return np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2)


def estimates(settings: Settings, weights: dict[str, np.ndarray]) -> dict[str, float]:
    """Lower bounds of the divergences between the data and the samples of a generator with these ``weights``, by
    networks of their own: the longer estimates of ``toy_gan.py``, which take seconds."""
    generator = new_generator()
    generator.load_state_dict(weights)
    sampler = partial(generated, generator)
    return lower_bounds(sampler, settings.sampler, "cpu", thorough=True)


def new_generator() -> Generator:
    """The generator of ``toy_gan.py``."""
    return Generator(LATENT_SIZE, 2, (64, 64, 64), nn.ReLU)


def generated(generator: nn.Module, n: int) -> np.ndarray:
    """``n`` samples (n, 2) of ``generator``."""
    return evaluation.generate(generator, tg.randn(n, LATENT_SIZE))
