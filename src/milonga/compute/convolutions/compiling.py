"""From layers to the steps that compute them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from milonga.compute.convolutions import packed
from milonga.compute.convolutions.kernels.elementwise import Kind
from milonga.compute.convolutions.kernels.unit import Unit, kernel
from milonga.compute.convolutions.network import (
    Activation,
    Conv,
    Elu,
    Layer,
    Residual,
    Snake,
    Upsample,
)
from milonga.compute.convolutions.packing import Floats, padded
from milonga.compute.convolutions.steps import ResidualStep, Step, UnitStep, nothing


def compile_network(network: Iterable[Layer], channels: int) -> tuple[tuple[Step, ...], int]:
    """The steps of a network, and the channels of its output.

    An activation joins the convolution after it, and a convolution of one tap the one before it.

    Args:
        network: its layers; it may make them one after another.
        channels: of its input.

    Raises:
        NotImplementedError: a layer has no kernel.
    """
    ahead = _Ahead(network)
    steps = tuple(_steps(ahead, padded(channels), final=True))
    if not steps:
        raise NotImplementedError("a network without layers")
    return steps, ahead.outputs


class _Ahead:
    """Layers, of which the next few can be looked at."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._rest, self._seen = iter(layers), deque[Layer]()
        self.outputs = 0

    def look(self, places: int = 0) -> Layer | None:
        """The layer that comes so many places later."""
        while len(self._seen) <= places:
            layer = next(self._rest, None)
            if layer is None:
                return None
            self._seen.append(layer)
        return self._seen[places]

    def take(self) -> Layer:
        """The next layer."""
        self.look()
        if not self._seen:
            raise NotImplementedError("no kernels for an activation without a convolution")
        layer = self._seen.popleft()
        if isinstance(layer, Conv):
            self.outputs = int(layer.weight.shape[0])
        elif isinstance(layer, Upsample):
            self.outputs = int(layer.weight.shape[1])
        return layer


def _steps(
    layers: _Ahead,
    width: int,
    *,
    final: bool = False,
    adds: bool = False,
    shortcut: Conv | None = None,
) -> Iterator[Step]:
    """The steps of layers.

    Args:
        layers: what is left of them.
        width: floats of a row of their input.
        final: the output is that of the network.
        adds: another signal is added to the output.
        shortcut: what that signal goes through before.
    """
    while layers.look():
        layer = layers.take()
        if isinstance(layer, Residual):
            body, joined = _Ahead(layer.body), _joined_shortcut(layer)
            step: Step = ResidualStep(
                tuple(_steps(body, width, adds=True, shortcut=joined)),
                () if joined else tuple(_steps(_Ahead(layer.shortcut), width)),
            )
            layers.outputs = body.outputs
        else:
            step = _unit(layer, layers, width, final=final, adds=adds, shortcut=shortcut)
        width = step.width
        yield step


def _joined_shortcut(layer: Residual) -> Conv | None:
    """The shortcut where it is computed together with the body: that is one unit."""
    match layer.shortcut, layer.body:
        case (Conv() as through,), (Snake() | Elu(), Conv(), Snake() | Elu(), Conv() as last):
            return through if _is_pointwise(through) and _is_pointwise(last) else None
    return None


def _unit(
    layer: Layer,
    layers: _Ahead,
    width: int,
    *,
    final: bool,
    adds: bool,
    shortcut: Conv | None,
) -> UnitStep:
    before: Activation | None = None
    if isinstance(layer, Snake | Elu):
        before, layer = layer, layers.take()
    if not isinstance(layer, Conv | Upsample):
        raise NotImplementedError("no kernels for an activation without a convolution")
    after, second = layers.look(0), layers.look(1)
    if isinstance(after, Snake | Elu) and isinstance(second, Conv) and _is_pointwise(second):
        layers.take()
        layers.take()
    else:
        after = second = None
    last = layers.look() is None
    return _unit_step(
        before, layer, after, second, width,
        final=final and last and second is None, adds=adds and last,
        shortcut=shortcut if last else None,
    )  # fmt: skip


def _is_pointwise(conv: Conv) -> bool:
    return conv.taps == 1 and conv.stride == 1 and not (conv.left or conv.right)


def _unit_step(
    before: Activation | None,
    layer: Conv | Upsample,
    after: Activation | None,
    second: Conv | None,
    width: int,
    *,
    final: bool,
    adds: bool,
    shortcut: Conv | None,
) -> UnitStep:
    if not packed.can_pack(layer):
        raise NotImplementedError("no kernels for convolutions this long")
    shape = packed.shape_of(layer, final=final)
    inner = packed.out_width(layer, shape)
    inputs, middle = width * shape.read, inner * shape.written
    tiling = packed.tiling_for(middle)
    filtering = packed.filtering_for(shape.taps, inputs, middle, shape.dilation)
    weights = [
        packed.pack_factors(packed.taps_of(layer, shape, width), filtering, tiling),
        packed.pack_bias(layer.bias, inner, shape.written),
    ]
    out, outputs, tilings = inner, middle, [tiling]
    for one, read in ((second, inner), (shortcut, width)):
        if one is not None:
            pointwise = packed.shape_of(one)
            out = outputs = packed.out_width(one, pointwise)
            tilings.append(packed.tiling_for(out))
            taps = packed.taps_of(one, pointwise, read)
            weights += [
                packed.pack_factors(taps, None, tilings[-1]),
                packed.pack_bias(one.bias, out),
            ]
    first, last = _coefficients(before, width, shape.read), _coefficients(after, inner, 1)
    unit = Unit(shape.taps, filtering, _kind(before), _kind(after), adds,
                packed.lanes_for(inputs), *tilings, *[None] * (2 - len(tilings)))  # fmt: skip
    return UnitStep(shape, unit, kernel(unit), out, inputs, middle, outputs,
                    tuple(weights), (*first, *last))  # fmt: skip


def _kind(activation: Activation | None) -> Kind:
    if activation is None:
        return "none"
    return "snake" if isinstance(activation, Snake) else "elu"


def _coefficients(activation: Activation | None, width: int, times: int) -> tuple[Floats, Floats]:
    if isinstance(activation, Snake):
        return packed.pack_snake(activation, width, times)
    return nothing(), nothing()
