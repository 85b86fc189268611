"""A variational autoencoder on one page: data, model, loss, backward, step, one figure (Kingma and Welling 2014).

    python examples/minimal_vae.py      digits drawn by the library; about two minutes on two cores; writes vae.png

``vae_mnist.py`` is the same experiment with options, checkpoints, likelihoods and a report.
"""

import tinygen as tg
import tinygen.functional as F
from tinygen import data, nn, optim, plotting

LATENT_SIZE, EPOCHS, BATCH = 20, 4, 64

tg.manual_seed(0)
train_set = data.load("strokes", "train").binarized()  # 60,000 images (1, 28, 28), each pixel 0 or 1
batches = data.DataLoader(train_set, BATCH, shuffle=True)

encoder = nn.Sequential(
    nn.Conv2d(1, 16, 4, stride=2, padding=1),  # 28 x 28 -> 14 x 14
    nn.ELU(),
    nn.Conv2d(16, 32, 4, stride=2, padding=1),  # -> 7 x 7
    nn.ELU(),
    nn.Flatten(),
    nn.Linear(32 * 7 * 7, 2 * LATENT_SIZE),  # mean and log-variance of q(z|x)
)
decoder = nn.Sequential(
    nn.Linear(LATENT_SIZE, 32 * 7 * 7),
    nn.ELU(),
    nn.Unflatten(1, (32, 7, 7)),
    nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),  # -> 14 x 14
    nn.ELU(),
    nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),  # -> 28 x 28 logits
)
optimizer = optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=2e-3)

for epoch in range(EPOCHS):
    for step, (images, _) in enumerate(batches):
        x = tg.tensor(images, dtype="float32")
        mean, logvar = tg.split(encoder(x), 2, axis=1)
        z = mean + tg.exp(logvar / 2) * tg.randn_like(mean)  # z ~ q(z|x), reparametrised
        reconstruction = F.binary_cross_entropy_with_logits(decoder(z), x, reduction="sum") / len(x)
        kl = (tg.exp(logvar) + mean**2 - 1 - logvar).sum() / 2 / len(x)  # KL(q(z|x) || N(0, I))
        loss = reconstruction + kl  # the negative ELBO, nats per image
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 200 == 0:
            print(f"epoch {epoch + 1}, step {step}: negative ELBO {loss.item():.1f} nats, of which KL {kl.item():.1f}")

with tg.no_grad():
    samples = F.sigmoid(decoder(tg.randn(100, LATENT_SIZE)))
plotting.image_grid(samples.numpy(), "vae.png", columns=10)
