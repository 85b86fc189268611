"""What functions are handed: arrays, lists and NumPy's scalars as well as tensors and numbers; all else is refused in
one sentence that names the function."""

import inspect
import re

import numpy as np
import pytest
from test_precision import CASES

import tinygen as tg
import tinygen.functional as F
from tinygen import likelihoods, nn

WRONG = [None, "abc", nn.Linear(2, 2), {"a": 1}, np.array([None, 1]), np.array(["a"]), 1j * np.ones(3), [[1], [1, 2]]]
WRONG += [[None], [tg.zeros(2), tg.zeros(2)], dict, len, object()]
SHAPES = [(), (0,), (0, 3), (3,), (2, 0, 4, 4), (1, 1, 1, 1, 1)]
OPTIONS = {  # name of an option -> values that are none
    "axis": ["abc", 1.5, {}, 2, [0, 5]],
    "stride": ["abc", 1.5, 0, [1, 2, 3]],
    "padding": ["abc", 1.5, -1, [1, 2, 3], nn.Linear(2, 2)],
    "dilation": [None, 1.5, 0],
    "num_groups": [None, 1.5, 0, 3, "abc"],
    "groups": [None, 1.5, 0, "abc"],
    "output_padding": [None, 1.5, -1],
    "kernel_size": [None, "abc", 1.5, 0, {}],
    "divisor_override": [1.5, "abc", 0],
    "size": ["abc", 1.5, 0, {}],
    "scale_factor": ["abc", 0, -1, np.inf, np.nan, {}, [1, 2, 3]],
    "p": [None, "abc", -1, 2, np.nan, {}],
    "training": [None, "abc", 1.5],
    "ceil_mode": [None, "abc"],
    "count_include_pad": [None, "abc"],
    "align_corners": [None, "abc"],
    "eps": [None, "abc", -1, np.nan],
    "momentum": [None, "abc", -1, np.nan],
    "running_mean": ["abc", np.zeros(3), {}],
    "running_var": ["abc", np.zeros(3), {}],
    "negative_slope": [None, "abc", [1, 2]],
    "alpha": [None, "abc", [1, 2]],
    "beta": [None, "abc", [1, 2]],
    "threshold": [None, "abc", [1, 2]],
    "reduction": [None, "max", 1, []],
    "ignore_index": [None, 1.5, "abc"],
    "label_smoothing": [None, "abc", -1, np.nan],
    "num_samples": [None, 1.5, 0, "abc"],
}
INTERNAL = re.compile(
    r"has no attribute|NoneType|builtins|subscript|operand type|not supported|object is not|\\b_[a-z]"
)
GIVEN = {  # what else a call needs
    "F.avg_pool2d": {"kernel_size": 2},
    "F.max_pool2d": {"kernel_size": 2},
    "F.upsample_bilinear2d": {"size": 3},
    "F.upsample_nearest2d": {"size": 3},
    "F.cross_entropy": {"target": [0, 1]},
    "F.group_norm": {"num_groups": 2},
    "F.batch_norm": {"running_mean": tg.zeros(2), "running_var": tg.ones(2)},
}
OPTIONAL = {  # places of operands that may be None
    "F.conv2d": [2],
    "F.conv_transpose2d": [2],
    "F.linear": [2],
    "F.binary_cross_entropy_with_logits": [2, 3],
    "F.cross_entropy": [1],
    "F.batch_norm": [1, 2],
    "F.group_norm": [1, 2],
}
SCALARS = [  # function, option, the number that it is
    ("F.conv2d", "stride", 2),
    ("F.conv2d", "padding", 1),
    ("F.conv2d", "groups", 1),
    ("F.conv_transpose2d", "stride", 2),
    ("F.avg_pool2d", "kernel_size", 2),
    ("F.avg_pool2d", "divisor_override", 3),
    ("F.max_pool2d", "kernel_size", 2),
    ("F.upsample_nearest2d", "size", 3),
    ("F.upsample_bilinear2d", "scale_factor", 1.5),
    ("F.upsample_nearest2d", "scale_factor", 2.0),
    ("F.leaky_relu", "negative_slope", 0.25),
    ("F.elu", "alpha", 0.5),
    ("F.elu", "alpha", -0.5),
    ("F.softplus", "beta", 0.5),
    ("F.softplus", "threshold", 3.0),
    ("F.dropout", "p", 0.25),
    ("F.batch_norm", "eps", 0.5),
    ("F.group_norm", "eps", 0.5),
    ("F.group_norm", "num_groups", 2),
    ("F.cross_entropy", "label_smoothing", 0.25),
    ("F.cross_entropy", "ignore_index", 1),
    ("F.softmax", "axis", 0),
    ("likelihoods.kl_gaussian_gaussian_mc", "num_samples", 2),
]


def public(name):
    """The public function of that name."""
    module, function = name.split(".")
    return getattr({"F": F, "likelihoods": likelihoods}[module], function)


def call(name):
    """Arguments with which the function can be called, by name: what has no default."""
    arrays = iter(CASES[name][1])
    given = dict(GIVEN.get(name, {}))
    for at, parameter in inspect.signature(public(name)).parameters.items():
        if at not in given and parameter.default is parameter.empty:
            given[at] = tg.tensor(next(arrays).astype("float32"))
    return given


def assert_says(name, function, *args, **options):
    """Whether a call is refused by name."""
    with pytest.raises((TypeError, ValueError)) as refusal:
        function(*args, **options)
    message = str(refusal.value)
    assert message.startswith(name.split(".")[1])
    assert not INTERNAL.search(message)
    assert "\n" not in message


@pytest.mark.parametrize("name", CASES)
def test_what_is_no_array_of_numbers_is_refused_by_name(name):
    function, arrays = CASES[name]
    tensors = [tg.tensor(array.astype("float32")) for array in arrays]
    for place in range(len(arrays)):
        for wrong in WRONG:
            if wrong is not None or place not in OPTIONAL.get(name, ()):
                assert_says(name, function, *tensors[:place], wrong, *tensors[place + 1 :])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_shape_is_taken_or_refused_by_name(name, shape):
    function, arrays = CASES[name]
    tensors = [tg.tensor(array.astype("float32")) for array in arrays]
    for place in range(len(arrays)):
        given = (*tensors[:place], tg.ones(shape), *tensors[place + 1 :])
        try:
            function(*given)
        except ValueError:
            assert_says(name, function, *given)


@pytest.mark.parametrize("name", [name for name in CASES if not name.startswith("tg.")])
def test_what_is_no_option_is_refused_by_name(name):
    parameters = inspect.signature(public(name)).parameters
    operands = {"x", "y", "target", "weight", "bias", "pos_weight", *call(name)} - OPTIONS.keys()
    assert parameters.keys() <= operands | OPTIONS.keys()
    for at in parameters.keys() & OPTIONS.keys():
        for wrong in OPTIONS[at]:
            given = {**call(name), at: wrong}
            if at == "scale_factor":
                del given["size"]
            assert_says(name, public(name), **given)


@pytest.mark.parametrize(("name", "option", "number"), SCALARS)
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int8, np.int64])
def test_numpys_scalars_are_numbers_and_promote_nothing(name, option, number, kind):
    if kind(number) != number or (isinstance(number, int) and not issubclass(kind, np.integer)):
        return
    found, expected = (evaluated(name, {**call(name), option: given}) for given in (kind(number), number))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found.numpy(), expected.numpy())


def evaluated(name, given):
    if "scale_factor" in given:
        del given["size"]
    tg.manual_seed(0)
    return public(name)(**given)


@pytest.mark.parametrize("name", ["running_mean", "running_var"])
def test_running_statistics_that_could_not_move_are_refused(name):
    x, running = tg.randn(4, 2), {"running_mean": tg.zeros(2), "running_var": tg.ones(2)}
    for wrong in (np.ones(2), [1.0, 1.0], tg.tensor(np.ones(2, int))):
        with pytest.raises(TypeError, match=f"batch_norm: training updates {name}, a Tensor of floating-point"):
            F.batch_norm(x, **{**running, name: wrong}, training=True)
        found = F.batch_norm(x, **{**running, name: wrong})
        expected = F.batch_norm(x, **{**running, name: tg.ones(2)})
        np.testing.assert_array_equal(found.numpy(), expected.numpy())
        assert found.dtype == np.float32


@pytest.mark.parametrize(("weight", "bias"), [((2, 3), (5, 1)), ((2, 3), (1,)), ((2, 3), ()), ((3,), (5,))])
def test_linear_refuses_a_bias_that_would_broadcast(weight, bias):
    with pytest.raises(ValueError, match="linear: bias must have shape"):
        F.linear(tg.zeros(5, 3), tg.zeros(weight), tg.zeros(bias))


def test_an_axis_is_no_dictionary():
    with pytest.raises(TypeError, match="sum: axis must be a whole number, got dict"):
        tg.sum(tg.ones(2, 3), axis={})


@pytest.mark.parametrize("running", [(tg.zeros(2), None), (None, tg.ones(2))])
def test_batch_norm_refuses_one_running_statistic_without_the_other(running):
    with pytest.raises(ValueError, match="batch_norm: running_mean and running_var must be given together"):
        F.batch_norm(tg.randn(4, 2), *running)
