"""Run a program that does not outlive its parent, if wanted under another account.

Called as `python -I leash.py PARENT SIGNAL UID GID PROGRAM ARGUMENT...` (UID and GID 0: as we are) and replaced by
PROGRAM, so the process id stays. Why not `preexec_fn`: it runs Python between fork and exec, which deadlocks in a
process with threads and warns from Python 3.12 on. The signal is asked for after the account has changed, because that
clears it. Imports nothing of ours: it must start in milliseconds.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    parent, signal, uid, gid = (int(argument) for argument in arguments[:4])
    program = arguments[4:]
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if uid:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if libc is not None and libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit("the parent ended before the leash was on")
    os.execv(program[0], program)


if __name__ == "__main__":
    main(sys.argv[1:])
