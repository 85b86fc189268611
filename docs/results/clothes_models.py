"""The comparison of models of clothes in chapter 13: ``python docs/results/clothes_models.py FLOW GAN VAE`` writes
``clothes-models.json`` here.

The arguments are the folders of runs of ``flow_images.py``, ``gan_fashion_mnist.py`` and ``vae_mnist.py`` on
Fashion-MNIST. 10,000 samples of each model, and 10,000 training images, are compared with the test images by the
features of the flow's classifier. Seed 0; ten minutes of one core, most of them for the samples of the flow.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation, flows
from tinygen.models import ConvVAE, DigitClassifier, GreyGenerator, UNet

COUNT, BATCH, STEPS, LATENTS = 10_000, 250, 15, 128
MEASURES = ("fid", "kid", "kid_standard_error", "precision", "recall")


def in_batches(sample: Callable[[int], np.ndarray]) -> np.ndarray:
    """``COUNT`` images, uint8 (N, 1, 28, 28), by ``sample(first)``, which draws ``BATCH`` of them."""
    with tg.no_grad():
        return np.concatenate([sample(first) for first in range(0, COUNT, BATCH)])


def of_flow(folder: Path, labels: np.ndarray) -> np.ndarray:
    """Samples of the flow, of the classes ``labels``."""
    width = json.loads((folder / "run.json").read_text(encoding="utf-8"))["settings"]["width"]
    network = UNet(1, (width, 2 * width, 4 * width), 10)
    evaluation.load_weights(network, folder / "model.h5")

    def sample(first: int) -> np.ndarray:
        velocity = network.guided(labels[first : first + BATCH], 0.0)
        return data.as_bytes(flows.integrate(velocity, tg.randn(BATCH, 1, 28, 28), STEPS).numpy())

    return in_batches(sample)


def of_gan(folder: Path) -> np.ndarray:
    """Samples of the non-saturating GAN."""
    generator = GreyGenerator(LATENTS, 32)
    evaluation.load_weights(generator, folder / "non-saturating" / "model.h5", "generator")
    return in_batches(lambda first: data.as_bytes(evaluation.generate(generator, tg.randn(BATCH, LATENTS))))


def of_vae(folder: Path) -> np.ndarray:
    """The means of p(x|z) for samples z of the prior."""
    model = ConvVAE(latent_size=100)
    model.load_state_dict(tg.load(folder / "checkpoint.h5")["parts"]["model"])
    model.eval()
    return in_batches(lambda first: np.rint(255 * model.sample(BATCH).numpy()).astype(np.uint8))


def main() -> None:
    """Draw, compare, write the file."""
    flow, gan, vae = (Path(folder) for folder in sys.argv[1:])
    train_set, test_set = data.load("fashion-mnist", "train"), data.load("fashion-mnist", "test")
    classifier = evaluation.load_classifier(flow / "classifier" / "checkpoint.h5", DigitClassifier)
    tg.manual_seed(0)
    samples = {
        "training images": train_set.images[:COUNT],
        "flow matching": of_flow(flow, np.resize(train_set.labels, COUNT)),
        "non-saturating GAN": of_gan(gan),
        "convolutional VAE": of_vae(vae),
    }
    found = {}
    for name, images in samples.items():
        scores = evaluation.evaluate_samples(classifier, images, test_set)
        found[name] = {measure: round(scores[measure], 4) for measure in MEASURES}
        print(name, found[name], flush=True)
    Path(__file__).with_name("clothes-models.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
