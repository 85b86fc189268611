"""What each metric of chapter 11 detects: ``python docs/results/metric_changes.py DATA`` writes the results for a data
set, ``strokes`` or ``fashion-mnist``, into ``metric-changes.json`` here.

The training images are divided: the last 26,000 in ten parts, of which the first 2,000 are the samples of a perfect
generator; the 10,000 before as the training set of simulated generators; and the others, 24,000 of strokes and 18,000
of Fashion-MNIST, as that of the classifier whose features are used. Each other generator has one fault. All are
compared with the same 2,000 test images. The file holds, for each generator and metric, the mean and the standard
deviation over the ten parts; about two minutes of one core per data set.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation
from tinygen.backend import generator

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))
from drawings.ch11 import distort, features_of, trained_classifier  # noqa: E402

RESULTS = HERE / "metric-changes.json"
IMAGES = 2_000
CLASSIFIER, TRAINING, FRESH = slice(-36_000), slice(-36_000, -26_000), slice(-26_000, None)
PARTS = [slice(first, first + 2_600) for first in range(0, 26_000, 2_600)]


def generators(fresh: data.Dataset, training: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The samples of each generator: its name and grey values (N, 1, 28, 28). ``fresh`` are new images, more
    than 2,000, ``training`` the images of the training set."""
    images, labels = fresh.images, fresh.labels
    noise = tg.randn(IMAGES, 1, 28, 28).numpy()
    yield "perfect", images[:IMAGES]
    for name, level in (("blur", 0.6), ("noise", 0.1), ("shift", 1), ("dropped classes", 2)):
        yield name, distort(name, level, images, labels, noise)
    yield "few images, repeated", images[: IMAGES // 10].repeat(10, axis=0)
    yield "copies", training[generator().permutation(len(training))[:IMAGES]]
    yield "a tenth of the samples", images[: IMAGES // 10]


def metrics(samples: np.ndarray, test: np.ndarray, training: np.ndarray) -> dict[str, float]:
    """The metrics of three sets of features."""
    kid, _ = evaluation.calculate_kid_score(samples, test)
    precision, recall = evaluation.precision_recall(samples, test)
    density, coverage = evaluation.density_coverage(samples, test)
    return {
        "FID": evaluation.calculate_fid_score(samples, test),
        "KID": kid,
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
        "memorisation": evaluation.memorisation(samples, test, training)[0],
    }


def main(name: str) -> None:
    """Measure every generator on every part of the data set ``name``."""
    tg.manual_seed(0)
    train_set, test_set = data.load(name, "train"), data.load(name, "test", limit=IMAGES)
    classifier = trained_classifier(train_set[CLASSIFIER])
    test, training = (features_of(classifier, images) for images in (test_set.images, train_set.images[TRAINING]))
    found: dict[str, dict[str, list[float]]] = {}
    for part in PARTS:
        for fault, samples in generators(train_set[FRESH][part], train_set.images[TRAINING]):
            of_this = metrics(features_of(classifier, samples), test, training)
            for metric, value in of_this.items():
                found.setdefault(fault, {}).setdefault(metric, []).append(value)
        print(part, {each: float(f"{values[-1]:.4g}") for each, values in found["perfect"].items()}, flush=True)
    rows = {
        fault: {
            metric: [float(f"{f(values):.4g}") for f in (np.mean, lambda x: np.std(x, ddof=1))]
            for metric, values in of_this.items()
        }
        for fault, of_this in found.items()
    }
    stored = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    stored[name] = {"command": f"python docs/results/metric_changes.py {name}", "images": IMAGES, "rows": rows}
    RESULTS.write_text(json.dumps(dict(sorted(stored.items(), reverse=True)), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
