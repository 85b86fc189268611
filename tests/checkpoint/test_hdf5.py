"""Checkpoints give back what was put in, bit for bit, and are refused once they are not what was written."""

import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from tinygen.checkpoint import load, read_torch, save
from tinygen.files import CheckpointError, atomic_write, remove_unfinished


def parts():
    """One of everything that a checkpoint holds."""
    rng = np.random.default_rng(3)
    return {
        "model": {"0.weight": rng.normal(size=(3, 4)).astype(np.float32).T, "0.bias": rng.normal(size=4)},
        "awkward": {"": np.zeros((0, 3)), ".": np.array(2.5), "a/b": np.array([True, False]), "%2E": 1, "é ü": 2},
        "rng": rng.bit_generator.state,
        "nested": [1, (2, [None, True, "text\0 and ü"]), {}, [], ()],
        "numbers": [0.1, -0.0, float("inf"), -float("inf"), 5e-324, -(2**127), 2**20000],
        "scalars": [np.float32(0.1), np.int64(-3), np.bool_(True)],
    }


def assert_same(actual, expected):
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_same(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
    elif isinstance(expected, (np.ndarray, np.generic)):
        assert (actual.dtype, actual.shape) == (expected.dtype, expected.shape)
        assert actual.tobytes() == expected.tobytes()
    else:
        assert actual == expected


@pytest.fixture
def written(tmp_path):
    path = tmp_path / "run.h5"
    save(path, **parts())
    return path


def test_what_is_loaded_equals_what_was_saved_in_value_type_and_order(written):
    assert_same(load(written), parts())


@pytest.mark.parametrize("code", "?bBhHiIlLqQefdFD")
@pytest.mark.parametrize("order", "<>")
def test_arrays_of_every_type_and_byte_order_keep_their_bits(tmp_path, code, order):
    dtype = np.dtype(code).newbyteorder(order)
    bits = np.random.default_rng(0).integers(0, 2 if code == "?" else 256, 6 * dtype.itemsize, np.uint8)
    array = bits.view(dtype).reshape(2, 3)
    save(tmp_path / "a.h5", array=array, point=array.ravel()[:1].reshape(()))
    assert_same(load(tmp_path / "a.h5"), {"array": array, "point": array.ravel()[:1].reshape(())})


def test_a_float_keeps_its_bits_those_of_a_nan_too(tmp_path):
    odd = struct.unpack(">d", bytes.fromhex("fff8000000000123"))[0]
    save(tmp_path / "a.h5", nan=odd)
    assert struct.pack(">d", load(tmp_path / "a.h5")["nan"]).hex() == "fff8000000000123"


def test_any_memory_order_is_saved(tmp_path):
    array = np.arange(120.0).reshape(2, 3, 4, 5)
    permuted, strided = array.transpose(2, 1, 3, 0), array[:, ::-1, ::2]
    save(tmp_path / "a.h5", permuted=permuted, strided=strided)
    found = load(tmp_path / "a.h5")
    np.testing.assert_array_equal(found["permuted"], permuted)
    np.testing.assert_array_equal(found["strided"], strided)


def test_a_generator_goes_on_where_the_checkpoint_was_made(tmp_path):
    rng = np.random.default_rng(8)
    rng.normal(size=7)
    save(tmp_path / "a.h5", rng=rng.bit_generator.state)
    resumed = np.random.Generator(np.random.PCG64())
    resumed.bit_generator.state = load(tmp_path / "a.h5")["rng"]
    np.testing.assert_array_equal(resumed.random(5), rng.random(5))


def test_equal_contents_are_equal_files_in_another_process_too(written, tmp_path):
    path = [str(Path(__file__).parent), *sys.path]
    code = f"import sys; sys.path[:] = {path!r}; from test_hdf5 import *; save(sys.argv[1], **parts())"
    here, other = os.path.dirname(__file__), tmp_path / "other.h5"
    subprocess.run([sys.executable, "-c", code, other], check=True, cwd=here, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert other.read_bytes() == written.read_bytes()


def test_a_part_may_have_any_name(tmp_path):
    save(tmp_path / "a.h5", path=1, file=2, structure=3, arrays=np.zeros(2))
    assert list(load(tmp_path / "a.h5")) == ["path", "file", "structure", "arrays"]


def test_the_file_is_hdf5_with_readable_names(written):
    with h5py.File(written) as file:
        np.testing.assert_array_equal(file["arrays/model/0.weight"][()], parts()["model"]["0.weight"])


def test_every_flipped_bit_of_the_header_and_any_after_it_is_detected(written):
    whole = written.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(512), *rng.integers(512, len(whole), 200)]:
        altered = bytearray(whole)
        altered[place] ^= 1 << rng.integers(8)
        written.write_bytes(altered)
        with pytest.raises(CheckpointError, match=r"run\.h5"):
            load(written)


def test_a_flipped_bit_is_called_an_alteration(written):
    altered = bytearray(written.read_bytes())
    altered[-1] ^= 1
    written.write_bytes(altered)
    with pytest.raises(CheckpointError, match=r"run\.h5 was altered"):
        load(written)


@pytest.mark.parametrize("kept", [0, 10, 512, 513, -1])
def test_a_cut_file_is_refused_by_name(written, kept):
    written.write_bytes(written.read_bytes()[:kept])
    with pytest.raises(CheckpointError, match=r"run\.h5 (was cut|is no checkpoint)"):
        load(written)


def test_a_file_with_a_byte_too_many_is_refused_by_name(written):
    length = written.stat().st_size - 512
    with open(written, "ab") as file:
        file.write(b"\0")
    with pytest.raises(CheckpointError, match=rf"run\.h5 was .*extended: it states {length} .* has {length + 1}"):
        load(written)


def test_other_files_are_refused_by_name(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = np.zeros(3)
    with pytest.raises(CheckpointError, match=r"other\.h5 is no checkpoint"):
        load(tmp_path / "other.h5")
    with pytest.raises(FileNotFoundError, match=r"none\.h5"):
        load(tmp_path / "none.h5")


class GpuArray:
    """Has an array's attributes, without being one of NumPy."""

    dtype, shape = np.dtype(np.float32), (2,)


@pytest.mark.parametrize(
    ("part", "where"),
    [
        ({"weight": GpuArray()}, r"part/weight is a .*GpuArray of float32.*GPU"),
        ([0, np.array(["text"])], r"part/1 is a numpy\.ndarray of <U4"),
        (np.array([None]), "part is a numpy.ndarray of object"),
        (np.zeros(2, np.longdouble), "part is a numpy.ndarray of"),
        (np.ma.array([1.0]), "part is a .*MaskedArray"),
        ({1: 2}, "part is a .*dict.*keys are str"),
        (1j, "part is a .*complex"),
        (b"bytes", "part is a .*bytes"),
    ],
)
def test_what_a_checkpoint_can_not_hold_is_refused_and_the_one_before_is_kept(written, part, where):
    before = written.read_bytes()
    with pytest.raises(TypeError, match=where):
        save(written, epoch=1, part=part)
    assert written.read_bytes() == before
    assert os.listdir(written.parent) == ["run.h5"]


def test_a_new_checkpoint_replaces_the_one_before_and_leaves_nothing_else(written):
    save(written, epoch=2)
    assert load(written) == {"epoch": 2}
    assert os.listdir(written.parent) == ["run.h5"]


def test_a_write_that_fails_leaves_the_one_before(written):
    def write_half():
        with atomic_write(written) as unfinished:
            unfinished.write_bytes(b"half")
            raise RuntimeError("disk full")

    before = written.read_bytes()
    with pytest.raises(RuntimeError, match="disk full"):
        write_half()
    assert written.read_bytes() == before
    assert os.listdir(written.parent) == ["run.h5"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
def test_a_write_that_is_killed_leaves_the_one_before_and_a_hidden_file_that_can_be_removed(written):
    code = (
        f"import os, signal, sys; sys.path[:] = {sys.path!r}; from tinygen.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as unfinished:\n"
        "    unfinished.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, written], check=False).returncode == -signal.SIGKILL
    assert_same(load(written), parts())
    (written.parent / ".run.h5.unfinished").write_text("not of this library")
    assert len(os.listdir(written.parent)) == 3
    remove_unfinished(written.parent)
    assert sorted(os.listdir(written.parent)) == [".run.h5.unfinished", "run.h5"]


def test_two_processes_that_write_one_checkpoint_never_leave_a_broken_one(tmp_path):
    code = (
        f"import sys; sys.path[:] = {sys.path!r}; import numpy as np; from tinygen.checkpoint import load, save\n"
        "for i in range(25):\n"
        "    save(sys.argv[1], a=np.full(20_000, i)); assert len(set(load(sys.argv[1])['a'])) == 1"
    )
    writers = [subprocess.Popen([sys.executable, "-c", code, tmp_path / "two.h5"]) for _ in range(2)]
    assert [writer.wait() for writer in writers] == [0, 0]
    assert os.listdir(tmp_path) == ["two.h5"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no full device")
def test_a_full_disk_is_named_and_the_one_before_is_kept(written):
    def write_on_a_full_disk():
        with atomic_write(written), open("/dev/full", "w") as full:
            full.write("more than fits on the device")

    with pytest.raises(OSError, match=r"run.h5 cannot be written: No space left on device$"):
        write_on_a_full_disk()
    assert_same(load(written), parts())
    assert os.listdir(written.parent) == ["run.h5"]


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/run.h5 cannot be written: there is no folder .*none$"):
        save(tmp_path / "none" / "run.h5", epoch=1)
    with pytest.raises(IsADirectoryError, match="cannot be written: it is a folder"):
        save(tmp_path, epoch=1)


def test_the_bytes_are_on_the_disk_before_they_take_the_name(tmp_path, monkeypatch):
    done = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *given, name=name, real=real: (done.append(name), real(*given))[1])
    save(tmp_path / "run.h5", epoch=1)
    assert done == ["fsync", "replace"]


@pytest.mark.parametrize("path", [None, 3, True, ["a.h5"], {"a": 1}, np.ones(2)])
@pytest.mark.parametrize("function", [load, lambda path: save(path, a=1), read_torch])
def test_what_is_no_path_is_refused(function, path):
    with pytest.raises(TypeError, match=r"^(load|save|read_torch): path must be .*, got "):
        function(path)


def test_a_call_without_a_path_is_refused_by_name():
    with pytest.raises(TypeError, match=r"^save: missing a required argument: 'path'"):
        save(a=1)


def test_a_symbolic_link_is_followed_and_permissions_are_kept(tmp_path):
    target, link = tmp_path / "kept" / "target.h5", tmp_path / "link.h5"
    target.parent.mkdir()
    save(target, a=np.zeros(1))
    target.chmod(0o640)
    link.symlink_to(target)
    save(link, a=np.ones(1))
    assert link.is_symlink()
    assert load(target)["a"].tolist() == [1]
    assert target.stat().st_mode & 0o777 == 0o640


def test_a_name_as_long_as_the_file_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("x" * 252 + ".h5")
    save(path, a=np.ones(1))
    assert load(path)["a"].tolist() == [1]
    remove_unfinished(str(tmp_path))


def test_a_file_that_may_not_grow_further_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "run.h5"
    save(path, a=np.ones(1))
    script = f"""
import resource, signal, numpy as np
from tinygen.checkpoint import save
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save({str(path)!r}, a=np.zeros(1_000_000))
except OSError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert f"{path} cannot be written" in done.stdout, done.stderr
    assert load(path)["a"].tolist() == [1]
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.h5"]
