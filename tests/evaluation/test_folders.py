"""Folders of images: read whatever their size and kind, refused by name where they are none, written to be read."""

import numpy as np
import pytest
from PIL import Image

from tinygen import evaluation


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 3, 32, 32), np.uint8)


def test_what_is_written_is_read(images, tmp_path):
    evaluation.write_images(images, tmp_path / "new")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["samples"]
    for folder in ("new", "new/samples"):
        np.testing.assert_array_equal(evaluation.read_images(tmp_path / folder), images)
    with pytest.raises(FileExistsError, match=r"new is not empty"):
        evaluation.write_images(images, tmp_path / "new")


def test_greys_palettes_transparency_and_jpeg_become_colours(tmp_path):
    plain = Image.new("RGB", (32, 32), (200, 200, 200))
    for number, kind in enumerate(("L", "RGBA", "LA", "RGB")):
        plain.convert(kind).save(tmp_path / f"{number}.png")
    plain.quantize(8).save(tmp_path / "4.png")
    plain.save(tmp_path / "5.jpg")
    plain.convert("CMYK").save(tmp_path / "6.jpeg")
    found = evaluation.read_images(tmp_path)
    assert (found.shape, found.dtype) == ((7, 3, 32, 32), np.uint8)
    assert np.abs(found.astype(int) - 200).max() <= 2


def test_fine_lines_become_grey_when_an_image_is_made_smaller(tmp_path):
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    assert np.abs(evaluation.read_images(tmp_path).astype(int) - 127).max() <= 10


def test_an_image_of_other_sides_is_resized(tmp_path):
    Image.new("RGB", (48, 20), (10, 20, 30)).save(tmp_path / "wide.png")
    found = evaluation.read_images(tmp_path, side=16)
    np.testing.assert_array_equal(found, np.broadcast_to(np.array([10, 20, 30])[:, None, None], (1, 3, 16, 16)))


def test_names_are_in_order_and_those_with_a_dot_are_passed_over(tmp_path):
    for name, grey in (("b", 20), ("a", 10)):
        Image.new("RGB", (32, 32), (grey,) * 3).save(tmp_path / f"{name}.png")
    (tmp_path / ".hidden").write_text("no image")
    assert evaluation.read_images(tmp_path)[:, 0, 0, 0].tolist() == [10, 20]


def test_what_is_no_image_is_named(images, tmp_path):
    evaluation.write_images(images, tmp_path)
    whole = (tmp_path / "samples" / "00001.png").read_bytes()
    (tmp_path / "samples" / "00001.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"00001\.png is no image that can be read"):
        evaluation.read_images(tmp_path)
    (tmp_path / "samples" / "inner").mkdir()
    (tmp_path / "samples" / "00001.png").write_bytes(whole)
    with pytest.raises(ValueError, match=r"inner is no image that can be read"):
        evaluation.read_images(tmp_path)


def test_folders_that_are_empty_or_not_there_are_named(tmp_path):
    with pytest.raises(NotADirectoryError, match=r"there is no folder .*absent"):
        evaluation.read_images(tmp_path / "absent")
    (tmp_path / "samples").mkdir()
    with pytest.raises(ValueError, match=r"there are no images in .*samples"):
        evaluation.read_images(tmp_path)
