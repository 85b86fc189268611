"""Figures of chapter 9, GANs."""

from dataclasses import replace

import numpy as np
from matplotlib.figure import Figure

import tinygen as tg
from drawings.style import BLUE, FAINT, GREEN, INK, ORANGE, new_figure
from tinygen import nn
from tinygen.objectives import GAMES
from tinygen.optim import SGD
from tinygen.training import GAN


def small_games() -> Figure:
    """The bilinear example with simultaneous and alternating updates; theta in the five GANs."""
    figure, (left, right) = new_figure(9.0, 3.6, 2, width_ratios=(1, 1.7))
    for alternating, colour, label in ((False, ORANGE, "simultaneous"), (True, BLUE, "alternating")):
        theta, psi = 1.0, 0.0
        iterates = [(theta, psi)]
        for _ in range(100):
            next_psi = psi + 0.1 * theta
            theta -= 0.1 * (next_psi if alternating else psi)
            psi = next_psi
            iterates.append((theta, psi))
        left.plot(*zip(*iterates, strict=True), color=colour, linewidth=1.1, label=label)
    left.plot(0, 0, "o", color=INK, markersize=4)
    left.set(aspect="equal", xlabel=r"$\theta$", ylabel=r"$\psi$", xlim=(-2, 2), ylim=(-2, 2))
    left.legend(frameon=False, fontsize=8.5, loc="lower right")

    colours = (ORANGE, BLUE, INK, GREEN, "#cc79a7")
    for (name, game), colour in zip(GAMES.items(), colours, strict=True):
        generator, critic = nn.Linear(1, 1), nn.Linear(1, 1, bias=False)
        generator.weight.data, critic.weight.data = np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32)
        generator.bias.data = np.ones(1, np.float32)
        optimizers = SGD([generator.bias], 0.1), SGD(critic.parameters(), 0.1)
        gan = GAN(replace(game, n_critic=1), generator, critic, 1, *optimizers)
        thetas = [1.0]
        for _ in range(200):
            gan.train_step(tg.zeros(1, 1))
            thetas.append(generator.bias.item())
        right.plot(thetas, color=colour, linewidth=1.2, label=name.replace("_", " "))
    right.axhline(0, color=FAINT, linewidth=1, zorder=0)
    right.set(xlabel="training steps", ylabel=r"$\theta$", xlim=(0, 200), ylim=(-1.7, 1.2))
    right.legend(frameon=False, fontsize=8.5, loc="lower center", ncols=3, columnspacing=1.2, handlelength=1.5)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


FIGURES = {
    "small-games.png": small_games,
}
