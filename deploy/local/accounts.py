"""The account that PostgreSQL runs under when we are root, which PostgreSQL refuses.

The clone, the venv and the data may lie under directories that this account may not enter (`mktemp -d` and `/root` are
0700), and their modes are not ours to change. So the program is copied once to where everybody may enter, and the data
is reached through `/proc/self/cwd`: the child is put into its data directory while it still is root, and that link
leads there without a walk through the parents. Neither needs a capability, which containers tend to drop.
"""

import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from deploy.local.failures import StackFailed
from deploy.local.processes import Account

CANDIDATES = ("postgres", "nobody")
CACHES = (Path("/var/cache/huchuang"), Path("/var/tmp/huchuang"), Path("/tmp/huchuang"))


class NoAccount(StackFailed):
    """We are root and there is no account to run PostgreSQL under."""


def account_for(cluster: Path) -> Account | None:
    """None when we are not root; else the owner of an existing cluster, or the first of CANDIDATES that exists."""
    if os.geteuid() != 0:
        return None
    if cluster.exists() and (uid := cluster.stat().st_uid) != 0:
        try:
            return _account(pwd.getpwuid(uid))
        except KeyError as unknown:
            raise NoAccount(
                f"{cluster} belongs to uid {uid}, which has no account here; chown it or use another --data"
            ) from unknown
    for name in CANDIDATES:
        try:
            return _account(pwd.getpwnam(name))
        except KeyError:
            continue
    raise NoAccount("PostgreSQL does not run as root: create an account named 'postgres', or run this as another user")


def may_enter(account: Account, directory: Path) -> bool:
    """May `account` walk down to `directory` (and into it)?"""
    return all(_may_search(account, step.stat()) for step in (directory, *directory.resolve().parents))


def trees_for(account: Account, trees: list[Path], label: str) -> Path:
    """The parent of these sibling directories where `account` may enter it: as installed, or our copy."""
    if all(may_enter(account, tree) for tree in trees):
        return trees[0].parent
    for cache in CACHES:
        copy = cache / label
        try:
            cache.mkdir(mode=0o755, parents=True, exist_ok=True)
            if not _is_ours(cache):
                continue
            if not copy.exists():
                _copy(trees, copy)
        except OSError:
            continue
        return copy
    places = ", ".join(map(str, CACHES))
    raise NoAccount(f"{account.name} may not enter {trees[0]}, and none of {places} can take a copy of it")


def reach(account: Account | None, cluster: Path) -> str:
    """How a child whose working directory is `cluster` should name it."""
    return str(cluster) if account is None or may_enter(account, cluster) else "/proc/self/cwd"


def _account(entry: pwd.struct_passwd) -> Account:
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _may_search(account: Account, of: os.stat_result) -> bool:
    if of.st_uid == account.uid:
        return bool(of.st_mode & stat.S_IXUSR)
    if of.st_gid == account.gid:
        return bool(of.st_mode & stat.S_IXGRP)
    return bool(of.st_mode & stat.S_IXOTH)


def _is_ours(cache: Path) -> bool:
    """A directory that somebody else could write to might hold somebody else's program."""
    status = cache.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _copy(trees: list[Path], copy: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=".copy-", dir=copy.parent))
    try:
        for tree in trees:
            shutil.copytree(tree, fresh / tree.name, symlinks=True, ignore=shutil.ignore_patterns("include", "*.pyc"))
            (fresh / tree.name).chmod(0o755)
        fresh.chmod(0o755)
        fresh.rename(copy)
    except OSError:
        if not copy.exists():  # else another start was faster
            raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
