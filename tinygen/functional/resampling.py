"""Upsampling: images enlarged by interpolation between pixels, or by repeating them."""

from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import as_batch, as_given
from tinygen.kernels.resampling import interpolation_matrix
from tinygen.operations.resampling import resize


def _upsample(name: str, x: Tensor, size: Any, scale_factor: Any, mode: str, align_corners: bool) -> Tensor:
    x, single = as_batch(name, x)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: expects either size or scale_factor, got {size!r} and {scale_factor!r}")
    given = size if scale_factor is None else scale_factor
    both = (given, given) if isinstance(given, (int, float)) else tuple(given)
    kinds = (int, float) if size is None else int
    if len(both) != 2 or not all(isinstance(number, kinds) and number > 0 for number in both):
        raise ValueError(f"{name}: expects a positive whole size or scale_factor, or a pair of them, got {given!r}")
    dtype = x.dtype if x.dtype.kind == "f" or mode == "nearest" else "float32"  # weights are no whole numbers
    matrices = []
    for length, wanted in zip(x.shape[2:], both, strict=True):
        new = int(wanted) if scale_factor is None else int(length * wanted)
        scale = None if scale_factor is None or new == length else float(wanted)  # what keeps its size stays as it is
        if length == 0 or new == 0:
            raise ValueError(f"{name}: {length} pixels cannot become {new} (x {x.shape})")
        matrices.append(interpolation_matrix(length, new, mode, align_corners, scale, dtype))
    return as_given(resize(x, rows=matrices[0], columns=matrices[1]), single)


def upsample_bilinear2d(x: Tensor, size: Any = None, scale_factor: Any = None, align_corners: bool = True) -> Tensor:
    """Bilinear interpolation to ``size`` (a number or (H_out, W_out)) or by ``scale_factor``: x (N, C, H, W) or
    (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out).

    With ``align_corners`` the corner pixels keep their places, (H - 1) / (H_out - 1) apart; else pixels are areas and
    their centres are H / H_out apart.
    """
    return _upsample("upsample_bilinear2d", x, size, scale_factor, "bilinear", align_corners)


def upsample_nearest2d(x: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Each new pixel a copy of the old pixel ``floor(position H / H_out)``: shapes as ``upsample_bilinear2d``."""
    return _upsample("upsample_nearest2d", x, size, scale_factor, "nearest", False)
