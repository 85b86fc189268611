"""What goes with an optimiser: learning rates over time, gradients kept short, weights averaged."""

import math

import numpy as np
import pytest

import tinygen as tg
from tinygen import nn
from tinygen.optim import Adam, ExponentialMovingAverage, RMSprop, clip_grad_norm, cosine_schedule, linear_schedule

SCHEDULES = [cosine_schedule, linear_schedule]

each_schedule = pytest.mark.parametrize("schedule", SCHEDULES)


# Schedules -----------------------------------------------------------------------------------------------------------


@each_schedule
def test_a_schedule_falls_from_the_peak_to_the_end(schedule):
    rates = [schedule(step, 100, 2e-3, 1e-5) for step in range(101)]
    assert rates[0] == 2e-3
    assert rates[50] == pytest.approx((2e-3 + 1e-5) / 2)
    assert rates[100] == pytest.approx(1e-5)
    assert rates == sorted(rates, reverse=True)
    assert len(set(rates)) == 101


@each_schedule
def test_a_schedule_stays_at_its_end(schedule):
    assert schedule(1000, 100, 1.0, 0.25) == pytest.approx(0.25)


@each_schedule
def test_a_schedule_warms_up_along_a_line_that_never_is_0(schedule):
    rates = [schedule(step, 20, 1.0, warmup=5) for step in range(20)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert rates[5] == 1.0
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert all(rate > 0 for rate in rates)


@each_schedule
@pytest.mark.parametrize("step", [0, 0.25, 0.5, 1, 2.5, 3.5, 4])
def test_no_schedule_exceeds_its_peak_at_a_fraction_of_a_step(schedule, step):
    assert schedule(step, 10, 1.0, 0.0, 1) <= 1.0
    assert schedule(step, 10, 1.0, 0.0, 3.5) <= 1.0


@each_schedule
def test_a_schedule_of_warmup_alone_and_of_no_steps_is_defined(schedule):
    assert schedule(3, 4, 1.0, warmup=4) == 1.0
    assert schedule(4, 4, 1.0, 0.1, warmup=4) == 1.0
    assert schedule(0, 0, 1.0, 0.1) == 1.0


def test_the_cosine_is_half_a_cosine_and_the_line_a_line():
    for step in range(8):
        assert cosine_schedule(step, 8, 3.0, 1.0) == pytest.approx(1 + (1 + math.cos(math.pi * step / 8)))
        assert linear_schedule(step, 8, 3.0, 1.0) == pytest.approx(3 - step / 4)


# Gradients kept short ------------------------------------------------------------------------------------------------


def with_gradients(*gradients):
    parameters = [nn.Parameter(np.zeros_like(g)) for g in gradients]
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = tg.tensor(gradient)
    return parameters


def test_gradients_are_shrunk_together_to_the_norm_that_is_allowed():
    parameters = with_gradients(np.array([3.0, 0.0]), np.array([[0.0], [4.0]]))
    assert clip_grad_norm(parameters, 1.0) == pytest.approx(5.0)
    np.testing.assert_allclose(parameters[0].grad.numpy(), [0.6, 0.0], rtol=1e-6)
    np.testing.assert_allclose(parameters[1].grad.numpy(), [[0.0], [0.8]], rtol=1e-6)
    assert clip_grad_norm(parameters, 1.0) <= 1.0


def test_gradients_that_are_short_enough_stay_the_same_bits():
    parameters = with_gradients(np.array([0.3, -0.1], "float32"), np.zeros(3, "float32"))
    before = [p.grad.data for p in parameters]
    assert clip_grad_norm(parameters, 0.4) == pytest.approx(math.sqrt(0.1))
    assert all(p.grad.data is array for p, array in zip(parameters, before, strict=True))


def test_parameters_without_a_gradient_are_passed_over():
    parameters = [nn.Parameter(np.ones(2)), *with_gradients(np.array([2.0]))]
    assert clip_grad_norm(iter(parameters), 1.0) == 2.0
    assert parameters[0].grad is None
    assert clip_grad_norm(parameters[:1], 1.0) == 0.0
    assert clip_grad_norm([], 1.0) == 0.0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_gradients_that_are_not_finite_are_refused_and_stay(value):
    parameters = with_gradients(np.array([1.0, value]), np.array([5.0]))
    with pytest.raises(ValueError, match=r"clip_grad_norm: the gradients' norm is (nan|inf)"):
        clip_grad_norm(parameters, 1.0)
    np.testing.assert_array_equal(parameters[1].grad.numpy(), [5.0])


def test_clipping_keeps_float32():
    parameters = with_gradients(np.full(3, 10, "float32"))
    clip_grad_norm(parameters, 1.0)
    assert parameters[0].grad.dtype == "float32"


# Weights averaged ----------------------------------------------------------------------------------------------------


class Normed(nn.Module):
    """Parameters and buffers."""

    def __init__(self):
        self.linear = nn.Linear(2, 3)
        self.norm = nn.BatchNorm1d(3)

    def forward(self, x):
        return self.norm(self.linear(x))


def changed(model, value):
    for parameter in model.parameters():
        parameter.data = np.full_like(parameter.data, value)


def test_the_average_follows_its_formula():
    model = Normed()
    changed(model, 1.0)
    average = ExponentialMovingAverage(model, decay=0.35)
    expected = 1.0
    for step, value in enumerate((2.0, -1.0, 5.0, 3.0, 3.0, 0.0)):
        changed(model, value)
        average.update()
        decay = min(0.35, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        with average.applied():
            for parameter in model.parameters():
                np.testing.assert_allclose(parameter.numpy(), expected, rtol=1e-6)
    assert (1 + 5) / (10 + 5) > 0.35  # both branches of the minimum were met


def test_the_average_of_weights_that_stay_is_those_weights():
    model = Normed()
    average = ExponentialMovingAverage(model, 0.9)
    before = model.state_dict()
    for _ in range(5):
        average.update()
    with average.applied():
        np.testing.assert_equal(model.state_dict(), before)


def test_the_models_own_weights_come_back_after_an_error_too():
    model = Normed()
    average = ExponentialMovingAverage(model)
    changed(model, 7.0)
    own = [p.data for p in model.parameters()]

    def fail():
        with average.applied():
            assert (model.linear.weight.numpy() != 7.0).all()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert all(p.data is array for p, array in zip(model.parameters(), own, strict=True))


def test_buffers_are_the_models_own_and_not_averaged():
    model = Normed()
    average = ExponentialMovingAverage(model, 0.9)
    model(tg.rand(8, 2) + 5.0)
    average.update()
    buffers = [b.numpy() for b in model.buffers()]
    with average.applied():
        for found, expected in zip(model.buffers(), buffers, strict=True):
            np.testing.assert_array_equal(found.numpy(), expected)


def test_training_within_the_average_does_not_spoil_it():
    """A graph that was made with the averaged weights, and weights replaced within, leave the average as it was."""
    model = Normed()
    average = ExponentialMovingAverage(model, 0.9)
    before = average.state_dict()
    with average.applied():
        tg.mean(model(tg.rand(4, 2))).backward()
        Adam(model.parameters(), lr=0.5).step()
    np.testing.assert_equal(average.state_dict(), before)
    model.zero_grad()
    average.update()  # its arrays are still its own to write to


def test_an_average_goes_on_from_its_state_bit_for_bit():
    tg.manual_seed(0)
    model = Normed()
    average = ExponentialMovingAverage(model, 0.9)
    weights = np.random.default_rng(0).normal(size=12)
    for value in weights[:6]:
        changed(model, value)
        average.update()
    state = average.state_dict()
    again = ExponentialMovingAverage(Normed(), 0.9)
    again.load_state_dict(state)
    for value in weights[6:]:
        for mean in (average, again):
            changed(mean.module, value)
            mean.update()
    np.testing.assert_equal(again.state_dict(), average.state_dict())
    assert state["updates"] == 6  # the state that was handed out did not go on


def test_an_average_refuses_another_models_state():
    average = ExponentialMovingAverage(Normed())
    with pytest.raises(ValueError, match=r"load_state_dict: averages of shapes \[\(3, 2\), \(3,\)\], expected"):
        average.load_state_dict(ExponentialMovingAverage(nn.Linear(2, 3)).state_dict())


@pytest.mark.parametrize("decay", [1.0, -0.1, float("nan")])
def test_a_decay_out_of_range_is_refused(decay):
    with pytest.raises(ValueError, match=r"ExponentialMovingAverage: decay must lie in \[0, 1\), got"):
        ExponentialMovingAverage(Normed(), decay)


# States that do not fit -----------------------------------------------------------------------------------------------


def test_an_optimiser_refuses_the_state_of_another_kind_or_of_other_parameters():
    layer = nn.Linear(2, 1)
    optimizer = RMSprop(layer.parameters())
    tg.sum(layer(tg.ones(3, 2))).backward()
    optimizer.step()
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"state of \['mean_square'\], Adam expects \['first_moment', 'second_mom"):
        Adam(layer.parameters()).load_state_dict(state)
    with pytest.raises(ValueError, match="load_state_dict: state of 2 parameters, expected 1"):
        RMSprop(layer.parameters()[:1]).load_state_dict(state)
    with pytest.raises(
        ValueError, match=r"load_state_dict: mean_square of parameter 0 has shape \(1, 2\), expected \(1, 3\)"
    ):
        RMSprop(nn.Linear(3, 1).parameters()).load_state_dict(state)


def test_clipping_counts_a_shared_parameter_once():
    w = tg.tensor([0.0, 0.0], requires_grad=True)
    w.grad = tg.tensor([3.0, 4.0])
    assert clip_grad_norm([w, w], 1.0) == 5.0
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_clipping_computes_norms_whose_square_overflows_in_single_precision():
    w = tg.tensor([0.0, 0.0], requires_grad=True)
    w.grad = tg.tensor([3e30, 4e30])
    assert clip_grad_norm([w], 1.0) == pytest.approx(5e30)
    np.testing.assert_allclose(w.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_an_average_of_a_module_that_has_grown_is_refused():
    module = nn.Sequential(nn.Linear(1, 1))
    average = ExponentialMovingAverage(module)
    module.append(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="update: the module has 4 parameters, initially it had 2"):
        average.update()
    assert average.updates == 0
