"""Loading weights into a network from a checkpoint or a file of PyTorch."""

from collections.abc import Mapping
from pathlib import Path

from tinygen import checkpoint
from tinygen.checks import checked
from tinygen.nn import Module


@checked
def load_weights(network: Module, path: str | Path, part: str = "model") -> None:
    """Load the weights in the file ``path`` into ``network``.

    A file ``.h5`` or ``.hdf5`` is a checkpoint that contains ``part``, at its top level or as a part of a training run;
    any other file is read as PyTorch's (``checkpoint.read_torch``).

    Raises ``ValueError``, naming the file, where it has no such part or the weights of another network,
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
