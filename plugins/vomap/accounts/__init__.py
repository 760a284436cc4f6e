"""Check that the account of a decision exists and may be used: the second half of the decision's step 7.

Accounts come from the name service, and the user that a callout becomes comes from this machine's own file of users.
"""

from __future__ import annotations

import pwd

from vomap import Error
from vomap.policy import DENIED, ERROR, MAPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.policy import Decision
    from vomap.policy.model import AccountLimits

USERS_FILE = "/etc/passwd"
_LONGEST_ENTRY = 1 << 20


class NameServiceError(Error):
    """The name service failed, so it is not known whether an account exists."""


def confirm(decision: Decision, limits: AccountLimits, look_up: Callable[[str], int | None] | None = None) -> Decision:
    """Confirm that the account of a decision exists and that its uid is allowed, or turn the decision into a refusal.

    `look_up` returns an account's uid, or None if there is no such account. It raises NameServiceError.
    """
    if decision.outcome != MAPPED:
        return decision
    if decision.account is None:
        return decision.settle(ERROR, f"pool: this version leases no accounts of pools ({decision.pool})")
    try:
        uid = (look_up or find_uid)(decision.account)
    except NameServiceError as error:
        return decision.settle(ERROR, f"account: {error}")
    if uid is None and limits.must_exist:
        return decision.settle(DENIED, f"account: {decision.account} does not exist")
    refusal = None if uid is None else limits.uid_refusal(uid)
    return decision if refusal is None else decision.settle(DENIED, f"account: {decision.account} has {refusal}")


def find_uid(account: str) -> int | None:
    """Return the uid of an account, or None if there is no such account.

    Raises NameServiceError if the name service fails: `pwd` alone raises KeyError for that and for an unknown name.
    """
    try:
        entry = pwd.getpwnam(account)
    except KeyError:
        _raise_if_failing(account)
        return None
    except OSError as error:
        raise NameServiceError(f"the name service fails for {account}: {error.strerror}") from None
    if entry.pw_name != account:
        # A directory that ignores case: the names of the policy say nothing about this other account.
        raise NameServiceError(f"the name service answers {entry.pw_name!a} for {account}")
    return entry.pw_uid


def find_local_user(name: str, file: str = USERS_FILE) -> tuple[int, int] | None:
    """Return the uid and the gid of a user in a file as passwd(5) describes it, or None if the file has no such user.

    The name service takes a quarter of an answer to say that there is no such user. Raises NameServiceError if the file
    cannot be read, or if the user's line has no two ids.
    """
    try:
        with open(file, "rb") as stream:
            content = stream.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise NameServiceError(f"{file}: {error.strerror}") from None
    _, begin, rest = (b"\n" + content).partition(b"\n%b:" % name.encode())
    if not begin:
        return None
    _, uid, gid, *_ = [*rest.partition(b"\n")[0].split(b":"), b"", b""]
    if not (uid.isdigit() and gid.isdigit()):
        raise NameServiceError(f"{file}: the line of {name} has no uid and gid")
    return int(uid), int(gid)


def _raise_if_failing(account: str) -> None:
    """Ask for a name that was not found once more, in a way that shows an error."""
    import ctypes
    import errno

    # The results of getpwnam_r for an unknown name. That of glibc is 0.
    not_found = (0, errno.ENOENT, errno.ESRCH)
    entry, result = ctypes.create_string_buffer(1024), ctypes.c_void_p()
    size = 4096
    while True:
        buffer = ctypes.create_string_buffer(size)
        status = ctypes.CDLL(None).getpwnam_r(
            account.encode(), entry, buffer, ctypes.c_size_t(size), ctypes.byref(result)
        )
        if status != errno.ERANGE or size >= _LONGEST_ENTRY:
            break
        size *= 4
    if status not in not_found:
        raise NameServiceError(f"the name service fails for {account}: {errno.errorcode.get(status, status)}")
