"""A Wasserstein GAN with gradient penalty on one page, the penalty spelled out (Gulrajani et al. 2017, algorithm 1).

    python examples/minimal_wgan_gp.py      digits drawn by the library; under three minutes; writes wgan_gp.png

``wgan_gp_svhn.py`` is the same objective in colour, with options, checkpoints, FID and a report.
"""

import tinygen as tg
from tinygen import data, nn, optim, plotting

LATENT_SIZE, STEPS, BATCH, N_CRITIC, PENALTY_WEIGHT = 64, 1500, 32, 2, 10.0

tg.manual_seed(0)
digits = data.load("strokes", "train")
loader = data.DataLoader(digits, BATCH * N_CRITIC, shuffle=True, drop_last=True, transform=data.to_tanh_range)

generator = nn.Sequential(
    nn.Linear(LATENT_SIZE, 64 * 7 * 7),
    nn.Unflatten(1, (64, 7, 7)),
    nn.BatchNorm2d(64),
    nn.ReLU(),
    nn.ConvTranspose2d(64, 32, 4, stride=2, padding=1),  # -> 14 x 14
    nn.ReLU(),
    nn.ConvTranspose2d(32, 1, 4, stride=2, padding=1),  # -> 28 x 28
    nn.Tanh(),
)
critic = nn.Sequential(  # no batch normalisation: the penalty is on the gradient of each example by itself
    nn.Conv2d(1, 32, 4, stride=2, padding=1),  # -> 14 x 14
    nn.LeakyReLU(0.2),
    nn.Conv2d(32, 64, 4, stride=2, padding=1),  # -> 7 x 7
    nn.LeakyReLU(0.2),
    nn.Flatten(),
    nn.Linear(64 * 7 * 7, 1),
)
generator_optimizer = optim.Adam(generator.parameters(), lr=5e-4, betas=(0.0, 0.9))
critic_optimizer = optim.Adam(critic.parameters(), lr=5e-4, betas=(0.0, 0.9))

for step, (images, _) in enumerate(data.FixedSteps(loader, STEPS)):  # images in [-1, 1]
    for real in tg.split(tg.tensor(images), N_CRITIC):
        fake = generator(tg.randn(BATCH, LATENT_SIZE)).detach()  # the critic's step does not train the generator
        epsilon = tg.rand(BATCH, 1, 1, 1)
        x = tg.tensor(epsilon * real + (1 - epsilon) * fake, requires_grad=True)  # a leaf between real and fake
        (gradient,) = tg.grad(critic(x).sum(), x, create_graph=True)  # itself differentiable
        penalty = ((tg.norm(tg.flatten(gradient, 1), axis=1) - 1) ** 2).mean()
        distance = critic(real).mean() - critic(fake).mean()  # estimates the Wasserstein-1 distance
        critic_optimizer.zero_grad()
        (PENALTY_WEIGHT * penalty - distance).backward()
        critic_optimizer.step()
    generator_optimizer.zero_grad()
    (-critic(generator(tg.randn(BATCH, LATENT_SIZE))).mean()).backward()
    generator_optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: Wasserstein estimate {distance.item():.2f}, penalty {penalty.item():.3f}")

generator.eval()
with tg.no_grad():
    plotting.image_grid(generator(tg.randn(100, LATENT_SIZE)).numpy(), "wgan_gp.png", columns=10, value_range=(-1, 1))
