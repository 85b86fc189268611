"""The one progress bar of this package: silent about what takes no time, and sparing where nobody watches."""

import sys

from tqdm import tqdm


def progress_bar(description: str, total: int) -> tqdm:
    """A bar over ``total`` bytes; in a log instead of a terminal, a state every ten seconds."""
    patience = 0.1 if sys.stderr.isatty() else 10.0  # seconds
    return tqdm(desc=description, total=total, unit="B", unit_scale=True, delay=1.0, mininterval=patience, leave=False)
