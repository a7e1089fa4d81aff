"""An ONNX graph built node by node. Every function that adds a node returns the name of its output."""

from collections.abc import Collection
from typing import Any

import numpy as np

from vae_jax.artifacts.export.file import extra

OPSET, IR_VERSION = 17, 8
"""The opset of 2022, which programs of today and of some years ago read. Operators of later opsets (Gelu, GroupNormalization)
are composed of older ones here."""
Operand = str | float | np.ndarray
"""A name, or a constant: numbers become float32, arrays keep their dtype."""


class Graph:
    """The nodes and constants of one ONNX file."""

    def __init__(self) -> None:
        with extra("onnx"):
            import onnx
            import onnx.helper
            import onnx.numpy_helper
        self._onnx, self._helper, self._numpy = onnx, onnx.helper, onnx.numpy_helper
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def add(self, kind: str, *operands: Operand, **attributes: Any) -> str:
        """Add a node with one output."""
        return self._add(kind, operands, 1, attributes)[0]

    def split(self, x: str, parts: int) -> list[str]:
        """Split the last axis into so many equal parts."""
        return self._add("Split", (x,), parts, {"axis": -1})

    def reshape(self, x: str, shape: tuple[int, ...]) -> str:
        """Reshape x to this shape behind the batch axis; a 0 keeps the axis."""
        return self.add("Reshape", x, np.array([0, *shape], np.int64))

    def whole(self, x: str) -> str:
        """Convert x to int32."""
        return self.add("Cast", x, to=self._onnx.TensorProto.INT32)

    def number(self, x: str) -> str:
        """Convert x to float32."""
        return self.add("Cast", x, to=self._onnx.TensorProto.FLOAT)

    def squeeze(self, x: str) -> str:
        """Remove the last axis, whose size is 1."""
        return self.add("Squeeze", x, np.array([-1], np.int64))

    def _add(self, kind: str, operands: tuple[Operand, ...], parts: int, attributes: dict[str, Any]) -> list[str]:
        names = [f"{kind}_{len(self._nodes)}" + (f"_{i}" if parts > 1 else "") for i in range(parts)]
        self._nodes.append(self._helper.make_node(kind, [*map(self._name, operands)], names, **attributes))
        return names

    def _name(self, operand: Operand) -> str:
        if isinstance(operand, str):
            return operand
        array = operand if isinstance(operand, np.ndarray) else np.asarray(operand, np.float32)
        self._constants.append(self._numpy.from_array(array, f"constant_{len(self._constants)}"))
        return self._constants[-1].name

    def model(
        self,
        title: str,
        given: dict[str, tuple[int, ...]],
        found: dict[str, tuple[str, tuple[int, ...]]],
        facts: dict[str, str],
        whole: Collection[str] = (),
    ) -> bytes:
        """Return the file's content, checked by onnx.

        Args:
            title: the graph's name.
            given: the inputs' names and shapes without the batch axis.
            found: the outputs' names, their names in the graph, and their shapes as above.
            facts: the file's metadata.
            whole: the inputs and outputs that are int32; all others are float32.
        """
        nodes = [*self._nodes, *(self._helper.make_node("Identity", [own], [name]) for name, (own, _) in found.items())]
        inputs = [self._value(name, shape, name in whole) for name, shape in given.items()]
        outputs = [self._value(name, shape, name in whole) for name, (_, shape) in found.items()]
        graph = self._helper.make_graph(nodes, title, inputs, outputs, self._constants)
        opsets = [self._helper.make_opsetid("", OPSET)]
        model = self._helper.make_model(graph, producer_name="vae_jax", opset_imports=opsets, ir_version=IR_VERSION)
        self._helper.set_model_props(model, facts)
        self._onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()

    def _value(self, name: str, shape: tuple[int, ...], whole: bool) -> Any:
        kind = self._onnx.TensorProto.INT32 if whole else self._onnx.TensorProto.FLOAT
        return self._helper.make_tensor_value_info(name, kind, ["N", *shape])
