"""The pen: its curves pass through their points, its lines have the thickness asked for, its canvas any size."""

import numpy as np
import pytest

from tinygen.data.pen import draw, pieces_matrix


def circle(radius: float, centre: float, pieces: int = 120) -> np.ndarray:
    """Segments (2, 2, 1, pieces) around a circle."""
    angle = np.linspace(0, 2 * np.pi, pieces + 1)
    points = centre + radius * np.stack([np.cos(angle), np.sin(angle)])  # (2, pieces + 1)
    return np.stack([points[:, :-1], points[:, 1:]])[:, :, None]


def line(start: tuple[float, float], end: tuple[float, float], pieces: int = 40) -> np.ndarray:
    points = np.linspace(start, end, pieces + 1).T
    return np.stack([points[:, :-1], points[:, 1:]])[:, :, None]


def test_a_curve_passes_through_its_control_points():
    points = np.random.default_rng(0).normal(size=(5, 2))
    starts, ends = pieces_matrix(points, [[0, 1, 2], [2, 3, 4, 0]], 64)
    vertices = np.concatenate([starts.T @ points, ends.T @ points])
    reach = np.ptp(points, axis=0).max() / 20  # a point may fall within a piece, but not far from its ends
    for point in points:
        assert np.linalg.norm(vertices - point, axis=1).min() < reach


def test_a_stroke_has_no_gap_and_begins_and_ends_at_its_first_and_last_points():
    points = np.random.default_rng(1).normal(size=(4, 2))
    starts, ends = (side.T @ points for side in pieces_matrix(points, [[0, 1, 2, 3]], 20))
    assert starts[1:] == pytest.approx(ends[:-1])
    assert starts[0] == pytest.approx(points[0])
    assert ends[-1] == pytest.approx(points[3])


def test_a_curve_through_points_in_line_is_straight_and_its_pieces_are_equally_long():
    points = np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    starts, ends = (side.T @ points for side in pieces_matrix(points, [[0, 1, 2, 3]], 30))
    assert ends - starts == pytest.approx(np.tile([0.1, 0.2], (30, 1)))


def test_strokes_that_share_a_point_stay_joined_when_it_moves():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    starts, ends = pieces_matrix(points, [[0, 1], [1, 2]], 20)
    moved = points + np.random.default_rng(2).normal(size=points.shape)
    assert (ends[:, 9] @ moved) == pytest.approx(moved[1])
    assert (starts[:, 10] @ moved) == pytest.approx(moved[1])


@pytest.mark.parametrize("thickness", [1.0, 2.4, 5.0])
def test_grey_is_a_function_of_the_distance_to_the_line(thickness):
    centres = np.arange(40) + 0.5 - 20
    distance = np.abs(np.hypot(centres[:, None], centres) - 12)
    exact = np.clip(0.5 + thickness / 2 - distance, 0, 1)
    grey = draw(circle(12, 20), np.array([thickness]), (40, 40))[0]
    assert np.abs(grey - exact).max() < 0.1  # on the inner side of a bend there is a little more ink


def test_grey_falls_over_the_edge_asked_for():
    segments, thickness = line((-5, 10.5), (25, 10.5)), np.array([4.0])
    hard, soft = (draw(segments, thickness, (20, 20), edge=edge)[0, 10:15, 10] for edge in (0.1, 4.0))
    assert hard == pytest.approx([1, 1, 0.5, 0, 0], abs=0.05)
    assert soft == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=0.05)


def test_into_how_many_pieces_a_line_is_cut_does_not_show():
    few, many = (draw(circle(8, 14, pieces), np.array([2.0]), (28, 28)) for pieces in (50, 400))
    assert np.abs(few - many).max() < 0.05


def test_a_drawing_moved_by_whole_pixels_is_the_same_picture_elsewhere_on_a_canvas_of_any_sides():
    thickness = np.array([2.0])
    here = draw(line((4, 3), (9, 12)), thickness, (16, 30))
    there = draw(line((17, 4), (22, 13)), thickness, (16, 30))
    assert here.shape == (1, 16, 30)
    assert here.dtype == np.float32
    assert there[0, 1:, 13:] == pytest.approx(here[0, :-1, :-13], abs=1e-5)


def test_what_lies_outside_the_canvas_is_cut_off_and_pieces_without_length_leave_no_ink():
    outside, nothing = line((40, 40), (60, 50)), line((10, 10), (10, 10))
    images = draw(np.concatenate([outside, nothing], axis=2), np.array([3.0, 3.0]), (28, 28))
    assert not images.any()


def test_an_image_does_not_depend_on_its_company():
    random = np.random.default_rng(3)
    segments = np.concatenate([line(*random.uniform(0, 28, (2, 2))) for _ in range(150)], axis=2)
    thickness = random.uniform(1, 4, 150)
    together = draw(segments, thickness, (28, 28))
    alone = [draw(segments[:, :, i : i + 1], thickness[i : i + 1], (28, 28))[0] for i in range(150)]
    assert np.array_equal(together, alone)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match=r"draw: expected segments \(2, 2, N, P\).*got \(2, 2, 1, 40\) and \(3,\)"):
        draw(line((0, 0), (1, 1)), np.ones(3), (28, 28))
