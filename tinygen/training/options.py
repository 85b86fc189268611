"""The options that every example takes, and the types of options: a value that makes no sense is refused at once."""

import argparse
import math
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinygen.backend import DeviceError, to_device
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
    epochs_help: str = "passes over the training data",
    batch_help: str = "images per training step",
    limit_help: str = "use the first N images of each split only",
) -> argparse.ArgumentParser:
    """A parser of the common options with an example's own defaults; the example may add options to it.

    ``datasets``: the names that ``--data`` may have, any where it is ``None``. Where there is no finite set of images,
    ``epochs_help``, ``batch_help`` and ``limit_help`` say what is counted instead. A value that makes no sense ends the
    program with exit status 2 and a sentence that names the option, what was given and what is expected.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--device", type=device, default="cpu", metavar="cpu|gpu", help="where to compute (%(default)s)"
    )
    parser.add_argument("--data", default=data, choices=datasets, metavar="NAME", help=_data_help(datasets))
    parser.add_argument(
        "--data-root",
        type=user_path,
        metavar="DIR",
        help="the folder of the data (default: $TINYGEN_DATA, else the cache)",
    )
    parser.add_argument("--epochs", type=whole(1), default=epochs, metavar="N", help=f"{epochs_help} (%(default)s)")
    parser.add_argument(
        "--batch-size", type=whole(1), default=batch_size, metavar="N", help=f"{batch_help} (%(default)s)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="of all random numbers (%(default)s)")
    parser.add_argument(
        "--out",
        type=user_path,
        default=Path(out),
        metavar="DIR",
        help="the folder for everything it writes: new, empty, or that of an earlier run, which is kept: without "
        "--resume or --overwrite the command is refused (%(default)s)",
    )
    earlier = parser.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        action="store_true",
        help="go on from the checkpoint in --out, if there is one, with the same options; device, epochs, learning "
        "rates and what concerns the evaluation may change",
    )
    earlier.add_argument(
        "--overwrite",
        action="store_true",
        help="replace the earlier run in --out, once the new one has something to write; other files are kept",
    )
    parser.add_argument("--limit", type=whole(1), metavar="N", help=limit_help)
    return parser


def sampler_arguments(
    description: str,
    *,
    data: str,
    epochs: int,
    out: str,
    epochs_help: str,
    limit_help: str,
    batch_size: int = 512,
    datasets: Sequence[str] | None = None,
) -> argparse.ArgumentParser:
    """``common_arguments`` of an example whose data are samplers: batches are new samples, and an epoch is so many
    steps as ``epochs_help`` says. ``datasets``: the names that ``--data`` may have, default: ``data`` alone."""
    return common_arguments(
        description,
        data=data,
        datasets=datasets or (data,),
        epochs=epochs,
        batch_size=batch_size,
        out=out,
        epochs_help=epochs_help,
        batch_help="samples of each distribution per training step",
        limit_help=limit_help,
    )


def load_splits(options: argparse.Namespace, *splits: str) -> list[Dataset]:
    """The ``splits`` (default: all three) of the data set that the common options ask for, up to ``--limit``."""
    names = splits or ("train", "valid", "test")
    return [load(options.data, split, root=options.data_root, limit=options.limit) for split in names]


def settings(options: argparse.Namespace, example: str) -> dict[str, Any]:
    """What a run's checkpoint records of a command: the ``example`` and its options, as numbers, text and lists."""
    recorded = {name: value for name, value in vars(options).items() if name not in UNRECORDED}
    return {"example": example} | {
        name: str(value) if isinstance(value, Path) else value for name, value in recorded.items()
    }


def _data_help(datasets: Sequence[str] | None) -> str:
    return "the data set" + (f": {', '.join(datasets)}" if datasets else "") + " (%(default)s)"


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
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"expected a path, got {text!r}: {error}") from error


def device(text: str) -> str:
    """The type of an option that names a device which is there."""
    if not re.fullmatch(r"cpu|gpu(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"expected cpu, gpu or gpu:N with N = 0, 1, ..., got {text!r}")
    try:
        to_device(np.zeros(1), text)  # before anything is loaded, or cleared away
    except DeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text
