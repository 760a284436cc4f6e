"""Mount a file system in user space with one file, whose server stops to answer at a chosen request. It speaks FUSE.

stalled_fuse.py MOUNTPOINT SIZE STALL: as root. STALL is the kind of request that the server takes and never answers, or
`everything`: then it takes no request at all, as a stopped server does. It ends, and unmounts, when
standard input ends. The structures are those of <linux/fuse.h>, version 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
import threading

DEVICE = "/dev/fuse"
LOOKUP, GETATTR, OPEN, READ, INIT = 1, 3, 14, 15, 26
STALLS = {"everything": None, "lookup": LOOKUP, "getattr": GETATTR, "open": OPEN, "read": READ}
_ROOT, _FILE = 1, 2
_MS_NOSUID, _MS_NODEV, _MNT_DETACH = 2, 4, 2
_REQUEST = struct.Struct("<IIQQ")
_LARGEST_REQUEST = 1 << 20
_LIBC = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Mount, say so, and serve."""
    folder, size, stall = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    device = os.open(DEVICE, os.O_RDWR)
    options = f"fd={device},rootmode={stat.S_IFDIR:o},user_id=0,group_id=0,allow_other"
    if _LIBC.mount(b"fuse", folder.encode(), b"fuse", _MS_NOSUID | _MS_NODEV, options.encode()) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), folder)
    print("mounted", flush=True)
    if STALLS[stall] is not None:
        threading.Thread(target=_serve, args=(device, size, STALLS[stall]), daemon=True).start()
    sys.stdin.read()
    _LIBC.umount2(folder.encode(), _MNT_DETACH)
    # With the device the connection ends, and every request that waits fails.
    os._exit(0)


def _serve(device: int, size: int, stall: int | None) -> None:
    while True:
        _, kind, number, node = _REQUEST.unpack_from(os.read(device, _LARGEST_REQUEST))
        if kind == stall and (kind != GETATTR or node == _FILE):
            continue
        content = _answer(kind, node, size)
        failure = -errno.ENOSYS if content is None else 0
        content = content or b""
        os.write(device, struct.pack("<IiQ", 16 + len(content), failure, number) + content)


def _answer(kind: int, node: int, size: int) -> bytes | None:
    if kind == INIT:
        return struct.pack("<IIIIHHI40x", 7, 31, 1 << 16, 0, 0, 0, 1 << 16)
    if kind == LOOKUP:
        return struct.pack("<QQQQII", _FILE, 1, 0, 0, 0, 0) + _attributes(_FILE, size)
    if kind == GETATTR:
        return struct.pack("<QII", 0, 0, 0) + _attributes(node, size)
    if kind == OPEN:
        return struct.pack("<QII", 1, 0, 0)
    return None


def _attributes(node: int, size: int) -> bytes:
    mode = stat.S_IFDIR | 0o755 if node == _ROOT else stat.S_IFREG | 0o644
    return struct.pack("<6Q10I", node, size, 1, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


if __name__ == "__main__":
    main()
