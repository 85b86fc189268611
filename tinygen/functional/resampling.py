"""Upsampling: images enlarged by interpolation between pixels, or by repeating them."""

import operator
from typing import Any

from tinygen.autograd.operands import operands, real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import as_batch, as_given
from tinygen.kernels.resampling import interpolation
from tinygen.operations.resampling import resize
from tinygen.validation import described, number


def _upsample(name: str, x: Tensor, size: Any, scale_factor: Any, mode: str, align_corners: bool) -> Tensor:
    x, single = as_batch(name, x)
    if (size is None) == (scale_factor is None):
        raise ValueError(
            f"{name}: expects either size or scale_factor, got {described(size)} and {described(scale_factor)}"
        )
    both = _two_numbers(name, size, scale_factor)
    ways = []
    for length, wanted in zip(x.shape[2:], both, strict=True):
        new = int(wanted) if scale_factor is None else int(length * wanted)
        scale = None if scale_factor is None or new == length else float(wanted)  # what keeps its size stays as it is
        if length == 0 or new == 0:
            raise ValueError(f"{name}: {length} pixels cannot become {new} (x {x.shape})")
        ways.append(interpolation(length, new, mode, align_corners, scale, x.dtype))
    return as_given(resize(x, rows=ways[0], columns=ways[1]), single)


def _two_numbers(name: str, size: Any, scale_factor: Any) -> tuple[float, ...]:
    """``size`` or else ``scale_factor``, a positive number or two, as (vertical, horizontal)."""
    given = size if scale_factor is None else scale_factor
    both = tuple(given) if isinstance(given, (tuple, list)) else (given, given)
    try:
        both = tuple([operator.index(each) if scale_factor is None else number(name, "", each) for each in both])
    except TypeError:
        both = ()
    if len(both) != 2 or not all(0 < each < float("inf") for each in both):
        shown = given if isinstance(given, (tuple, list)) else described(given)
        raise ValueError(f"{name}: expects a positive whole size or scale_factor, or a pair of them, got {shown}")
    return both


@real_operands("x")
def upsample_bilinear2d(x: Tensor, size: Any = None, scale_factor: Any = None, align_corners: bool = True) -> Tensor:
    """Bilinear interpolation to ``size`` (a number or (H_out, W_out)) or by ``scale_factor``: x (N, C, H, W) or
    (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out).

    With ``align_corners`` the corner pixels keep their places, (H - 1) / (H_out - 1) apart; else pixels are areas and
    their centres are H / H_out apart. A pixel of weight 0 does not count, even if it is infinite or NaN.
    """
    return _upsample("upsample_bilinear2d", x, size, scale_factor, "bilinear", align_corners)


@operands("x", widen=True)
def upsample_nearest2d(x: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Each new pixel a copy of the old pixel ``floor(position H / H_out)``: shapes as ``upsample_bilinear2d``."""
    return _upsample("upsample_nearest2d", x, size, scale_factor, "nearest", False)
