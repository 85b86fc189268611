"""FID of 26,032 x 512 features, as many as there are in SVHN's test set, beside NumPy and one call of ``sqrtm``.

NumPy's side holds all features in memory and takes the two covariances and the root, which is the least that the
formula requires. tinygen's reads the features in batches of 256, as a network computes them, checks them, and returns
the distance. The two distances must agree. The ratio is tinygen's time over NumPy's.
"""

import math
from collections.abc import Iterator

import common
import numpy as np
from common import TINYGEN
from scipy.linalg import sqrtm

from tinygen.evaluation import calculate_fid_score

GOAL = 1.50
IMAGES, FEATURES, BATCH = 26_032, 512, 256
NUMPY = "NumPy and sqrtm"


def features(scale: float) -> np.ndarray:
    """Correlated features in float32."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(FEATURES, FEATURES)) / math.sqrt(FEATURES)
    return (random.normal(size=(IMAGES, FEATURES)) @ mixing * scale + scale).astype(np.float32)


def batches(every: np.ndarray) -> Iterator[np.ndarray]:
    """The features in batches, as a network computes them."""
    return (every[first : first + BATCH] for first in range(0, len(every), BATCH))


def with_numpy(sample: np.ndarray, test: np.ndarray) -> float:
    """The distance in five lines."""
    cov_p, cov_q = (np.cov(every, rowvar=False) for every in (sample, test))
    delta = sample.mean(axis=0, dtype=np.float64) - test.mean(axis=0, dtype=np.float64)
    root = sqrtm(cov_p @ cov_q)
    return float(delta @ delta + cov_p.trace() + cov_q.trace() - 2 * root.trace().real)


def main() -> None:
    """Agreement, time, the ratio."""
    sample, test = features(1.0), features(1.1)
    contestants = {
        TINYGEN: lambda: calculate_fid_score(batches(sample), batches(test)),
        NUMPY: lambda: with_numpy(sample, test),
    }
    ours, numpys = (call() for call in contestants.values())
    print(f"distances, tinygen and NumPy: {ours:.9g} and {numpys:.9g}\n")
    if not math.isclose(ours, numpys, rel_tol=1e-6):
        raise SystemExit("the two distances differ")
    times = common.take_turns(contestants)
    common.print_table((f"{IMAGES:,} x {FEATURES} features", "ms"), list(times.items()))
    common.conclude(times[TINYGEN] / times[NUMPY], GOAL)


if __name__ == "__main__":
    main()
