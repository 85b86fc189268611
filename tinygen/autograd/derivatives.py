"""Jacobians, Hessians and Hessian-vector products, computed by ``grad``.

    jacobian    J_ki = d f_k / d x_i                one backward pass per element of f
    hessian     H_ij = d^2 f / (d x_i d x_j)        the Jacobian of the gradient
    hvp         (H v)_i = d (v . df/dx) / d x_i     two backward passes, whatever the size of x (Pearlmutter 1994)

If ``x`` requires gradients, the results have a computation graph and can be differentiated again.
"""

from collections.abc import Callable

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.engine import grad
from tinygen.autograd.recording import grad_mode
from tinygen.autograd.tensor import Tensor
from tinygen.operations.creation import zeros
from tinygen.operations.shaping import reshape, stack
from tinygen.validation import described

Function = Callable[[Tensor], Tensor]


@checked_arguments
def jacobian(f: Function, x: Tensor) -> Tensor:
    """``J[k, i] = d f(x)_k / d x_i``, of shape ``f(x).shape + x.shape``, for x of any shape; 0 where ``f`` does not
    depend on ``x``. Raises ``TypeError`` if ``f`` does not return a tensor."""
    point = _as_leaf(x)
    y = _value("jacobian", f, point)
    rows = []
    for k in range(y.size):
        one = zeros(y.size, dtype=y.dtype).data
        one[k] = 1
        rows.append(_vjp(y, point, Tensor(one).to(y.device).reshape(y.shape), create_graph=x.requires_grad))
    shape = y.shape + x.shape
    return reshape(stack(rows), shape) if rows else zeros(shape, dtype=x.dtype, device=x.device)


@checked_arguments
def hessian(f: Function, x: Tensor) -> Tensor:
    """``H[i, j] = d^2 f(x) / (d x_i d x_j)`` of a scalar function, of shape ``x.shape + x.shape``, for x of any shape.

    Raises ``TypeError`` if ``f`` does not return a tensor and ``ValueError`` if it has more than one element."""

    def gradient(point: Tensor) -> Tensor:
        return _vjp(_scalar("hessian", f, point), point, None, create_graph=True)

    return jacobian(gradient, x)


@checked_arguments
def hvp(f: Function, x: Tensor, v: Tensor) -> Tensor:
    """The Hessian of the scalar function ``f`` times ``v``, without forming the Hessian; ``x``, ``v`` and the result
    have one shape, which may be any shape.

    Raises ``ValueError`` if the shapes differ; other errors as for ``hessian``.
    """
    if v.shape != x.shape:
        raise ValueError(f"hvp: v must be a tensor of the shape of x, {x.shape}, got shape {v.shape}")
    point = _as_leaf(x)
    gradient = _vjp(_scalar("hvp", f, point), point, None, create_graph=True)
    return _vjp(gradient, point, v, create_graph=x.requires_grad or v.requires_grad)


def _as_leaf(x: Tensor) -> Tensor:
    """``x`` itself if it requires gradients, else a leaf with the same data that does."""
    return x if x.requires_grad else Tensor(x.data, requires_grad=True)


def _value(name: str, f: Function, x: Tensor) -> Tensor:
    """f(x), with a computation graph even under ``no_grad``."""
    with grad_mode(True):
        y = f(x)
    if not isinstance(y, Tensor):
        raise TypeError(f"{name}: the function must return a tensor, it returned {described(y)}")
    return y


def _scalar(name: str, f: Function, x: Tensor) -> Tensor:
    y = _value(name, f, x)
    if y.size != 1:
        raise ValueError(f"{name}: the function must return one number, it returned shape {y.shape}")
    return y


def _vjp(y: Tensor, x: Tensor, v: Tensor | None, *, create_graph: bool) -> Tensor:
    """The vector-Jacobian product of ``v`` with dy/dx; 0 where ``y`` does not depend on ``x``."""
    (gradient,) = grad(y, x, v, create_graph=create_graph, allow_unused=True)
    return zeros(x.shape, dtype=x.dtype, device=x.device) if gradient is None else gradient
