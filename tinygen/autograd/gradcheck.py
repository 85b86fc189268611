"""Gradients checked against central finite differences:

    J_ki = d f_k / d x_i = (f_k(x + h e_i) - f_k(x - h e_i)) / 2h + O(h^2)

Finite differences give the Jacobian J by columns, one element of the input at a time; the backward pass gives it by
rows, one vector-Jacobian product v J at a time. The two are compared in float64, since a step of h = 1e-6 leaves
float32 no significant digits. The vectors v are random: for v = 1 a softmax with a gradient of 0 would pass, because
its outputs sum to 1 for every input. If the Jacobian is too large to be compared as a whole, v J u is compared for
random directions u.

The check to second order is the first-order check of another function, (x, v) -> v J(x). A vector-Jacobian product
with the right value but without a computation graph (computed on arrays, not on tensors) passes the first check and
fails the second.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.engine import grad
from tinygen.autograd.tensor import Tensor
from tinygen.backend import fixed_seed, generator, to_device
from tinygen.validation import described

MAX_FULL_JACOBIAN = 2000  # elements of an input, or of the outputs; above, random directions are compared
RANDOM_DIRECTIONS = 8
Floats = NDArray[np.float64]


class GradcheckError(AssertionError):
    """A gradient differs from finite differences, or these are not defined at the input."""


@checked_arguments
def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """True if the gradients of ``function(*inputs)`` agree with central differences of step ``eps``, to
    ``|analytic - numeric| <= atol + rtol |numeric|``.

    ``function`` takes the ``inputs``, tensors of any shape, and returns a tensor or a sequence of tensors, of any
    shape. Those inputs that require gradients are checked and must be float64. They are passed on without a copy, so
    ``function`` may also use them as parameters of a module. Each call starts from the same state of the library's
    generator, which is restored at the end.

    Raises ``GradcheckError``, with the input, the element, the analytic and the numeric value, if they differ, or if
    the function is not differentiable there (a tie of a maximum, 0 for a ReLU); ``TypeError`` for dtypes other than
    float64; ``ValueError`` if no input requires gradients.
    """
    inputs = _listed("gradcheck", inputs)
    named = {f"input {i}": x for i, x in enumerate(inputs)}
    return _Check("gradcheck", lambda: function(*inputs), named, "output", eps, atol, rtol).run()


@checked_arguments
def gradgradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """``gradcheck`` to second order: of ``function``, then of its vector-Jacobian product as a function of the
    ``inputs``, of any shape, and of the vectors. Arguments and errors are those of ``gradcheck``."""
    inputs = _listed("gradgradcheck", inputs)
    named = {f"input {i}": x for i, x in enumerate(inputs)}
    first = _Check("gradgradcheck", lambda: function(*inputs), named, "output", eps, atol, rtol)
    first.run()
    outputs = first.outputs()
    with fixed_seed(1):
        drawn = [np.asarray(generator().standard_normal(y.shape)) for y in outputs]
    cotangents = [Tensor(to_device(v, y.device), requires_grad=True) for v, y in zip(drawn, outputs, strict=True)]

    def vjp() -> list[Tensor]:
        gradients = grad(first.outputs(), first.checked(), cotangents, create_graph=True, allow_unused=True)
        return [g for g in gradients if g is not None]

    named |= {f"cotangent {k}": v for k, v in enumerate(cotangents)}
    return not vjp() or _Check("gradgradcheck", vjp, named, "gradient", eps, atol, rtol).run()


def _listed(caller: str, inputs: Any) -> list[Any]:
    """``inputs`` as a list in which at least one requires gradients."""
    listed = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not any(_requires_grad(x) for x in listed):
        given = ", ".join(described(x) for x in listed) or "none"
        raise ValueError(f"{caller}: no input requires gradients (requires_grad=True), got {given}")
    return listed


@dataclass
class _Check:
    """One comparison: ``call`` computes the outputs from the current data of the ``named`` inputs."""

    caller: str
    call: Callable[[], Any]
    named: dict[str, Any]
    result: str
    eps: float
    atol: float
    rtol: float

    def checked(self) -> list[Tensor]:
        """The inputs that require gradients."""
        return [x for x in self.named.values() if _requires_grad(x)]

    def outputs(self) -> list[Tensor]:
        """The floating-point results of one call, from the same state of the generator as every other call."""
        with fixed_seed(0):
            results = self.call()
        listed = list(results) if isinstance(results, (list, tuple)) else [results]
        return [y for y in listed if isinstance(y, Tensor) and y.dtype.kind == "f"]

    def values(self) -> Floats:
        """All elements of all outputs, concatenated."""
        return _concatenated([y.numpy() for y in self.outputs()])

    def run(self) -> bool:
        """Compare; True or ``GradcheckError``."""
        outputs = self.outputs()
        self._validate(outputs)
        with fixed_seed(0):
            cotangents = _directions(sum(y.size for y in outputs))
            scales = generator().uniform(0.5, 1.5, len(cotangents))  # a vector-Jacobian product is linear in v
            steps = {name: _directions(x.size) for name, x in self.named.items() if _requires_grad(x)}
        rows = [self._vjps(outputs, v * scale) for v, scale in zip(cotangents, scales, strict=True)]
        for place, (name, directions) in enumerate(steps.items()):
            found = np.array([row[place] for row in rows]) / scales[:, None]  # (cotangents, elements)
            for u in directions:
                numeric, analytic = self._numeric(name, u, cotangents), _along(found, u)
                wrong = ~self._agree(analytic, numeric)
                if wrong.any():
                    k = int(wrong.argmax())
                    self._fail(outputs, name, u, cotangents[k], found[k])
        return True

    def _numeric(self, name: str, u: Floats, cotangents: Floats) -> Floats:
        """v J u by central differences, for each of the cotangents v."""
        right, left = self._value_at(name, u * self.eps), self._value_at(name, u * -self.eps)
        return cotangents @ (right - left) / (2 * self.eps)

    def _agree(self, analytic: Floats, numeric: Floats) -> NDArray[np.bool_]:
        return np.abs(analytic - numeric) <= self.atol + self.rtol * np.abs(numeric)  # False for NaN

    def _validate(self, outputs: list[Tensor]) -> None:
        if not outputs:
            raise ValueError(f"{self.caller}: the function returned no floating-point tensor")
        returned = {f"{self.result} {k}": y for k, y in enumerate(outputs)}
        for name, x in ({name: x for name, x in self.named.items() if _requires_grad(x)} | returned).items():
            if x.dtype != np.float64:
                raise TypeError(f"{self.caller}: {name} is {x.dtype}; finite differences need float64")
            if not np.isfinite(x.numpy()).all():
                raise GradcheckError(f"{self.caller}: {name} is not finite, so it has no finite differences")
        if not np.array_equal(_concatenated([y.numpy() for y in outputs]), self.values()):
            raise GradcheckError(f"{self.caller}: the function returned two different values for the same inputs")

    def _vjps(self, outputs: list[Tensor], v: Floats) -> list[Floats]:
        """v J for each checked input, flat; 0 for an input that the outputs do not depend on."""
        parts = np.split(v, np.cumsum([y.size for y in outputs])[:-1])
        seeds = [Tensor(to_device(part.reshape(y.shape), y.device)) for part, y in zip(parts, outputs, strict=True)]
        gradients = grad(outputs, self.checked(), seeds, allow_unused=True)
        return [
            np.zeros(x.size) if g is None else g.numpy().reshape(-1)
            for x, g in zip(self.checked(), gradients, strict=True)
        ]

    def _value_at(self, name: str, step: Floats) -> Floats:
        """The outputs with ``step`` added to the input ``name``."""
        x = self.named[name]
        data = x.data
        try:
            x.data = to_device(np.asarray(x.numpy() + step.reshape(x.shape)), x.device)
            values = self.values()
        finally:
            x.data = data
        if not np.isfinite(values).all():
            place = _place(step, {name: x.shape})
            raise GradcheckError(f"{self.caller}: a value is not finite within {self.eps:g} of {place}")
        return values

    def _fail(self, outputs: list[Tensor], name: str, u: Floats, v: Floats, row: Floats) -> None:
        u = self._bisect(name, u, v, row)
        analytic, numeric = float(_along(row, u)), float(self._numeric(name, u, v))
        shapes = {f"{self.result} {k}": y.shape for k, y in enumerate(outputs)}
        message = (
            f"{self.caller}: {_place(u, {name: self.named[name].shape})}: analytic {analytic:.8g}, numeric "
            f"{numeric:.8g}, of {_place(v, shapes)}"
        )
        here, near = self._one_sided(name, u, v, self.eps), self._one_sided(name, u, v, self.eps / 10)
        if self._is_nonsmooth(here, near):
            raise GradcheckError(
                f"{message}; the function has a kink, a tie or a jump within {self.eps:g} (derivative "
                f"{here[0]:.8g} from the left, {here[1]:.8g} from the right): move the input away from it"
            )
        raise GradcheckError(message)

    def _bisect(self, name: str, u: Floats, v: Floats, row: Floats) -> Floats:
        """One element of the direction ``u`` at which the gradient is wrong: by bisection, the half with the larger
        error each time."""
        while np.count_nonzero(u) > 1:
            places = np.flatnonzero(u)
            first = u.copy()
            first[places[len(places) // 2 :]] = 0
            gaps = [np.abs(self._numeric(name, half, v) - _along(row, half)) for half in (first, u - first)]
            u = (first, u - first)[int(np.nan_to_num(gaps, nan=np.inf).argmax())]
        return np.sign(np.abs(u))

    def _one_sided(self, name: str, u: Floats, v: Floats, h: float) -> tuple[float, float]:
        """The difference quotients on the left and on the right."""
        left, middle, right = (v @ self._value_at(name, u * step) for step in (-h, 0.0, h))
        return float(middle - left) / h, float(right - middle) / h

    def _is_nonsmooth(self, here: tuple[float, float], near: tuple[float, float]) -> bool:
        """Whether the difference quotients of steps h and h / 10 show a kink or a jump.

        For a smooth function the central quotients agree, and the gap between left and right, h f'', is proportional
        to the step.
        """
        central, closer = sum(here) / 2, sum(near) / 2
        gap, closer_gap = abs(here[1] - here[0]), abs(near[1] - near[0])
        tolerance = self.atol + self.rtol * min(abs(central), abs(closer))
        return abs(central - closer) > tolerance or (gap > tolerance and not 0.03 < closer_gap / gap < 0.3)


def _requires_grad(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _along(rows: Floats, direction: Floats) -> Floats:
    """The product with ``direction``, without the elements where it is 0, which may be infinite or NaN."""
    places = np.flatnonzero(direction)
    return rows[..., places] @ direction[places]


def _concatenated(arrays: list[Floats]) -> Floats:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _directions(size: int) -> Floats:
    """Directions in ``size`` dimensions, one per row: the axes and a random one, or only random ones."""
    if size > MAX_FULL_JACOBIAN:
        return generator().standard_normal((RANDOM_DIRECTIONS, size))
    return np.concatenate([np.eye(size), generator().standard_normal((1, size))])


def _place(direction: Floats, shapes: dict[str, tuple[int, ...]]) -> str:
    """The array and the element that a direction changes, as text; the arrays are concatenated in ``direction``."""
    if np.count_nonzero(direction) != 1:
        return f"{' and '.join(shapes)}, along a random direction"
    position = int(np.flatnonzero(direction)[0])
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if position < size:
            return f"{name}, element {tuple(map(int, np.unravel_index(position, shape)))}"
        position -= size
    raise IndexError(position)
