"""Fields show a critic's values where they are, and an animation is its frames."""

import numpy as np
import pytest
from PIL import Image

from tinygen.plotting import Field, field_animation, fields

NOWHERE = np.empty((0, 2), np.float32)


def field(values, samples=NOWHERE, data=NOWHERE):
    return Field("title", np.asarray(values, dtype=np.float32), np.asarray(samples), np.asarray(data))


def drawn(path):
    """The pixels of a figure, or of the first frame of an animation (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_high_is_blue_low_is_red_and_rows_go_upwards(tmp_path):
    fields([field([[0.05, 0.5], [0.5, 0.95]])], tmp_path / "f.png", reach=1.0)
    pixels = drawn(tmp_path / "f.png")
    height, width = pixels.shape[:2]
    lower_left, upper_right = pixels[int(0.9 * height), int(0.1 * width)], pixels[int(0.2 * height), int(0.9 * width)]
    assert lower_left[0] > lower_left[2] + 50
    assert upper_right[2] > upper_right[0] + 50


def test_samples_lie_over_the_data_where_they_are(tmp_path):
    grey = np.full((3, 3), 0.5)
    there, elsewhere = [[0.5, 0.5]] * 3, [[-0.5, -0.5]] * 3
    fields([field(grey, there, there), field(grey, elsewhere, there)], tmp_path / "f.png", reach=1.0)
    pixels = drawn(tmp_path / "f.png")
    half = pixels.shape[1] // 2
    inner = pixels[int(0.15 * len(pixels)) : int(0.9 * len(pixels))]  # without titles and frames
    yellow = (inner[..., 0] - inner[..., 2]) > 60
    assert not yellow[:, 5 : half - 5].any()  # below the sample
    assert yellow[:, half + 5 : -5].any()
    assert (inner[:, 10 : half - 10].sum(axis=-1) < 300).any()


def test_an_animation_has_every_frame_and_the_last_one_longest(tmp_path):
    frames = [[field(np.full((2, 2), level))] for level in (0.1, 0.5, 0.9)]
    for name in ("one.gif", "two.gif"):
        field_animation(frames, tmp_path / name, reach=1.0, seconds=0.2)
    with Image.open(tmp_path / "one.gif") as image:
        assert image.n_frames == 3
        durations = []
        for index in range(3):
            image.seek(index)
            durations.append(image.info["duration"])
    assert durations == [200, 200, 2000]
    assert (tmp_path / "one.gif").read_bytes() == (tmp_path / "two.gif").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_what_can_not_be_drawn_is_refused(tmp_path):
    path = tmp_path / "f.png"
    with pytest.raises(ValueError, match=r"^fields: there is no field, expected one at least$"):
        fields([], path, reach=1.0)
    with pytest.raises(ValueError, match=r"^field_animation: there is no frame, expected one at least$"):
        field_animation([], path, reach=1.0)
    with pytest.raises(
        ValueError, match=r"^fields: the values of 'title' must be finite and \(H, W\), got float32 \(2, 2\)$"
    ):
        fields([field([[0.0, np.nan], [0.0, 0.0]])], path, reach=1.0)
    with pytest.raises(ValueError, match=r"^fields: the samples of 'title' must be \(n, 2\), got float64 \(4, 3\)$"):
        fields([field(np.zeros((2, 2)), np.zeros((4, 3)))], path, reach=1.0)
    assert not path.exists()
