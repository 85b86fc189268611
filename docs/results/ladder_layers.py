"""The digits in the figure of chapter 12: ``python docs/results/ladder_layers.py runs/vae_ladder`` writes
``ladder-layers.npz`` here.

The folder is that of a run of ``examples/vae_ladder.py`` on the fixed binarised MNIST, whose averaged weights are read.
The file holds bytes: ``images`` (10, 28, 28), test images; ``decoded`` (layers + 1, 10, 28, 28), the means of the
pixels with the first 0, 1, ... layers of latents drawn from q and the others from p; and ``samples`` (20, 28, 28), with
all drawn from p. Seed 0; seconds.
"""

import json
import sys
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation
from tinygen import functional as F

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "examples"))
import vae_ladder as example  # noqa: E402


@tg.no_grad()
def main() -> None:
    """Read the model, decode, write the file."""
    folder = Path(sys.argv[1])
    settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))["settings"]
    model = example.LadderVAE(settings["layers"])
    evaluation.load_weights(model, folder / "model.h5")
    model.eval()
    tg.manual_seed(0)
    images = data.evenly_spaced(data.load("binarized-mnist", "test").images, 10)
    features = model.encode(example.as_images(model, images))
    decoded = [F.sigmoid(model.decode(10, features[:known])[0]) for known in range(len(features) + 1)]
    arrays = {"decoded": tg.stack(decoded).numpy()[:, :, 0], "samples": model.sample(20).numpy()[:, 0]}
    arrays = {name: (255 * each).astype(np.uint8) for name, each in arrays.items()}
    np.savez_compressed(HERE / "ladder-layers.npz", images=images[:, 0].astype(np.uint8) * 255, **arrays)


if __name__ == "__main__":
    main()
