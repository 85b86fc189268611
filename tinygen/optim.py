"""Optimisers: from gradients to better parameters.

Each follows the update of PyTorch's optimiser of the same name, step for step. A step never writes into a parameter's
array, which a graph may still need, but gives the parameter a new one; an old graph then notices that its input is
another. Schedules are plain functions of the step: ``optimizer.lr = cosine_schedule(step, total, peak)``.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from tinygen.autograd.tensor import Tensor
from tinygen.backend import Array, array_module, stored_like, to_device, underflow_ignored
from tinygen.kernels.adam import adam_update
from tinygen.nn.module import Module


class Optimizer:
    """What all optimisers share: the parameters, the learning rate ``lr``, and a state to save.

    ``slots`` names the arrays that an optimiser keeps for each parameter; they begin at zero, with its first gradient.
    """

    slots: tuple[str, ...] = ()

    def __init__(self, params: Iterable[Tensor], lr: float) -> None:
        self.params = list(params)
        if not self.params:
            raise ValueError(f"{type(self).__name__}: there are no parameters to optimise")
        if len({id(parameter) for parameter in self.params}) < len(self.params):
            raise ValueError(f"{type(self).__name__}: a parameter is given twice")
        if not 0 <= lr < math.inf:
            raise ValueError(f"{type(self).__name__}: lr must be a number from 0, got {lr}")
        self.lr = lr
        self.steps = [0] * len(self.params)
        self.state: list[dict[str, Array]] = [{} for _ in self.params]

    @underflow_ignored()
    def step(self) -> None:
        """Change every parameter that has a gradient."""
        due, moves = [], []
        for index, parameter in enumerate(self.params):
            if parameter.grad is not None:
                data, state = parameter.data, self.state[index]
                if not state:
                    state.update({slot: array_module(data).zeros_like(data) for slot in self.slots})
                self.steps[index] += 1
                due.append(parameter)
                moves.append((data, parameter.grad.data, state, self.steps[index]))
        for parameter, array in zip(due, self.all_updated(moves), strict=True):
            parameter.data = array_module(parameter.data).asarray(array)  # NumPy makes a number of what has no axes

    def all_updated(self, moves: list[tuple[Array, Array, dict[str, Array], int]]) -> list[Array]:
        """The parameters' new arrays. An optimiser says what becomes of one of them, or here of all at once."""
        return [self.updated(*move) for move in moves]

    def updated(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        """The parameter's new array; ``state`` changes in place; ``step`` counts from 1."""
        raise NotImplementedError

    def zero_grad(self) -> None:
        """Forget all gradients."""
        for parameter in self.params:
            parameter.grad = None

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs to go on as if it had never stopped."""
        arrays = [{slot: to_device(array, "cpu").copy() for slot, array in state.items()} for state in self.state]
        return {"lr": self.lr, "steps": list(self.steps), "state": arrays}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict`` returned, for parameters of the same shapes."""
        if len(state["steps"]) != len(self.params):
            raise ValueError(f"load_state_dict: state of {len(state['steps'])} parameters, expected {len(self.params)}")
        for index, (parameter, kept) in enumerate(zip(self.params, state["state"], strict=True)):
            if kept and set(kept) != set(self.slots):
                name = type(self).__name__
                raise ValueError(f"load_state_dict: state of {sorted(kept)}, {name} expects {sorted(self.slots)}")
            for slot, array in kept.items():
                if array.shape != parameter.shape:
                    raise ValueError(
                        f"load_state_dict: {slot} of parameter {index} has shape {array.shape}, expected "
                        f"{parameter.shape}"
                    )
        self.lr, self.steps = state["lr"], list(state["steps"])
        self.state = [
            {slot: stored_like(array, parameter.data) for slot, array in kept.items()}
            for parameter, kept in zip(self.params, state["state"], strict=True)
        ]


class SGD(Optimizer):
    """Stochastic gradient descent: v <- momentum v + g; parameter <- parameter - lr v (v begins as the first g).

    ``weight_decay`` adds that multiple of the parameter to g.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(params, lr)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.slots = ("velocity",) if momentum else ()

    def updated(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        """``parameter - lr v``; the velocity v, of the parameter's shape, changes in ``state``."""
        if self.weight_decay:
            gradient = gradient + self.weight_decay * parameter
        if self.momentum:
            state["velocity"] *= self.momentum
            state["velocity"] += gradient
            gradient = state["velocity"]
        return parameter - self.lr * gradient


class RMSprop(Optimizer):
    """s <- alpha s + (1 - alpha) g^2; parameter <- parameter - lr g / (sqrt(s) + eps) (Tieleman and Hinton 2012)."""

    slots = ("square",)

    def __init__(self, params: Iterable[Tensor], lr: float = 1e-2, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__(params, lr)
        self.alpha, self.eps = alpha, eps

    def updated(self, parameter: Array, gradient: Array, state: dict[str, Array], step: int) -> Array:
        square = state["square"]
        square *= self.alpha
        square += (1 - self.alpha) * gradient * gradient
        return parameter - self.lr * gradient / (array_module(square).sqrt(square) + self.eps)


class Adam(Optimizer):
    """m <- beta1 m + (1 - beta1) g; v <- beta2 v + (1 - beta2) g^2;
    parameter <- parameter - lr m^ / (sqrt(v^) + eps) with m^ = m / (1 - beta1^t), v^ = v / (1 - beta2^t)
    (Kingma and Ba 2015, algorithm 1). ``weight_decay`` adds that multiple of the parameter to g.
    """

    slots = ("mean", "square")

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr)
        if not (0 <= betas[0] < 1 and 0 <= betas[1] < 1):
            raise ValueError(f"Adam: betas must lie in [0, 1), got {betas}")
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def all_updated(self, moves: list[tuple[Array, Array, dict[str, Array], int]]) -> list[Array]:
        arrays = [(parameter, gradient, state["mean"], state["square"], t) for parameter, gradient, state, t in moves]
        return adam_update(arrays, self.lr, self.betas, self.eps, self.weight_decay)


def cosine_schedule(step: int, total: int, peak: float, final: float = 0.0, warmup: int = 0) -> float:
    """The learning rate for ``step`` (from 0) of ``total``: up a line to ``peak`` over ``warmup`` steps, then down half
    a cosine to ``final`` (Loshchilov and Hutter 2017, eq. 5)."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = min(1.0, (step - warmup) / max(1, total - warmup))
    return final + (peak - final) * (1 + math.cos(math.pi * progress)) / 2


def linear_schedule(step: int, total: int, peak: float, final: float = 0.0, warmup: int = 0) -> float:
    """The learning rate for ``step`` (from 0) of ``total``: up a line to ``peak`` over ``warmup`` steps, then down
    another to ``final``."""
    if step < warmup:
        return peak * (step + 1) / warmup
    return peak + (final - peak) * min(1.0, (step - warmup) / max(1, total - warmup))


@underflow_ignored()
def clip_grad_norm(params: Iterable[Tensor], max_norm: float) -> float:
    """Shrink all gradients together so that their common Euclidean norm is at most ``max_norm``; returns the norm
    before. Raises ``ValueError`` where it is not finite, and leaves the gradients as they were."""
    with_grad = [parameter for parameter in params if parameter.grad is not None]
    squares = [(p.grad.data * p.grad.data).sum() for p in with_grad if p.grad is not None]
    norm = math.sqrt(sum(squares))  # one number leaves the device, not one a parameter
    if not math.isfinite(norm):
        raise ValueError(f"clip_grad_norm: the gradients' norm is {norm}")
    if norm > max_norm:
        for parameter in with_grad:
            parameter.grad = Tensor(parameter.grad.data * (max_norm / (norm + 1e-6)))  # type: ignore[union-attr]
    return norm


class ExponentialMovingAverage:
    """The average of a module's weights along training: average <- decay average + (1 - decay) weights.

    Early on the decay is min(decay, (1 + t) / (10 + t)) after t updates, so that the average forgets where training
    began. Buffers are copied, not averaged.
    """

    def __init__(self, module: Module, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"ExponentialMovingAverage: decay must lie in [0, 1), got {decay}")
        self.module, self.decay, self.updates = module, decay, 0
        self.average = [stored_like(parameter.data, parameter.data) for parameter in module.parameters()]

    @underflow_ignored()
    def update(self) -> None:
        """Take the weights as they are now into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for average, parameter in zip(self.average, self.module.parameters(), strict=True):
            if parameter.shape != average.shape:
                raise ValueError(
                    f"ExponentialMovingAverage: a parameter of shape {average.shape} now has shape {parameter.shape}"
                )
            average += (1 - decay) * (parameter.data - average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the module has the averaged weights; afterwards its own again, also after an error."""
        parameters = self.module.parameters()
        own = [parameter.data for parameter in parameters]
        for parameter, average in zip(parameters, self.average, strict=True):
            parameter.data = stored_like(average, average)
        try:
            yield
        finally:
            for parameter, array in zip(parameters, own, strict=True):
                parameter.data = array

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"updates": self.updates, "average": [to_device(average, "cpu").copy() for average in self.average]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that ``state_dict`` returned."""
        shapes, own = [a.shape for a in state["average"]], [a.shape for a in self.average]
        if shapes != own:
            raise ValueError(f"load_state_dict: averages of shapes {shapes}, expected {own}")
        self.updates = state["updates"]
        self.average = [stored_like(*pair) for pair in zip(state["average"], self.average, strict=True)]
