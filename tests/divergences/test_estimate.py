"""The estimators on pairs whose distance is known, within what the noise of their samples allows; what they refuse."""

import math

import numpy as np
import pytest
from scipy import stats

import tinygen as tg
from tinygen import backend, divergences, nn
from tinygen.data import samplers
from tinygen.objectives import F_DIVERGENCES

SAMPLES = 20_000


pytestmark = pytest.mark.usefixtures("seeded")


def gaussian(mu, sigma=1.0):
    return lambda n: mu + sigma * samplers.standard_gaussian(n)


P, Q = (0.5, 1.0), (-0.2, 1.2)  # a pair of Gaussians


@tg.no_grad()
def standard_error(network, p, q, activation=lambda v: v, conjugate=lambda v: v):
    """Of ``E_p[activation(T)] - E_q[conjugate(T)]`` on as many samples of each as an estimate is read on."""
    on_p, on_q = (network(tg.tensor(sampler(SAMPLES))) for sampler in (p, q))
    return math.sqrt((activation(on_p).numpy().var() + conjugate(on_q).numpy().var()) / SAMPLES)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        ("kullback_leibler", divergences.kullback_leibler_of_gaussians(*P, *Q)),
        ("reverse_kullback_leibler", divergences.kullback_leibler_of_gaussians(*Q, *P)),
        ("pearson", divergences.pearson_of_gaussians(*P, *Q)),
        ("squared_hellinger", divergences.squared_hellinger_of_gaussians(*P, *Q)),
        (
            "jensen_shannon",
            divergences.jensen_shannon_by_quadrature(stats.norm(*P).pdf, stats.norm(*Q).pdf, -12, 12),
        ),
    ],
)
def test_the_estimate_of_gaussians_is_the_exact_value_within_noise(name, exact):
    """A bound is below the exact value by what 150 steps leave, 2 % at most over seeds, and above only by noise."""
    p, q, row = gaussian(*P), gaussian(*Q), F_DIVERGENCES[name]
    estimate, network = divergences.estimate_f_divergence(name, p, q, steps=150, batch_size=256)
    noise = standard_error(network, p, q, row.activation, row.conjugate_of_activation)
    assert 0.98 * exact - 4 * noise < estimate < exact + 4 * noise


@pytest.mark.parametrize("penalty", ["gradient", "lipschitz"])
@pytest.mark.parametrize(
    ("p", "q", "exact", "missed"),  # what 100 steps leave, at most over seeds: where the gradient norm is largest
    [(gaussian(1.0), gaussian(0.0), 1.0, 0.1), (samplers.line(0.0), samplers.line(0.5), 0.5, 0.02)],
    ids=["gaussians", "lines"],
)
def test_the_wasserstein_estimate_is_the_exact_value_within_noise(penalty, p, q, exact, missed):
    estimate, critic = divergences.estimate_wasserstein(p, q, penalty=penalty, steps=100, batch_size=128)
    noise = standard_error(critic, p, q)  # of a critic whose slope is 1 nearly everywhere, or more
    assert exact - missed - 4 * noise < estimate < exact + 4 * noise


@pytest.mark.parametrize("seed", range(4))
def test_the_gradient_of_a_critic_in_one_dimension_has_the_sign_that_the_samples_require(seed):
    """A critic with an initial gradient of the wrong sign would have to pass 0, where the penalty is largest."""
    tg.manual_seed(seed)
    estimate, _ = divergences.estimate_wasserstein(gaussian(1.0), gaussian(0.0), steps=40, batch_size=64)
    assert estimate > 0.7


def test_a_clipped_critic_gives_a_bound_too():
    """The bias due to clipped weights is unknown, but the estimate is a lower bound."""
    p, q = samplers.line(0.0), samplers.line(0.5)
    estimate, critic = divergences.estimate_wasserstein(p, q, penalty="clip", steps=100, batch_size=128)
    slope = divergences.measure_wasserstein(critic, p, q, penalty="clip", samples=SAMPLES).max_gradient_norm
    assert 0.3 < estimate < 0.5 + 4 * standard_error(critic, p, q) / slope
    assert all(np.abs(parameter.numpy()).max() <= np.float32(0.1) for parameter in critic.parameters())


def test_disjoint_lines_are_told_apart():
    """No bound can exceed log 2 or 2, however the samples fall; 60 steps leave less than the examples' promise."""
    pair = samplers.line(0.0), samplers.line(0.3)
    assert math.log(2) - 0.01 < divergences.estimate_jensen_shannon(*pair, steps=60)[0] <= math.log(2) + 1e-6
    assert 2 - 0.03 < divergences.estimate_squared_hellinger(*pair, steps=60)[0] < 2


@pytest.mark.parametrize("name", ["jensen_shannon", "squared_hellinger"])
def test_the_same_line_is_not_told_apart_from_itself(name):
    """Of equal distributions the bound is 0 at best, and below it by the accidents that the last batches taught."""
    p, row = samplers.line(0.0), F_DIVERGENCES[name]
    estimate, network = divergences.estimate_f_divergence(name, p, p, steps=60)
    noise = standard_error(network, p, p, row.activation, row.conjugate_of_activation)
    assert -0.001 - 4 * noise < estimate < 4 * noise + 1e-6


@pytest.mark.parametrize("slope", [0.5, 2.0])
def test_a_linear_critic_is_measured_exactly(slope):
    critic = nn.Linear(2, 1)
    critic.weight.data = np.array([[-slope, 0.0]], np.float32)
    pair = samplers.line(0.0), samplers.line(0.8)
    dual = divergences.measure_wasserstein(critic, *pair, penalty_weight=3.0, samples=500)
    assert dual.max_gradient_norm == pytest.approx(slope, rel=1e-5)
    assert dual.raw == pytest.approx(0.8 * slope, rel=1e-5)
    assert dual.estimate == pytest.approx(0.8, rel=1e-5)
    assert dual.penalised == pytest.approx(0.8 * slope - 3 * (slope - 1) ** 2, rel=1e-4)
    one_sided = divergences.measure_wasserstein(critic, *pair, penalty="lipschitz", penalty_weight=3.0, samples=500)
    assert one_sided.penalised == pytest.approx(0.8 * slope - 3 * max(0.0, slope - 1) ** 2, rel=1e-4)


def test_a_constant_critic_gives_0():
    critic = nn.Linear(1, 1)
    critic.weight.data = np.zeros((1, 1), np.float32)
    assert divergences.measure_wasserstein(critic, gaussian(0.0), gaussian(1.0), samples=10).estimate == 0


def test_a_given_network_goes_on_from_where_it_is():
    network = nn.Linear(1, 1)
    network.weight.data, network.bias.data = np.array([[1.0]], np.float32), np.array([-0.5], np.float32)
    pair = gaussian(1.0), gaussian(0.0)  # log p / q = x - 1/2: it is there already
    estimate, returned = divergences.estimate_jensen_shannon(*pair, network=network, steps=1, learning_rate=1e-9)
    exact = divergences.jensen_shannon_by_quadrature(stats.norm(1).pdf, stats.norm(0).pdf, -9, 10)
    assert returned is network
    row = F_DIVERGENCES["jensen_shannon"]
    noise = standard_error(network, *pair, row.activation, row.conjugate_of_activation)
    assert estimate == pytest.approx(exact, abs=4 * noise)


def test_a_seed_fixes_the_estimate_and_the_estimate_is_read_on_samples_of_its_own():
    drawn = []

    def counted(n):
        drawn.append(n)
        return samplers.standard_gaussian(n)

    found = []
    for _ in range(2):
        tg.manual_seed(5)
        estimate, _ = divergences.estimate_jensen_shannon(counted, gaussian(1.0), steps=3, batch_size=8, samples=50)
        found.append(estimate)
    assert found[0] == found[1]
    assert drawn == [1, 8, 8, 8, 50] * 2


def test_the_discriminator_gives_the_density():
    discriminator = nn.Linear(1, 1)
    discriminator.weight.data, discriminator.bias.data = np.array([[1.0]], np.float32), np.array([-0.5], np.float32)
    x = np.linspace(-4, 40, 12)  # at 40, D is 1 to all digits of float64
    for points in (x, x[:, None]):
        found = divergences.density_from_discriminator(discriminator, samplers.standard_gaussian_density, points)
        assert found == pytest.approx(stats.norm.pdf(x, 1.0), rel=1e-4)


# Bad input -----------------------------------------------------------------------------------------------------------

GOOD = samplers.standard_gaussian


def with_nan(n):
    return np.full((n, 1), np.nan, np.float32)


@pytest.mark.parametrize("name", ["estimate_jensen_shannon", "estimate_squared_hellinger", "estimate_wasserstein"])
@pytest.mark.parametrize(
    ("p", "q", "options", "problem"),
    [
        (samplers.uniform, GOOD, {}, "p is a distribution of 2 numbers, q of 1"),
        (GOOD, with_nan, {}, "q gave samples that are NaN or infinite"),
        (lambda n: backend.generator().random(n), GOOD, {}, r"p\(1\) must be points \(1, d\), got float64 \(1,\)"),
        (lambda n: GOOD(0), GOOD, {}, r"p\(1\) must be points \(1, d\), got float32 \(0, 1\)"),
        (GOOD, GOOD, {"batch_size": 0}, "batch_size must be a whole number from 1, got 0"),
        (GOOD, GOOD, {"steps": 0}, "steps must be a whole number from 1, got 0"),
        (GOOD, GOOD, {"samples": 0}, "samples must be a whole number from 1, got 0"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(name, p, q, options, problem):
    with pytest.raises(ValueError, match=f"^{name}: {problem}$"):
        getattr(divergences, name)(p, q, **options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"penalty_weight": -1.0}, "penalty_weight must be a number from 0, got -1.0"),
        ({"penalty_weight": float("nan")}, "penalty_weight must be a number from 0, got nan"),
        ({"penalty": "none"}, "penalty must be one of gradient, lipschitz, clip, got 'none'"),
    ],
)
def test_a_penalty_that_makes_no_sense_is_refused(options, problem):
    with pytest.raises(ValueError, match=f"^estimate_wasserstein: {problem}$"):
        divergences.estimate_wasserstein(GOOD, GOOD, **options)


def test_a_divergence_that_is_not_in_the_table_is_refused():
    with pytest.raises(ValueError, match=r"^estimate_f_divergence: no divergence is called 'distance', only kul"):
        divergences.estimate_f_divergence("distance", GOOD, GOOD)
