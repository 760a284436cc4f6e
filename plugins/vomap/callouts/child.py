"""Answer in a child process on machines where a FUSE file system is mounted: a read there can block for ever.

If the server of a FUSE file system never answers a request, not even SIGKILL ends the process that waits for it
(request_wait_answer in the kernel's fs/fuse/dev.c). The CE waits for the callout. So a child makes the request, and the
callout can end without it. A blocked child has nothing of the CE open but standard input, and its output goes nowhere.
The answer counts before the child ends, because its write to the decision log can block.
"""

from __future__ import annotations

import posix

from vomap.callouts import TO_LOG, TimeLimit, read_all, write_account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The time limits of the child and of its log end first, so that the callout can pass on the child's reason.
_LONGER = TO_LOG + 0.25
_PIECE = 1 << 16


def run_in_child(callout: str, answer: Callable[[TimeLimit], int], seconds: float, failed: int) -> int:
    """Run `answer` in a child, pass on all that it has written, and return its exit code, in the child as well.

    The child sends its exit code when its output is complete. A child that fails sends no code, and its exit status
    counts.

    Raises OSError if the fork fails, or if the output cannot be passed on.
    """
    (out, child_out), (err, child_err), (done, child_done) = posix.pipe(), posix.pipe(), posix.pipe()
    child = posix.fork()
    if child == 0:
        posix.dup2(child_out, 1)
        posix.dup2(child_err, 2)
        for descriptor in (out, child_out, err, child_err, done):
            posix.close(descriptor)

        def send(code: int) -> int:
            posix.write(child_done, bytes((code,)))
            return code

        def leave(code: int) -> None:
            try:
                send(code)
            finally:
                posix._exit(code)  # noqa: SLF001 - its name, though it is public

        return send(answer(TimeLimit(callout, seconds, failed=failed, leave=leave).start()))
    for descriptor in (child_out, child_err, child_done):
        posix.close(descriptor)
    limit = TimeLimit(callout, seconds + _LONGER, failed=failed).start()
    sent = posix.read(done, 1)
    if sent:
        code, account, reason = sent[0], _read_now(out), _read_now(err)
    else:
        account, reason = read_all(out), read_all(err)
        code = posix.waitstatus_to_exitcode(posix.waitpid(child, 0)[1])
    if account:
        write_account(account)
    code = code if code >= 0 else failed
    limit.commit(code, "answered", "; nobody reads why")
    try:
        posix.write(2, reason)
    except OSError:
        # The CE may have closed standard error.
        pass
    return code


def _read_now(descriptor: int) -> bytes:
    """Return the bytes in a pipe, without waiting for its end. The output of a child is smaller than a pipe."""
    posix.set_blocking(descriptor, False)
    try:
        return posix.read(descriptor, _PIECE)
    except BlockingIOError:
        return b""
