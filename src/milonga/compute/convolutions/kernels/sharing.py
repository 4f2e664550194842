"""A range shared among threads within compiled code.

Between one range and the next, threads look out for it for a moment instead of sleeping: to wake
one takes as long as a small piece, and to come back into Python only to leave it again as long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

from llvmlite import ir

from milonga.compute import processor
from milonga.compute.convolutions.kernels.compile import Kernel, compile_module, kernel_of
from milonga.compute.convolutions.kernels.emit import INT, POINTER, Emitter, Value
from milonga.compute.convolutions.kernels.waiting import emit_wait, provide_yield


class Job(IntEnum):
    """The 64-bit words of a job: a function called for pieces of a range."""

    FUNCTION = 0
    """Its address; it takes ``CALL``."""
    ARGUMENTS = 1
    SPACES = 2
    """The address of a word for each thread, which the function gets."""
    TOTAL = 3
    """The range is ``range(total)``."""
    GRAIN = 4
    """Pieces are a multiple of it, except the last."""
    SMALLEST = 5
    SHARE = 6
    """A piece is what is left divided by this, or the smallest."""
    THREADS = 7
    NEXT = 16
    """The first of the range that nobody has; in a cache line of its own, as what is written is."""
    ENDED = 24
    """Threads that found nothing left."""
    WORDS = 32


class Board(IntEnum):
    """The 64-bit words by which threads learn of jobs."""

    BEGUN = 0
    """Jobs so far."""
    JOB = 8
    """The address of the last one."""
    AWAKE = 16
    """From here on 8 words for each thread: whether it looks out for jobs, whether it was asleep
    when the last one came, and the last one that it has a part in, or another for it."""
    EACH = 8


CALL = (
    ("arguments", POINTER), ("space", POINTER), ("first", INT), ("last", INT),
)  # fmt: skip
"""Of a function that computes a piece."""

_TAKE = (("job", POINTER), ("thread", INT))
_POST = (("board", POINTER), ("job", POINTER))
_JOIN = (("board", POINTER), ("job", POINTER), ("number", INT))
_SERVE = (("board", POINTER), ("thread", INT), ("number", INT), ("looks", INT))

_ASLEEP, _PART = 1, 2
"""Places of the words of a thread."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """The compiled functions.

    Attributes:
        take: takes pieces of a job until none is left.
        post: tells threads of a job, and notes who must be woken.
        join: takes pieces of the job of a number, and waits for those who have begun, too. Nobody
            else can begin then. If the job was never told, it does nothing.
        serve: takes part in the job of a number and in those that come soon after.
    """

    take: Kernel
    post: Kernel
    join: Kernel
    serve: Kernel


def sharing() -> Sharing:
    """The machine code, compiled at the first call."""
    return _compiled(processor.target())


@lru_cache(maxsize=4)
def _compiled(target: str) -> Sharing:
    module = ir.Module("milonga")
    emit_sharing(module)
    provide_yield()
    engine = compile_module(str(module))
    return Sharing(
        kernel_of(engine, "take", _TAKE),
        kernel_of(engine, "post", _POST),
        kernel_of(engine, "join", _JOIN),
        kernel_of(engine, "serve", _SERVE),
    )


def emit_sharing(module: ir.Module) -> None:
    """Emit the functions."""
    take = _emit_take(module)
    _emit_post(module)
    _emit_join(module, take)
    _emit_serve(module, take)


def _word(e: Emitter, base: Value, index: int | Value) -> Value:
    index = e.index(index) if isinstance(index, int) else index
    return e.b.gep(base, [index], source_etype=INT)


def _read(e: Emitter, base: Value, index: int | Value) -> Value:
    return e.b.load(_word(e, base, index), typ=INT, align=8)


def _of_thread(e: Emitter, thread: Value, place: int = 0) -> Value:
    """A word of a thread on the board."""
    own = e.b.mul(thread, e.index(Board.EACH))
    return _word(e, e.args["board"], e.b.add(own, e.index(Board.AWAKE + place)))


def _swap(e: Emitter, place: Value, expected: Value, value: Value) -> Value:
    """Whether the word was what is expected, and is now the value."""
    found = e.b.cmpxchg(place, expected, value, "seq_cst")
    return e.b.extract_value(found, 1)


def _emit_take(module: ir.Module) -> ir.Function:
    e = Emitter(module, "take", _TAKE, 1)
    b, job = e.b, e.args["job"]
    total, grain, share = (_read(e, job, w) for w in (Job.TOTAL, Job.GRAIN, Job.SHARE))
    smallest, arguments = _read(e, job, Job.SMALLEST), _read(e, job, Job.ARGUMENTS)
    arguments = b.inttoptr(arguments, POINTER)
    spaces = b.inttoptr(_read(e, job, Job.SPACES), POINTER)
    space = b.inttoptr(_read(e, spaces, e.args["thread"]), POINTER)
    to_function = ir.PointerType()
    # llvmlite asks for it at the call; LLVM's own pointers don't say what they point to.
    to_function.pointee = ir.FunctionType(ir.VoidType(), [kind for _, kind in CALL])
    function = b.inttoptr(_read(e, job, Job.FUNCTION), to_function)
    following = _word(e, job, Job.NEXT)
    head, within, work, after = (
        e.function.append_basic_block(n) for n in ("head", "within", "work", "done")
    )
    b.branch(head)
    b.position_at_end(head)
    first = b.load_atomic(following, "acquire", 8, typ=INT)
    b.cbranch(b.icmp_signed("<", first, total), within, after)
    b.position_at_end(within)
    left = b.sub(total, first)
    piece = e.max(smallest, e.ceil_div(left, share))
    piece = e.min(left, b.mul(e.ceil_div(piece, grain), grain))
    last = b.add(first, piece)
    b.cbranch(_swap(e, following, first, last), work, head)
    b.position_at_end(work)
    b.call(function, [arguments, space, first, last])
    b.branch(head)
    b.position_at_end(after)
    b.atomic_rmw("add", _word(e, job, Job.ENDED), e.index(1), "seq_cst")
    return e.finish()


def _emit_post(module: ir.Module) -> None:
    e = Emitter(module, "post", _POST, 1)
    b, board, job = e.b, e.args["board"], e.args["job"]
    b.store(b.ptrtoint(job, INT), _word(e, board, Board.JOB), align=8)
    b.atomic_rmw("add", _word(e, board, Board.BEGUN), e.index(1), "seq_cst")

    def thread(index: Value, _: list[Value]) -> None:
        woken = _swap(e, _of_thread(e, index), e.index(0), e.index(1))
        b.store(b.zext(woken, INT), _of_thread(e, index, _ASLEEP), align=8)

    e.loop(e.index(1), _read(e, job, Job.THREADS), 1, thread)
    e.finish()


def _emit_join(module: ir.Module, take: ir.Function) -> None:
    e = Emitter(module, "join", _JOIN, 1)
    b, job, number = e.b, e.args["job"], e.args["number"]
    ended = _word(e, job, Job.ENDED)

    def thread(index: Value, _: list[Value]) -> None:
        # Nothing is left for whoever hasn't begun. He may not even be there, as in a forked child.
        with b.if_then(_swap(e, _of_thread(e, index, _PART), b.sub(number, e.index(1)), number)):
            b.atomic_rmw("add", ended, e.index(1), "seq_cst")

    with b.if_then(b.icmp_signed(">=", _read(e, e.args["board"], Board.BEGUN), number)):
        b.call(take, [job, e.index(0)])
        threads = _read(e, job, Job.THREADS)
        e.loop(e.index(1), threads, 1, thread)
        emit_wait(e, ended, threads)
    e.finish()


def _emit_serve(module: ir.Module, take: ir.Function) -> None:
    e = Emitter(module, "serve", _SERVE, 1)
    b, board, thread = e.b, e.args["board"], e.args["thread"]
    begun = _word(e, board, Board.BEGUN)
    awake, part = _of_thread(e, thread), _of_thread(e, thread, _PART)
    before = b.block
    head, look, work, late, idle, again, end = (
        e.function.append_basic_block(n)
        for n in ("head", "look", "work", "late", "idle", "again", "end")
    )
    b.branch(head)
    b.position_at_end(head)
    number = b.phi(INT)
    number.add_incoming(e.args["number"], before)
    emit_wait(e, begun, number, e.args["looks"])
    there = b.icmp_signed(">=", b.load_atomic(begun, "seq_cst", 8, typ=INT), number)
    b.cbranch(there, look, idle)
    b.position_at_end(look)
    b.cbranch(_swap(e, part, b.sub(number, e.index(1)), number), work, late)
    b.position_at_end(work)
    b.call(take, [b.inttoptr(_read(e, board, Board.JOB), POINTER), thread])
    number.add_incoming(b.add(number, e.index(1)), b.block)
    b.branch(head)
    # The job may be over, and its memory another's.
    b.position_at_end(late)
    last = b.load_atomic(part, "acquire", 8, typ=INT)
    number.add_incoming(b.add(last, e.index(1)), b.block)
    b.branch(head)
    # Who goes to sleep looks once more: a job may have come before this was known.
    b.position_at_end(idle)
    b.atomic_rmw("xchg", awake, e.index(0), "seq_cst")
    came = b.icmp_signed(">=", b.load_atomic(begun, "seq_cst", 8, typ=INT), number)
    b.cbranch(came, again, end)
    b.position_at_end(again)
    # Unless the one who posted it has already sent for another.
    mine = _swap(e, awake, e.index(0), e.index(1))
    number.add_incoming(number, b.block)
    b.cbranch(mine, head, end)
    b.position_at_end(end)
    e.finish()
