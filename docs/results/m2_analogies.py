"""The analogies of chapter 6: ``python docs/results/m2_analogies.py`` writes ``m2-analogies.npz`` here.

``python examples/semi_supervised_m2.py --data mnist --labels 100 --alpha 100`` trains the models; the first of them, in
``runs/semi_supervised_m2/labels-100-draw-0`` (or the folder given as argument), decodes z of a test image of each digit
with every class.
"""

import sys
from argparse import Namespace
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import nn
from tinygen.models import M2

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "examples"))
import semi_supervised_m2 as example  # noqa: E402


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "runs/semi_supervised_m2/labels-100-draw-0")
    options = Namespace(data="mnist", data_root=None, limit=None, side=14)
    test_set = example.load(options, "test")
    features = example.pixels(test_set, test_set)
    model = M2(196, 10, example.LATENT_SIZE, example.HIDDEN, nn.ReLU, classifier=example.classifier(196, 10))
    model.load_state_dict(tg.load(folder / "checkpoint.h5")["parts"]["model"])
    tiles = example.analogies(model, features, test_set)[:, :, 0]  # (10, 11, 14, 14)
    np.savez_compressed(HERE / "m2-analogies.npz", tiles=np.rint(255 * tiles).astype(np.uint8))


if __name__ == "__main__":
    main()
