"""Check that the account of a decision exists and may be used: the second half of the decision's step 7."""

from __future__ import annotations

import pwd

from vomap import Error
from vomap.policy import DENIED, ERROR, MAPPED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from vomap.policy import Decision
    from vomap.policy.model import AccountLimits

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
    entry = find_entry(account)
    return None if entry is None else entry.pw_uid


def find_entry(account: str) -> pwd.struct_passwd | None:
    """Return an account's entry, or None if there is no such account. Raises NameServiceError as `find_uid` does."""
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
    return entry


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
