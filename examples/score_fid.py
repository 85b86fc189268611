"""The Frechet distance (FID) and other metrics of a folder of images and SVHN's test set, by a classifier's features.

    python examples/score_fid.py --model svhn_classifier.pt path/to/sample_directory/
    python examples/score_fid.py --data street path/to/sample_directory/
    python examples/score_fid.py --data street --samples runs/wgan_gp_svhn/model.h5 --save-samples DIR

path/to/sample_directory/ holds a folder samples/ of images, or the images themselves, of any size: they are resized to
32 x 32. --model is the classifier: the assignment's file, or the checkpoint of examples/classify_svhn.py. The metrics
depend on the classifier, the test set and the number of images: compare only values that share all three. Precision and
recall are those of Kynkaanniemi et al. (2019), density and coverage those of Naeem et al. (2020).
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
    """The images, the classifier and the test set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("path", type=user_path, nargs="?", metavar="PATH", help="a folder of images")
    add("--samples", type=user_path, metavar="FILE", help="evaluate samples of the generator in model.h5")
    add("--save-samples", type=user_path, metavar="DIR", help="write its samples to an empty folder, as PNG")
    add("--count", type=whole(20), default=1000, metavar="N", help="number of its samples (%(default)s)")
    weights = Path("runs/classify_svhn/checkpoint.h5")
    add("--model", type=user_path, default=weights, metavar="FILE", help="the classifier's weights (%(default)s)")
    add("--data", default="svhn", choices=("svhn", "street"), help="whose test set (%(default)s)")
    add("--data-root", type=user_path, metavar="DIR", help="folder of the data")
    add("--limit", type=whole(20), metavar="N", help="use the first N images of the test set only")
    add("--device", type=device, default="cpu", metavar="cpu|gpu", help="where to compute (%(default)s)")
    add("--seed", type=whole(0), default=0, metavar="N", help="of all random numbers (%(default)s)")
    options = parser.parse_args()
    if (options.path is None) == (options.samples is None):
        parser.error("expected a folder of images, or a generator's file in --samples, one of the two")
    if options.save_samples is not None and options.samples is None:
        parser.error("--save-samples writes samples of the generator in --samples, which is missing")
    return options


def main() -> None:
    """Parse the options and print the score; errors of options and files end the program with one sentence."""
    options = arguments()
    with interruptible(), refusing():
        score(options)


def score(options: argparse.Namespace) -> None:
    """Images, classifier, test set, score."""
    tg.manual_seed(options.seed)
    classifier = evaluation.load_classifier(options.model).to(options.device)
    (test_set,) = load_splits(options, "test")
    images = evaluation.read_images(options.path) if options.samples is None else draw_samples(options)
    say(f"{len(images):,} images, compared with the test set by the features of {options.model}")
    generated, real = (
        np.concatenate(list(evaluation.image_features(classifier, x))) for x in (images, test_set.images)
    )
    kid, kid_standard_error = evaluation.calculate_kid_score(generated, real)
    results = {
        "fid": evaluation.calculate_fid_score(generated, real),
        "fid_standard_error": evaluation.fid_standard_error(generated, real),
        "kid": kid,
        "kid_standard_error": kid_standard_error,
    }
    results |= zip(("precision", "recall"), evaluation.precision_recall(generated, real), strict=True)
    results |= zip(("density", "coverage"), evaluation.density_coverage(generated, real), strict=True)
    print_results(results | evaluation.prediction_statistics(classifier, images))


def draw_samples(options: argparse.Namespace) -> np.ndarray:
    """``count`` samples of the generator in a model.h5, as bytes; with ``--save-samples`` also written to files."""
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
