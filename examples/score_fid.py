"""How far is a folder of images from SVHN's test set? The Fréchet distance between a classifier's features of both.

    python examples/score_fid.py --model svhn_classifier.pt path/to/sample_directory/
    python examples/score_fid.py --data street path/to/sample_directory/
    python examples/score_fid.py --data street --samples runs/wgan_gp_svhn/model.h5 --save-samples DIR

All that path/to/sample_directory/ holds is a folder samples/ of images (or the images themselves), of any size: they
are resized to 32 x 32. --model is the classifier: the assignment's file, or the checkpoint of
examples/classify_svhn.py. The score depends on the classifier, the test set and the number of images: compare equals.
"""

import argparse
from pathlib import Path

import numpy as np

import tinygen as tg
from tinygen import data, evaluation
from tinygen.models import Generator
from tinygen.training import interruptible, load_splits, print_results, refusing, say
from tinygen.training.options import device, user_path, whole

LATENT_SIZE = 100


def arguments() -> argparse.Namespace:
    """What to score, and by what."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=user_path, nargs="?", metavar="PATH", help="a folder of images")
    parser.add_argument("--samples", type=user_path, metavar="FILE", help="score what the generator in model.h5 makes")
    parser.add_argument(
        "--save-samples", type=user_path, metavar="DIR", help="write its samples to an empty folder, as PNG"
    )
    parser.add_argument(
        "--count", type=whole(20), default=1000, metavar="N", help="how many samples it makes (%(default)s)"
    )
    parser.add_argument(
        "--model",
        type=user_path,
        default=Path("runs/classify_svhn/checkpoint.h5"),
        metavar="FILE",
        help="the classifier's weights (%(default)s)",
    )
    parser.add_argument("--data", default="svhn", choices=("svhn", "street"), help="whose test set (%(default)s)")
    parser.add_argument("--data-root", type=user_path, metavar="DIR", help="the folder of the data")
    parser.add_argument("--limit", type=whole(20), metavar="N", help="use the first N images of the test set only")
    parser.add_argument(
        "--device", type=device, default="cpu", metavar="cpu|gpu", help="where to compute (%(default)s)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="where chance starts (%(default)s)")
    options = parser.parse_args()
    if (options.path is None) == (options.samples is None):
        parser.error("expected a folder of images, or a generator's file in --samples, one of the two")
    if options.save_samples is not None and options.samples is None:
        parser.error("--save-samples writes what the generator in --samples makes: there is none")
    return options


def main() -> None:
    """What to score, and the score; what does not fit is said in one sentence."""
    options = arguments()
    with interruptible(), refusing():
        score(options)


def score(options: argparse.Namespace) -> None:
    """Images, classifier, test set, score."""
    tg.manual_seed(options.seed)
    classifier = evaluation.load_classifier(options.model).to(options.device)
    (test_set,) = load_splits(options, "test")
    images = evaluation.read_images(options.path) if options.samples is None else draw_samples(options)
    say(f"{len(images):,} images against the {len(test_set):,} of {options.data}'s test set, by {options.model}")

    found, real = (np.concatenate(list(evaluation.image_features(classifier, x))) for x in (images, test_set.images))
    kid, kid_standard_error = evaluation.calculate_kid_score(found, real)
    results = {
        "fid": evaluation.calculate_fid_score(found, real),
        "fid_standard_error": evaluation.fid_standard_error(found, real),
        "kid": kid,
        "kid_standard_error": kid_standard_error,
    }
    print_results(results | evaluation.read_digits(classifier, images))


def draw_samples(options: argparse.Namespace) -> np.ndarray:
    """``count`` images of the generator in a model.h5, as bytes, and in files where that is asked for."""
    generator = Generator(LATENT_SIZE)
    evaluation.load_weights(generator, options.samples, "generator")
    z = tg.randn(options.count, LATENT_SIZE)
    images = data.as_bytes(evaluation.generate(generator.to(options.device), z.to(options.device)))
    if options.save_samples is not None:
        evaluation.write_images(images, options.save_samples)
        say(f"{len(images):,} samples are in {options.save_samples}")
    return images


if __name__ == "__main__":
    main()
