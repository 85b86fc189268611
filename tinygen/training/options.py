"""The options that all examples share, and the types of options, which refuse invalid values."""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tinygen import ranks
from tinygen.backend import DeviceError, use_device
from tinygen.console import say
from tinygen.data import Dataset, load

RATES = ("learning_rate", "critic_rate", "generator_rate")
EVALUATION = ("classifier", "draws", "images", "importance_samples", "likelihood_images", "svm_c")
MAY_CHANGE = ("device", "epochs", *RATES, *EVALUATION)  # when a run is resumed
UNRECORDED = ("data_root", "out", "overwrite", "resume")  # options that are no settings of the run


def common_arguments(
    description: str,
    *,
    data: str,
    epochs: int,
    out: str,
    batch_size: int = 64,
    datasets: Sequence[str] | None = None,
    learning_rate: float | None = None,
    classifier: bool = False,
    epochs_help: str = "passes over the training data",
    batch_help: str = "images per training step",
    limit_help: str = "use the first N images of each split only",
) -> argparse.ArgumentParser:
    """A parser of the common options with an example's own defaults; the example may add options to it.

    ``datasets``: the names that ``--data`` accepts, default: any. A ``learning_rate`` adds ``--learning-rate`` with
    this default; ``classifier=True`` adds ``--classifier``. Where there is no finite set of images, ``epochs_help``,
    ``batch_help`` and ``limit_help`` state what is counted instead. An invalid value ends the program with exit status
    2 and a sentence that names the option, what was given and what was expected.
    """
    parser = _Parser(description=description)
    add = parser.add_argument
    add("--device", type=device, default="cpu", metavar="cpu|gpu", help="where to compute (%(default)s)")
    named = f": {', '.join(datasets)}" if datasets else ""
    add("--data", default=data, choices=datasets, metavar="NAME", help=f"the data set{named} (%(default)s)")
    add("--data-root", type=user_path, metavar="DIR", help="folder of the data ($TINYGEN_DATA, else the cache)")
    add("--epochs", type=whole(1), default=epochs, metavar="N", help=f"{epochs_help} (%(default)s)")
    add("--batch-size", type=whole(1), default=batch_size, metavar="N", help=f"{batch_help} (%(default)s)")
    if learning_rate is not None:
        rate = "initial learning rate (%(default)s)"
        add("--learning-rate", type=positive, default=learning_rate, metavar="X", help=rate)
    if classifier:
        weights = "checkpoint of a classifier of the same data, which evaluates the samples (default: one is trained)"
        add("--classifier", type=user_path, metavar="FILE", help=weights)
    add("--seed", type=whole(0), default=0, metavar="N", help="of all random numbers (%(default)s)")
    add(
        "--out",
        type=user_path,
        default=Path(out),
        metavar="DIR",
        help="output folder: new, empty, or that of an earlier run, which is kept: without --resume or --overwrite the "
        "command is refused (%(default)s)",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        action="store_true",
        help="continue from the checkpoint in --out, if there is one, with the same options; device, epochs, learning "
        "rates and the options of the evaluation may change",
    )
    earlier.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the earlier run in --out when the new one writes its first file; other files are kept",
    )
    add("--limit", type=whole(1), metavar="N", help=limit_help)
    return parser


class _Parser(argparse.ArgumentParser):
    """A parser whose errors and help are shown once, by rank 0."""

    def _print_message(self, message: str, file: Any = None) -> None:
        if not ranks.rank():
            super()._print_message(message, file)


def likelihood_arguments(parser: argparse.ArgumentParser, images: int | None = None) -> None:
    """Add the options of the importance-sampled log-likelihood: ``--importance-samples``, and ``--likelihood-images``,
    whose default is ``images`` (None: all)."""
    add, described = parser.add_argument, f"estimate log p(x) of N images per split ({images or 'default: all'})"
    add("--importance-samples", type=whole(1), default=200, metavar="K", help="samples of z per image (%(default)s)")
    add("--likelihood-images", type=whole(2), default=images, metavar="N", help=described)


def load_splits(options: argparse.Namespace, *splits: str) -> list[Dataset]:
    """The ``splits`` (default: all three) of the data set named by the common options, up to ``--limit``; prints their
    sizes. Errors are those of ``data.load``."""
    names = splits or ("train", "valid", "test")
    loaded = [load(options.data, split, root=options.data_root, limit=options.limit) for split in names]
    say(f"{options.data}: " + ", ".join(f"{len(each):,} {name}" for each, name in zip(loaded, names, strict=True)))
    return loaded


def settings(options: argparse.Namespace, example: str) -> dict[str, Any]:
    """The settings that a run's checkpoint records: the ``example`` and its options, as numbers, text and lists."""
    recorded = {name: value for name, value in vars(options).items() if name not in UNRECORDED}
    return {"example": example} | {
        name: str(value) if isinstance(value, Path) else value for name, value in recorded.items()
    }


# Types of options ----------------------------------------------------------------------------------------------------


def whole(minimum: int) -> Callable[[str], int]:
    """The type of an option that is a whole number from ``minimum``."""

    def convert(text: str) -> int:
        if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < minimum:
            raise argparse.ArgumentTypeError(f"expected a whole number from {minimum}, got {text!r}")
        return int(text)

    return convert


def real(low: float = -math.inf, high: float = math.inf, *, without_low: bool = False) -> Callable[[str], float]:
    """The type of an option that is a finite number in [``low``, ``high``), or in (``low``, ``high``)."""
    bounds = [f"{'above' if without_low else 'from'} {low:g}"] if low > -math.inf else []
    bounds += [f"below {high:g}"] if high < math.inf else []

    def convert(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and (low < value if without_low else low <= value) and value < high):
            raise argparse.ArgumentTypeError(
                f"expected a finite number {' and '.join(bounds)}".rstrip() + f", got {text!r}"
            )
        return value

    return convert


positive = real(0.0, without_low=True)


def user_path(text: str) -> Path:
    """The type of an option that names a file or a folder; ``~`` is the user's home."""
    if not text.strip():
        raise argparse.ArgumentTypeError("expected a path, got an empty text")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}: {error}") from error


def device(text: str) -> str:
    """The type of an option that names an available device; with several ranks ``gpu`` is one GPU for each of them."""
    if not re.fullmatch(r"cpu|gpu(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"expected cpu, gpu or gpu:N with N = 0, 1, ..., got {text!r}")
    try:
        return use_device(text, ranks.local_rank())  # raises before anything is loaded or deleted
    except DeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
