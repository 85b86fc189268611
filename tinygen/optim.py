"""Optimisers: parameter updates from gradients.

Each computes the updates of PyTorch's optimiser of the same name. A step does not write into the array of a parameter,
which a graph may still need, but replaces it by a new one, so that an older graph detects that its input was replaced.
Schedules are functions of the step: ``optimizer.lr = cosine_schedule(step, total, peak)``.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tinygen import ranks
from tinygen.autograd.arguments import checked_arguments
from tinygen.autograd.tensor import Tensor, copied
from tinygen.backend import Array, array_module, copy_like, to_device, underflow_ignored
from tinygen.kernels.adam import adam_update
from tinygen.nn.module import Module, required_module
from tinygen.validation import described, number, number_from, whole_number, whole_numbers
from tinygen.validation import state as state_of


def _leaves(function: str, params: Any) -> list[Tensor]:
    """``params`` as a list of leaves, since only leaves accumulate gradients."""
    expected = f"{function}: params must be a list of leaf tensors, such as model.parameters()"
    if isinstance(params, (Tensor, Module, Mapping, str)) or not isinstance(params, Iterable):
        raise TypeError(f"{expected}, got {described(params)}")
    listed = list(params)
    for index, parameter in enumerate(listed):
        if not isinstance(parameter, Tensor):
            raise TypeError(f"{expected}; params[{index}] is {described(parameter)}")
        if parameter.node is not None:
            raise TypeError(f"{expected}; params[{index}], of shape {parameter.shape}, was made by an operation")
    return listed


class _Number:
    """An attribute that is validated on assignment: a Python number in [low, below). (NumPy's scalars would promote
    the dtype of the weights.)"""

    def __init__(self, low: float = 0, below: float = math.inf) -> None:
        self.low, self.below = low, below

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type) -> Any:
        return self if instance is None else vars(instance)[self.name]

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[self.name] = number_from(type(instance).__name__, self.name, value, self.low, self.below)


def _check_shape(function: str, name: str, shape: tuple[int, ...], parameter: Tensor) -> None:
    """Raise ``ValueError`` for an array that would broadcast against a parameter."""
    if shape != parameter.shape:
        raise ValueError(f"{function}: the {name} of a parameter of shape {parameter.shape} has shape {shape}")


class Optimizer:
    """The base class of the optimisers: the parameters ``params``, of any shape, the learning rate ``lr``, and a state
    to save.

    ``state_names`` names the arrays that an optimiser keeps for each parameter; they are zero until its first gradient.
    Raises ``ValueError`` for no parameters and for one that is given twice, ``TypeError`` where none requires
    gradients.
    """

    state_names: tuple[str, ...] = ()
    lr = _Number()

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = _leaves(type(self).__name__, params)
        if not self.params:
            raise ValueError(f"{type(self).__name__}: there are no parameters to optimise")
        if not any(parameter.requires_grad for parameter in self.params):
            raise TypeError(f"{type(self).__name__}: none of the parameters requires gradients, so none would change")
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise ValueError(f"{type(self).__name__}: a parameter is given twice")
        if any(parameter.dtype == "float16" for parameter in self.params):
            raise TypeError(
                f"{type(self).__name__}: parameters must be float32 or float64, got float16, which rounds small "
                "updates away; train in float32 and convert afterwards"
            )
        self.lr = lr
        self.steps = [0] * len(self.params)
        self.state: list[dict[str, Array]] = [{} for _ in self.params]

    @underflow_ignored()
    def step(self) -> None:
        """Update every parameter that has a gradient. Raises ``ValueError`` if a gradient, or an array of the state,
        does not have the shape of its parameter."""
        with_grad = [(i, parameter, g) for i, parameter in enumerate(self.params) if (g := parameter.grad) is not None]
        for i, parameter, g in with_grad:
            _check_shape("step", "gradient", g.shape, parameter)
            for name, array in self.state[i].items():
                _check_shape("step", name, array.shape, parameter)
        updates, gradients = [], ranks.averaged([g.data for _, _, g in with_grad])
        for (i, parameter, _), gradient in zip(with_grad, gradients, strict=True):
            data, state = parameter.data, self.state[i]
            if not state:
                state.update({name: array_module(data).zeros_like(data) for name in self.state_names})
            self.steps[i] += 1
            updates.append((data, gradient, state, self.steps[i]))
        for (_, parameter, _), array in zip(with_grad, self.update_all(updates), strict=True):
            parameter.data = array_module(parameter.data).asarray(array)  # NumPy returns a scalar for a 0-d array

    def update_all(self, updates: list[tuple[Array, Array, dict[str, Array], int]]) -> list[Array]:
        """The new arrays of all parameters. A subclass overrides this method, or ``update`` for one parameter."""
        return [self.update(*each) for each in updates]

    def update(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        """The new array of one parameter; changes ``state`` in place; ``step`` counts from 1."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Set all gradients to None."""
        for parameter in self.params:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """The state needed to resume: learning rate, step counts, and arrays."""
        arrays = [{name: to_device(array, "cpu").copy() for name, array in state.items()} for state in self.state]
        return {"lr": self.lr, "steps": list(self.steps), "state": arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state_dict`` returned, for parameters of the same shapes.

        Raises, and changes nothing, ``TypeError`` or ``KeyError`` where ``state`` is not an optimiser state, and
        ``ValueError`` where it belongs to a different optimiser.
        """
        steps, arrays = self._checked_copy(state_of("an optimiser", state, ("lr", "state", "steps")))
        self.lr = state["lr"]
        self.steps, self.state = steps, arrays

    def _checked_copy(self, state: Mapping[str, Any]) -> tuple[list[int], list[dict[str, Array]]]:
        """The steps of ``state`` and copies of its arrays, on the devices of their parameters."""
        steps = list(whole_numbers("load_state_dict", "steps", state["steps"], minimum=0))
        if not len(steps) == len(state["state"]) == len(self.params):
            raise ValueError(f"load_state_dict: state of {len(steps)} parameters, expected {len(self.params)}")
        copies: list[dict[str, Array]] = []
        for index, (parameter, kept) in enumerate(zip(self.params, state["state"], strict=True)):
            if set(kept) != set(self.state_names) and (kept or steps[index] > 0):
                expected = f"{type(self).__name__} expects {sorted(self.state_names)}"
                raise ValueError(f"load_state_dict: state of {sorted(kept)}, {expected}")
            named = {name: f"{name} of parameter {index}" for name in kept}
            arrays = {name: copied(f"load_state_dict, {named[name]}", array) for name, array in kept.items()}
            for name, array in arrays.items():
                if array.shape != parameter.shape:
                    raise ValueError(
                        f"load_state_dict: {named[name]} has shape {array.shape}, expected {parameter.shape}"
                    )
            copies.append({name: copy_like(array, parameter.data) for name, array in arrays.items()})
        return steps, copies


class SGD(Optimizer):
    """Stochastic gradient descent: v <- momentum v + g; parameter <- parameter - lr v (v = 0 before the first step), as
    in PyTorch (Sutskever et al. 2013, with the learning rate outside of v).

    ``params`` have any shape; ``weight_decay`` adds that multiple of the parameter to g. Raises ``TypeError`` or
    ``ValueError`` for options that are not numbers from 0.
    """

    momentum, weight_decay = _Number(), _Number()

    @checked_arguments
    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.state_names = ("velocity",) if momentum else ()

    def update(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        """``parameter - lr v``; the velocity v, of the parameter's shape, changes in ``state``."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum:
            state["velocity"] *= self.momentum
            state["velocity"] += gradient
            gradient = state["velocity"]
        return parameter - self.lr * gradient


class RMSprop(Optimizer):
    """s <- alpha s + (1 - alpha) g^2; parameter <- parameter - lr g / (sqrt(s) + eps) (Tieleman and Hinton 2012),
    for ``params`` of any shape."""

    state_names = ("mean_square",)
    alpha, eps = _Number(below=1), _Number()

    @checked_arguments
    def __init__(self, params: Iterable[Tensor], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(params, lr)
        self.alpha, self.eps = alpha, eps

    def update(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        mean_square = state["mean_square"]
        mean_square *= self.alpha
        mean_square += (1 - self.alpha) * gradient * gradient
        return parameter - self.lr * gradient / (array_module(mean_square).sqrt(mean_square) + self.eps)


class Adam(Optimizer):
    """m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    parameter <- parameter - lr m_hat / (sqrt(v_hat) + eps) with m_hat = m / (1 - beta1^t), v_hat = v / (1 - beta2^t)
    (Kingma and Ba 2015, algorithm 1), for ``params`` of any shape. ``weight_decay`` adds that multiple of the parameter
    to g (L2 regularisation, not decoupled as in AdamW).

    Raises ``TypeError`` or ``ValueError`` for ``betas`` that are not two numbers in [0, 1).
    """

    state_names = ("first_moment", "second_moment")
    eps, weight_decay = _Number(), _Number()

    @checked_arguments
    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr)
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    @property
    def betas(self) -> tuple[float, float]:
        """beta1 and beta2, each in [0, 1)."""
        return self._betas

    @betas.setter
    def betas(self, betas: tuple[float, float]) -> None:
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise TypeError(f"Adam: betas must be two numbers, got {described(betas)}")
        first, second = (number("Adam", f"betas[{i}]", beta) for i, beta in enumerate(betas))
        if not (0 <= first < 1 and 0 <= second < 1):
            raise ValueError(f"Adam: betas must lie in [0, 1), got {(first, second)}")
        self._betas = first, second

    def update_all(self, updates: list[tuple[Array, Array, dict[str, Array], int]]) -> list[Array]:
        arrays = [(p, g, state["first_moment"], state["second_moment"]) for p, g, state, _ in updates]
        rates = [self._rates(t) for *_, t in updates]
        return adam_update(arrays, rates, self.betas, self.weight_decay)

    def _rates(self, t: int) -> tuple[float, float]:
        """a and e with lr m_hat / (sqrt(v_hat) + eps) = a m / (sqrt(v) + e)."""
        correction1, correction2 = 1 - self.betas[0] ** t, (1 - self.betas[1] ** t) ** 0.5
        return self.lr * correction2 / correction1, self.eps * correction2


@checked_arguments
def cosine_schedule(step: float, total: float, peak: float, final: float = 0.0, warmup: float = 0) -> float:
    """The learning rate at ``step`` (counted from 0) of ``total``: linear warmup to ``peak`` over ``warmup`` steps,
    then cosine decay to ``final`` (Loshchilov and Hutter 2017, eq. 5). Raises ``ValueError`` for a negative step."""
    number_from("cosine_schedule", "step", step, 0)
    if step < warmup:
        return peak * min(1.0, (step + 1) / warmup)
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2


@checked_arguments
def linear_schedule(step: float, total: float, peak: float, final: float = 0.0, warmup: float = 0) -> float:
    """The learning rate at ``step`` (counted from 0) of ``total``: linear warmup to ``peak`` over ``warmup`` steps,
    then linear decay to ``final``. Raises ``ValueError`` for a negative step."""
    number_from("linear_schedule", "step", step, 0)
    if step < warmup:
        return peak * min(1.0, (step + 1) / warmup)
    return peak + (final - peak) * min(1.0, (step - warmup) / max(1, total - warmup))


@checked_arguments
@underflow_ignored()
def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> float:
    """Scale the gradients of ``params``, of any shape, by one factor so that their joint Euclidean norm is at most
    ``max_norm`` (Pascanu, Mikolov and Bengio 2013); returns the norm before. Raises ``ValueError`` where it is not
    finite, and leaves the gradients unchanged; ``NotImplementedError`` where ranks share the batch (``ranks.py``)."""
    if ranks.fraction() != 1:
        raise NotImplementedError("clip_grad_norm: the gradients are those of a part of the batch that ranks share")
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm: max_norm must be a number from 0, got {max_norm}")
    leaves = dict.fromkeys(_leaves("clip_grad_norm", params))  # a shared parameter counts once
    with_grad = [(parameter, g) for parameter in leaves if (g := parameter.grad) is not None]
    squares = [(g.data.astype("float64") ** 2).sum() for _, g in with_grad]
    norm = math.sqrt(sum(squares))  # a single transfer from the device, not one per parameter
    if not math.isfinite(norm):
        raise ValueError(f"clip_grad_norm: the gradients' norm is {norm}")
    if norm > max_norm:
        for parameter, g in with_grad:
            parameter.grad = Tensor(g.data * (max_norm / (norm + 1e-6)))
    return norm


class ExponentialMovingAverage:
    """The exponential moving average of a module's weights: average <- decay average + (1 - decay) weights.

    After t updates the decay is min(decay, (1 + t) / (10 + t)), as in TensorFlow, so that the initial weights lose
    their influence early. Buffers are not averaged. Raises ``ValueError`` for a ``decay`` outside [0, 1) and
    ``TypeError`` if ``module`` is not a module.
    """

    decay = _Number(below=1)

    @checked_arguments
    def __init__(self, module: Module, decay: float = 0.999) -> None:
        self.module, self.decay, self.updates = required_module("ExponentialMovingAverage", module), decay, 0
        self.average = [copy_like(parameter.data, parameter.data) for parameter in module.parameters()]

    @underflow_ignored()
    def update(self) -> None:
        """Update the average with the current parameters. Raises ``ValueError`` if their number or shapes changed."""
        parameters = self.module.parameters()
        if len(parameters) != len(self.average):
            raise ValueError(
                f"update: the module has {len(parameters)} parameters, initially it had {len(self.average)}"
            )
        for average, parameter in zip(self.average, parameters, strict=True):
            _check_shape("update", "average", average.shape, parameter)
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for average, parameter in zip(self.average, parameters, strict=True):
            average += (1 - decay) * (parameter.data - average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """A context in which the module has the averaged parameters; afterwards, also after an error, its own."""
        parameters = self.module.parameters()
        own = [parameter.data for parameter in parameters]
        for parameter, average in zip(parameters, self.average, strict=True):
            parameter.data = copy_like(average, average)
        try:
            yield
        finally:
            for parameter, array in zip(parameters, own, strict=True):
                parameter.data = array

    def state_dict(self) -> dict[str, Any]:
        """The state needed to resume: the number of updates and the averaged arrays."""
        return {"updates": self.updates, "average": [to_device(average, "cpu").copy() for average in self.average]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that ``state_dict`` returned. Raises ``TypeError``, ``KeyError`` or ``ValueError`` for
        anything else; then nothing changes."""
        state_of("an average", state, ("average", "updates"))
        given = [copied(f"load_state_dict, average[{i}]", array) for i, array in enumerate(state["average"])]
        shapes, own = [a.shape for a in given], [a.shape for a in self.average]
        if shapes != own:
            raise ValueError(f"load_state_dict: averages of shapes {shapes}, expected {own}")
        self.updates = whole_number("load_state_dict", "updates", state["updates"], minimum=0)
        self.average = [copy_like(*pair) for pair in zip(given, self.average, strict=True)]
