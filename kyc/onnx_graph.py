"""An ONNX graph written by hand: the few protobuf messages that a convolutional network needs.

Field numbers are those of onnx.proto3 (IR version 8). The onnx package would bring protobuf and 20 MB to the
service for these lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

Tensor: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int64]

_IR_VERSION: Final = 8
_OPSET: Final = 13
_FLOAT, _INT64 = 1, 7  # TensorProto.DataType
_INTS: Final = 7  # AttributeProto.AttributeType


@dataclass(slots=True)
class GraphWriter:
    """Collects nodes and constants in the order of computation; every value gets a name of its own."""

    _nodes: list[bytes] = field(default_factory=list)
    _constants: list[bytes] = field(default_factory=list)
    _named: int = 0

    def constant(self, value: Tensor) -> str:
        """A TensorProto in the graph's initializers; its name."""
        name = self._new_name()
        kind = _FLOAT if value.dtype == np.float32 else _INT64
        dims = b"".join(_number(1, size) for size in value.shape)
        raw = np.ascontiguousarray(value).tobytes()
        self._constants.append(dims + _number(2, kind) + _text(8, name) + _bytes(9, raw))
        return name

    def node(self, operator: str, inputs: Sequence[str], attributes: Mapping[str, Sequence[int]] | None = None) -> str:
        """A NodeProto with integer-list attributes; the name of its one output."""
        output = self._new_name()
        lists = b"".join(_bytes(5, _integers(name, values)) for name, values in (attributes or {}).items())
        names = b"".join(_text(1, name) for name in inputs)
        self._nodes.append(names + _text(2, output) + _text(4, operator) + lists)
        return output

    def model(self, source: tuple[str, Sequence[int]], result: tuple[str, Sequence[int]]) -> bytes:
        """The ModelProto whose one float input and one float output have these names and shapes."""
        graph = b"".join(_bytes(1, node) for node in self._nodes) + _text(2, "graph")
        graph += b"".join(_bytes(5, constant) for constant in self._constants)
        graph += _bytes(11, _value(*source)) + _bytes(12, _value(*result))
        return _number(1, _IR_VERSION) + _bytes(7, graph) + _bytes(8, _text(1, "") + _number(2, _OPSET))

    def _new_name(self) -> str:
        self._named += 1
        return f"v{self._named}"


def _integers(name: str, values: Sequence[int]) -> bytes:
    return _text(1, name) + b"".join(_number(8, value) for value in values) + _number(20, _INTS)


def _value(name: str, shape: Sequence[int]) -> bytes:
    dims = b"".join(_bytes(1, _number(1, size)) for size in shape)
    return _text(1, name) + _bytes(2, _bytes(1, _number(1, _FLOAT) + _bytes(2, dims)))


def _number(tag: int, value: int) -> bytes:
    return _varint(tag << 3) + _varint(value)


def _bytes(tag: int, value: bytes) -> bytes:
    return _varint(tag << 3 | 2) + _varint(len(value)) + value


def _text(tag: int, value: str) -> bytes:
    return _bytes(tag, value.encode())


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
