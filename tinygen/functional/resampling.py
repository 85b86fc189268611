"""Resampling: images resized by bilinear interpolation, or by repeating the nearest pixel."""

import math
from typing import Any

from tinygen.autograd.operands import operands, real_operands
from tinygen.autograd.tensor import Tensor
from tinygen.functional.options import as_batch, pair, unbatch
from tinygen.kernels.resampling import interpolation_matrix
from tinygen.operations.resampling import resize
from tinygen.validation import described, is_several, number, truth_value


def _upsample(name: str, x: Tensor, size: Any, scale_factor: Any, mode: str, align_corners: bool) -> Tensor:
    x, single = as_batch(name, x)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"{name}: expects either size or scale_factor, got {size!r} and {scale_factor!r}")
    both = _factors(name, scale_factor) if size is None else pair(name, "size", size, minimum=1)
    matrices = []
    for length, wanted in zip(x.shape[2:], both, strict=True):
        new = int(wanted) if scale_factor is None else int(length * wanted)
        scale = None if scale_factor is None or new == length else float(wanted)
        if length == 0 or new == 0:
            raise ValueError(f"{name}: {length} pixels cannot become {new} (x {x.shape})")
        matrices.append(interpolation_matrix(length, new, mode, align_corners, scale, x.dtype))
    return unbatch(resize(x, rows=matrices[0], columns=matrices[1]), single)


def _factors(name: str, scale_factor: Any) -> tuple[float, ...]:
    """``scale_factor`` as two positive numbers (vertical, horizontal); else ``ValueError``."""
    given = tuple(scale_factor) if is_several(scale_factor) else (scale_factor, scale_factor)
    both = tuple([number(name, "scale_factor", factor) for factor in given])
    if len(both) != 2 or not all(0 < factor < math.inf for factor in both):
        shown = described(scale_factor) if len(both) != 2 else scale_factor
        raise ValueError(f"{name}: scale_factor must be a positive number, or a pair of them, got {shown}")
    return both


@real_operands("x")
def upsample_bilinear2d(x: Tensor, size: Any = None, scale_factor: Any = None, align_corners: bool = True) -> Tensor:
    """Bilinear interpolation to ``size`` (a number or (H_out, W_out)) or by ``scale_factor``: x (N, C, H, W) or
    (C, H, W) -> (N, C, H_out, W_out) or (C, H_out, W_out).

    With ``align_corners`` the corner pixels keep their positions, and pixels are (H - 1) / (H_out - 1) apart; otherwise
    pixels are areas, whose centres are H / H_out apart. Raises ``ValueError`` unless one of ``size`` and
    ``scale_factor`` is given, and for an empty image or result.
    """
    align_corners = truth_value("upsample_bilinear2d", "align_corners", align_corners)
    return _upsample("upsample_bilinear2d", x, size, scale_factor, "bilinear", align_corners)


@operands("x")
def upsample_nearest2d(x: Tensor, size: Any = None, scale_factor: Any = None) -> Tensor:
    """Output pixel i is a copy of input pixel ``floor(i H / H_out)``: x (N, C, H, W) or (C, H, W) -> (N, C, H_out,
    W_out) or (C, H_out, W_out); options and errors as ``upsample_bilinear2d``."""
    return _upsample("upsample_nearest2d", x, size, scale_factor, "nearest", False)
