"""Weights from a file into a network: a checkpoint's part, or a file of PyTorch's."""

from collections.abc import Mapping
from pathlib import Path

from tinygen import checkpoint
from tinygen.checks import checked
from tinygen.nn import Module


@checked
def load_weights(network: Module, path: str | Path, part: str = "model") -> None:
    """Give ``network`` the weights that the file ``path`` holds.

    A name that ends in ``.h5`` or ``.hdf5`` is a checkpoint, of a training run or one with ``part`` at its top; every
    other file is read as PyTorch's (``checkpoint.read_torch``).

    Raises ``ValueError`` where the file has no such part or holds the weights of another network, naming the file, and
    ``IsADirectoryError`` for a folder, and the errors of ``checkpoint.load`` and ``checkpoint.read_torch``.
    """
    if Path(path).is_dir():
        raise IsADirectoryError(f"load_weights: {path} is a folder, expected a file of weights")
    if Path(path).suffix in (".h5", ".hdf5"):
        parts = checkpoint.load(path)
        inner = parts.get("parts", parts)
        if not isinstance(inner, Mapping) or part not in inner:
            raise ValueError(f"load_weights: {path} holds {', '.join(parts) or 'nothing'}, expected {part!r}")
        state = inner[part]
    else:
        state = checkpoint.read_torch(path)
    try:
        network.load_state_dict(state)
    except (KeyError, TypeError, ValueError) as error:
        name = type(network).__name__
        raise ValueError(f"load_weights: {path} does not hold the weights of a {name}: {error.args[0]}") from error
