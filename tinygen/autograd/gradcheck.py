"""Is a gradient right? Ask the definition.

The derivative is the limit of a quotient, and a small step comes close to the limit:

    J_ki = d f_k / d x_i = (f_k(x + h e_i) - f_k(x - h e_i)) / 2h + O(h^2)

Finite differences give the Jacobian J column by column, one element of the input at a time; the reverse walk gives it
row by row, one vector-Jacobian product v J at a time. Here the two meet, in float64, since h = 1e-6 leaves float32 no
digits. The cotangents v are random: with ones, a softmax whose gradient is 0 would pass, because its outputs sum to 1
whatever the input. Inputs and outputs too large for the whole Jacobian are compared along random directions, v J u.

The second order is the first order of another function, (x, v) -> v J(x). A product that is right in value but has
lost its history (computed on arrays, say, not on tensors) passes the first check and fails this one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygen.autograd.arguments import checked
from tinygen.autograd.engine import grad
from tinygen.autograd.tensor import Tensor
from tinygen.backend import fixed_seed, generator, to_device
from tinygen.validation import described

WHOLE = 2000  # up to so many elements of the inputs, and of the outputs, the whole Jacobian is compared
PROBES = 8  # else so many random directions


class GradcheckError(AssertionError):
    """A gradient differs from finite differences, or these cannot tell."""


@checked
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

    ``function`` returns a tensor or several. Those of ``inputs`` that ask for gradients are checked and must be
    float64; they are handed over as they are, so ``function`` may also reach them elsewhere (in a module, say). Each
    call sees the same state of the library's generator, which is left undisturbed.

    Raises ``GradcheckError`` that names input, element, analytic and numeric value, or says that the function has a
    kink or a jump there (a tie of a maximum, 0 for a ReLU), where no derivative exists to compare with; ``TypeError``
    for dtypes other than float64; ``ValueError`` where no input asks for gradients.
    """
    inputs = _listed("gradcheck", inputs)
    named = {f"input {i}": x for i, x in enumerate(inputs)}
    return _Check("gradcheck", lambda: function(*inputs), named, "output", eps, atol, rtol).run()


@checked
def gradgradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
) -> bool:
    """``gradcheck`` to second order: of ``function``, then of its vector-Jacobian product, which is a function of the
    inputs and of the cotangents. Arguments and errors are those of ``gradcheck``."""
    inputs = _listed("gradgradcheck", inputs)
    named = {f"input {i}": x for i, x in enumerate(inputs)}
    first = _Check("gradgradcheck", lambda: function(*inputs), named, "output", eps, atol, rtol)
    first.run()
    outputs = first.outputs()
    with fixed_seed(1):
        drawn = [np.asarray(generator().standard_normal(y.shape)) for y in outputs]
    cotangents = [Tensor(to_device(v, y.device), requires_grad=True) for v, y in zip(drawn, outputs, strict=True)]

    def product() -> list[Tensor]:
        gradients = grad(first.outputs(), first.checked(), cotangents, create_graph=True, allow_unused=True)
        return [g for g in gradients if g is not None]

    named |= {f"cotangent {k}": v for k, v in enumerate(cotangents)}
    return not product() or _Check("gradgradcheck", product, named, "gradient", eps, atol, rtol).run()


def _listed(caller: str, inputs: Any) -> list[Any]:
    """``inputs`` as a list of which some ask for gradients."""
    listed = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
    if not any(_asks(x) for x in listed):
        given = ", ".join(described(x) for x in listed) or "none"
        raise ValueError(f"{caller}: no input asks for gradients (requires_grad), got {given}")
    return listed


@dataclass
class _Check:
    """One comparison: ``call`` computes the outputs from the present data of the ``named`` inputs."""

    caller: str
    call: Callable[[], Any]
    named: dict[str, Any]
    result: str
    eps: float
    atol: float
    rtol: float

    def checked(self) -> list[Tensor]:
        """The inputs that ask for gradients."""
        return [x for x in self.named.values() if _asks(x)]

    def outputs(self) -> list[Tensor]:
        """The floating-point results of one call, at the same state of chance as any other."""
        with fixed_seed(0):
            results = self.call()
        listed = list(results) if isinstance(results, (list, tuple)) else [results]
        return [y for y in listed if isinstance(y, Tensor) and y.dtype.kind == "f"]

    def values(self) -> np.ndarray:
        """All elements of all outputs in one row."""
        return _in_a_row([y.numpy() for y in self.outputs()])

    def run(self) -> bool:
        """Compare; True or ``GradcheckError``."""
        outputs = self.outputs()
        self._require_sense(outputs)
        with fixed_seed(0):
            cotangents = _directions(sum(y.size for y in outputs))
            scales = generator().uniform(0.5, 1.5, len(cotangents))  # a product has to be linear in the cotangent
            steps = {name: _directions(x.size) for name, x in self.named.items() if _asks(x)}
        rows = [self._products(outputs, v * scale) for v, scale in zip(cotangents, scales, strict=True)]
        for place, (name, directions) in enumerate(steps.items()):
            found = np.array([row[place] for row in rows]) / scales[:, None]  # (cotangents, elements)
            for u in directions:
                numeric, analytic = self._slopes(name, u, cotangents), _along(found, u)
                wrong = ~self._agree(analytic, numeric)
                if wrong.any():
                    k = int(wrong.argmax())
                    self._fail(outputs, name, u, cotangents[k], found[k])
        return True

    def _slopes(self, name: str, u: np.ndarray, cotangents: np.ndarray) -> np.ndarray:
        """v J u by central differences, for each of the cotangents v."""
        right, left = self._value_at(name, u * self.eps), self._value_at(name, u * -self.eps)
        return cotangents @ (right - left) / (2 * self.eps)

    def _agree(self, analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
        return np.abs(analytic - numeric) <= self.atol + self.rtol * np.abs(numeric)  # False for NaN

    def _require_sense(self, outputs: list[Tensor]) -> None:
        if not outputs:
            raise ValueError(f"{self.caller}: the function returned no floating-point tensor")
        returned = {f"{self.result} {k}": y for k, y in enumerate(outputs)}
        for name, x in ({name: x for name, x in self.named.items() if _asks(x)} | returned).items():
            if x.dtype != np.float64:
                raise TypeError(f"{self.caller}: {name} is {x.dtype}; finite differences need float64")
            if not np.isfinite(x.numpy()).all():
                raise GradcheckError(f"{self.caller}: {name} is not finite, so it has no finite differences")
        if not np.array_equal(_in_a_row([y.numpy() for y in outputs]), self.values()):
            raise GradcheckError(f"{self.caller}: the function returned two different values for the same inputs")

    def _products(self, outputs: list[Tensor], v: np.ndarray) -> list[np.ndarray]:
        """The product v J for each checked input, in a row; 0 for one that no path leads to."""
        parts = np.split(v, np.cumsum([y.size for y in outputs])[:-1])
        seeds = [Tensor(to_device(part.reshape(y.shape), y.device)) for part, y in zip(parts, outputs, strict=True)]
        gradients = grad(outputs, self.checked(), seeds, allow_unused=True)
        return [
            np.zeros(x.size) if g is None else g.numpy().reshape(-1)
            for x, g in zip(self.checked(), gradients, strict=True)
        ]

    def _value_at(self, name: str, step: np.ndarray) -> np.ndarray:
        """The outputs where the input ``name`` is moved by ``step``."""
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

    def _fail(self, outputs: list[Tensor], name: str, u: np.ndarray, v: np.ndarray, row: np.ndarray) -> None:
        u = self._narrowed(name, u, v, row)
        analytic, numeric = float(_along(row, u)), float(self._slopes(name, u, v))
        shapes = {f"{self.result} {k}": y.shape for k, y in enumerate(outputs)}
        message = (
            f"{self.caller}: {_place(u, {name: self.named[name].shape})}: analytic {analytic:.8g}, numeric "
            f"{numeric:.8g}, of {_place(v, shapes)}"
        )
        here, near = self._one_sided(name, u, v, self.eps), self._one_sided(name, u, v, self.eps / 10)
        if self._is_rough(here, near):
            raise GradcheckError(
                f"{message}; the function has a kink, a tie or a jump within {self.eps:g} (slope {here[0]:.8g} on the "
                f"left, {here[1]:.8g} on the right): move the input away from it"
            )
        raise GradcheckError(message)

    def _narrowed(self, name: str, u: np.ndarray, v: np.ndarray, row: np.ndarray) -> np.ndarray:
        """One axis among those that a wrong direction mixes: again and again the half that is further off."""
        while np.count_nonzero(u) > 1:
            places = np.flatnonzero(u)
            first = u.copy()
            first[places[len(places) // 2 :]] = 0
            gaps = [np.abs(self._slopes(name, half, v) - _along(row, half)) for half in (first, u - first)]
            u = (first, u - first)[int(np.nan_to_num(gaps, nan=np.inf).argmax())]
        return np.sign(np.abs(u))

    def _one_sided(self, name: str, u: np.ndarray, v: np.ndarray, h: float) -> tuple[float, float]:
        """The difference quotients on the left and on the right."""
        left, middle, right = (v @ self._value_at(name, u * step) for step in (-h, 0.0, h))
        return float(middle - left) / h, float(right - middle) / h

    def _is_rough(self, here: tuple[float, float], near: tuple[float, float]) -> bool:
        """Whether quotients of steps h and h / 10 behave as no smooth function's do.

        Of a smooth function the central ones agree, and the gap between left and right, h f'', shrinks as the step.
        """
        slope, closer = sum(here) / 2, sum(near) / 2
        gap, closer_gap = abs(here[1] - here[0]), abs(near[1] - near[0])
        tolerance = self.atol + self.rtol * min(abs(slope), abs(closer))
        return abs(slope - closer) > tolerance or (gap > tolerance and not 0.03 < closer_gap / gap < 0.3)


def _asks(x: Any) -> bool:
    return isinstance(x, Tensor) and x.requires_grad


def _along(rows: np.ndarray, direction: np.ndarray) -> np.ndarray:
    """The product with ``direction``; what it leaves out has no say, even where it is infinite or NaN."""
    places = np.flatnonzero(direction)
    return rows[..., places] @ direction[places]


def _in_a_row(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.reshape(-1) for array in arrays])


def _directions(size: int) -> np.ndarray:
    """Directions in a space of ``size`` dimensions, one a row: its axes and a random one, or random ones alone."""
    if size > WHOLE:
        return generator().standard_normal((PROBES, size))
    return np.concatenate([np.eye(size), generator().standard_normal((1, size))])


def _place(direction: np.ndarray, shapes: dict[str, tuple[int, ...]]) -> str:
    """In words, which element of which array a direction moves, the arrays laid in a row."""
    if np.count_nonzero(direction) != 1:
        return f"{' and '.join(shapes)}, along a random direction"
    position = int(np.flatnonzero(direction)[0])
    for name, shape in shapes.items():
        size = int(np.prod(shape))
        if position < size:
            return f"{name}, element {tuple(map(int, np.unravel_index(position, shape)))}"
        position -= size
    raise IndexError(position)
