"""No cycles: what a step leaves behind is nothing, and the garbage collector has nothing to do."""

import gc
import tracemalloc

import numpy as np
import pytest
from operations.cases import CASES

import tinygen as tg
import tinygen.functional as F
from tinygen import models, optim


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def parameters() -> list[tg.Tensor]:
    drawn = np.random.default_rng(0)
    shapes = [(4, 1, 3, 3), (4,), (2, 4, 3, 3), (1, 8)]
    return [tg.tensor(drawn.normal(size=shape).astype("float32"), requires_grad=True) for shape in shapes]


def critic(x: tg.Tensor, weights: list[tg.Tensor]) -> tg.Tensor:
    y = F.elu(F.conv2d(x, weights[0], weights[1], stride=2, padding=1))
    y = F.leaky_relu(F.conv2d(y, weights[2], padding=1), 0.2)
    return F.linear(tg.flatten(F.avg_pool2d(y, 2), 1), weights[3])


def double_backprop_step(weights: list[tg.Tensor]) -> None:
    """A critic's loss with a gradient penalty: a gradient of a norm of a gradient."""
    x = tg.rand(3, 1, 8, 8, requires_grad=True)
    value = critic(x, weights)
    (slope,) = tg.grad(tg.sum(value), x, create_graph=True)
    length = tg.norm(tg.flatten(slope, 1), axis=1)
    loss = tg.mean(value) + tg.mean((length - 1) ** 2) + tg.std(F.log_softmax(tg.transpose(value)))
    loss.backward()
    for weight in weights:
        weight.data = weight.data - 1e-4 * weight.grad.data
        weight.grad = None


@pytest.mark.usefixtures("no_collector")
def test_a_double_backprop_step_leaves_the_collector_nothing():
    double_backprop_step(parameters())
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_a_vae_step_leaves_the_collector_nothing():
    model = models.ConvVAE()
    optimizer = optim.Adam(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        (-tg.mean(model.elbo(tg.rand(2, 1, 28, 28)))).backward()
        optimizer.step()
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_no_operation_makes_a_cycle_even_when_differentiated_twice():
    for case in CASES:
        inputs = case.tensors()
        asking = [x for x in inputs if x.requires_grad]
        values = case.function(*inputs)
        values = [y for y in ([values] if isinstance(values, tg.Tensor) else values) if y.requires_grad]
        first = [g for g in tg.grad(values, asking, values, create_graph=True, allow_unused=True) if g is not None]
        second = [g for g in first if g.requires_grad]
        if second:
            tg.grad(second, asking, second, allow_unused=True)
    del inputs, asking, values, first, second
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_a_graph_that_is_dropped_without_a_backward_leaves_nothing():
    x = tg.ones(3, requires_grad=True)
    (slope,) = tg.grad(tg.sum(tg.exp(x) * x), x, create_graph=True)
    del slope, x
    assert gc.collect() == 0


@pytest.mark.usefixtures("no_collector")
def test_a_hundred_double_backprop_steps_do_not_grow_memory():
    weights = parameters()
    tracemalloc.start()
    try:
        for _ in range(200):  # until Python's own stores of freed objects are full
            double_backprop_step(weights)
        objects, (memory, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
        for _ in range(100):
            double_backprop_step(weights)
        more_objects, (more_memory, _) = len(gc.get_objects()), tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert more_objects - objects < 10
    assert more_memory - memory < 200_000  # one graph of a step takes as much
