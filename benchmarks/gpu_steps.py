"""Training steps on a GPU, here and in PyTorch: the convolutional VAE, and a WGAN-GP critic with its double backprop.

    python benchmarks/gpu_steps.py       a machine with an NVIDIA GPU, CuPy and PyTorch's CUDA build; about two minutes

Both sides multiply in full float32 (PyTorch's TF32 is off, CuPy's by default) and copy each batch from the CPU's
memory; a step ends with the loss on the CPU, so the times include all work of the GPU. Small batches measure the launch
overhead of a library, large ones the speed of its kernels. PyTorch runs with contiguous and with channels-last images,
not compiled. Memory is the size of each side's pool on the GPU. The last ratio is the geometric mean of all.
"""

import math
from collections.abc import Callable

import common
import numpy as np
from common import EAGER, PYTORCH, TINYGEN, Peer
from gradient_penalty_step import batches, critic, critic_step
from vae_step import LATENT, batch, vae_step

import tinygen as tg
from tinygen import models
from tinygen.backend import array_module

GOAL = 1.00
VAE, CRITIC = "VAE", "critic with gradient penalty"
CASES = ((VAE, 64), (VAE, 512), (CRITIC, 64), (CRITIC, 512))

Step = Callable[..., float]  # step() or, to compare losses, step(given)


def inputs(kind: str, size: int) -> tuple[np.ndarray, ...]:
    """A batch of 0/1 images, or one of real and one of fake ones."""
    return (batch(size),) if kind == VAE else tuple(np.resize(each, (size, 3, 32, 32)) for each in batches())


def tinygen_step(kind: str, size: int) -> Step:
    """tinygen's step."""
    tg.manual_seed(0)
    images = inputs(kind, size)
    if kind == VAE:
        step: Step = vae_step(models.ConvVAE(LATENT).to("gpu"), "gpu")
    else:
        step = critic_step(critic().to("gpu"), together=True, device="gpu")
    return lambda: step(*images)


def pytorch_step(kind: str, size: int, peer: Peer) -> Step:
    """PyTorch's twin of it, from the same weights."""
    tg.manual_seed(0)
    twins, images = common.pytorch_side(), inputs(kind, size)
    if kind == VAE:
        model = twins.exchanged(twins.ConvVAE(LATENT), models.ConvVAE(LATENT).state_dict(), peer)
        step: Step = twins.vae_step(model.to("cuda"), peer)
    else:
        model = twins.exchanged(twins.critic(), critic().state_dict(), peer)
        step = twins.critic_step(model.to("cuda"), peer, together=True)
    return lambda *given: step(*images, *given)


def compare_losses(kind: str, size: int) -> None:
    """Three steps from the same weights with the same random numbers."""
    step, twin_step = tinygen_step(kind, size), pytorch_step(kind, size, Peer())
    ours, theirs = [], []
    for seed in range(3):
        tg.manual_seed(seed)
        given = (tg.randn(size, LATENT) if kind == VAE else tg.rand(size, 1, 1, 1)).numpy()
        tg.manual_seed(seed)
        ours.append(step())
        theirs.append(twin_step(given))
    common.check_agreement(ours, theirs)


def memory_of(side: str, build: Callable[[], Step]) -> float:
    """The size of the side's memory pool on the GPU after three steps, in MB."""
    cuda, pool = common.pytorch_side().torch.cuda, array_module(on_gpu().data).get_default_memory_pool()
    pool.free_all_blocks()
    cuda.empty_cache()
    step = build()
    for _ in range(3):
        step()
    return (pool.total_bytes() if side == TINYGEN else cuda.memory_reserved()) / 1e6


def on_gpu() -> tg.Tensor:
    """A number on the GPU; the script ends here where there is none."""
    try:
        return tg.zeros(1, device="gpu")
    except tg.DeviceError as error:
        raise SystemExit(f"gpu_steps: {error}") from error


def main() -> None:
    """For each step agreement, time and memory; the ratios."""
    on_gpu()
    print(common.pytorch_side().torch.cuda.get_device_name())
    common.describe_machine()
    rows, ratios = [], []
    for kind, size in CASES:
        compare_losses(kind, size)
        steps = {TINYGEN: tinygen_step(kind, size)}
        steps |= {name: pytorch_step(kind, size, peer) for name, peer in EAGER.items()}
        times = common.take_turns(steps, seconds=10)
        common.print_times(f"{kind}, batch {size}", times)
        steps.clear()
        ours = memory_of(TINYGEN, lambda kind=kind, size=size: tinygen_step(kind, size))
        best = common.fastest(PYTORCH, times)
        theirs = memory_of(PYTORCH, lambda kind=kind, size=size, best=best: pytorch_step(kind, size, EAGER[best]))
        ratios.append(common.ratio(times))
        rows.append((f"{kind}, batch {size}", times[TINYGEN], times[best], ours, theirs, ratios[-1]))
    print()
    common.print_table(("a step", "tinygen ms", "PyTorch ms", "tinygen MB", "PyTorch MB", "ratio"), rows)
    common.conclude(math.prod(ratios) ** (1 / len(ratios)), GOAL)


if __name__ == "__main__":
    main()
