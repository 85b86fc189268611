"""Each operation of the convolutional VAE at the shapes of its training step, here and in PyTorch.

Every layer is given its input in the model, repeatedly, and its parts are timed separately: the value, the gradient of
its input, the gradient of its weights. PyTorch runs with contiguous and with channels-last images, not compiled, since
single operations leave nothing to fuse; for every number the faster of the two counts.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import common
import numpy as np
from common import EAGER, PYTORCH, TINYGEN
from vae_step import LATENT, adam_times, batch, layer_name, vae_chain

import tinygen as tg
from tinygen import models

GOAL = 0.80


def pieces(chain: Sequence[Callable], x: Any, grad: Callable, constant: Callable) -> list[dict[str, Callable]]:
    """For each function of a chain from ``x`` to the loss: what there is to time, by name.

    ``grad(y, inputs, gradient)`` keeps the graph; ``constant(y, value)`` is a gradient in the memory order of ``y``.
    """
    found = []
    for function in chain:
        y = function(x)
        gradient = constant(y, 0.01)
        timed: dict[str, Callable] = {"value": partial(function, x)}
        if x.requires_grad:
            timed["gradient of x"] = partial(grad, y, x, gradient)
        if hasattr(function, "weight"):
            timed["gradient of weights"] = partial(grad, y, [function.weight, function.bias], gradient)
        found.append(timed)
        x = y.detach()
        x.requires_grad = True
    return found


def main() -> None:
    """The table, and the sum of all operations as the ratio."""
    common.describe_machine()
    twins, images, vae = common.pytorch_side(), batch(), models.ConvVAE(LATENT)
    chain = vae_chain(vae, tg.tensor(images))
    like = lambda y, value: tg.Tensor(np.full_like(y.data, value))  # noqa: E731
    contestants = {TINYGEN: pieces(chain, tg.tensor(images), tg.grad, like)}
    keeping = partial(twins.grad, retain_graph=True)
    for name, peer in EAGER.items():
        twin = twins.exchanged(twins.ConvVAE(LATENT), vae.state_dict(), peer)
        x = twins.images(images, peer)
        contestants[name] = pieces(twins.vae_chain(twin, x), x, keeping, twins.torch.full_like)
    rows, total = [], np.zeros(2)
    for place, layer in enumerate(chain):
        for piece in contestants[TINYGEN][place]:
            times = common.take_turns({name: contestants[name][place][piece] for name in contestants}, seconds=1.5)
            both = times[TINYGEN], times[common.fastest(PYTORCH, times)]
            rows.append((f"{layer_name(layer)}: {piece}", *both, common.ratio(times)))
            total += both
    adam = adam_times(vae, tg.tensor(images), twin, x)
    rows.append(("Adam", adam[TINYGEN], adam[PYTORCH], common.ratio(adam)))
    total += adam[TINYGEN], adam[PYTORCH]
    rows.append(("sum", *map(float, total), float(total[0] / total[1])))
    common.print_table(("ms", TINYGEN, PYTORCH, "ratio"), rows)
    common.conclude(total[0] / total[1], GOAL)


if __name__ == "__main__":
    main()
