"""PyTorch's files give their tensors by name, bit for bit; a hostile file gets nothing done and nothing allocated."""

import contextlib
import copyreg
import pickle
import struct
import sys
import tracemalloc
import zipfile

import numpy as np
import pytest
from torch_writer import (
    STORAGES,
    Call,
    Name,
    Persistent,
    Raw,
    Writer,
    encoded,
    module,
    ordered,
    pickled,
    recorded,
    window,
)

from tinygen.checkpoint import CheckpointError, pickles, pytorch, read_torch

STORAGE = Persistent(("storage", Name("torch.ByteStorage"), "0", "cpu", 0))
NUMBERS = np.arange(6, dtype="f4").reshape(2, 3) - 2.5


@pytest.fixture(params=[False, True], ids=["zip", "2019"])
def writer(request):
    return Writer(legacy=request.param)


@pytest.fixture
def read(tmp_path):
    """Write bytes to a file, and read it: nothing may run, and little memory be asked for meanwhile."""

    def reading(content):
        path = tmp_path / "file.pt"
        path.write_bytes(content)
        before = set(tmp_path.rglob("*"))
        tracemalloc.start()
        try:
            return read_torch(path)
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert peak < 40 * len(content) + 500_000
            assert recorded == []
            assert set(tmp_path.rglob("*")) == before

    return reading


def refused(read, content, match):
    with pytest.raises(CheckpointError, match=match):
        read(content)


def assert_same(found, expected):
    assert list(found) == list(expected)
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


# What files hold


def test_a_state_dictionary_gives_its_tensors_by_name_in_order(read, writer):
    arrays = {"1.weight": NUMBERS, "0.bias": NUMBERS[0], "count": np.array(7), "none": np.zeros((0, 3), "f4")}
    assert_same(read(writer.file(ordered({name: writer.tensor(array) for name, array in arrays.items()}))), arrays)


@pytest.mark.parametrize("code", STORAGES)
def test_every_type_that_numpy_has_keeps_its_bits_and_its_order_in_memory(read, writer, code):
    array = (np.arange(6).reshape(2, 3) % 2).astype(code).T
    (found,) = read(writer.file({"x": writer.tensor(array)})).values()
    assert_same({"x": found}, {"x": array})
    assert found.strides == array.strides
    assert found.flags.writeable
    assert found.flags.aligned


def test_a_whole_module_gives_what_its_state_dict_would(read, writer):
    weight, mean, secret = NUMBERS, NUMBERS[0], NUMBERS[1]
    inner = module("models.Inner", {"weight": writer.tensor(weight), "bias": None}, {}, {})
    buffers = {"mean": writer.tensor(mean), "secret": writer.tensor(secret)}
    outer = module("__main__.Net", {"scale": writer.tensor(mean)}, buffers, {"a": inner, "none": None}, ["secret"])
    assert_same(read(writer.file(outer)), {"scale": mean, "mean": mean, "a.weight": weight})


def test_old_files_name_modules_with_their_source_text(read):
    writer = Writer(legacy=True)
    net = module("__main__.Net", {"weight": writer.tensor(NUMBERS)}, {}, {})
    start, end = encoded(Name("__main__.Net")), encoded(net)
    kind = Persistent(("module", Name("__main__.Net"), "net.py", "class Net(nn.Module): ..."))
    assert_same(read(writer.file(Raw(encoded(kind) + end[len(start) :]))), {"weight": NUMBERS})


def test_containers_within_containers_have_names_with_dots(read, writer):
    contents = {"model": ordered({"w": writer.tensor(NUMBERS)}), "state": {0: [writer.tensor(NUMBERS[0]), 0.1]}}
    contents |= {"epoch": 3, "names": ("a", None), "rate": Call("torch.device", ("cpu",))}
    assert_same(read(writer.file(contents)), {"model.w": NUMBERS, "state.0.0": NUMBERS[0]})


def test_parameters_are_the_tensors_in_them(read, writer):
    tensor, hooks = writer.tensor(NUMBERS), Call("collections.OrderedDict")
    arguments = (Name("torch._utils._rebuild_tensor_v2"), Name("mine.Tensor"), tensor.arguments, {"tag": 1})
    contents = {
        "a": Call("torch._utils._rebuild_parameter", (tensor, True, hooks)),
        "b": Call("torch._utils._rebuild_parameter_with_state", (tensor, True, hooks, {"tag": 1})),
        "c": Call("torch._tensor._rebuild_from_type_v2", arguments),
    }
    found = read(writer.file(contents))
    assert_same(found, dict.fromkeys("abc", NUMBERS))
    assert np.shares_memory(found["a"], found["c"])


def test_windows_onto_one_storage_share_its_memory(read, writer):
    storage = writer.storage(NUMBERS)
    found = read(writer.file({"row": window(storage, 3, (3,), (1,)), "column": window(storage, 1, (2,), (3,))}))
    assert_same(found, {"row": NUMBERS[1], "column": NUMBERS[:, 1]})
    found["row"][1] = 100
    assert found["column"][1] == 100


def test_old_views_begin_within_their_storage(read):
    writer = Writer(legacy=True)
    storage = writer.storage(NUMBERS, view=("7", 2, 4))
    assert_same(read(writer.file({"x": window(storage, 1, (3,), (1,))})), {"x": NUMBERS.ravel()[3:]})


def test_unsigned_numbers_lie_in_storages_without_a_type(read, writer):
    array = np.array([1, 65535, 3], "<u2")
    storage = writer.storage(array.view("u1"))
    arguments = (storage, 1, (2,), (1,), False, Call("collections.OrderedDict"), Name("torch.uint16"))
    assert_same(read(writer.file({"x": Call("torch._utils._rebuild_tensor_v3", arguments)})), {"x": array[1:]})


def test_numbers_written_on_a_big_endian_machine_are_the_same_numbers(read):
    writer = Writer(legacy=False)
    contents = {"x": writer.tensor(NUMBERS)}
    writer.storages["0"] = NUMBERS.astype(">f4").tobytes()
    assert_same(read(writer.file(contents, extra={"archive/byteorder": b"big"})), {"x": NUMBERS})


def test_the_folder_in_the_archive_may_have_any_name(read):
    writer = Writer(legacy=False)
    assert_same(read(writer.file({"x": writer.tensor(NUMBERS)}, root="état")), {"x": NUMBERS})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_are_those_that_python_s_pickle_reads(protocol):
    same = ["one", 2, -3.5]
    value = {"a": [1, True, None, 2**70, -(2**40), "é\n", same, same], 2: (1, (2, ()), (3, 4), (5, 6, 7), (1, 2, 3, 4))}
    value |= {None: {0.5: {}}, "sets": {1, 2}, "frozen": frozenset("ab")}
    if protocol >= 3:
        value["bytes"] = [b"", b"abc", b"x" * 300]
    if protocol >= 5:
        value["bytearray"] = bytearray(b"abc")
    found = pickles.read_pickle(pickles.BytesIO(pickle.dumps(value, protocol)), {})
    assert found == value
    assert found["a"][-1] is found["a"][-2]


# What is refused, and why


@pytest.mark.parametrize(
    ("contents", "why"),
    [
        (3, "it holds a int, expected a module, or tensors in a dict"),
        ({}, "it holds no tensors"),
        (Call("a.B", ()), "it holds a.B, expected a module"),
        ({"x": Persistent(("storage", Name("torch.BFloat16Storage"), "0", "cpu", 1, None))}, "a torch.BFloat16Storage"),
        ({"x": Call("torch._utils._rebuild_sparse_tensor", ())}, "x is a tensor of a kind .*_rebuild_sparse_tensor"),
        ({"x": Call("torch._utils._rebuild_tensor_v2", (1, 2))}, "_rebuild_tensor\\(\\) missing 2 required"),
        ({"x": Call("torch._utils._rebuild_tensor_v2", (1, 0, (), (), False, None))}, "without a storage"),
        ({"x": Persistent(("file", "/etc/passwd"))}, "outside the pickle"),
        ({"x": Persistent("storage")}, "outside the pickle"),
        ({("a", "b"): 1}, "a tuple as a key"),
        ({"x": Raw(b"P7\n")}, "uses PERSID, which is refused"),
        ({"x": Raw(b"\x97")}, "uses NEXT_BUFFER, which is refused"),
        ({"x": Raw(b"]N\x85b")}, "state is not a dictionary"),
        ({"x": Raw(encoded(Name("a.B")) + b"}b")}, "sets the state of a Global"),
        ({"x": Raw(encoded(window(STORAGE, 0, (0,), (1,))) + b"}b")}, "sets the state of a Tensor"),
        ({"x": Raw(encoded(STORAGE) + b"N}X\1\0\0\0aK\1s\x86b")}, "sets the state of a Storage"),
        ({"x": Raw(b"K\x01)R")}, "'int' object is not callable"),
        ({"x": Raw(b"K\x01]R")}, "argument list must be a tuple"),
        ({"x": Raw(b"h\x63")}, "Memo value not found at index 99"),
        (Raw(b"0"), "stack underflow"),
        (Raw(b"t"), "could not find MARK"),
        (Raw(b"}(Nu"), "odd number of items"),
        (Raw(b"\xff"), "cut off or broken"),
    ],
)
def test_what_is_no_tensor_in_a_container_is_refused_by_name(read, writer, contents, why):
    refused(read, writer.file(contents), f"read_torch: .*file.pt: .*{why}")


def test_tensors_that_are_yet_to_be_conjugated_are_refused(read, writer):
    tensor = writer.tensor(np.array([1 + 2j]))
    conjugated = Call(tensor.name, (*tensor.arguments, {"conj": True}))
    refused(read, writer.file({"x": conjugated}), "resolve_conj")


@pytest.mark.parametrize("kind", [Name("torch.float8_e4m3fn"), Name("os.system"), "uint16"])
def test_storages_without_a_type_of_a_type_that_numpy_lacks_are_refused(read, writer, kind):
    arguments = (writer.storage(NUMBERS.view("u1")), 0, (1,), (1,), False, None, kind)
    refused(read, writer.file({"x": Call("torch._utils._rebuild_tensor_v3", arguments)}), "NumPy has no type")


def test_two_tensors_of_one_name_are_refused(read, writer):
    contents = {"a": {"b": writer.tensor(NUMBERS)}, "a.b": writer.tensor(NUMBERS)}
    refused(read, writer.file(contents), "two tensors of the name a.b")


@pytest.mark.parametrize("content", [b"", b"no file of PyTorch", pickled({"x": 1}), b"PK\3\4", b"\x89HDF\r\n\x1a\n"])
def test_files_that_are_not_pytorch_s_are_refused(read, content):
    refused(read, content, "no file of torch.save|cut off or broken")


def test_a_scripted_module_is_refused_by_name(read):
    refused(read, Writer(legacy=False).file({}, extra={"archive/constants.pkl": b""}), "TorchScript")


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_torch(tmp_path / "none.pt")


# Hostile files: nothing runs

PAYLOADS = {  # each executes in Python's own pickle
    "REDUCE": Raw(b"ctorch_writer\nrecord\n(K\x01tR"),
    "REDUCE of a STACK_GLOBAL": Raw(b"\x8c\x0ctorch_writer\x8c\x06record\x93K\x01\x85R"),
    "INST": Raw(b"(K\x01itorch_writer\nrecord\n"),
    "OBJ": Raw(b"(ctorch_writer\nrecord\nK\x01o"),
    "NEWOBJ": Raw(b"ctorch_writer\nRecorder\nK\x01\x85\x81"),
    "NEWOBJ_EX": Raw(b"ctorch_writer\nRecorder\nK\x01\x85}\x92"),
    "BUILD": Raw(b"ctorch_writer\nRecorder\n)R}K\x01K\x02sb"),
    "BUILD of BUILD": Raw(b"ctorch_writer\nRecorder\n)R" + b"ctorch_writer\nRecorder\n)R}bb"),
    "EXT1": Raw(b"\x82\xf0K\x01\x85R"),
    "EXT2": Raw(b"\x83\xf0\x00K\x01\x85R"),
    "EXT4": Raw(b"\x84\xf0\x00\x00\x00K\x01\x85R"),
    "exec": Call("builtins.exec", ("import torch_writer; torch_writer.record()",)),
    "getattr of an import": Call(
        "builtins.exec", (Call("builtins.str", ("__import__('torch_writer').record(1)",)), {"a": 1})
    ),
    "state of a call": Call(
        "torch_writer.Recorder", (Call("torch_writer.record"),), {"a": Call("torch_writer.Recorder")}
    ),
}


@pytest.fixture
def _extension():
    copyreg.add_extension("torch_writer", "record", 0xF0)
    yield
    copyreg.remove_extension("torch_writer", "record", 0xF0)


@pytest.mark.usefixtures("_extension")
@pytest.mark.parametrize("name", PAYLOADS)
def test_the_payloads_execute_in_python_s_pickle(name):
    pickle.loads(pickled(PAYLOADS[name]))
    assert recorded
    recorded.clear()


@pytest.mark.usefixtures("_extension")
@pytest.mark.parametrize("name", PAYLOADS)
@pytest.mark.parametrize("place", ["alone", "beside a tensor", "as a key", "in a module", "as arguments", "as a name"])
def test_no_payload_executes_in_any_position(read, writer, name, place):
    payload, tensor = PAYLOADS[name], writer.tensor(NUMBERS)
    contents = {
        "alone": payload,
        "beside a tensor": {"x": tensor, "y": [payload, {"z": payload}]},
        "as a key": Raw(b"}" + encoded(payload) + b"K\x01s" + encoded("x") + encoded(tensor) + b"s"),
        "in a module": module("torch_writer.Recorder", {"x": tensor}, {}, {"y": payload}),
        "as arguments": {"x": tensor, "y": Call("torch._utils._rebuild_parameter", (payload,))},
        "as a name": {"x": tensor, "y": Raw(encoded(payload) + b")R")},
    }
    try:
        assert list(read(writer.file(contents[place]))) == ["x"]
        assert place != "alone"
    except CheckpointError:
        assert name.startswith("EXT") or place == "alone"


def test_no_payload_executes_in_the_arguments_of_a_tensor(read, writer):
    storage, payload = writer.storage(NUMBERS), Call("torch_writer.record")
    for arguments in [(payload, 0, (1,), (1,)), (storage, payload, (1,), (1,)), (storage, 0, payload, (1,))]:
        refused(read, writer.file({"x": window(*arguments)}), "it has a tensor")
    refused(read, writer.file({"x": window(Persistent(payload), 0, (1,), (1,))}), "outside the pickle")
    kind = Persistent(("storage", payload, "0", "cpu", 1))
    refused(read, writer.file({"x": window(kind, 0, (1,), (1,))}), "outside the pickle")


def test_nothing_is_imported(read, writer, tmp_path, monkeypatch):
    (tmp_path / "recording.py").write_text("import torch_writer; torch_writer.record()")
    monkeypatch.syspath_prepend(tmp_path)
    contents = {
        "x": writer.tensor(NUMBERS),
        "y": Name("recording.anything"),
        "z": Call("recording.anything", (1,)),
    }
    assert_same(read(writer.file(contents)), {"x": NUMBERS})
    assert "recording" not in sys.modules


def test_every_byte_may_be_another_one(tmp_path, writer):
    content = writer.file(ordered({"x": writer.tensor(NUMBERS), "y": PAYLOADS["REDUCE"], "z": PAYLOADS["BUILD"]}))
    path = tmp_path / "file.pt"
    for i in range(len(content)):
        other = content[i] ^ (1 + 37 * i % 255)
        path.write_bytes(content[:i] + bytes([other]) + content[i + 1 :])
        with contextlib.suppress(CheckpointError):
            read_torch(path)
    assert recorded == []


def test_a_file_that_is_cut_off_anywhere_is_refused(tmp_path, writer):
    content = writer.file(ordered({"x": writer.tensor(NUMBERS), "y": writer.tensor(NUMBERS[0])}))
    path = tmp_path / "file.pt"
    for length in (*range(0, len(content), 3), len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError):
            read_torch(path)


def test_an_altered_number_in_an_archive_is_detected(read):
    writer = Writer(legacy=False)
    content = writer.file({"x": writer.tensor(NUMBERS)})
    refused(read, content.replace(NUMBERS.tobytes(), (NUMBERS + 1).tobytes()), "'archive/data/0' .*broken: Bad CRC")


@pytest.mark.parametrize("key", ["../../secret", "/etc/passwd", "..\\secret", "", "0/../0", "\0"])
def test_storages_are_looked_for_in_the_archive_alone(read, tmp_path, key):
    (tmp_path / "secret").write_bytes(bytes(4))
    (tmp_path / "0").write_bytes(bytes(4))
    storage = Persistent(("storage", Name("torch.FloatStorage"), key, "cpu", 1))
    content = Writer(legacy=False).file({"x": window(storage, 0, (1,), (1,))}, extra={"archive/0": bytes(4)})
    refused(read, content, "no entry 'archive/data/")


def test_entries_that_point_out_of_the_archive_are_never_written(read):
    writer = Writer(legacy=False)
    contents, extra = {"x": writer.tensor(NUMBERS)}, {"../../out": b"1", "/tmp/out": b"2", "archive/../out": b"3"}
    assert_same(read(writer.file(contents, extra=extra)), {"x": NUMBERS})


@pytest.mark.parametrize("root", ["..", "/"])
def test_a_folder_that_points_out_of_the_archive_is_a_name_like_others(read, root):
    writer = Writer(legacy=False)
    content = writer.file({"x": writer.tensor(NUMBERS)}, root=root)
    try:
        assert_same(read(content), {"x": NUMBERS})
    except CheckpointError:
        assert root == "/"


def test_an_archive_with_two_pickles_or_two_entries_of_one_name_is_refused(read):
    writer = Writer(legacy=False)
    refused(read, writer.file({}, extra={"other/data.pkl": pickled({})}), "not torch.save's")
    with pytest.warns(UserWarning, match="Duplicate name"):
        content = writer.file({}, extra={"archive/data.pkl": pickled({})})
    refused(read, content, "two entries of one name")


# Hostile files: nothing is allocated


@pytest.mark.parametrize(
    "opcodes",
    {
        "BINBYTES8": b"\x8e" + struct.pack("<Q", 2**40),
        "BINUNICODE8": b"\x8d" + struct.pack("<Q", 2**40),
        "BYTEARRAY8": b"\x96" + struct.pack("<Q", 2**40),
        "BYTEARRAY8, beyond any memory": b"\x96" + struct.pack("<Q", 2**64 - 1),
        "BINUNICODE": b"X" + struct.pack("<I", 2**32 - 1),
        "BINBYTES": b"B" + struct.pack("<I", 2**32 - 1),
        "BINSTRING": b"T" + struct.pack("<i", 2**31 - 1),
        "BINSTRING, negative": b"T" + struct.pack("<i", -1),
        "LONG4": b"\x8b" + struct.pack("<i", 2**31 - 1),
        "LONG4, negative": b"\x8b" + struct.pack("<i", -(2**31)),
        "LONG of too many digits": b"L" + b"9" * 5000 + b"L\n",
        "FRAME": b"\x95" + struct.pack("<Q", 2**63),
        "LONG_BINPUT": b"Nr" + struct.pack("<I", 2**32 - 1) + b"K\x01R",
    }.items(),
    ids=lambda case: case[0],
)
def test_a_length_beyond_the_file_is_refused(read, writer, opcodes):
    refused(read, writer.file({"x": Raw(opcodes[1])}), "pickle")


HUGE = 2**40


@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (7,), (1,)),
        (1, (6,), (1,)),
        (0, (2,), (6,)),
        (-1, (1,), (1,)),
        (5, (2,), (-1,)),
        (0, (-1,), (1,)),
        (0, (HUGE, HUGE), (1, 1)),
        (0, (HUGE,), (0,)),  # one number, said to be a trillion
        (0, (3, 3), (1, 1)),  # overlapping: more numbers than there are
        (HUGE, (1,), (1,)),
        (0, (0, 2**62, 2**62), (1, 1, 1)),
        (0, (0, 2**70), (1, 1)),
        (0, (10**3000,), (1,)),
        (0, (1,) * 100, (1,) * 100),
        (0, (2, 3), (1,)),
        (0, (True,), (1,)),
        (0, (1.0,), (1,)),
        (None, (1,), (1,)),
        (0, [1], [1]),
    ],
)
def test_a_tensor_lies_within_its_storage(read, writer, offset, shape, strides):
    if shape == (10**3000,):
        shape = (Raw(b"\x8b" + struct.pack("<i", 1250) + (10**3000).to_bytes(1250, "little")),)
    tensor = window(writer.storage(NUMBERS), offset, shape, strides)
    refused(read, writer.file({"x": tensor}), "it has a tensor of shape|cannot be an array of shape")


@pytest.mark.parametrize("size", [0, 5, 7, HUGE, 2**62, 2**63, 2**70, -1, True, None])
def test_a_storage_holds_what_the_file_holds(read, writer, size):
    storage = writer.storage(NUMBERS, size)
    if size is None:
        storage = Persistent((*storage.identifier[:4], None))
    refused(read, writer.file({"x": window(storage, 0, (1,), (1,))}), "storage|outside the pickle")


def test_a_storage_is_described_once(read, writer):
    one = writer.storage(NUMBERS)
    other = Persistent((*one.identifier[:1], Name("torch.DoubleStorage"), *one.identifier[2:]))
    contents = {"x": window(one, 0, (1,), (1,)), "y": window(other, 0, (1,), (1,))}
    refused(read, writer.file(contents), "described twice")


@pytest.mark.parametrize("view", [("7", 4, 3), ("7", -1, 2), ("7", HUGE, HUGE), ("7",), 7])
def test_an_old_view_lies_within_its_storage(read, view):
    writer = Writer(legacy=True)
    refused(read, writer.file({"x": window(writer.storage(NUMBERS, view=view), 0, (1,), (1,))}), "lies beyond it")


def test_old_files_must_list_the_storages_that_their_pickles_name(read):
    writer = Writer(legacy=True)
    contents = {"x": writer.tensor(NUMBERS)}
    key = next(iter(writer.storages))
    content = writer.file(contents)
    for keys in ([], [key, key], ["1"], [1], [key, "1"], key, None):
        refused(read, content.replace(pickled([key]), pickled(keys)), "not those that the pickles refer to")


def test_old_files_must_repeat_the_length_of_each_storage(read):
    writer = Writer(legacy=True)
    content = writer.file({"x": writer.tensor(NUMBERS)})
    for size in (5, 7, -1, HUGE):
        refused(read, content.replace(struct.pack("<q", 6), struct.pack("<q", size)), "another length")


def test_compressed_entries_are_not_unpacked(read):
    writer = Writer(legacy=False)
    contents = {"x": writer.tensor(np.zeros(1_000_000, "f4"))}
    content = writer.file(contents, method=zipfile.ZIP_DEFLATED)
    assert len(content) < 10_000
    refused(read, content, "compressed")


def test_entries_that_lie_over_each_other_are_not_read(read):
    """A kernel of bytes under many names: each entry is there, all together are not."""
    writer = Writer(legacy=False)
    contents = {"x": writer.tensor(np.zeros(1000, "f4"))}
    content = writer.file(contents)
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    name = content.index(b"archive/data/0", start)
    entry = content[name - 46 : name + len("archive/data/0")]
    copies = b"".join(entry.replace(b"data/0", f"data/{i}".encode()) for i in range(1, 10))
    directory = content[start:end] + copies
    count = content[start:end].count(b"PK\1\2") + 9
    tail = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, count, count, len(directory), start, 0)
    refused(read, content[:start] + directory + tail, "claim more than the file's")


@pytest.mark.parametrize("field", ["stored", "both"])
def test_an_entry_is_no_longer_than_the_file(read, field):
    writer = Writer(legacy=False)
    content = bytearray(writer.file({"x": writer.tensor(NUMBERS)}))
    place = content.index(b"archive/data/0", content.index(b"PK\1\2")) - 46
    sizes = {"stored": [24, 2**31], "both": [2**31, 2**31]}[field]
    struct.pack_into("<2I", content, place + 20, *sizes)
    refused(read, bytes(content), "claim more|broken|bytes of it")


@pytest.mark.parametrize("opcode", [b"r", b"p"], ids=["LONG_BINPUT", "PUT"])
def test_the_memo_is_no_longer_than_the_pickle(read, writer, opcode):
    number = struct.pack("<I", 2**31) if opcode == b"r" else b"2147483648\n"
    contents = {"x": writer.tensor(NUMBERS), "y": Raw(b"N" + opcode + number)}
    refused(read, writer.file(contents), "numbers an object 2147483648 after .* opcodes")


@pytest.mark.parametrize("pair", [b"\x86", b"(h\2h\3\x91"], ids=["tuples", "frozensets"])
@pytest.mark.parametrize("use", [b"}h\1K\1s", b"\x8f(h\1\x90", b"(h\1\x91", b"c__builtin__\nset\n]h\1a\x85R"])
def test_nothing_is_hashed_that_contains_itself_many_times(read, writer, pair, use):
    """The hash of a tuple of a tuple twice, 60 times over, takes 2^60 steps."""
    pairs = b")q\1" + b"".join((b"h\1h\1" if pair == b"\x86" else b"K\1q\2h\1q\3") + pair + b"q\1" for _ in range(60))
    contents = Raw(pairs + use)
    refused(read, writer.file({"x": contents}), "a tuple as a key|unhashable type")


@pytest.mark.parametrize("called", ["a.B", "collections.OrderedDict"])
def test_arguments_that_are_passed_again_and_again_count_as_steps(read, writer, called):
    arguments = b"(" + b"K\1K\1\x86" * 3000 + (b"t" if called == "a.B" else b"l\x85") + b"q\1"
    calls = encoded(Name(called)) + b"q\2" + b"(" + b"h\2h\1R" * 3000 + b"l"
    refused(read, writer.file(Raw(arguments + calls)), "more than 1,000,000 steps")


@pytest.fixture
def _short_names(monkeypatch):
    monkeypatch.setattr(pytorch, "MAX_CHARACTERS", 100_000)


@pytest.mark.usefixtures("_short_names")
def test_containers_that_hold_each_other_without_end_are_refused(read, writer):
    laughs = b"}" + encoded("x") + encoded(writer.tensor(NUMBERS)) + b"s"
    for i in range(60):  # each dictionary holds the one before twice
        laughs += b"q" + bytes([i]) + b"0}(X\1\0\0\0ah" + bytes([i]) + b"X\1\0\0\0bh" + bytes([i]) + b"u"
    refused(read, writer.file(Raw(laughs)), "no end")
    refused(read, Writer(writer.legacy).file(Raw(b"]q\1h\1a")), "no end")  # a list that holds itself


@pytest.mark.usefixtures("_short_names")
def test_deep_nesting_is_read_without_recursion(read, writer):
    depth = 20_000
    deep = Raw(b"]" * depth + b"a" * (depth - 1))
    assert_same(read(writer.file({"x": writer.tensor(NUMBERS), "y": Call("a.B", (deep,), deep)})), {"x": NUMBERS})
    refused(read, Writer(writer.legacy).file(deep), "no end")
    refused(read, Writer(writer.legacy).file(Raw(b"(" * depth + b"t" * depth)), "no end")


def test_copies_of_copies_count_as_steps(read, writer):
    many = b"(" + b"K\x01" * 1000 + b"lq\1" + b"c__builtin__\nset\nq\2" + b"(" + b"h\2h\1\x85R" * 2000 + b"l"
    refused(read, writer.file(Raw(many)), "more than 1,000,000 steps")


def test_a_pickle_has_a_limited_number_of_steps(read, writer, monkeypatch):
    monkeypatch.setattr(pickles, "MAX_STEPS", 100)
    refused(read, writer.file([0] * 100), "more than 100 steps")
