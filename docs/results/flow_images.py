"""The samples in the figures of chapter 13: ``python docs/results/flow_images.py runs/flow_images`` writes
``flow-images.npz`` here and ``flow.gif`` to the folder ``docs/figures``.

The folder is that of a run of ``examples/flow_images.py``, whose averaged weights are read. The file holds bytes:
``paths`` (times, classes, side, side), one sample of each class on its path from noise at the times ``times``, and
``guided`` (weights, rows, classes, side, side), samples from the same noise with the guidance ``weights``. The
animation shows the samples without guidance after each step. Seed 0; a minute of one core.
"""

import json
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
from PIL import Image

import tinygen as tg
from tinygen import data, evaluation, flows
from tinygen.models import UNet

CLASSES, ROWS, STEPS = 10, 4, 20
WEIGHTS = (0.0, 1.0, 3.0)
TIMES = (0.0, 0.2, 0.4, 0.6, 0.7, 0.8, 0.9, 1.0)


def main() -> None:
    """Read the network, draw the samples, write the file."""
    folder = Path(sys.argv[1])
    width = json.loads((folder / "run.json").read_text(encoding="utf-8"))["settings"]["width"]
    network = UNet(1, (width, 2 * width, 4 * width), CLASSES)
    evaluation.load_weights(network, folder / "model.h5")
    tg.manual_seed(0)
    noise, labels = tg.randn(ROWS * CLASSES, 1, 28, 28), np.tile(range(CLASSES), ROWS)
    guided = [flows.integrate(network.guided(labels, weight), noise, STEPS) for weight in WEIGHTS]
    animate(network, noise, labels)
    x, paths = noise[:CLASSES], [noise[:CLASSES]]
    for start, end in pairwise(TIMES):
        steps = round((end - start) * STEPS)
        x = flows.integrate(network.guided(labels[:CLASSES], 0.0), x, steps, start=start, end=end)
        paths.append(x)
    arrays = {
        "times": np.array(TIMES),
        "paths": np.stack([data.as_bytes(each.numpy())[:, 0] for each in paths]),
        "weights": np.array(WEIGHTS),
        "guided": np.stack([data.as_bytes(each.numpy()).reshape(ROWS, CLASSES, 28, 28) for each in guided]),
    }
    np.savez_compressed(Path(__file__).with_name("flow-images.npz"), **arrays)


def animate(network: UNet, x: tg.Tensor, labels: np.ndarray) -> None:
    """Write the path of noise x (40, 1, 28, 28) to images, in 16 shades of grey."""
    frames = []
    for k in range(STEPS + 1):
        rows = data.as_bytes(x.numpy()).reshape(ROWS, CLASSES, 28, 28).swapaxes(1, 2).reshape(ROWS * 28, CLASSES * 28)
        frames.append(Image.fromarray(rows // 16 * 17).resize((CLASSES * 56, ROWS * 56), Image.Resampling.NEAREST))
        x = flows.integrate(network.guided(labels, 0.0), x, 1, start=k / STEPS, end=(k + 1) / STEPS)
    durations = [120] * STEPS + [2000]
    path = Path(__file__).parents[1] / "figures" / "flow.gif"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)


if __name__ == "__main__":
    main()
