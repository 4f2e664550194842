"""A step of a decoder as a list of operations, and the compiled function that works it off.

Several threads call the function with the same list. Each operation is cut into pieces; a thread
takes the next piece that nobody has taken, and goes on to the next operation when all pieces are
done. So a thread that comes late, or whose core is busy elsewhere, delays nobody but in its own
piece, and passing from one operation to the next costs less than a microsecond.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from milonga.compute.convolutions.kernels.emit import INT, POINTER, Value
from milonga.compute.convolutions.kernels.waiting import emit_wait
from milonga.compute.tokens.kernels import (
    Heads,
    emit_after,
    emit_attention,
    emit_norm,
    emit_product,
)
from milonga.compute.tokens.vectors import BYTES, LANES, Kind, Vectors

PRODUCT = (
    "kind", "pieces", "grain", "first", "last", "x", "x_row", "inner", "weight", "w_row", "scale",
    "out", "out_row", "norm", "norm_bias", "bias", "activation", "onto", "onto_row",
)  # fmt: skip
"""Words of a product. ``kind``: which of the kinds of weights. ``norm`` null: of ``x`` itself."""
ATTENTION = (
    "kind", "pieces", "heads", "query", "key", "value", "row", "keys", "values", "lengths",
    "slots", "key_bytes", "value_bytes", "out", "out_row",
)  # fmt: skip
"""Words of an attention, whose ``kind`` is -1. ``lengths`` and ``slots``: of each row, 64 bits.
``key_bytes`` and ``value_bytes``: of a head of a slot."""
WORDS = 20
"""64-bit words of an operation."""
COUNTERS = 16
"""64-bit words of an operation's counters: pieces taken and, in another cache line, done."""
RUN = (
    ("operations", POINTER), ("count", INT), ("counters", POINTER), ("scratch", POINTER),
    ("scores", POINTER), ("rows", INT),
)  # fmt: skip
"""``scratch``: of this thread alone, room for the rows of the widest product; ``scores``: for the
places of the longest memory."""


def emit_program(
    kinds: Sequence[Kind], heads: Heads, eps: float, *, wide: bool, unroll: int
) -> ir.Module:
    """The module with the function ``run``.

    Args:
        kinds: of weights that products have.
        heads: of the attention.
        eps: of the norms.
        wide: whether there are 32 registers of 16 floats.
        unroll: vectors of the inner index of products at a time.
    """
    module = ir.Module("milonga")
    products = [emit_product(module, kind, wide, unroll) for kind in kinds]
    norm, after = emit_norm(module, eps), emit_after(module)
    attention = emit_attention(module, heads)
    e = Vectors(module, "run", RUN)
    a, b = e.args, e.b
    rows = a["rows"]

    def operation(index: Value, _: list[Value]) -> None:
        words = e.byte(a["operations"], b.mul(index, e.index(8 * WORDS)))
        taken = e.byte(a["counters"], b.mul(index, e.index(8 * COUNTERS)))
        done = e.byte(taken, e.index(8 * COUNTERS // 2))

        def word(names: Sequence[str], name: str) -> Value:
            return b.load(e.byte(words, e.index(8 * names.index(name))), typ=INT, align=8)

        def address(names: Sequence[str], name: str) -> Value:
            return b.inttoptr(word(names, name), POINTER)

        def product_piece(piece: Value) -> None:
            names = PRODUCT
            first = b.add(word(names, "first"), b.mul(piece, word(names, "grain")))
            last = e.min(b.add(first, word(names, "grain")), word(names, "last"))
            count = b.sub(last, first)
            normed = b.icmp_signed("!=", word(names, "norm"), e.index(0))
            x = b.select(normed, a["scratch"], address(names, "x"))
            x_row = b.select(normed, word(names, "inner"), word(names, "x_row"))
            for which, function in enumerate(products):
                with b.if_then(b.icmp_signed("==", word(names, "kind"), e.index(which))):
                    b.call(function, [
                        x, x_row, rows, word(names, "inner"), address(names, "weight"),
                        word(names, "w_row"), address(names, "scale"), first, last,
                        address(names, "out"), word(names, "out_row"),
                    ])  # fmt: skip

            def finish(row: Value, _: list[Value]) -> None:
                out = e.at(e.at(address(names, "out"), b.mul(row, word(names, "out_row"))), first)
                onto = e.at(address(names, "onto"), b.mul(row, word(names, "onto_row")))
                null = ir.Constant(POINTER, None)

                def there(name: str, place: Value) -> Value:
                    given = b.icmp_signed("!=", word(names, name), e.index(0))
                    return b.select(given, place, null)

                b.call(after, [
                    out, count, there("bias", e.at(address(names, "bias"), first)),
                    word(names, "activation"), there("onto", e.at(onto, first)),
                ])  # fmt: skip

            follows = b.or_(
                b.or_(word(names, "bias"), word(names, "activation")), word(names, "onto")
            )
            with b.if_then(b.icmp_signed("!=", follows, e.index(0))):
                e.loop(e.index(0), rows, 1, finish)

        def attention_piece(piece: Value) -> None:
            names = ATTENTION
            row = b.sdiv(piece, word(names, "heads"))
            head = b.srem(piece, word(names, "heads"))
            offset = b.add(b.mul(row, word(names, "row")), b.mul(head, e.index(heads.width)))
            null = ir.Constant(POINTER, None)
            new = b.icmp_signed("!=", word(names, "key"), e.index(0))
            key = b.select(new, e.at(address(names, "key"), offset), null)
            value = b.select(new, e.at(address(names, "value"), offset), null)

            def of_row(name: str) -> Value:
                place = e.byte(address(names, name), b.mul(row, e.index(8)))
                return b.load(place, typ=INT, align=8)

            lane = b.add(b.mul(of_row("slots"), word(names, "heads")), head)
            out = b.add(b.mul(row, word(names, "out_row")), b.mul(head, e.index(heads.width)))
            b.call(attention, [
                e.at(address(names, "query"), offset), key, value,
                e.byte(address(names, "keys"), b.mul(lane, word(names, "key_bytes"))),
                e.byte(address(names, "values"), b.mul(lane, word(names, "value_bytes"))),
                of_row("lengths"), a["scores"], e.at(address(names, "out"), out),
            ])  # fmt: skip

        def prepare() -> None:
            names = PRODUCT
            kind = b.icmp_signed(">=", word(names, "kind"), e.index(0))
            normed = b.icmp_signed("!=", word(names, "norm"), e.index(0))
            with b.if_then(b.and_(kind, normed)):
                b.call(norm, [
                    address(names, "x"), a["scratch"], rows, word(names, "inner"),
                    address(names, "norm"), address(names, "norm_bias"),
                ])  # fmt: skip

        pieces = word(PRODUCT, "pieces")
        is_product = b.icmp_signed(">=", word(PRODUCT, "kind"), e.index(0))
        _claim(e, taken, done, pieces, prepare, is_product, product_piece, attention_piece)
        emit_wait(e, done, pieces)

    e.loop(e.index(0), a["count"], 1, operation)
    e.finish()
    return module


def _claim(
    e: Vectors, taken: Value, done: Value, pieces: Value, prepare: Any, is_product: Value,
    product_piece: Any, attention_piece: Any,
) -> None:  # fmt: skip
    """Do pieces for as long as there are some that nobody has taken."""
    b, one = e.b, e.index(1)
    before = b.block
    head, inside, after = (e.function.append_basic_block(n) for n in ("claim", "piece", "taken"))
    b.branch(head)
    b.position_at_end(head)
    fresh = b.phi(ir.IntType(1))
    fresh.add_incoming(ir.Constant(ir.IntType(1), 1), before)
    piece = b.atomic_rmw("add", taken, one, "acq_rel")
    b.cbranch(b.icmp_signed("<", piece, pieces), inside, after)
    b.position_at_end(inside)
    with b.if_then(fresh):
        prepare()
    with b.if_else(is_product) as (then, otherwise):
        with then:
            product_piece(piece)
        with otherwise:
            attention_piece(piece)
    b.atomic_rmw("add", done, one, "acq_rel")
    fresh.add_incoming(ir.Constant(ir.IntType(1), 0), b.block)
    b.branch(head)
    b.position_at_end(after)


def bytes_of(kind: Kind, places: int, width: int) -> int:
    """Bytes of the keys of a head, whole blocks of places."""
    return -(-places // LANES) * LANES * width * BYTES[kind]
