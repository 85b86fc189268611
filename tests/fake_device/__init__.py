"""A strict fake GPU: NumPy's computation behind CuPy's rules, so that the GPU's path is tested where there is no GPU.

This package plays the part of the module ``cupy``: ``tinygen.backend.array_module`` finds it from its arrays, as it
finds ``cupy`` from CuPy's. It is strict where CuPy 14 is (no conversion to NumPy behind one's back, no NumPy array
among its operands, 0-d arrays from reductions, C order from element-wise functions) and stricter where CuPy lets pass
what the library must not lean on (NumPy arrays as indices, ``np.sin(array)``). ``cupy_14.txt`` lists every name and
argument that there is. ``host_waits`` counts what made the host wait for the device.
"""

from typing import Any

from ._array import host_waits as _host_waits
from ._module import lookup as _lookup


def __getattr__(name: str) -> Any:
    return _host_waits if name == "host_waits" else _lookup(name)
