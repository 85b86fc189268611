"""The options that every example takes, so that who knows one command knows them all."""

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tinygen.backend import DeviceError, to_device
from tinygen.data import Dataset, load


def common_arguments(
    description: str,
    *,
    data: str,
    epochs: int,
    out: str,
    batch_size: int = 64,
    datasets: Sequence[str] | None = None,
    epochs_help: str = "passes over the training data",
    batch_help: str = "images a training step",
    limit_help: str = "use the first N images of each split only",
) -> argparse.ArgumentParser:
    """A parser of the common options with an example's own defaults; the example may add options to it.

    ``datasets``: the names that ``--data`` may have, any where it is ``None``. Where there is no finite set of images,
    ``epochs_help``, ``batch_help`` and ``limit_help`` say what is counted instead. A value that makes no sense ends the
    program at once, with a sentence that says which and why.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--device", type=_device, default="cpu", metavar="cpu|gpu", help="where to compute (%(default)s)"
    )
    parser.add_argument("--data", default=data, choices=datasets, metavar="NAME", help=_data_help(datasets))
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="the folder of the data; else $TINYGEN_DATA, else the user's cache",
    )
    parser.add_argument("--epochs", type=_positive, default=epochs, metavar="N", help=f"{epochs_help} (%(default)s)")
    parser.add_argument(
        "--batch-size", type=_positive, default=batch_size, metavar="N", help=f"{batch_help} (%(default)s)"
    )
    parser.add_argument("--seed", type=_natural, default=0, metavar="N", help="where chance starts (%(default)s)")
    parser.add_argument(
        "--out", type=Path, default=Path(out), metavar="DIR", help="the folder for everything it writes (%(default)s)"
    )
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in --out, if there is one")
    parser.add_argument("--limit", type=_positive, metavar="N", help=limit_help)
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
    steps as ``epochs_help`` says. ``datasets``: the names that ``--data`` may have, ``data`` alone unless told."""
    return common_arguments(
        description,
        data=data,
        datasets=datasets or (data,),
        epochs=epochs,
        batch_size=batch_size,
        out=out,
        epochs_help=epochs_help,
        batch_help="samples of each distribution a training step",
        limit_help=limit_help,
    )


def load_splits(options: argparse.Namespace, *splits: str) -> list[Dataset]:
    """The ``splits`` (all three, unless named) of the data set that the common options ask for, as far as ``--limit``
    goes."""
    names = splits or ("train", "valid", "test")
    return [load(options.data, split, root=options.data_root, limit=options.limit) for split in names]


def _data_help(datasets: Sequence[str] | None) -> str:
    return "the data set" + (f": {', '.join(datasets)}" if datasets else "") + " (%(default)s)"


def _device(text: str) -> str:
    if not re.fullmatch(r"cpu|gpu(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"expected cpu, gpu or gpu:N with N = 0, 1, ..., got {text!r}")
    try:
        to_device(np.zeros(1), text)  # before anything is loaded, or cleared away
    except DeviceError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def _whole(text: str, minimum: int) -> int:
    if not re.fullmatch(r"\d+", text, re.ASCII) or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number from {minimum}, got {text!r}")
    return int(text)


def _natural(text: str) -> int:
    return _whole(text, 0)


def _positive(text: str) -> int:
    return _whole(text, 1)
