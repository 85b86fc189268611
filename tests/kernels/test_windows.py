"""Index arithmetic of sliding windows against its definition."""

import pytest

from tinygen.kernels import windows


@pytest.mark.parametrize("size", [1, 4, 9])
@pytest.mark.parametrize("kernel_size", [1, 3, 4])
@pytest.mark.parametrize("stride", [1, 2, 5])
@pytest.mark.parametrize("padding", [-2, 0, 1, 6])
@pytest.mark.parametrize("dilation", [1, 3])
def test_taps_pair_each_output_pixel_with_its_input_pixels(size, kernel_size, stride, padding, dilation):
    output_size = 6
    pairs = windows.taps(size, output_size, kernel_size, stride, padding, dilation)
    assert len(pairs) == kernel_size
    for tap, (out, into) in enumerate(pairs):
        all_pairs = [(r, stride * r + dilation * tap - padding) for r in range(output_size)]
        expected = [(r, h) for r, h in all_pairs if 0 <= h < size]
        assert list(zip(range(output_size)[out], range(size)[into], strict=True)) == expected
