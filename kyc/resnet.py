"""dlib's face ResNet (29 layers, 128 numbers out) as a network of OpenCV's, from the weights in dlib's own file.

The same numbers as dlib's within 1e-5, in a tenth of its time on one thread and without holding the GIL. The
file is known by its digest, so the tensors are where this module expects them, or the file is refused.
"""

import hashlib
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from kyc.errors import EngineUnavailable
from kyc.onnx_graph import GraphWriter
from kyc.ports import Encoding, Image

CHIP_SIDE: Final = 150  # pixels of the aligned crop that the network reads
_WEIGHTS_SHA256: Final = "55533b28a95800a551ba546ba62fe69625c7e95a7061c338adffead08719da30"
# What dlib's input layer subtracts from R, G and B before dividing by 256 (anet_type, input_rgb_image_sized).
_MEAN: Final = (122.782, 117.001, 104.298)
_SCALE: Final = 1 / 256
_FIRST_CHANNELS: Final = 32
_LENGTH: Final = 128
# After the first three blocks of 32 channels: channels in and out of a halving block, and the blocks after it.
_STAGES: Final = ((32, 64, 3), (64, 128, 2), (128, 256, 2), (256, 256, 0))

Floats = npt.NDArray[np.float32]


class FaceResNet:
    """Encodes aligned crops, one at a time: an OpenCV network has one set of buffers."""

    def __init__(self, weights: Path) -> None:
        """Read dlib_face_recognition_resnet_model_v1.dat. Raises EngineUnavailable for any other file.

        One encoding is made at once, so that processes forked from this one share what is prepared for it.
        """
        model = _onnx_model(_read_weights(weights))
        # OpenCV's threads would not survive a fork, and one face is too little work to divide.
        cv2.setNumThreads(1)
        self._lock = Lock()
        try:
            self._net = cv2.dnn.readNetFromONNX(np.frombuffer(model, np.uint8))
            self.encode(np.zeros((CHIP_SIDE, CHIP_SIDE, 3), np.uint8))
        except cv2.error as exc:
            raise EngineUnavailable("this OpenCV cannot run the face network") from exc

    def encode(self, chip: Image) -> Encoding:
        """The face in an upright RGB crop (150, 150, 3), as (128,) float64."""
        blob = cv2.dnn.blobFromImage(chip, _SCALE, (CHIP_SIDE, CHIP_SIDE), _MEAN)
        with self._lock:
            self._net.setInput(blob)
            return np.asarray(self._net.forward()[0], dtype=np.float64)


def _read_weights(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise EngineUnavailable("the weights of the face network cannot be read") from exc
    if hashlib.sha256(data).hexdigest() != _WEIGHTS_SHA256:
        raise EngineUnavailable("the weights of the face network are not the ones known")
    return data


class _Weights:
    """The float tensors of dlib's file in their order, which is that of computation.

    dlib writes a tensor as its version (2) and its four dimensions, integers of one length octet and little-endian
    octets, followed by the floats; a layer's parameters are one tensor of the shape (n, 1, 1, 1).
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def next(self, *shape: int) -> Floats:
        count = int(np.prod(shape))
        header = b"".join(_dlib_integer(number) for number in (2, *shape, *(1,) * (4 - len(shape))))
        found = self._data.find(header, self._at)
        if found < 0:
            raise EngineUnavailable("the weights of the face network are not laid out as known")
        self._at = found + len(header) + 4 * count
        values = np.frombuffer(self._data, "<f4", count, found + len(header))
        return values.astype(np.float32).reshape(shape)


def _dlib_integer(value: int) -> bytes:
    digits = value.to_bytes((value.bit_length() + 7) // 8, "little")
    return bytes([len(digits)]) + digits


class _Layers:
    """The blocks of the network, written into a graph as the weights come."""

    def __init__(self, data: bytes) -> None:
        self.graph = GraphWriter()
        self.weights = _Weights(data)

    def convolution(self, x: str, channels: tuple[int, int], kernel: int, stride: int, pad: int) -> str:
        """A convolution with the affine layer that follows it folded in: y = gain (W x + b) + offset."""
        inputs, outputs = channels
        size = outputs * inputs * kernel * kernel
        parameters = self.weights.next(size + outputs)
        affine = self.weights.next(2 * outputs)
        gain, offset = affine[:outputs], affine[outputs:]
        filters = parameters[:size].reshape(outputs, inputs, kernel, kernel) * gain[:, None, None, None]
        bias = parameters[size:] * gain + offset
        constants = [self.graph.constant(value) for value in (filters, bias)]
        shape = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        return self.graph.node("Conv", [x, *constants], shape)

    def relu(self, x: str) -> str:
        return self.graph.node("Relu", [x])

    def padded(self, x: str, channels: int, side: int) -> str:
        """Zeros after the last channel, row and column: dlib adds tensors of different sizes that way."""
        pads = self.graph.constant(np.array([0, 0, 0, 0, 0, channels, side, side], dtype=np.int64))
        return self.graph.node("Pad", [x, pads])

    def block(self, x: str, channels: int) -> str:
        y = self.relu(self.convolution(x, (channels, channels), 3, 1, 1))
        y = self.convolution(y, (channels, channels), 3, 1, 1)
        return self.relu(self.graph.node("Add", [x, y]))

    def halving_block(self, x: str, channels: tuple[int, int], side: int) -> tuple[str, int]:
        """A block of half the side, and that side in pixels; its shortcut is a mean over 2 x 2 pixels."""
        inputs, outputs = channels
        y = self.relu(self.convolution(x, channels, 3, 2, 0))
        y = self.convolution(y, (outputs, outputs), 3, 1, 1)
        shortcut = self.graph.node("AveragePool", [x], {"kernel_shape": [2, 2], "strides": [2, 2]})
        side_of_y, side_of_shortcut = (side - 3) // 2 + 1, (side - 2) // 2 + 1
        larger = max(side_of_y, side_of_shortcut)
        if (inputs, side_of_shortcut) != (outputs, larger):
            shortcut = self.padded(shortcut, outputs - inputs, larger - side_of_shortcut)
        if side_of_y != larger:
            y = self.padded(y, 0, larger - side_of_y)
        return self.relu(self.graph.node("Add", [shortcut, y])), larger


def _onnx_model(data: bytes) -> bytes:
    layers = _Layers(data)
    x = layers.relu(layers.convolution("chip", (3, _FIRST_CHANNELS), 7, 2, 0))
    x = layers.graph.node("MaxPool", [x], {"kernel_shape": [3, 3], "strides": [2, 2]})
    side = ((CHIP_SIDE - 7) // 2 + 1 - 3) // 2 + 1
    for _ in range(3):
        x = layers.block(x, _FIRST_CHANNELS)
    for inputs, outputs, blocks in _STAGES:
        x, side = layers.halving_block(x, (inputs, outputs), side)
        for _ in range(blocks):
            x = layers.block(x, outputs)
    x = layers.graph.node("Flatten", [layers.graph.node("GlobalAveragePool", [x])])
    last = _STAGES[-1][1]
    encoding = layers.graph.node("MatMul", [x, layers.graph.constant(layers.weights.next(last, _LENGTH))])
    return layers.graph.model(("chip", (1, 3, CHIP_SIDE, CHIP_SIDE)), (encoding, (1, _LENGTH)))
