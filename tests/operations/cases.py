"""The table of cases: every public callable on small inputs, over the shapes and options that are awkward.

One table serves all checks: gradients to second order, float32 throughout, the same on a GPU. ``case("F.conv2d",
function, *inputs)`` adds a row; float64 arrays among the inputs become tensors that ask for gradients, arrays of other
types tensors that do not, ``Fixed(array)`` one of floats that does not. What has no derivative to check has a reason
in ``NOT_CHECKED`` instead. Kinks are avoided, since random numbers do not tie.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import tinygen as tg
import tinygen.functional as F
from tinygen import likelihoods, nn
from tinygen.autograd import broadcasting
from tinygen.autograd.tensor import Tensor
from tinygen.kernels import group_normalisation
from tinygen.kernels.normalisation import channel_sums, moments
from tinygen.kernels.windows import Geometry
from tinygen.models.vae import gradient_scaled, reparametrise
from tinygen.operations import convolution, elementwise, pooling, shaping
from tinygen.operations.normalisation import channel_dot, channel_sum, normalise_grad

PUBLIC = {"tg": tg, "F": F, "nn": nn, "likelihoods": likelihoods}  # where public callables live

_numbers = np.random.default_rng(0)


class Fixed(NamedTuple):
    """An input of floating-point numbers without ``requires_grad``."""

    array: np.ndarray


@dataclass(frozen=True)
class Case:
    """A public callable (``covers``) as a function of tensors, and what to call it with."""

    covers: str
    number: int
    function: Callable[..., Any]
    inputs: tuple[Any, ...]

    def __str__(self) -> str:
        return f"{self.covers}-{self.number}"

    def tensors(self, dtype: str = "float64", device: str = "cpu") -> list[Tensor]:
        """The inputs as tensors, floating-point ones of ``dtype``."""
        tensors = []
        for given in self.inputs:
            array = given.array if isinstance(given, Fixed) else given
            wanted = dtype if array.dtype == np.float64 else array.dtype
            asks = array.dtype == np.float64 and not isinstance(given, Fixed)
            tensors.append(tg.tensor(array, dtype=wanted, device=device, requires_grad=asks))
        return tensors


CASES: list[Case] = []


def case(covers: str, function: Callable[..., Any], *inputs: Any) -> None:
    """Add a row to the table."""
    number = sum(row.covers == covers for row in CASES)
    CASES.append(Case(covers, number, function, inputs))


def normal(*shape: int) -> np.ndarray:
    """Standard normal numbers."""
    return _numbers.normal(size=shape)


def positive(*shape: int) -> np.ndarray:
    """Numbers from 0.5 to 2."""
    return _numbers.uniform(0.5, 2.0, shape)


def probabilities(*shape: int) -> np.ndarray:
    """Numbers that sum to 1 along the second axis."""
    drawn = positive(*shape)
    return drawn / drawn.sum(axis=1, keepdims=True)


# Arithmetic: shapes of which both operands are broadcast, numbers on either side ------------------------------------

SHAPES = [((3,), (3,)), ((2, 1), (1, 3)), ((2, 3), ()), ((3,), (2, 1, 3)), ((0, 2), (2,)), ((), ()), ((1, 1), (4,))]
for left, right in SHAPES:
    case("Tensor.__add__", lambda x, y: x + y, normal(*left), normal(*right))
    case("Tensor.__sub__", lambda x, y: x - y, normal(*left), normal(*right))
    case("Tensor.__mul__", lambda x, y: x * y, normal(*left), normal(*right))
    case("Tensor.__truediv__", lambda x, y: x / y, normal(*left), positive(*right))
    case("Tensor.__pow__", lambda x, y: x**y, positive(*left), normal(*right))
    case("tg.maximum", tg.maximum, normal(*left), normal(*right))
    case("tg.minimum", tg.minimum, normal(*left), normal(*right))
case("Tensor.__radd__", lambda x: 2 + x, normal(2, 3))
case("Tensor.__rsub__", lambda x: 2 - x, normal(2, 3))
case("Tensor.__rmul__", lambda x: 2.5 * x, normal(2, 3))
case("Tensor.__rtruediv__", lambda x: 2 / x, positive(2, 3))
case("Tensor.__rpow__", lambda x: 1.5**x, normal(2, 3))
case("Tensor.__rpow__", lambda x: 2**x, normal(3))
for exponent in (0, 1, 2, 3, -1, 0.5, -1.5):
    case("Tensor.__pow__", lambda x, p=exponent: x**p, positive(2, 3))
case("Tensor.__pow__", lambda x: x**3, normal(4))
case("Tensor.__pow__", lambda x, p: x**p, normal(4), Fixed(np.array([2.0, 1.0, 0.0, 3.0])))
case("Tensor.__pow__", lambda x: x**2, np.array([0.0, -1.0, 2.0]))
case("Tensor.__neg__", lambda x: -x, normal(2, 3))
case("Tensor.__mod__", lambda x: x % 1.5, normal(5))
case("Tensor.__mod__", lambda x, y: x % y, normal(5), positive(1))
case("Tensor.__rmod__", lambda x: 5 % x, positive(4))
case("Tensor.__rmod__", lambda x: 1.7 % x, positive(5))
case("tg.maximum", lambda x: tg.maximum(x, 0.1), normal(5))
case("tg.minimum", lambda x: tg.minimum(0.1, x), normal(5))
case("tg.maximum", lambda x: tg.maximum([0.5, -0.5], x), normal(3, 2))
case("tg.where", lambda x: tg.where([True, False], x, [0.5, 1.5]), normal(3, 2))
case("tg.abs", tg.abs, normal(2, 3))
case("tg.clip", lambda x: tg.clip(x, -0.5, 0.5), normal(8))
case("tg.clip", lambda x: tg.clip(x, max=0.2), normal(6))
case("tg.clip", lambda x, low: tg.clip(x, low), normal(2, 3), normal(3))
case("tg.clip", lambda x, low, high: tg.clip(x, low, high), normal(4, 3), normal(3), normal(4, 1))
case("tg.where", tg.where, np.array([[True], [False]]), normal(2, 3), normal(3))
case("tg.where", lambda x: tg.where(x > 0, x, 0.5), normal(6))
case("tg.where", tg.where, positive(2, 3), normal(2, 1), normal(3))

# Functions of one number ---------------------------------------------------------------------------------------------

for shape in ((2, 3), (), (0,), (1, 1)):
    for name in ("exp", "expm1", "sin", "cos", "tanh"):
        case(f"tg.{name}", getattr(tg, name), normal(*shape))
    for name in ("log", "log1p", "sqrt"):
        case(f"tg.{name}", getattr(tg, name), positive(*shape))
    for name in ("relu", "leaky_relu", "elu", "sigmoid", "silu", "tanh", "softplus", "log_sigmoid"):
        case(f"F.{name}", getattr(F, name), normal(*shape))
case("F.leaky_relu", lambda x: F.leaky_relu(x, 0.2), normal(5))
case("F.leaky_relu", lambda x: F.leaky_relu(x, -0.5), normal(5))
for alpha in (0.3, 2.0, 0.0, -1.0):
    case("F.elu", lambda x, a=alpha: F.elu(x, a), normal(6))
case("F.softplus", lambda x: F.softplus(x, beta=2.0), normal(5))
case("F.softplus", lambda x: F.softplus(x, 1.0, threshold=0.5), normal(8))
case("F.sigmoid", F.sigmoid, np.array([-40.0, -5.0, 5.0, 40.0]))
case("F.log_sigmoid", F.log_sigmoid, np.array([-40.0, -5.0, 5.0, 40.0]))
case("products of activations", lambda g, x: elementwise.leaky_relu_vjp(g, x, slope=0.1), normal(5), normal(5))
case("F.silu", F.silu, np.array([-40.0, -5.0, 0.0, 5.0, 40.0]))
case("products of activations", lambda g, x: elementwise.silu_vjp(g, x, y=F.silu(x).data), normal(6), normal(6))
case("products of activations", lambda g, y: elementwise.elu_vjp(g, y, alpha=2.0), normal(6), normal(6))

# Reductions ----------------------------------------------------------------------------------------------------------

REDUCTIONS = [
    ((2, 3), {}),
    ((2, 3), {"axis": 0}),
    ((2, 3), {"axis": -1, "keepdims": True}),
    ((2, 3, 2), {"axis": (0, -1)}),
    ((2, 3, 2), {"axis": (2, 1), "keepdims": True}),
    ((1, 4), {"axis": 1}),
    ((4,), {"keepdims": True}),
    ((), {}),
]
for shape, options in REDUCTIONS:
    for name in ("sum", "mean", "var", "std", "max", "min", "prod", "logsumexp", "norm"):
        if (name, shape) != ("std", ()):  # the deviation of one number is constant, and its root has a kink there
            case(f"tg.{name}", lambda x, n=name, o=options: getattr(tg, n)(x, **o), normal(*shape))
for name in ("sum", "prod"):
    case(f"tg.{name}", lambda x, n=name: getattr(tg, n)(x, axis=0), normal(0, 2))
for name in ("sum", "mean", "max", "logsumexp", "norm"):
    case(f"tg.{name}", lambda x, n=name: getattr(tg, n)(x, axis=1), normal(0, 2))
case("tg.prod", lambda x: tg.prod(x, axis=1), np.array([[0.0, 2.0, 3.0, 0.5, 1.5], [0.0, 0.0, 3.0, 1.0, 2.0]]))
case("tg.var", lambda x: tg.var(x, axis=1, ddof=1), normal(2, 4))
case("tg.std", lambda x: tg.std(x, axis=0, ddof=1, keepdims=True), normal(3, 2))
case("tg.cumsum", tg.cumsum, normal(2, 3))
case("tg.cumsum", lambda x: tg.cumsum(x, axis=0), normal(3, 2))
case("tg.cumsum", lambda x: tg.cumsum(x, axis=-2), normal(2, 3, 2))
case("tg.logsumexp", lambda x: tg.logsumexp(x, axis=1), np.array([[-1001.0, -1000.0], [1000.0, 1001.0]]))
for order in (1, 2, 3, 1.5, 0, -1, np.inf, -np.inf):
    case("tg.norm", lambda x, o=order: tg.norm(x, o, axis=-1), normal(2, 3))
for order in (1, -1, np.inf, -np.inf, "fro"):
    case("tg.norm", lambda x, o=order: tg.norm(x, o), normal(3, 2))
case("tg.norm", lambda x: tg.norm(x, 1, axis=(2, 0), keepdims=True), normal(2, 2, 3))
case("F.softmax", F.softmax, normal(2, 3))
case("F.softmax", lambda x: F.softmax(x, 0), normal(3, 2))
case("F.softmax", lambda x: F.softmax(x, axis=1), normal(1, 3, 2))
case("F.log_softmax", F.log_softmax, normal(2, 3))
case("F.log_softmax", lambda x: F.log_softmax(x, 0), normal(3, 2))
case("F.log_softmax", lambda x: F.log_softmax(x, 1), 1000 * np.array([[1.0, -1.0, 0.5], [0.0, 1.0, -1.0]]))

# Moving elements -----------------------------------------------------------------------------------------------------

case("tg.broadcast_to", lambda x: tg.broadcast_to(x, (2, 3)), normal(3))
case("tg.broadcast_to", lambda x: tg.broadcast_to(x, (2, 4, 3)), normal(2, 1, 1))
case("tg.broadcast_to", lambda x: tg.broadcast_to(x, (0, 3)), normal(1, 3))
case("the sum to a shape", lambda x: broadcasting.sum_to(x, (3, 1)), normal(2, 3, 2))
case("tg.reshape", lambda x: tg.reshape(x, 3, -1), normal(2, 6))
case("tg.reshape", lambda x: tg.reshape(x, (2, 2, 1)), normal(4))
case("tg.reshape", lambda x: tg.reshape(x, -1), normal(2, 3))
case("tg.reshape", lambda x: tg.reshape(tg.transpose(x), (3, 2)), normal(2, 3))
case("tg.flatten", tg.flatten, normal(2, 3))
case("tg.flatten", lambda x: tg.flatten(x, 1), normal(2, 3, 2))
case("tg.flatten", tg.flatten, normal())
case("tg.squeeze", tg.squeeze, normal(1, 3, 1))
case("tg.squeeze", lambda x: tg.squeeze(x, -1), normal(1, 3, 1))
case("tg.squeeze", lambda x: tg.squeeze(x, (0, 2)), normal(1, 3, 1))
case("tg.expand_dims", lambda x: tg.expand_dims(x, -1), normal(2, 3))
case("tg.expand_dims", lambda x: tg.expand_dims(x, (0, 2)), normal(2, 3))
case("tg.transpose", tg.transpose, normal(2, 3, 2))
case("tg.transpose", lambda x: tg.transpose(x, (1, -1, 0)), normal(2, 3, 4))
case("tg.swapaxes", lambda x: tg.swapaxes(x, 0, -1), normal(2, 1, 3))
case("Tensor.T", lambda x: x.T, normal(2, 3))
case("tg.pad", lambda x: tg.pad(x, 1), normal(2, 3))
case("tg.pad", lambda x: tg.pad(x, (1, 2)), normal(2, 2))
case("tg.pad", lambda x: tg.pad(x, ((0, 1), (2, 0))), normal(2, 3))
case("tg.cat", lambda x, y: tg.cat([x, y]), normal(2, 3), normal(1, 3))
case("tg.cat", lambda x, y, z: tg.cat([x, y, z, x], axis=-1), normal(2, 2), normal(2, 1), normal(2, 0))
case("tg.cat", lambda x: tg.cat([x]), normal(2, 2))
case("tg.stack", lambda x, y: tg.stack([x, y]), normal(3), normal(3))
case("tg.stack", lambda x, y: tg.stack([x, y, x], axis=-1), normal(2, 3), normal(2, 3))
case("tg.split", lambda x: tg.split(x, 2), normal(4, 2))
case("tg.split", lambda x: tg.split(x, [1, 3], axis=1), normal(2, 4))
case("Tensor.__getitem__", lambda x: x[1], normal(3, 2))
case("Tensor.__getitem__", lambda x: x[-1, 0], normal(3, 2))
case("Tensor.__getitem__", lambda x: x[1:, ::-2], normal(3, 4))
case("Tensor.__getitem__", lambda x: x[..., None, 1], normal(2, 3))
case("Tensor.__getitem__", lambda x: x[2:2], normal(3, 2))
case("Tensor.__getitem__", lambda x: x[[0, 2, 2, 0, -1]], normal(3, 2))
case("Tensor.__getitem__", lambda x: x[[0, 1, 1], [2, 0, 0]], normal(2, 3))
case("Tensor.__getitem__", lambda x: x[:, [[1, 1], [0, 2]]], normal(2, 3))
case("Tensor.__getitem__", lambda x: x[[1, 1], :, 0], normal(2, 3, 2))
case("Tensor.__getitem__", lambda x: x[[]], normal(3, 2))
case("Tensor.__getitem__", lambda x, i: x[i], normal(3, 2), np.array([[2, 2], [0, 1]]))
case("Tensor.__getitem__", lambda x, mask: x[mask], normal(2, 3), np.array([[True, False, True], [False, True, True]]))
case("Tensor.__getitem__", lambda x, mask: x[mask], normal(2, 3), np.array([False, True]))
case("Tensor.__getitem__", lambda x, mask: x[:, mask], normal(2, 3), np.array([True, False, True]))
case("Tensor.__getitem__", lambda x: x[x > 0], normal(6))
case("the adjoint of indexing", lambda x: shaping.scatter(x, index=(slice(1, None),), shape=(3, 2)), normal(2, 2))
case("Tensor.astype", lambda x: x.astype(x.dtype), normal(2, 3))
case("Tensor.to", lambda x: x.to(x.device), normal(2, 3))

# Products ------------------------------------------------------------------------------------------------------------

MATRICES = [
    ((2, 3), (3, 4)),
    ((3,), (3,)),
    ((3,), (3, 2)),
    ((2, 3), (3,)),
    ((2, 2, 3), (3, 2)),
    ((2, 2, 3), (2, 3, 1)),
    ((2, 1, 2, 3), (2, 3, 2)),
    ((2, 3), (2, 3, 2)),
    ((3,), (2, 3, 2)),
    ((2, 2, 3), (3,)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 2)),
    ((0, 2, 3), (3, 2)),
]
for left, right in MATRICES:
    case("tg.matmul", tg.matmul, normal(*left), normal(*right))
case("Tensor.__rmatmul__", lambda x: [[1.0, 2.0], [3.0, 4.0]] @ x, normal(2, 3))
EINSUMS = [
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("bij,bjk->bik", (2, 2, 3), (2, 3, 2)),
    ("i,j", (2,), (3,)),
    ("ij->", (2, 3)),
    ("ij->ji", (2, 3)),
    ("ii->i", (3, 3)),
    ("ii", (3, 3)),
    ("iij,j->i", (2, 2, 3), (3,)),
    ("...i,i", (2, 2, 3), (3,)),
    ("...ij,...jk->...ik", (2, 2, 3), (1, 3, 2)),
    ("i,i,i->i", (3,), (3,), (3,)),
    ("ij,k->k", (2, 3), (2,)),
    ("bi,bi->b", (1, 3), (2, 3)),
]
for subscripts, *shapes in EINSUMS:
    case("tg.einsum", lambda *xs, s=subscripts: tg.einsum(s, *xs), *(normal(*shape) for shape in shapes))
case("F.linear", F.linear, normal(2, 3), normal(4, 3), normal(4))
case("F.linear", F.linear, normal(3), normal(2, 3))
case("F.linear", F.linear, normal(2, 2, 3), normal(2, 3), normal(2))
case("F.linear", F.linear, normal(2, 3), normal(3))

# Images: a batch of 1, odd and unequal sides, strides and paddings ---------------------------------------------------

CONVOLUTIONS: list[tuple[tuple, tuple, dict[str, Any]]] = [
    ((1, 1, 5, 4), (2, 1, 3, 3), {}),
    ((2, 2, 3, 4), (1, 2, 2, 3), {"padding": (1, 0)}),
    ((1, 2, 5, 3), (2, 2, 3, 2), {"stride": (2, 1), "padding": (0, 1)}),
    ((2, 1, 7, 4), (2, 1, 2, 2), {"stride": 3}),
    ((1, 1, 3, 2), (2, 1, 3, 3), {"padding": 2}),
    ((1, 1, 1, 1), (1, 1, 5, 5), {"padding": 4}),
    ((1, 2, 2, 2), (1, 2, 5, 5), {"padding": (2, 3)}),
    ((2, 2, 3, 2), (2, 2, 3, 2), {}),
    ((1, 1, 2, 2), (2, 1, 4, 4), {"padding": 1}),
    ((1, 1, 5, 4), (1, 1, 2, 2), {"dilation": (2, 3)}),
    ((1, 1, 6, 5), (1, 1, 3, 2), {"dilation": 2, "stride": 2, "padding": 2}),
    ((1, 4, 3, 3), (2, 2, 2, 2), {"groups": 2}),
    ((1, 2, 3, 3), (4, 1, 2, 2), {"groups": 2, "padding": 1, "stride": 2}),
    ((2, 2, 3, 3), (2, 2, 1, 1), {}),
    ((1, 2, 4, 4), (1, 2, 1, 1), {"stride": 2}),
    ((1, 1, 4, 4), (1, 1, 2, 2), {"stride": (3, 2)}),
    ((1, 3, 4), (2, 1, 2, 3), {"padding": "same"}),
    ((1, 3, 4), (2, 1, 2, 3), {"padding": "valid"}),
    ((1, 1, 4, 5), (1, 1, 2, 2), {"padding": "same", "dilation": 2}),
    ((0, 1, 3, 3), (2, 1, 2, 2), {}),
]
for image, weight, options in CONVOLUTIONS:
    bias = [normal(weight[0])] if len(CASES) % 2 else []
    case("F.conv2d", lambda *given, o=options: F.conv2d(*given, **o), normal(*image), normal(*weight), *bias)
TRANSPOSED: list[tuple[tuple, tuple, dict[str, Any]]] = [
    ((1, 2, 3, 2), (2, 1, 2, 3), {}),
    ((2, 1, 2, 3), (1, 2, 3, 3), {"stride": 2, "padding": 1}),
    ((1, 1, 2, 2), (1, 2, 3, 2), {"stride": (2, 3), "padding": (1, 0), "output_padding": (1, 2)}),
    ((1, 1, 2, 2), (1, 1, 2, 2), {"stride": 3}),
    ((1, 2, 2, 2), (2, 1, 3, 3), {"padding": 2, "stride": 2, "output_padding": 1}),
    ((1, 1, 2, 3), (1, 1, 2, 2), {"dilation": (2, 1), "output_padding": (1, 0)}),
    ((1, 4, 2, 2), (4, 1, 2, 2), {"groups": 2}),
    ((1, 2, 2, 2), (2, 2, 3, 3), {"groups": 2, "stride": 2}),
    ((1, 1, 1, 1), (1, 1, 3, 3), {}),
    ((2, 3, 3), (2, 1, 2, 2), {"stride": 2}),
    ((1, 2, 2, 2), (2, 1, 1, 1), {"stride": 2}),
]
for image, weight, options in TRANSPOSED:
    bias = [normal(weight[1] * options.get("groups", 1))] if len(CASES) % 2 else []
    given = [normal(*image), normal(*weight), *bias]
    case("F.conv_transpose2d", lambda *x, o=options: F.conv_transpose2d(*x, **o), *given)
GEOMETRY = Geometry(stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=1)
case(
    "the gradient of convolution in its kernel",
    lambda x, g: convolution.conv2d_weight_grad(x, g, kernel_size=(2, 2), geometry=GEOMETRY),
    normal(1, 2, 3, 4),
    normal(1, 1, 2, 2),
)

POOLS: list[tuple[tuple, dict[str, Any]]] = [
    ((1, 1, 4, 4), {"kernel_size": 2}),
    ((2, 2, 5, 3), {"kernel_size": 2}),
    ((1, 1, 5, 4), {"kernel_size": (3, 2), "stride": (1, 2)}),
    ((1, 2, 7, 4), {"kernel_size": 2, "stride": 3}),
    ((1, 1, 4, 5), {"kernel_size": 3, "padding": 1}),
    ((1, 1, 5, 5), {"kernel_size": (2, 4), "stride": (2, 3), "padding": (1, 2)}),
    ((1, 1, 5, 6), {"kernel_size": 2, "ceil_mode": True}),
    ((1, 1, 5, 4), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((2, 1, 3, 2), {"kernel_size": (3, 2)}),
    ((2, 4, 3), {"kernel_size": 2, "stride": 1}),
    ((0, 1, 4, 4), {"kernel_size": 2}),
]
for image, options in POOLS:
    case("F.avg_pool2d", lambda x, o=options: F.avg_pool2d(x, **o), normal(*image))
    case("F.max_pool2d", lambda x, o=options: F.max_pool2d(x, **o), normal(*image))
case("F.avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False), normal(1, 1, 5, 4))
case("F.avg_pool2d", lambda x: F.avg_pool2d(x, 3, 2, 1, True, False), normal(1, 2, 4, 4))
case("F.avg_pool2d", lambda x: F.avg_pool2d(x, 2, divisor_override=3), normal(1, 1, 4, 4))
case("F.max_pool2d", lambda x: F.max_pool2d(x, 2, 1, dilation=(2, 1)), normal(1, 1, 4, 3))
case("F.max_pool2d", lambda x: F.max_pool2d(x, 3, 2, 1, 2, True), normal(1, 1, 6, 5))
WINDOWS = {
    "kernel_size": (2, 3),
    "geometry": Geometry((2, 1), (1, 0), (1, 1), 1),
    "output_size": (2, 2),
    "divisors": 6.0,
}
case(
    "the adjoint of average pooling",
    lambda x: pooling.avg_pool2d_adjoint(x, size=(3, 4), **WINDOWS),
    normal(1, 2, 2, 2),
)
case(
    "the adjoint of taking pixels",
    lambda x, i: pooling.scatter_add2d(x, indices=i.data, size=(2, 3)),
    normal(1, 2, 2, 2),
    np.array([0, 1, 1, 5, 2, 2, 2, 2]).reshape(1, 2, 2, 2),
)
for image, size in [((1, 1, 2, 3), {"scale_factor": 2}), ((2, 2, 3, 2), {"size": (5, 3)}), ((1, 3, 4), {"size": 2})]:
    case("F.upsample_nearest2d", lambda x, o=size: F.upsample_nearest2d(x, **o), normal(*image))
    case("F.upsample_bilinear2d", lambda x, o=size: F.upsample_bilinear2d(x, **o), normal(*image))
    case("F.upsample_bilinear2d", lambda x, o=size: F.upsample_bilinear2d(x, **o, align_corners=False), normal(*image))
case("F.upsample_bilinear2d", lambda x: F.upsample_bilinear2d(x, (1, 4)), normal(1, 1, 3, 1))
case("F.upsample_bilinear2d", lambda x: F.upsample_bilinear2d(x, scale_factor=(1.5, 2.5)), normal(1, 1, 3, 2))

# Normalisation, noise, losses ----------------------------------------------------------------------------------------


def _normalised(x: Tensor, *weights: Tensor, **options: Any) -> Tensor:
    return F.batch_norm(x, None, None, *weights, training=True, **options)


for shape in ((4, 2), (3, 2, 2), (2, 2, 2, 3), (2, 1, 2, 2, 2)):
    case("F.batch_norm", _normalised, normal(*shape), positive(shape[1]), normal(shape[1]))
    case("F.batch_norm", F.batch_norm, normal(*shape), Fixed(normal(shape[1])), Fixed(positive(shape[1])))
case("F.batch_norm", lambda x: _normalised(x, eps=0.1), normal(3, 2))


def _gradients_of_normalise(g, x, weight):
    mean, variance = moments(x.data)
    stats = {"mean": mean, "inv_std": (variance + 0.1) ** -0.5}
    given = {"sums": channel_sums(g.data, x.data, **stats), "eps": 0.1, **stats}
    return normalise_grad(g, x, weight, **given), channel_sum(g, x, **given), channel_dot(g, x, **given)


def _gradients_of_normalised_groups(g, x, weight):
    mean, variance = group_normalisation.moments(x.data, 2)
    stats = {"mean": mean, "inv_std": (variance + 0.1) ** -0.5}
    given = {"sums": group_normalisation.channel_sums(g.data, x.data, **stats), "eps": 0.1, **stats}
    return normalise_grad(g, x, weight, **given), channel_sum(g, x, **given), channel_dot(g, x, **given)


case("gradients of batch_norm", _gradients_of_normalise, normal(3, 2, 2), normal(3, 2, 2), normal(2))
case("gradients of group_norm", _gradients_of_normalised_groups, normal(2, 4, 2), normal(2, 4, 2), normal(4))
case("gradients of group_norm", _gradients_of_normalised_groups, *(normal(1, 2, 2, 2) for _ in "gx"), normal(2))
for shape, groups in (((2, 4), 2), ((3, 2, 2), 1), ((2, 4, 3, 1), 2), ((1, 2, 2, 3), 2), ((2, 3, 1, 2, 2), 3)):
    given = normal(*shape), normal(shape[1]), normal(shape[1])
    case("F.group_norm", lambda x, w, b, g=groups: F.group_norm(x, g, w, b), *given)
case("F.group_norm", lambda x: F.group_norm(x, 1, eps=0.1), normal(3, 2))
case("F.group_norm", lambda x, b: F.group_norm(x, 2, bias=b), 30 + normal(2, 4, 2, 1), normal(4))
case("F.batch_norm", F.batch_norm, normal(1, 2), Fixed(normal(2)), Fixed(positive(2)), positive(2), normal(2))
case("F.dropout", lambda x: F.dropout(x, 0.4), normal(2, 5))
case("F.dropout", lambda x: F.dropout(x, training=False), normal(2, 2))
case("F.dropout", lambda x: F.dropout(x, 1.0), normal(3))
case("F.dropout2d", lambda x: F.dropout2d(x, 0.4), normal(2, 3, 2, 1))
for reduction in ("mean", "sum", "none"):
    case("F.mse_loss", lambda x, t, r=reduction: F.mse_loss(x, t, r), normal(2, 3), normal(2, 3))
    case(
        "F.binary_cross_entropy_with_logits",
        lambda x, t, w, p, r=reduction: F.binary_cross_entropy_with_logits(x, t, w, r, p),
        normal(2, 3),
        _numbers.uniform(size=(2, 3)),
        positive(3),
        positive(2, 1),
    )
    case(
        "F.cross_entropy",
        lambda x, w, r=reduction: F.cross_entropy(x, [2, -100, 0], w, reduction=r, label_smoothing=0.1),
        normal(3, 4),
        positive(4),
    )
    case(
        "F.cross_entropy",
        lambda x, q, w, r=reduction: F.cross_entropy(x, q, w, reduction=r, label_smoothing=0.2),
        normal(2, 3),
        probabilities(2, 3),
        positive(3),
    )
    spatial = np.array([[[0, 2], [1, 2]], [[1, 1], [0, 2]]])
    case("F.cross_entropy", lambda x, t, r=reduction: F.cross_entropy(x, t, reduction=r), normal(2, 3, 2, 2), spatial)
case("F.cross_entropy", lambda x, t: F.cross_entropy(x, t, ignore_index=1), normal(2, 3, 2, 2), spatial)
case("F.cross_entropy", lambda x, t: F.cross_entropy(x, t), normal(3), np.array(2))
case("F.cross_entropy", F.cross_entropy, normal(2, 3, 2), probabilities(2, 3, 2))
case(
    "F.binary_cross_entropy_with_logits",
    F.binary_cross_entropy_with_logits,
    normal(4),
    Fixed(np.array([0.0, 1.0, 1.0, 0.0])),
)

# Likelihoods ---------------------------------------------------------------------------------------------------------

for shape in ((2, 3), (1, 2, 2), (3,)):
    coins = _numbers.uniform(0.1, 0.9, shape)
    case("likelihoods.log_likelihood_bernoulli", likelihoods.log_likelihood_bernoulli, coins, coins[::-1].copy())
    case(
        "likelihoods.log_likelihood_bernoulli_logits",
        likelihoods.log_likelihood_bernoulli_logits,
        normal(*shape),
        coins,
    )
    four = [normal(*shape) for _ in range(4)]
    case("likelihoods.log_likelihood_normal", likelihoods.log_likelihood_normal, *four[:3])
    case("likelihoods.kl_gaussian_gaussian_analytic", likelihoods.kl_gaussian_gaussian_analytic, *four)
    case("likelihoods.kl_gaussian_standard", likelihoods.kl_gaussian_standard, *four[:2])
    case("likelihoods.kl_gaussian_gaussian_mc", likelihoods.kl_gaussian_gaussian_mc, *four)
    case("a draw from a Gaussian", reparametrise, *four[:3])
case(
    "likelihoods.kl_gaussian_gaussian_mc",
    lambda *four: likelihoods.kl_gaussian_gaussian_mc(*four, num_samples=3),
    *(normal(2, 2) for _ in range(4)),
)
case("a gradient, scaled", lambda x: gradient_scaled(x, [tg.ones_like(x)]), normal(2, 3))  # by 1: that of the value
case("likelihoods.log_mean_exp", likelihoods.log_mean_exp, normal(2, 3))
case("likelihoods.log_mean_exp", likelihoods.log_mean_exp, normal(2, 3) - 2000)

# Derivatives, differentiated -----------------------------------------------------------------------------------------

case("tg.jacobian", lambda x: tg.jacobian(lambda x: x[1:] * tg.sin(x[:1]), x), normal(3))
case("tg.hessian", lambda x: tg.hessian(lambda x: tg.sum(x**3) * x[0], x), normal(2))
case("tg.hvp", lambda x, v: tg.hvp(lambda x: tg.prod(x), x, v), normal(3), normal(3))
case("tg.grad", lambda x: tg.grad(tg.sum(tg.sin(x) * x), x, create_graph=True), normal(3))

# Layers: their weights are inputs too --------------------------------------------------------------------------------


def layer(covers: str, module: nn.Module, *inputs: np.ndarray) -> None:
    """A case of a module as a function of its input and its weights, which stand in for the module's own."""
    names = [name for name, _ in module.named_parameters()]
    weights = [normal(*parameter.shape) for parameter in module.parameters()]

    def function(*given: Tensor) -> Tensor:
        for name, weight in zip(names, given[len(inputs) :], strict=True):
            owner = module
            *path, last = name.split(".")
            for step in path:
                owner = dict(owner.members())[step]
            vars(owner)[last] = weight  # a plain tensor, which assignment would refuse
        return module.to(given[0].device)(*given[: len(inputs)])

    case(covers, function, *inputs, *weights)


layer("nn.Linear", nn.Linear(3, 2), normal(2, 3))
layer("nn.Linear", nn.Linear(3, 2, bias=False), normal(1, 2, 3))
layer("nn.Conv2d", nn.Conv2d(2, 2, (2, 3), stride=(1, 2), padding=1), normal(1, 2, 3, 3))
layer("nn.Conv2d", nn.Conv2d(2, 4, 2, dilation=2, groups=2, bias=False), normal(1, 2, 3, 4))
layer("nn.ConvTranspose2d", nn.ConvTranspose2d(2, 1, 3, stride=2, padding=1, output_padding=1), normal(1, 2, 2, 2))
layer("nn.AvgPool2d", nn.AvgPool2d(2, ceil_mode=True), normal(1, 1, 3, 4))
layer("nn.MaxPool2d", nn.MaxPool2d(3, stride=2, padding=1), normal(1, 1, 4, 3))
layer("nn.UpsamplingBilinear2d", nn.UpsamplingBilinear2d(scale_factor=2), normal(1, 1, 2, 3))
layer("nn.UpsamplingNearest2d", nn.UpsamplingNearest2d(size=(3, 4)), normal(1, 2, 2, 2))
layer("nn.BatchNorm1d", nn.BatchNorm1d(2), normal(3, 2))
layer("nn.BatchNorm1d", nn.BatchNorm1d(2, affine=False, track_running_stats=False), normal(2, 2, 3))
layer("nn.BatchNorm2d", nn.BatchNorm2d(2), normal(2, 2, 2, 1))
layer("nn.GroupNorm", nn.GroupNorm(2, 4), normal(2, 4, 1, 2))
layer("nn.GroupNorm", nn.GroupNorm(1, 3, affine=False), normal(2, 3))
layer("nn.Dropout", nn.Dropout(0.3), normal(2, 4))
layer("nn.Dropout2d", nn.Dropout2d(0.3), normal(2, 3, 1, 2))
layer("nn.Flatten", nn.Flatten(), normal(2, 1, 3))
layer("nn.Unflatten", nn.Unflatten(1, (2, 3)), normal(2, 6))
for activation in (nn.ELU(2.0), nn.ReLU(), nn.LeakyReLU(0.2), nn.Sigmoid(), nn.SiLU(), nn.Tanh(), nn.Softplus(2.0)):
    layer(f"nn.{type(activation).__name__}", activation, normal(2, 3))
layer("nn.Sequential", nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), normal(2, 2))

# What has no case, and why -------------------------------------------------------------------------------------------

NO_GRADIENT = "made of whole numbers or truth values, which have no gradient"
NO_INPUT = "made of nothing that could ask for a gradient"
NOT_CHECKED = {
    "tg.Tensor": "the tensor itself",
    "tg.tensor": NO_INPUT,
    "tg.zeros": NO_INPUT,
    "tg.zeros_like": NO_INPUT,
    "tg.ones": NO_INPUT,
    "tg.ones_like": NO_INPUT,
    "tg.full": NO_INPUT,
    "tg.full_like": NO_INPUT,
    "tg.eye": NO_INPUT,
    "tg.arange": NO_INPUT,
    "tg.linspace": NO_INPUT,
    "tg.rand": NO_INPUT,
    "tg.rand_like": NO_INPUT,
    "tg.randn": NO_INPUT,
    "tg.randn_like": NO_INPUT,
    "tg.argmax": NO_GRADIENT,
    "tg.argmin": NO_GRADIENT,
    "tg.no_grad": "says what is remembered and computes nothing",
    "tg.gradcheck": "the check itself",
    "tg.gradgradcheck": "the check itself",
    "tg.GradcheckError": "an exception",
    "tg.DeviceError": "an exception",
    "tg.graph_dot": "draws a graph and computes nothing",
    "tg.gpu_available": "asks about the machine",
    "tg.tune_malloc": "changes a setting of the process",
    "tg.manual_seed": "sets the generator",
    "tg.get_rng_state": "reads the generator",
    "tg.set_rng_state": "sets the generator",
    "tg.save": "writes a file",
    "tg.load": "reads a file",
    "Tensor.__floordiv__": "constant between its jumps",
    "Tensor.__rfloordiv__": "constant between its jumps",
    **{f"Tensor.__{name}__": NO_GRADIENT for name in ("eq", "ne", "lt", "le", "gt", "ge", "and", "or", "invert")},
    "Tensor.backward": "the backward pass itself, which every case tests through grad",
    "nn.Module": "what layers are made from",
    "nn.ModuleList": "holds layers and computes nothing",
    "nn.Parameter": "a tensor, not a function",
    "nn.Buffer": "a tensor, not a function",
}
