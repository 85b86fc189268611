"""PyTorch's side of the benchmarks: models with the structure of tinygen's, so that weights can be exchanged.

They are written for speed. A ``Peer`` gives the memory format, images as (N, C, H, W) or as (N, H, W, C) ("channels
last"), and whether the loss is compiled by ``torch.compile``; Adam is fused.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import torch
import torch._dynamo  # PyTorch's first optimiser imports it: its memory belongs to the imports, not to a step
import torch.nn.functional as F
from common import Peer
from torch import nn

from tinygen.kernels.cpu.parallel import threads

torch.set_num_threads(threads())
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False  # float32 is float32 on either side

grad = torch.autograd.grad


def exchanged(model: nn.Module, weights: Mapping[str, np.ndarray], peer: Peer) -> nn.Module:
    """``model`` with the weights of a tinygen model's ``state_dict``, of their type, in the peer's memory format."""
    given = {name: torch.from_numpy(array) for name, array in weights.items()}
    model = model.to(next(iter(given.values())).dtype)
    model.load_state_dict({name: value for name, value in model.state_dict().items() if "tracked" in name} | given)
    return model.to(memory_format=getattr(torch, peer.memory_format))


def images(batch: np.ndarray, peer: Peer, device: str | torch.device = "cpu") -> torch.Tensor:
    """A batch (N, C, H, W) as a tensor in the peer's memory format; points (N, D) as they are."""
    x = torch.from_numpy(batch).to(device)
    return x.contiguous(memory_format=getattr(torch, peer.memory_format)) if x.ndim == 4 else x


def device_of(model: nn.Module) -> torch.device:
    """The device of a model's parameters."""
    return next(model.parameters()).device


def prepared(loss: Callable[..., torch.Tensor], peer: Peer) -> Callable[..., torch.Tensor]:
    """The function ``loss``, compiled if the peer says so."""
    return torch.compile(loss) if peer.compiled else loss


def adam(model: nn.Module, lr: float = 3e-4, betas: tuple[float, float] = (0.9, 0.999)) -> torch.optim.Adam:
    """The fused optimiser of ``model``."""
    return torch.optim.Adam(model.parameters(), lr=lr, betas=betas, fused=True)


def optimise(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> float:
    """One step of the optimiser; returns the loss."""
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


class VAE(nn.Module):
    """The base class of the twins of ``models.VAE``; each has an ``encoder`` and a ``decoder``."""

    def draw(self, encoded: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """One sample of q(z|x) per image."""
        mean, logvar = encoded.chunk(2, dim=1)
        return mean + torch.exp(0.5 * logvar) * (torch.randn_like(mean) if noise is None else noise)

    @staticmethod
    def divergence(encoded: torch.Tensor) -> torch.Tensor:
        """KL(q(z|x) || N(0, I)), summed over the batch."""
        mean, logvar = encoded.chunk(2, dim=1)
        return 0.5 * (logvar.exp() + mean * mean - 1 - logvar).sum()

    @staticmethod
    def reconstruction_loss(logits: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """-log p(x|z), summed over the batch."""
        return F.binary_cross_entropy_with_logits(logits, x, reduction="sum")

    def loss(self, x: torch.Tensor, noise: torch.Tensor | None = None) -> torch.Tensor:
        """The negative ELBO per image."""
        encoded = self.encoder(x)
        logits = self.decoder(self.draw(encoded, noise))
        return (self.reconstruction_loss(logits, x) + self.divergence(encoded)) / len(x)


class ConvVAE(VAE):
    """The twin of ``models.ConvVAE``."""

    def __init__(self, latent_size: int = 100) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(32, 64, 3),
            nn.ELU(),
            nn.AvgPool2d(2),
            nn.Conv2d(64, 256, 5),
            nn.ELU(),
            nn.Flatten(),
            nn.Linear(256, 2 * latent_size),
        )
        self.decoder = nn.Sequential(
            nn.Linear(latent_size, 256),
            nn.ELU(),
            nn.Unflatten(1, (256, 1, 1)),
            nn.Conv2d(256, 64, 5, padding=4),
            nn.ELU(),
            nn.UpsamplingBilinear2d(scale_factor=2),
            nn.Conv2d(64, 32, 3, padding=2),
            nn.ELU(),
            nn.UpsamplingBilinear2d(scale_factor=2),
            nn.Conv2d(32, 16, 3, padding=2),
            nn.ELU(),
            nn.Conv2d(16, 1, 3, padding=2),
        )


class MLPVAE(VAE):
    """The twin of ``models.MLPVAE``; ``activation`` is the name of a layer of PyTorch."""

    def __init__(self, latent_size: int, hidden: Sequence[int], activation: str) -> None:
        super().__init__()
        layer = getattr(nn, activation)
        self.encoder = nn.Sequential(nn.Flatten(), *perceptron((784, *hidden, 2 * latent_size), layer))
        self.decoder = nn.Sequential(
            *perceptron((latent_size, *hidden[::-1], 784), layer), nn.Unflatten(1, (1, 28, 28))
        )


class FullyConvolutionalVAE(ConvVAE):
    """The same for images of any side that 4 divides: its linear layers work at each place, as kernels of one pixel."""

    def __init__(self, latent_size: int = 100) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*self.encoder[:8], nn.Conv2d(256, 2 * latent_size, 1))
        self.decoder = nn.Sequential(nn.Conv2d(latent_size, 256, 1), *self.decoder[1:2], *self.decoder[3:])


def vae_step(vae: VAE, peer: Peer, lr: float = 3e-4, betas: tuple[float, float] = (0.9, 0.999)) -> Callable[..., float]:
    """One training step: ``step(batch, noise=None)`` -> the loss."""
    optimizer, device, loss = adam(vae, lr, betas), device_of(vae), prepared(vae.loss, peer)

    def step(batch: np.ndarray, noise: np.ndarray | None = None) -> float:
        x = images(batch, peer, device)
        return optimise(loss(x, None if noise is None else torch.from_numpy(noise).to(device)), optimizer)

    return step


def vae_chain(vae: VAE, x: torch.Tensor) -> list[Callable]:
    """The functions of a step in order, from images to the loss without the KL."""
    return [*vae.encoder, vae.draw, *vae.decoder, lambda logits: vae.reconstruction_loss(logits, x)]


def critic() -> nn.Sequential:
    """The twin of ``critic`` in gradient_penalty_step.py."""
    return nn.Sequential(
        nn.Conv2d(3, 64, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 128, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(128, 256, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(4096, 1),
    )


def perceptron(widths: Sequence[int], activation: Callable[[], nn.Module]) -> nn.Sequential:
    """The twin of the layers of ``models.MLP``."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation()]
    return nn.Sequential(*layers[:-1])


def critic_of_points(width: int) -> nn.Sequential:
    """The twin of ``critic`` in critic_step.py."""
    return perceptron((2, *(width,) * 3, 1), partial(nn.LeakyReLU, 0.2))


def gradient_penalty(critic: nn.Module, x: torch.Tensor, y: torch.Tensor, a: torch.Tensor, peer: Peer) -> torch.Tensor:
    """The mean of (||grad critic|| - 1)^2 at a x + (1 - a) y, a (N, 1, ...). ``torch.compile`` differentiates
    ``torch.func.grad`` once more, but not ``torch.autograd.grad``, which is the usual form without it."""
    between = a * x + (1 - a) * y
    if peer.compiled:
        gradient = torch.func.grad(lambda points: critic(points).sum())(between)
    else:
        (gradient,) = torch.autograd.grad(critic(between.requires_grad_()).sum(), between, create_graph=True)
    norm = torch.sqrt((gradient * gradient).sum(dim=tuple(range(1, x.ndim))) + 1e-12)
    return ((norm - 1) ** 2).mean()


def critic_step(
    critic: nn.Module, peer: Peer, *, together: bool, betas: tuple[float, float] = (0.5, 0.9)
) -> Callable[..., float]:
    """One step of a critic of images or points: ``step(real, fake, a=None)`` -> the loss; real and fake ``together`` in
    one pass or each in its own. The penalty is at a real + (1 - a) fake, a (N, 1, ...)."""
    optimizer, device = adam(critic, 1e-4, betas), device_of(critic)

    def loss(x: torch.Tensor, y: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
        scores = critic(torch.cat([x, y])).split(len(x)) if together else (critic(x), critic(y))
        return scores[1].mean() - scores[0].mean() + 10 * gradient_penalty(critic, x, y, a, peer)

    loss = prepared(loss, peer)

    def step(real: np.ndarray, fake: np.ndarray, a: np.ndarray | None = None) -> float:
        x, y = (images(each, peer, device) for each in (real, fake))
        shape = (len(x), *(1,) * (x.ndim - 1))
        drawn = torch.rand(shape, device=device) if a is None else torch.from_numpy(a).to(device)
        return optimise(loss(x, y, drawn), optimizer)

    return step


class Generator(nn.Module):
    """The twin of ``models.Generator``."""

    def __init__(self, latent_size: int = 100, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 4 * width * 4 * 4),
            nn.Unflatten(1, (4 * width, 4, 4)),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 4, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 4, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, latent_size) -> (N, 3, 32, 32)."""
        return self.layers(z)


class Critic(nn.Module):
    """The twin of ``models.Critic``."""

    def __init__(self, outputs: int = 1, width: int = 48) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(2 * width, 4 * width, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(4 * width * 4 * 4, outputs),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 3, 32, 32) -> (N, outputs)."""
        return self.layers(x)


class ColourVAE(ConvVAE):
    """The twin of ``models.ColourVAE``."""

    def __init__(self, latent_size: int = 100) -> None:
        nn.Module.__init__(self)
        self.encoder, self.decoder = Critic(2 * latent_size), Generator(latent_size)

    @staticmethod
    def reconstruction_loss(means: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """-log N(x; means, I), summed over the batch."""
        return 0.5 * (F.mse_loss(means, x, reduction="sum") + x.numel() * math.log(2 * math.pi))


def generator_step(
    generator: nn.Module, critic: nn.Module, batch: int, latent_size: int, peer: Peer
) -> Callable[..., float]:
    """One step of a WGAN's generator: ``step(z=None)`` -> the loss."""
    optimizer, loss = adam(generator, 1e-4, (0.0, 0.9)), prepared(lambda z: -critic(generator(z)).mean(), peer)
    critic.requires_grad_(False)

    def step(z: np.ndarray | None = None) -> float:
        return optimise(loss(torch.randn(batch, latent_size) if z is None else torch.from_numpy(z)), optimizer)

    return step


class GreyGenerator(nn.Module):
    """The twin of ``models.GreyGenerator``."""

    def __init__(self, latent_size: int = 128, width: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 4 * width * 4 * 4),
            nn.Unflatten(1, (4 * width, 4, 4)),
            nn.BatchNorm2d(4 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(4 * width, 2 * width, 5, stride=2, padding=2),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, 5, stride=2, padding=2, output_padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 5, stride=2, padding=2, output_padding=1),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, latent_size) -> (N, 1, 28, 28)."""
        return self.layers(z)


class GreyCritic(nn.Module):
    """The twin of ``models.GreyCritic``."""

    def __init__(self, width: int = 64, normalised: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *down_block(1, width, 5, normalised),
            *down_block(width, 2 * width, 5, normalised),
            *down_block(2 * width, 4 * width, 5, normalised),
            nn.Flatten(),
            nn.Linear(4 * width * 4 * 4, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 28, 28) -> (N, 1)."""
        return self.layers(x)


class DCGANGenerator(nn.Module):
    """The twin of ``models.DCGANGenerator``."""

    def __init__(self, latent_size: int = 100, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(latent_size, 8 * width * 4 * 4),
            nn.Unflatten(1, (8 * width, 4, 4)),
            nn.BatchNorm2d(8 * width),
            nn.LeakyReLU(0.2),
            *up_block(8 * width, 4 * width),
            *up_block(4 * width, 2 * width),
            *up_block(2 * width, width),
            nn.ConvTranspose2d(width, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, latent_size) -> (N, 1, 64, 64)."""
        return self.layers(z)


class DCGANCritic(nn.Module):
    """The twin of ``models.DCGANCritic``."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *down_block(1, width, 4),
            *down_block(width, 2 * width, 4),
            *down_block(2 * width, 4 * width, 4),
            *down_block(4 * width, 8 * width, 4),
            nn.Flatten(),
            nn.Linear(8 * width * 4 * 4, 1),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, 1, 64, 64) -> (N, 1)."""
        return self.layers(x)


def up_block(inputs: int, outputs: int) -> list[nn.Module]:
    """A layer of the DCGAN's generator."""
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]


def down_block(inputs: int, outputs: int, kernel: int, normalised: bool = True) -> list[nn.Module]:
    """A layer of the grey images' critics."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=(kernel - 1) // 2)
    return [convolution, *([nn.BatchNorm2d(outputs)] if normalised else []), nn.LeakyReLU(0.2)]


def ones(n: int) -> torch.Tensor:
    """The labels of n real examples."""
    return torch.ones(n, 1)


def noisy_labels(n: int) -> torch.Tensor:
    """The twin of ``objectives.NoisyLabels``, with its defaults."""
    usual, flipped = 0.7 + 0.5 * torch.rand(n, 1), 0.3 * torch.rand(n, 1)
    return torch.where(torch.rand(n, 1) < 0.05, flipped, usual)


def gan_step(
    generator: nn.Module,
    critic: nn.Module,
    latent_size: int,
    peer: Peer,
    labels: Callable[[int], torch.Tensor] | None,
) -> Callable[..., float]:
    """A critic's step and a generator's step of the non-saturating GAN, whose real examples have ``labels``, or without
    labels of the WGAN-GP; both by Adam at 2e-4. ``step(real, given=None)`` -> the sum of both losses.

    ``given``: the random numbers, which are the critic's latents, its labels (N, 1) or interpolation weights
    (N, 1, 1, 1), and the generator's latents.
    """
    of_generator, of_critic = (adam(network, 2e-4, (0.5, 0.999)) for network in (generator, critic))
    cross_entropy, device = F.binary_cross_entropy_with_logits, device_of(critic)

    def drawn(n: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        second = torch.rand(n, 1, 1, 1) if labels is None else labels(n)
        return torch.randn(n, latent_size), second, torch.randn(n, latent_size)

    def critic_loss(x: torch.Tensor, fake: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        on_real, on_fake = critic(x), critic(fake)
        if labels is None:
            return on_fake.mean() - on_real.mean() + 10 * gradient_penalty(critic, x, fake, second, peer)
        return cross_entropy(on_real, second) + cross_entropy(on_fake, torch.zeros_like(on_fake))

    def generator_loss(z: torch.Tensor) -> torch.Tensor:
        scores = critic(generator(z))
        return -scores.mean() if labels is None else cross_entropy(scores, torch.ones_like(scores))

    critic_loss, generator_loss = prepared(critic_loss, peer), prepared(generator_loss, peer)

    def step(real: np.ndarray, given: Sequence[np.ndarray] | None = None) -> float:
        x = images(real, peer, device)
        numbers = drawn(len(x)) if given is None else map(torch.from_numpy, given)
        z, second, next_z = (each.to(device) for each in numbers)
        with torch.no_grad():
            fake = generator(z)
        first = optimise(critic_loss(x, fake, second), of_critic)
        critic.requires_grad_(False)
        last = optimise(generator_loss(next_z), of_generator)
        critic.requires_grad_(True)
        return first + last

    return step


class ResidualBlock(nn.Module):
    """The twin of ``models.unet.ResidualBlock``."""

    def __init__(self, inputs: int, outputs: int, embedding: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = group_norm(inputs), nn.Conv2d(inputs, outputs, 3, padding=1)
        self.embed = nn.Linear(embedding, outputs)
        self.norm2, self.conv2 = group_norm(outputs), nn.Conv2d(outputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: torch.Tensor, embedding: torch.Tensor) -> torch.Tensor:
        """x (N, inputs, H, W), embedding (N, embedding) -> (N, outputs, H, W)."""
        h = self.conv1(F.silu(self.norm1(x))) + self.embed(embedding)[:, :, None, None]
        return self.conv2(F.silu(self.norm2(h))) + self.skip(x)


class UNet(nn.Module):
    """The twin of ``models.UNet``."""

    def __init__(self, channels: int, widths: Sequence[int], classes: int = 10, embedding: int = 128) -> None:
        super().__init__()
        steps = list(pairwise([widths[0], *widths]))
        self.of_time = nn.Sequential(nn.Linear(embedding, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.of_class = nn.Parameter(torch.empty(classes + 1, embedding))
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.down = nn.ModuleList(ResidualBlock(before, after, embedding) for before, after in steps)
        self.middle = ResidualBlock(widths[-1], widths[-1], embedding)
        self.up = nn.ModuleList(ResidualBlock(2 * after, before, embedding) for before, after in reversed(steps))
        self.norm, self.last = group_norm(widths[0]), nn.Conv2d(widths[0], channels, 3, padding=1)
        self.register_buffer(
            "frequencies", 1000 * 1e4 ** (-2 * torch.arange(embedding // 2) / embedding), persistent=False
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """(N, C, side, side), (N,), (N,) -> (N, C, side, side)."""
        angles = t[:, None] * self.frequencies
        times = self.of_time(torch.cat([angles.sin(), angles.cos()], dim=1))
        embedding = F.silu(times + self.of_class[labels])
        h, levels = self.first(x), []
        for level, block in enumerate(self.down):
            h = block(F.avg_pool2d(h, 2) if level else h, embedding)
            levels.append(h)
        h = self.middle(h, embedding)
        for block in self.up:
            h = block(torch.cat([h, levels.pop()], dim=1), embedding)
            h = F.interpolate(h, scale_factor=2) if levels else h
        return self.last(F.silu(self.norm(h)))


def group_norm(channels: int) -> nn.GroupNorm:
    """The normalisation of the U-Net."""
    return nn.GroupNorm(math.gcd(8, channels, max(1, channels // 4)), channels)


def flow_step(network: nn.Module, peer: Peer) -> Callable[..., float]:
    """One step of flow matching on straight paths, by Adam at 1e-3: ``step(batch, labels, noise=None, t=None)`` -> the
    loss."""
    optimizer, device = adam(network, 1e-3), device_of(network)

    def loss(x: torch.Tensor, labels: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        column = t[:, None, None, None]
        return F.mse_loss(network(column * x + (1 - column) * noise, t, labels), x - noise)

    loss = prepared(loss, peer)

    def step(
        batch: np.ndarray, labels: np.ndarray, noise: np.ndarray | None = None, t: np.ndarray | None = None
    ) -> float:
        x = images(batch, peer, device)
        drawn = torch.randn_like(x) if noise is None else images(noise, peer, device)
        times = torch.rand(len(x), device=device) if t is None else torch.from_numpy(t).to(device)
        return optimise(loss(x, torch.from_numpy(labels).to(device), drawn, times), optimizer)

    return step
