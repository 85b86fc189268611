"""Scaling: a training step of the VAE from batch 8 to 512 and from images of 28 x 28 to 128 x 128.

The model is the convolutional VAE with its linear layers applied at each position (as 1 x 1 convolutions), so that
the side may be any multiple of 4; at 28 x 28 it is the same model. Time and memory beside PyTorch's, as a
table and as runs/scaling.png; the ratio is the geometric mean over all sizes.
"""

from collections.abc import Callable
from pathlib import Path

import common
import numpy as np
from common import PEERS, PYTORCH, TINYGEN
from matplotlib import pyplot as plt
from vae_step import LATENT, vae_step

from tinygen import models, nn

GOAL = 0.90
BATCHES = (8, 16, 32, 64, 128, 256, 512)  # of images of 28 x 28
SIDES = (28, 40, 64, 96, 128)  # in batches of 64
FIGURE = Path(__file__).parents[1] / "runs" / "scaling.png"


class FullyConvolutionalVAE(models.ConvVAE):
    """The convolutional VAE with a latent vector for each position."""

    def __init__(self, latent_size: int = LATENT) -> None:
        super().__init__(latent_size)
        encoder, decoder = list(self.encoder), list(self.decoder)
        self.encoder = nn.Sequential(*encoder[:8], nn.Conv2d(256, 2 * latent_size, 1))
        self.decoder = nn.Sequential(nn.Conv2d(latent_size, 256, 1), decoder[1], *decoder[3:])


def build(name: str, size: int, side: int) -> Callable[[], float]:
    """One contestant's step on ``size`` images of ``side`` x ``side``."""
    images = (np.random.default_rng(0).random((size, 1, side, side)) < 0.13).astype(np.float32)
    if name == TINYGEN:
        step = vae_step(FullyConvolutionalVAE())
    else:
        twins = common.pytorch_side()
        weights = FullyConvolutionalVAE().state_dict()
        step = twins.vae_step(twins.exchanged(twins.FullyConvolutionalVAE(), weights, PEERS[name]), PEERS[name])
    return lambda: step(images)


def measure(size: int, side: int) -> tuple[float, float, float, float]:
    """Milliseconds, then peak MB, of tinygen and of PyTorch's fastest configuration."""
    times = common.take_turns({name: build(name, size, side) for name in (TINYGEN, *PEERS)}, seconds=4)
    common.print_times(f"{size} x {side} x {side}", times)
    theirs = common.fastest(PYTORCH, times)
    return times[TINYGEN], times[theirs], common.memory_of(TINYGEN, size, side), common.memory_of(theirs, size, side)


def draw(measured: dict[tuple[int, int], tuple[float, ...]]) -> None:
    """Time and memory against the batch and against the side, on logarithmic axes: a straight line is a power law."""
    figure, panels = plt.subplots(2, 2, figsize=(9, 6.5), sharey="row", layout="constrained")
    across = {
        "images of 28 x 28 in a batch": [(size, 28) for size in BATCHES],
        "side of an image, batch 64": [(64, side) for side in SIDES],
    }
    for column, (label, sizes) in enumerate(across.items()):
        varied = [size[column] for size in sizes]
        for row, unit in enumerate(("a step, ms", "peak memory, MB")):
            axes = panels[row, column]
            for line, (name, style) in enumerate(((TINYGEN, "o-"), (PYTORCH, "s--"))):
                axes.loglog(varied, [measured[size][2 * row + line] for size in sizes], style, label=name)
            axes.set(xlabel=label, ylabel="" if column else unit, xticks=varied, xticklabels=varied)
            axes.minorticks_off()
            axes.grid(alpha=0.3)
    panels[0, 0].legend(frameon=False)
    FIGURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(FIGURE, dpi=120)


def main() -> None:
    """The table, the figure, the ratio."""
    common.describe_machine()
    measured = {size: measure(*size) for size in [(n, 28) for n in BATCHES] + [(64, side) for side in SIDES[1:]]}
    rows = [(f"{n} x {side} x {side}", *row, row[0] / row[1]) for (n, side), row in measured.items()]
    common.print_table(("batch", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio of times"), rows)
    draw(measured)
    print(f"figure: {FIGURE}")
    common.conclude(float(np.exp(np.mean([np.log(row[-1]) for row in rows]))), GOAL)


if __name__ == "__main__":
    common.run(main, build)
