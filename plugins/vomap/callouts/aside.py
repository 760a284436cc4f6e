"""An answer by a child, where the kernel might not let go of whoever waits for a file.

A file system in user space (FUSE) whose server takes a request and never answers it holds whoever asked, and not even
SIGKILL ends that process (request_wait_answer in the kernel's fs/fuse/dev.c). A CE waits for the callout; so the
callout must not be the one that asks. The child may stay until the file system is gone: it holds nothing of the CE's
but standard input, and what it says then, nobody hears.
"""

from __future__ import annotations

import posix

from vomap.callouts import bound_time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The child's own bound comes first, so that it is told what the child has to say.
_LONGER = 0.25
_AT_ONCE = 1 << 16


def answered_aside(callout: str, answer: Callable[[], int], seconds: float, failed: int) -> int:
    """Return what `answer` returns in a child; in the child itself, too. What it writes is passed on as a whole.

    Raises OSError if there can be no child, or if what it answers cannot be passed on.
    """
    (out, out_of_child), (told, told_by_child) = posix.pipe(), posix.pipe()
    child = posix.fork()
    if child == 0:
        posix.dup2(out_of_child, 1)
        posix.dup2(told_by_child, 2)
        for descriptor in (out, out_of_child, told, told_by_child):
            posix.close(descriptor)
        bound_time(callout, seconds, failed=failed)
        return answer()
    posix.close(out_of_child)
    posix.close(told_by_child)
    bound_time(callout, seconds + _LONGER, failed=failed)
    account, reason = _read(out), _read(told)
    _, status = posix.waitpid(child, 0)
    code = posix.waitstatus_to_exitcode(status)
    if account and posix.write(1, account) != len(account):
        raise OSError("standard output took only a part of the account's name")
    try:
        posix.write(2, reason)
    except OSError:
        # A CE that does not listen changes nothing.
        pass
    return code if code >= 0 else failed


def _read(descriptor: int) -> bytes:
    pieces: list[bytes] = []
    while piece := posix.read(descriptor, _AT_ONCE):
        pieces.append(piece)
    return b"".join(pieces)
