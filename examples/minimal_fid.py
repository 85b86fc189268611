"""The Fréchet distance between sets of images on one page: a classifier's features, their means and covariances.

    python examples/minimal_fid.py      digits drawn by the library; a minute on two cores; writes fid.png

The test images are compared with training images at increasing levels of blur and of noise: the distance should rise
with both. ``score_fid.py`` evaluates folders of images and generators, with standard errors and KID.
"""

import numpy as np
from scipy.ndimage import gaussian_filter

import tinygen as tg
import tinygen.functional as F
from tinygen import data, evaluation, optim, plotting
from tinygen.models import DigitClassifier

tg.manual_seed(0)
train_set, test_set = data.load("strokes", "train"), data.load("strokes", "test")

classifier = DigitClassifier()  # images in [0, 1] -> 128 features -> 10 logits
optimizer = optim.Adam(classifier.parameters(), lr=2e-3)
for step, (images, labels) in enumerate(data.DataLoader(train_set, 128, shuffle=True)):
    loss = F.cross_entropy(classifier(tg.tensor(images, dtype="float32") / 255), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step}: cross entropy {loss.item():.3f} nats")
classifier.eval()


@tg.no_grad()
def features(images: np.ndarray) -> np.ndarray:
    """Images (N, 1, 28, 28), grey values from 0 to 255 -> features (N, 128)."""
    batches = np.array_split(images.astype("float32") / 255, 20)
    return np.concatenate([classifier.features(tg.tensor(batch)).numpy() for batch in batches])


reference = features(test_set.images)
mean, covariance = reference.mean(axis=0), np.cov(reference, rowvar=False)


def distance(images: np.ndarray) -> float:
    """|mean - mean'|^2 + tr(S + S' - 2 (S S')^(1/2)), as ``evaluation.calculate_fid_score`` computes it."""
    f = features(images)
    return evaluation.frechet_distance(f.mean(axis=0), np.cov(f, rowvar=False), mean, covariance)


images, levels = train_set.images[:10_000], [0.0, 0.3, 0.6, 0.9, 1.2]
noise = tg.randn(*images.shape).numpy()
blurred = [distance(gaussian_filter(images.astype(float), (0, 0, level, level))) for level in levels]
noisy = [distance((images + 100 * level * noise).clip(0, 255)) for level in levels]
print("blurred:", np.round(blurred, 2), " noisy:", np.round(noisy, 2))
curves = {"blur: standard deviation in pixels": (levels, blurred), "noise: standard deviation / 100": (levels, noisy)}
plotting.panels([plotting.Panel("The Fréchet distance", "level", "FID", curves)], "fid.png", columns=1)
