"""Whether an account that was decided exists and may be answered; the second half of the decision's step 7."""

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
    """The name service could not tell whether an account exists."""


def confirm(decision: Decision, limits: AccountLimits, look_up: Callable[[str], int | None] | None = None) -> Decision:
    """Confirm that the account of a decision exists and is an ordinary one, or turn the decision into a refusal.

    `look_up` gives an account's uid, None if there is no such account, and raises NameServiceError.
    """
    if decision.outcome != MAPPED:
        return decision
    if decision.account is None:
        return decision.settle(ERROR, f"pool: this version leases no accounts of pools ({decision.pool})")
    try:
        uid = (look_up or find_uid)(decision.account)
    except NameServiceError as error:
        return decision.settle(ERROR, f"account: {error}")
    if uid is None:
        if limits.must_exist:
            return decision.settle(DENIED, f"account: {decision.account} does not exist")
        return decision
    refusal = limits.uid_refusal(uid)
    return decision if refusal is None else decision.settle(DENIED, f"account: {decision.account} has {refusal}")


def find_uid(account: str) -> int | None:
    """Return the uid of an account, or None if there is no such account.

    Raises NameServiceError if the name service fails, which `pwd` alone does not tell from an unknown name.
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
        # A directory that compares without case: whose account this is, the site's own list of names cannot say.
        raise NameServiceError(f"the name service answers {entry.pw_name!a} for {account}")
    return entry


def _raise_if_failing(account: str) -> None:
    """Ask once more, in a way that shows an error; only names that were not found get here."""
    import ctypes
    import errno

    # What getpwnam_r may return for a name that nobody knows; glibc returns 0.
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
