"""MATLAB files as SciPy writes them are read exactly; broken ones are refused, to the last byte."""

import io
import struct

import numpy as np
import pytest
from scipy.io import loadmat

from tinygen.data.matlab import parse_svhn

COLOUR = (3, 32, 32)


@pytest.fixture
def svhn(digits):
    """The variables of an SVHN file."""
    return {"X": digits.colour.transpose(2, 3, 1, 0), "y": np.where(digits.labels == 0, 10, digits.labels)[:, None]}


@pytest.mark.parametrize("packed", [True, False])
def test_svhn_gives_back_the_images_and_label_10_as_the_digit_0(encode, digits, svhn, packed):
    assert 10 in svhn["y"]
    arrays = parse_svhn(encode.matlab(packed, **svhn), COLOUR)
    np.testing.assert_array_equal(arrays["images"], digits.colour)
    np.testing.assert_array_equal(arrays["labels"], digits.labels)
    assert arrays["images"].flags.c_contiguous
    assert arrays["labels"].dtype == np.int64


@pytest.mark.parametrize("label", [0, 11])
def test_svhn_refuses_a_label_out_of_range(encode, svhn, label):
    svhn["y"][3] = label
    with pytest.raises(ValueError, match=f"label {label} of image 3 is out of range, expected 1 to 10"):
        parse_svhn(encode.matlab(**svhn), COLOUR)


def test_svhn_refuses_other_shapes_types_and_names(encode, svhn):
    x, y = svhn["X"], svhn["y"]
    with pytest.raises(ValueError, match=r"X is uint8 \(32, 31, 3, 23\), expected uint8 \(32, 32, 3, N\)"):
        parse_svhn(encode.matlab(X=x[:, 1:], y=y), COLOUR)
    with pytest.raises(ValueError, match="X is float64"):
        parse_svhn(encode.matlab(X=x / 255, y=y), COLOUR)
    with pytest.raises(ValueError, match=r"y has shape \(22, 1\), expected \(23, 1\)"):
        parse_svhn(encode.matlab(X=x, y=y[1:]), COLOUR)
    with pytest.raises(ValueError, match="no variable 'y'"):
        parse_svhn(encode.matlab(X=x, labels=y), COLOUR)
    for other in (np.array(["text"]), x * 1j, {"field": x}):
        with pytest.raises(ValueError, match=r"'X' is no array of real numbers|X is uint32 \(1,\)"):
            parse_svhn(encode.matlab(X=other, y=y), COLOUR)


def test_svhn_passes_over_other_variables_and_takes_labels_of_any_number_type(encode, digits, svhn):
    content = encode.matlab(meta={"made": "by hand"}, X=svhn["X"], y=svhn["y"].astype(np.float64), Xy=svhn["y"])
    np.testing.assert_array_equal(parse_svhn(content, COLOUR)["labels"], digits.labels)


def test_svhn_reads_files_of_big_endian_machines(digits, svhn):
    def element(kind, payload):
        return struct.pack(">II", kind, len(payload)) + payload + bytes(-len(payload) % 8)

    def variable(name, array):
        parts = [(6, struct.pack(">II", 9, 0)), (5, struct.pack(f">{array.ndim}i", *array.shape)), (1, name)]
        return element(14, b"".join(element(*part) for part in [*parts, (2, array.tobytes(order="F"))]))

    header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x01\x00MI"
    content = header + variable(b"X", svhn["X"]) + variable(b"y", svhn["y"])
    np.testing.assert_array_equal(loadmat(io.BytesIO(content))["X"], svhn["X"])
    np.testing.assert_array_equal(parse_svhn(content, COLOUR)["images"], digits.colour)


def test_svhn_refuses_a_wrong_magic_number(encode, svhn):
    content = encode.matlab(**svhn)
    for other in (b"\x89HDF\r\n\x1a\n", content[:124] + b"\x00\x02IM" + content[128:]):  # HDF5, MATLAB 7.3
        with pytest.raises(ValueError, match="magic number"):
            parse_svhn(other, COLOUR)


@pytest.mark.parametrize("packed", [True, False])
def test_svhn_refuses_a_file_cut_anywhere(encode, svhn, packed):
    content = encode.matlab(packed, **svhn)
    for length in (0, 100, 128, 131, 140, len(content) // 2, len(content) - 1):
        with pytest.raises(ValueError, match=r"magic|truncated|no variable"):
            parse_svhn(content[:length], COLOUR)


def test_svhn_refuses_sizes_that_are_not_those_of_its_numbers(encode, svhn):
    content = encode.matlab(False, **svhn)
    sizes, lie = struct.pack("<4i", 32, 32, 3, 23), struct.pack("<4i", 32, 32, 3, 24)
    assert sizes in content
    with pytest.raises(ValueError, match=r"'X' has 70,656 bytes of numbers, not the \(32, 32, 3, 24\)"):
        parse_svhn(content.replace(sizes, lie), COLOUR)


@pytest.mark.parametrize("extra", [b"\x00", b"\x00" * 8, b"twelve bytes"])
def test_svhn_refuses_trailing_bytes(encode, svhn, extra):
    with pytest.raises(ValueError, match=r"trailing bytes|no variable|truncated"):
        parse_svhn(encode.matlab(**svhn) + extra, COLOUR)


def test_svhn_detects_any_changed_byte_of_a_packed_variable(encode, svhn):
    content = encode.matlab(**svhn)
    for position in range(136, len(content), len(content) // 40):
        changed = bytearray(content)
        changed[position] ^= 0x10
        with pytest.raises(ValueError, match=r"corrupt|truncated|trailing|no variable"):
            parse_svhn(bytes(changed), COLOUR)


def test_svhn_answers_damage_to_a_plain_variables_structure_with_nothing_but_a_value_error(encode, svhn):
    content = encode.matlab(False, X=svhn["X"][..., :2], y=svhn["y"][:2])
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(500):
        damaged = bytearray(content)
        for position in random.choice([*range(128, 200), *range(len(content) - 64, len(content))], 2):
            damaged[position] = random.integers(256)
        try:
            parse_svhn(bytes(damaged), COLOUR)
        except ValueError:
            refused += 1
    assert refused > 100
