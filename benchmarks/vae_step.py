"""One training step of the convolutional VAE (batch 64: forward, backward, Adam), here and in PyTorch.

Prints the losses of both sides over three steps from the same weights with the same noise, the time and memory of a
step, where the time goes, layer by layer, and the ratio of the times.
"""

import time
from collections.abc import Callable, Sequence
from typing import Any

import common
import numpy as np
from common import EAGER, PEERS, PYTORCH, TINYGEN, Peer

import tinygen as tg
from tinygen import models, nn, optim

GOAL = 0.80
BATCH, LATENT = 64, 100


def batch(size: int = BATCH) -> np.ndarray:
    """Images of 0/1 pixels, as many of them 1 as in binarised MNIST."""
    return (np.random.default_rng(0).random((size, 1, 28, 28)) < 0.13).astype(np.float32)


def vae_step(vae: models.VAE, device: str = "cpu") -> Callable[[np.ndarray], float]:
    """One training step: ``step(batch)`` -> the loss, the negative ELBO per image."""
    optimizer = optim.Adam(vae.parameters(), lr=3e-4)

    def step(batch: np.ndarray) -> float:
        loss = -vae.elbo(tg.tensor(batch, device=device)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def vae_chain(vae: models.ConvVAE, x: tg.Tensor) -> list[Callable]:
    """The functions of a step in order, from images to the loss without the KL."""

    def draw(encoded: tg.Tensor) -> tg.Tensor:
        mean, logvar = tg.split(encoded, 2, axis=1)
        return mean + tg.exp(logvar * 0.5) * tg.randn_like(mean)

    return [*vae.encoder, draw, *vae.decoder, lambda logits: -vae.log_likelihood(logits, x).sum()]


def layer_name(layer: Callable) -> str:
    """A short description of a layer of the chain."""
    if isinstance(layer, nn.Conv2d):
        return f"Conv2d {layer.in_channels}-{layer.out_channels} k{layer.kernel_size[0]}"
    if isinstance(layer, nn.Linear):
        return f"Linear {layer.in_features}-{layer.out_features}"
    return type(layer).__name__ if isinstance(layer, nn.Module) else "sample z" if layer.__name__ == "draw" else "loss"


def build(name: str) -> Callable[[], float]:
    """One contestant's step, on its own batch."""
    images = batch()
    if name == TINYGEN:
        step = vae_step(models.ConvVAE(LATENT))
    else:
        twins = common.pytorch_side()
        vae = twins.exchanged(twins.ConvVAE(LATENT), models.ConvVAE(LATENT).state_dict(), PEERS[name])
        step = twins.vae_step(vae, PEERS[name])
    return lambda: step(images)


def compare_losses() -> None:
    """Three steps from the same weights on the same images with the same noise, with every peer."""
    twins, images, vae = common.pytorch_side(), batch(), models.ConvVAE(LATENT)
    step, losses = vae_step(vae), {name: [] for name in (TINYGEN, *PEERS)}
    weights = vae.state_dict()
    twin_steps = {
        name: twins.vae_step(twins.exchanged(twins.ConvVAE(LATENT), weights, peer), peer)
        for name, peer in PEERS.items()
    }
    for seed in range(3):
        tg.manual_seed(seed)
        noise = tg.randn(BATCH, LATENT).numpy()
        tg.manual_seed(seed)
        losses[TINYGEN].append(step(images))
        for name, twin_step in twin_steps.items():
            losses[name].append(twin_step(images, noise))
    for name in PEERS:
        common.check_agreement(losses[TINYGEN], losses[name])


def take_apart(chain: Sequence[Callable], x: Any, grad: Callable) -> list[tuple[float, float]]:
    """Milliseconds forward and backward of each function of a chain from ``x`` to the loss, in one pass there and back.

    Every function starts a new graph, so that the backward pass can be timed function by function: ``grad`` is
    ``tg.grad`` or PyTorch's. The gradient of ``x`` itself is not computed.
    """
    forward, backward, links, gradient = [], [], [], None
    for function in chain:
        parameters = list(function.parameters()) if hasattr(function, "parameters") else []
        start = time.perf_counter()
        y = function(x)
        forward.append(1e3 * (time.perf_counter() - start))
        links.append((y, [x, *parameters] if x.requires_grad else parameters))
        x = y.detach()
        x.requires_grad = True
    while links:
        y, inputs = links.pop()
        start = time.perf_counter()
        gradient = grad(y, inputs, gradient)[0]
        backward.append(1e3 * (time.perf_counter() - start))
    return list(zip(forward, reversed(backward), strict=True))


def adam_times(vae: models.VAE, x: tg.Tensor, twin: Any, twin_x: Any) -> dict[str, float]:
    """Milliseconds of the optimiser's step alone."""
    optimizer = optim.Adam(vae.parameters(), lr=3e-4)
    twin_optimizer = common.pytorch_side().adam(twin)
    vae.elbo(x).sum().backward()
    twin.loss(twin_x).backward()
    return common.take_turns({TINYGEN: optimizer.step, PYTORCH: twin_optimizer.step}, seconds=2)


def print_layers(peer: Peer, repetitions: int = 50) -> None:
    """The times of the layers: medians over repetitions, each side twice in its turn, of which the second counts."""
    twins, images, vae = common.pytorch_side(), batch(), models.ConvVAE(LATENT)
    twin = twins.exchanged(twins.ConvVAE(LATENT), vae.state_dict(), peer)
    x, twin_x = tg.tensor(images), twins.images(images, peer)
    chain, twin_chain = vae_chain(vae, x), twins.vae_chain(twin, twin_x)
    passes = []
    for _ in range(repetitions):
        ours = [take_apart(chain, x, tg.grad) for _ in range(2)][-1]
        theirs = [take_apart(twin_chain, twin_x, twins.grad) for _ in range(2)][-1]
        passes.append(np.hstack([ours, theirs]))
    times = np.median(passes, axis=0)  # (links, 4)
    rows = [(layer_name(layer), *map(float, row)) for layer, row in zip(chain, times, strict=True)]
    adam = adam_times(vae, x, twin, twin_x)
    rows.append(("Adam", adam[TINYGEN], "", adam[PYTORCH], ""))
    rows.append(("sum", *map(float, times.sum(0) + [adam[TINYGEN], 0, adam[PYTORCH], 0])))
    common.print_table(("ms", "tinygen forward", "backward", "PyTorch forward", "backward"), rows)


def main() -> None:
    """Agreement, time and memory, the layers, the ratio."""
    common.describe_machine()
    compare_losses()
    times = common.take_turns({name: build(name) for name in (TINYGEN, *PEERS)})
    common.print_table(
        ("a step, batch 64", "ms", "peak MB"), [(name, times[name], common.memory_of(name)) for name in times]
    )
    print_layers(PEERS[common.fastest(PYTORCH, {name: times[name] for name in EAGER})])
    common.conclude(common.ratio(times), GOAL)


if __name__ == "__main__":
    common.run(main, build)
