"""An answer by a child, where the kernel might not let go of whoever waits for a file.

A file system in user space (FUSE) whose server takes a request and never answers it holds whoever asked, and not even
SIGKILL ends that process (request_wait_answer in the kernel's fs/fuse/dev.c). A CE waits for the callout; so the
callout must not be the one that asks. The child may stay until the file system is gone: it holds nothing of the CE's
but standard input, and what it says then, nobody hears. Nor need it end for its answer to count: the decision log may
be what holds it.
"""

from __future__ import annotations

import posix

from vomap.callouts import TO_LOG, TimeLimit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The child's own bound comes first, its log's, too, so that it is told what the child has to say.
_LONGER = TO_LOG + 0.25
_AT_ONCE = 1 << 16


def run_in_child(callout: str, answer: Callable[[TimeLimit], int], seconds: float, failed: int) -> int:
    """Return what `answer` returns in a child; in the child itself, too. What it writes is passed on as a whole.

    The child tells its exit code when all is written; one that fails ends without, and its own code counts.

    Raises OSError if there can be no child, or if what it answers cannot be passed on.
    """
    (out, out_of_child), (told, told_by_child), (done, done_by_child) = posix.pipe(), posix.pipe(), posix.pipe()
    child = posix.fork()
    if child == 0:
        posix.dup2(out_of_child, 1)
        posix.dup2(told_by_child, 2)
        for descriptor in (out, out_of_child, told, told_by_child, done):
            posix.close(descriptor)

        def tell(code: int) -> int:
            posix.write(done_by_child, bytes((code,)))
            return code

        def leave(code: int) -> None:
            try:
                tell(code)
            finally:
                posix._exit(code)  # noqa: SLF001 - its name, though it is public

        return tell(answer(TimeLimit(callout, seconds, failed=failed, leave=leave).start()))
    for descriptor in (out_of_child, told_by_child, done_by_child):
        posix.close(descriptor)
    limit = TimeLimit(callout, seconds + _LONGER, failed=failed).start()
    told_code = posix.read(done, 1)
    if told_code:
        code, account, reason = told_code[0], _read_now(out), _read_now(told)
    else:
        account, reason = _read(out), _read(told)
        code = posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
    if account and posix.write(1, account) != len(account):
        raise OSError("standard output took only a part of the account's name")
    code = code if code >= 0 else failed
    limit.commit(code, "answered", "; nobody reads why")
    try:
        posix.write(2, reason)
    except OSError:
        # A CE that does not listen changes nothing.
        pass
    return code


def _read_now(descriptor: int) -> bytes:
    """Return what has been written, which is less than a pipe holds, without waiting for the end."""
    posix.set_blocking(descriptor, False)
    try:
        return posix.read(descriptor, _AT_ONCE)
    except BlockingIOError:
        return b""


def _read(descriptor: int) -> bytes:
    pieces: list[bytes] = []
    while piece := posix.read(descriptor, _AT_ONCE):
        pieces.append(piece)
    return b"".join(pieces)
