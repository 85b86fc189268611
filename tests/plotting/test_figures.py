"""Figures show every pixel as it is, and equal arrays give equal files."""

import os

import numpy as np
import pytest
from PIL import Image

from tinygen.evaluation import FIDInfinity
from tinygen.plotting import Panel, curves, fid_lines, image_grid, interpolation_grid, pairs_grid, panels, scatter

WHITE = (255, 255, 255)


def drawn(path):
    """The pixels of a figure (H, W, 3)."""
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def colours(pixels):
    """The colours of the picture's blocks, row by row: runs of equal pixels count once."""
    changed = [
        [True, *(np.any(pixels[1:] != pixels[:-1], axis=(1, 2)))],
        [True, *(np.any(pixels[:, 1:] != pixels[:, :-1], axis=(0, 2)))],
    ]
    blocks = pixels[changed[0]][:, changed[1]]
    return [[tuple(int(value) for value in block) for block in row] for row in blocks]


def flat(shade, channels=1):
    return np.full((1, channels, 2, 2), shade, np.float32)


def test_a_grid_shows_images_row_by_row_with_white_between_them(tmp_path):
    images = np.concatenate([flat(shade) for shade in (0.0, 0.2, 0.4, 0.6, 0.8)])
    image_grid(images, tmp_path / "g.png", columns=3)
    shades = [[(round(255 * shade),) * 3 for shade in row] for row in ((0.0, 0.2, 0.4), (0.6, 0.8, 1.0))]
    rows = colours(drawn(tmp_path / "g.png"))
    assert [row[1::2] for row in rows[1::2]] == shades
    assert all(pixel == WHITE for row in rows for pixel in row[::2])
    assert all(pixel == WHITE for row in rows[::2] for pixel in row)


def test_every_pixel_becomes_a_square_of_the_same_size_in_its_own_colour(tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (1, 3, 5, 4), np.uint8)
    image[0, 0, 0, 0] = 254
    image_grid(image, tmp_path / "g.png")
    pixels = drawn(tmp_path / "g.png")
    inner = pixels[6:-6, 6:-6]
    side = inner.shape[1] // 4
    assert inner.shape == (5 * side, 4 * side, 3)
    expected = image[0].transpose(1, 2, 0).repeat(side, axis=0).repeat(side, axis=1)
    np.testing.assert_array_equal(inner, expected)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.array([0.0, 0.5, 1.0]), [0, 128, 255]),
        (np.array([0.0, 0.5, 1.0], np.float16), [0, 128, 255]),
        (np.array([-1e-4, 0.5, 1 + 1e-4]), [0, 128, 255]),
        (np.array([0, 1, 1], np.uint8), [0, 1, 1]),
        (np.array([0, 128, 255], np.uint8), [0, 128, 255]),
        (np.array([False, True, False]), [0, 255, 0]),
    ],
)
def test_the_range_of_values_is_that_of_the_dtype(tmp_path, images, expected):
    image_grid(images.reshape(3, 1, 1, 1), tmp_path / "g.png", rows=1)
    found = drawn(tmp_path / "g.png")[200, [200, 600, 1000], 0]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    "images",
    [np.array([-1.0, 0.0, 1.0]), np.array([0.0, 1.2, 0.5]), np.array([0, 1, 1]), np.array([0, 255, 3], np.uint16)],
    ids=["a tanh's", "beyond 1", "int64", "uint16"],
)
@pytest.mark.parametrize("draw", ["image_grid", "pairs_grid", "interpolation_grid"])
def test_without_a_range_of_values_nothing_is_guessed_or_clipped(tmp_path, draw, images):
    images, path = images.reshape(3, 1, 1, 1), tmp_path / "g.png"
    calls = {
        "image_grid": lambda **options: image_grid(images, path, **options),
        "pairs_grid": lambda **options: pairs_grid(images, images, path, **options),
        "interpolation_grid": lambda **options: interpolation_grid(images[None], path, **options),
    }
    with pytest.raises(ValueError, match=rf"^{draw}: \w+ of {images.dtype} from .* need a value_range"):
        calls[draw]()
    assert not path.exists()
    calls[draw](value_range=(-1.0, 1.0))
    assert path.exists()


@pytest.mark.parametrize(
    "value_range", [(1.0, 0.0), (0.0, 0.0), (0.0, np.nan), (0.0, np.inf), (0.0, 1.0, 2.0), 1.0, "01"]
)
def test_a_range_of_values_is_two_numbers_in_order(tmp_path, value_range):
    with pytest.raises((TypeError, ValueError), match=r"^image_grid: value_range must be two finite numbers"):
        image_grid(np.zeros((1, 1, 2, 2)), tmp_path / "g.png", value_range=value_range)


def test_a_given_range_of_values_counts(tmp_path):
    image_grid(np.full((1, 1, 2, 2), 3.0), tmp_path / "g.png", value_range=(2.0, 4.0))
    assert drawn(tmp_path / "g.png")[300, 300, 0] == 128


def test_a_grid_is_nearly_square_unless_told(tmp_path):
    image_grid(np.zeros((10, 1, 8, 8)), tmp_path / "square.png")
    image_grid(np.zeros((10, 1, 8, 8)), tmp_path / "rows.png", rows=2)
    image_grid(np.zeros((10, 1, 8, 8)), tmp_path / "columns.png", columns=2)
    pages = [colours(drawn(tmp_path / name)) for name in ("square.png", "rows.png", "columns.png")]
    assert [(len(page) // 2, len(page[1]) // 2) for page in pages] == [(3, 4), (2, 5), (5, 2)]


def test_originals_stand_above_their_reconstructions(tmp_path):
    originals = np.concatenate([flat(0.0), flat(0.2), flat(0.4)])
    reconstructions = np.concatenate([flat(0.6), flat(0.8), flat(0.9)])
    pairs_grid(originals, reconstructions, tmp_path / "p.png", columns=2)
    rows = [[pixel[0] for pixel in row[1::2]] for row in colours(drawn(tmp_path / "p.png"))[1::2]]
    np.testing.assert_allclose(rows, 255 * np.array([[0, 0.2], [0.6, 0.8], [0.4, 1], [0.9, 1]]), atol=1)


def test_the_steps_of_an_interpolation_stand_side_by_side(tmp_path):
    images = np.array([[0.0, 0.2, 0.4], [0.4, 0.6, 0.8]]).reshape(2, 3, 1, 1, 1) * np.ones((1, 1, 3, 2, 2))
    interpolation_grid(images, tmp_path / "i.png")
    rows = [[pixel[0] for pixel in row] for row in colours(drawn(tmp_path / "i.png"))]
    np.testing.assert_allclose(rows[1], 255 * np.array([1, 0, 0.2, 0.4, 1]), atol=1)
    np.testing.assert_allclose(rows[3], 255 * np.array([1, 0.4, 0.6, 0.8, 1]), atol=1)


def test_a_title_is_written_above_and_moves_nothing(tmp_path):
    image_grid(np.zeros((4, 1, 8, 8)), tmp_path / "without.png")
    image_grid(np.zeros((4, 1, 8, 8)), tmp_path / "with.png", title="Samples")
    without, titled = drawn(tmp_path / "without.png"), drawn(tmp_path / "with.png")
    head = len(titled) - len(without)
    np.testing.assert_array_equal(titled[head:], without)
    assert (titled[:head] < 128).any()


def test_equal_arrays_give_equal_files_and_leave_nothing_else(tmp_path):
    images = np.random.default_rng(0).random((4, 3, 5, 5))
    rows = [{"epoch": epoch, "elbo": -100.0 / epoch} for epoch in (1, 2, 3)]
    for name in ("one", "two"):
        image_grid(images, tmp_path / f"grid {name}.png", title="Samples")
        curves(rows, tmp_path / f"curves {name}.png", title="Training")
    for figure in ("grid", "curves"):
        assert (tmp_path / f"{figure} one.png").read_bytes() == (tmp_path / f"{figure} two.png").read_bytes()
    assert len(os.listdir(tmp_path)) == 4


def test_images_that_can_not_be_shown_are_refused_with_a_reason(tmp_path):
    path, good = tmp_path / "g.png", np.zeros((4, 1, 3, 3))
    spoilt = good.copy()
    spoilt[2, 0, 1, 1] = np.nan
    with pytest.raises(
        ValueError, match=r"image_grid: .* \(N, C, H, W\) with C = 1 or 3, not empty, got float64 \(4, 2, 3, 3\)"
    ):
        image_grid(good.repeat(2, axis=1), path)
    with pytest.raises(ValueError, match=r"got float64 \(0, 1, 3, 3\)"):
        image_grid(good[:0], path)
    with pytest.raises(ValueError, match=r"got float64 \(4, 3, 3\)"):
        image_grid(good[:, 0], path)
    with pytest.raises(
        ValueError, match=r"^image_grid: images must be an array \(N, C, H, W\) .* got float64 \(1, 4, 1, 3, 3\)"
    ):
        image_grid([good], path)
    with pytest.raises(TypeError, match=r"^image_grid: images must be an array \(N, C, H, W\) .* got None"):
        image_grid(None, path)
    with pytest.raises(ValueError, match="image_grid: images must be finite, image 2 holds NaN"):
        image_grid(spoilt, path)
    with pytest.raises(ValueError, match="pairs_grid: reconstructions must be finite, image 2 holds"):
        pairs_grid(good, spoilt, path)
    with pytest.raises(ValueError, match="interpolation_grid: images must be finite, image 0, 2 holds"):
        interpolation_grid(spoilt[None], path)
    with pytest.raises(ValueError, match="image_grid: 4 images do not fit into 1 rows of 3"):
        image_grid(good, path, rows=1, columns=3)
    with pytest.raises(ValueError, match=r"originals \(4, 1, 3, 3\) and reconstructions \(3, 1, 3, 3\)"):
        pairs_grid(good, good[:3], path)
    assert os.listdir(tmp_path) == []


def test_curves_draws_the_named_columns_alone(tmp_path):
    rows = [{"epoch": epoch, "train": -100.0 + epoch, "valid": -101.0 + epoch, "rate": 0.1} for epoch in range(1, 9)]
    curves(rows, tmp_path / "two.png", names={"train": "training", "valid": "validation"})
    curves(rows, tmp_path / "one.png", names=["train"])
    vermilion = (213, 94, 0)  # the second curve's colour
    assert np.all(drawn(tmp_path / "two.png") == vermilion, axis=-1).any()
    assert not np.all(drawn(tmp_path / "one.png") == vermilion, axis=-1).any()


def test_curves_takes_one_epoch_and_values_that_are_not_finite(tmp_path):
    rows = [{"epoch": 1, "elbo": float("-inf")}, {"epoch": 2, "elbo": -3.0}, {"epoch": 3, "elbo": float("nan")}]
    curves(rows, tmp_path / "gaps.png", references={"the bar": -4.0})
    curves(rows[1:2], tmp_path / "one.png")
    for name in ("gaps.png", "one.png"):
        assert np.all(drawn(tmp_path / name) == (0, 114, 178), axis=-1).any()


def test_curves_names_the_column_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="curves: metrics has no column 'fid', only epoch, elbo"):
        curves([{"epoch": 1, "elbo": -1.0}], tmp_path / "c.png", names=["fid"])
    with pytest.raises(ValueError, match="curves: metrics has no row"):
        curves([], tmp_path / "c.png")


def test_panels_draws_what_was_measured_in_colour_and_what_is_known_in_ink(tmp_path):
    x = np.linspace(0, 1, 5)
    part = Panel("title", "x", "y", {"measured": (x, x)}, {"known": (x, 1 - x)})
    panels([part], tmp_path / "one.png")
    panels([part, part, part], tmp_path / "three.png")
    one, three = drawn(tmp_path / "one.png"), drawn(tmp_path / "three.png")
    assert (one == (0x00, 0x72, 0xB2)).all(axis=-1).sum() > 100
    assert (three[: len(three) // 2] == (0x00, 0x72, 0xB2)).all(axis=-1).any()
    assert (three[len(three) // 2 :] == (0x00, 0x72, 0xB2)).all(axis=-1).any()
    assert abs(one.shape[1] - three.shape[1]) <= 1


def test_panels_needs_one_at_least(tmp_path):
    with pytest.raises(ValueError, match=r"^panels: there is no panel, expected one at least$"):
        panels([], tmp_path / "none.png")


def test_fid_lines_draws_each_fit_s_scores_and_its_line_down_to_infinitely_many_samples(tmp_path, monkeypatch):
    drawn_panels = []

    def both(parts, path):
        drawn_panels.extend(parts)
        panels(parts, path)

    monkeypatch.setattr("tinygen.plotting.figures.panels", both)
    sizes = np.array([100, 200, 400])
    fits = {name: FIDInfinity(e, 0.01, s, sizes, e + s / sizes) for name, e, s in (("a", 0.5, 100), ("b", -0.1, 200))}
    fid_lines(fits, tmp_path / "lines.png", title="two generators")
    (panel,) = drawn_panels
    assert list(panel.known) == ["a: 0.5 ± 0.01 at 0", "b: -0.1 ± 0.01 at 0"]
    for (x, y), (ends, line), fit in zip(panel.measured.values(), panel.known.values(), fits.values(), strict=True):
        np.testing.assert_array_equal(x, 1 / sizes)
        np.testing.assert_array_equal(y, fit.scores)
        np.testing.assert_allclose(line, [fit.estimate, fit.scores[0]])
        np.testing.assert_array_equal(ends, [0, 0.01])
    for colour in ((0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00)):
        assert (drawn(tmp_path / "lines.png") == colour).all(axis=-1).any()
    with pytest.raises(ValueError, match=r"^fid_lines: there is no fit, expected one at least$"):
        fid_lines({}, tmp_path / "none.png")


def test_a_panel_may_be_logarithmic(tmp_path):
    x = np.array([1.0, 10.0, 100.0])
    straight, bent = (Panel("", "x", "y", {"squares": (x, x**2)}, {}, False, *scale) for scale in (("log", "log"), ()))
    panels([straight], tmp_path / "straight.png")
    panels([bent], tmp_path / "bent.png")
    blue = [(drawn(tmp_path / name) == (0x00, 0x72, 0xB2)).all(axis=-1) for name in ("straight.png", "bent.png")]
    heights = [np.argwhere(mask[:, mask.shape[1] // 2])[:, 0] for mask in blue]  # where the curve is halfway
    assert heights[0].mean() < heights[1].mean() - 30


def test_a_panel_may_begin_at_zero_and_mark_the_positions_that_it_is_told(monkeypatch):
    figures = []
    monkeypatch.setattr("tinygen.plotting.figures.write", lambda figure, path: figures.append(figure))
    x = np.arange(10)
    some = Panel("", "class", "share", {"a": (x, 0.1 + 0.001 * (x % 2))})
    panels([some, some._replace(from_zero=True, xticks=x.tolist())], "unwritten.png")
    as_it_suits, as_told = figures[0].axes
    assert as_it_suits.get_ylim()[0] > 0.09
    assert len(as_it_suits.get_xticks()) < 10
    assert as_told.get_ylim()[0] == 0
    assert as_told.get_xticks().tolist() == x.tolist()


def test_a_scatter_gives_every_label_a_colour_of_its_own(tmp_path):
    points = np.random.default_rng(0).normal(size=(300, 2))
    scatter(points, np.arange(300) % 3, tmp_path / "three.png")
    scatter(points, np.zeros(300, int), tmp_path / "one.png", title="one")
    three, one = drawn(tmp_path / "three.png"), drawn(tmp_path / "one.png")
    for colour in ((31, 119, 180), (255, 127, 14), (44, 160, 44)):
        assert (three == colour).all(axis=-1).sum() > 100
    assert (one == (31, 119, 180)).all(axis=-1).any()
    assert not (one == (255, 127, 14)).all(axis=-1).any()


def test_a_scatter_refuses_points_of_other_shapes_and_more_labels_than_colours(tmp_path):
    for points, labels in (
        (np.zeros((3, 3)), np.zeros(3)),
        (np.zeros((3, 2)), np.zeros(2)),
        (np.full((3, 2), np.nan), np.zeros(3)),
    ):
        with pytest.raises(ValueError, match=r"^scatter: expected finite points \(N, 2\) with a label each, got"):
            scatter(points, labels, tmp_path / "s.png")
    with pytest.raises(ValueError, match=r"^scatter: there are 11 different labels, expected 10 at most$"):
        scatter(np.zeros((11, 2)), np.arange(11), tmp_path / "s.png")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("row", [{"epoch": 2}, {"epoch": 2, "loss": "x"}, {"loss": 1.0}])
def test_curves_name_a_row_without_a_number(tmp_path, row):
    with pytest.raises(ValueError, match=r"curves: metrics\[1\] must have a number as '(loss|epoch)', got "):
        curves([{"epoch": 1, "loss": 1.0}, row], tmp_path / "curves.png")
    assert list(tmp_path.iterdir()) == []
