"""The quality of samples: the non-saturating GAN on Fashion-MNIST, here and in PyTorch, under the same conditions.

    python benchmarks/gan_quality.py                       2,000 steps, three seeds per side: about half an hour
    python benchmarks/gan_quality.py --steps 200           a first look
    python benchmarks/gan_quality.py --device gpu          both sides on a GPU, in minutes

Both sides have the same networks, initial weights from the same distributions (drawn separately), the same batches in
the same order and the same optimisers; samples are drawn with the last weights, in evaluation mode. The FID of 10,000
samples is measured with the features of one classifier, which is trained once and kept in ``--out``. The ratio is that
of the mean FIDs; the standard deviations of both sides show its significance.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import common
import numpy as np
from common import PYTORCH, TINYGEN

import tinygen as tg
from tinygen import data, evaluation
from tinygen.models import Classifier, DigitClassifier, GreyCritic, GreyGenerator
from tinygen.objectives import GAMES
from tinygen.optim import Adam
from tinygen.training import GAN, Run, progress

GOAL = 1.10
LATENT_SIZE, BATCH = 128, 32


def arguments() -> argparse.Namespace:
    """The lengths of the training runs, their number, the device."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=2000, metavar="N", help="training steps (%(default)s)")
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="training runs per side (%(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="use the first N images of each split only")
    parser.add_argument(
        "--device", choices=("cpu", "gpu"), default="cpu", help="where both sides compute (%(default)s)"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gan_quality"), metavar="DIR", help="(%(default)s)")
    return parser.parse_args()


def batches(train_set: data.Dataset, steps: int, seed: int, name: str) -> Iterator[np.ndarray]:
    """Real images in the order of a seed, the same for both sides."""
    tg.manual_seed(seed)
    loader = data.DataLoader(train_set, BATCH, shuffle=True, drop_last=True, transform=data.to_tanh_range)
    drawn = iter(data.FixedSteps(loader, steps))
    return (images for images, _ in progress(drawn, f"{name}, seed {seed}", steps))


def tinygen_samples(train_set: data.Dataset, steps: int, seed: int, count: int, device: str) -> np.ndarray:
    """Train tinygen's side; its samples (count, 1, 28, 28) in [-1, 1]."""
    real = batches(train_set, steps, seed, TINYGEN)
    generator, critic = GreyGenerator(LATENT_SIZE).to(device), GreyCritic().to(device)
    optimizers = (Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in (generator, critic))
    gan = GAN(GAMES["non_saturating"], generator, critic, LATENT_SIZE, *optimizers)
    for images in real:
        gan.train_step(tg.tensor(images, device=device))
    return gan.generate(gan.latents(count))


def pytorch_samples(train_set: data.Dataset, steps: int, seed: int, count: int, device: str) -> np.ndarray:
    """The same by PyTorch, from its own initial weights."""
    twins: Any = common.pytorch_side()
    real = batches(train_set, steps, seed, PYTORCH)
    twins.torch.manual_seed(seed)
    place = "cuda" if device == "gpu" else "cpu"
    generator, critic = twins.GreyGenerator(LATENT_SIZE).to(place), twins.GreyCritic().to(place)
    step = twins.gan_step(generator, critic, LATENT_SIZE, common.Peer(), twins.ones)
    for images in real:
        step(images)
    generator.eval()
    with twins.torch.no_grad():
        z = twins.torch.randn(count, LATENT_SIZE).to(place)
        return np.concatenate([generator(part).cpu().numpy() for part in z.split(500)])


def features(classifier: Classifier, images: np.ndarray) -> np.ndarray:
    """The classifier's features of ``images``, bytes (N, 1, 28, 28)."""
    return np.concatenate(list(evaluation.image_features(classifier, images)))


def main() -> None:
    """The classifier, the training runs, the table."""
    options = arguments()
    common.describe_machine()
    train_set, valid_set, test_set = (
        data.load("fashion-mnist", split, limit=options.limit) for split in ("train", "valid", "test")
    )
    tg.manual_seed(0)
    classifier = evaluation.load_or_train_classifier(
        None,
        Run(options.out, resume=True),
        train_set,
        valid_set,
        make=DigitClassifier,
        epochs=5,
        device=options.device,
    )
    real = features(classifier, test_set.images)
    rows = []
    for seed in range(options.seeds):
        scores = [
            evaluation.calculate_fid_score(
                features(
                    classifier, data.as_bytes(train(train_set, options.steps, seed, len(test_set), options.device))
                ),
                real,
            )
            for train in (tinygen_samples, pytorch_samples)
        ]
        rows.append((f"seed {seed}", *scores))
        print("  ".join(f"{each:.4g}" if isinstance(each, float) else each for each in rows[-1]), flush=True)
    ours, theirs = np.array([row[1:] for row in rows]).T
    spreads = [each.std(ddof=1) if len(rows) > 1 else float("nan") for each in (ours, theirs)]
    rows += [("mean", ours.mean(), theirs.mean()), ("standard deviation", *spreads)]
    own = evaluation.calculate_fid_score(features(classifier, train_set.images[: len(test_set)]), real)
    rows.append(("training images", own, own))
    print()
    common.print_table((f"FID after {options.steps:,} steps", TINYGEN, PYTORCH), rows)
    common.conclude(ours.mean() / theirs.mean(), GOAL)


if __name__ == "__main__":
    main()
