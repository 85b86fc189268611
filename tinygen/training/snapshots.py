"""Samples of a model at several moments of its training, kept for a figure at the end."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from tinygen.checks import Count, Natural, checked, require


class Snapshots(dict[int, np.ndarray]):
    """Moment (a number of epochs or steps) -> images, a NumPy array of bytes (N, C, H, W).

    As one of the parts of a training run it is saved in the checkpoint, so a resumed run shows also the moments before
    the stop. Raises ``TypeError`` for a moment that is no whole number, and for images that are no array.
    """

    def __setitem__(self, moment: int, images: np.ndarray) -> None:
        moment = require("Snapshots", "moment", moment, Natural)
        super().__setitem__(moment, require("Snapshots", "images", images, np.ndarray))

    def state_dict(self) -> dict[str, Any]:
        """The images, by the moment as text."""
        return {str(moment): images for moment, images in self.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Replace the images by those of ``state``."""
        self.clear()
        for moment, images in state.items():
            self[int(moment)] = images

    @checked
    def rows(self, count: Count) -> tuple[list[int], np.ndarray]:
        """At most ``count`` moments, evenly spaced from the first to the last, and their images (rows, N, C, H, W).

        Raises ``ValueError`` where there is none, or the shapes of the images differ.
        """
        if not self:
            raise ValueError("rows: there is no snapshot, expected one at least")
        shapes = {images.shape for images in self.values()}
        if len(shapes) > 1:
            raise ValueError(f"rows: the images of all moments must be of one shape, got {sorted(shapes)}")
        moments = sorted(self)
        places = np.unique(np.linspace(0, len(moments) - 1, min(count, len(moments))).round().astype(int))
        shown = [moments[place] for place in places]
        return shown, np.stack([self[moment] for moment in shown])
