"""Tries what the unit forbids. Runs as a service with the unit's own settings; ends with 1 when something was allowed.

What must work comes first: a probe that can do nothing at all would prove nothing.
"""

import ctypes
import errno
import mmap
import os
import pathlib
import socket
import sys

NAME = "csp-invitations-exporter"
STATE = pathlib.Path(f"/var/lib/{NAME}")
LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SCHED_FIFO = 1

failed = []
tried = 0


def allowed(what, action):
    """Must work."""
    global tried
    tried += 1
    try:
        action()
    except OSError as error:
        failed.append(f"{what}: {error}")


def forbidden(what, action, *codes):
    """Must fail, and with one of these errors: a typing error here would fail as well."""
    global tried
    tried += 1
    try:
        action()
    except OSError as error:
        if error.errno not in codes:
            failed.append(f"{what}: failed, but with {errno.errorcode.get(error.errno)}")
    else:
        failed.append(f"{what}: allowed")


def call(name, *arguments):
    """A function of the C library that returns -1 on errors."""

    def action():
        ctypes.set_errno(0)
        if getattr(LIBC, name)(*arguments) == -1:
            raise OSError(ctypes.get_errno(), name)

    return action


def write(path):
    """Writes a file, and removes it."""

    def action():
        pathlib.Path(path).write_text("probe")
        pathlib.Path(path).unlink()

    return action


def read(path):
    return lambda: pathlib.Path(path).read_bytes()


def listing(path):
    return lambda: os.listdir(path)


def open_socket(*arguments):
    return lambda: socket.socket(*arguments).close()


def set_user_id_bit():
    path = STATE / "probe"
    path.write_text("")
    try:
        path.chmod(0o4700)
    finally:
        path.unlink()


def other_processes():
    """The numbers of processes that are not the service's user's."""
    others = [entry for entry in os.listdir("/proc") if entry.isdigit() and int(entry) != os.getpid()]
    if not others:
        raise OSError(errno.ENOENT, "none is visible")


allowed("reading its configuration", read(f"/etc/{NAME}/config.yaml"))
allowed("reading its copy of the secret", read("/run/credentials/probe.service/acme"))
allowed("writing its state", write(STATE / "probe"))
allowed("writing to a /tmp of its own", write("/tmp/probe"))
allowed("TCP over IPv4", open_socket(socket.AF_INET, socket.SOCK_STREAM))
allowed("TCP over IPv6", open_socket(socket.AF_INET6, socket.SOCK_STREAM))
allowed("reading the start of the machine", read("/proc/stat"))

read_only = (errno.EROFS, errno.EACCES, errno.EPERM)
forbidden("writing its configuration", write(f"/etc/{NAME}/probe"), errno.EROFS)
forbidden("writing programs", write("/usr/bin/probe"), errno.EROFS)
forbidden("writing other state", write("/var/lib/probe"), errno.EROFS)
forbidden("writing to /run", write("/run/probe"), *read_only)
forbidden("reading the original secret", read(f"/etc/{NAME}/secrets/acme"), errno.EACCES)
forbidden("looking into /home", listing("/home"), errno.EACCES)
forbidden("looking into /root", listing("/root"), errno.EACCES)
forbidden("seeing the machine's /tmp", read("/tmp/of-the-machine"), errno.ENOENT)
forbidden("seeing other processes", other_processes, errno.ENOENT)
forbidden("a kernel's setting", write("/proc/sys/kernel/domainname"), *read_only)
forbidden("a control group", lambda: os.mkdir("/sys/fs/cgroup/probe"), *read_only)
forbidden("a disk", lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(7, 0)), errno.EPERM)
forbidden("the machine's memory", read("/dev/mem"), errno.ENOENT)
forbidden("raw packets", open_socket(socket.AF_PACKET, socket.SOCK_RAW), errno.EAFNOSUPPORT)
forbidden("netlink", open_socket(socket.AF_NETLINK, socket.SOCK_RAW), errno.EAFNOSUPPORT)
forbidden("code in memory that can be written", lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_WRITE | mmap.PROT_EXEC), errno.EPERM)
forbidden("a set-user-id file", set_user_id_bit, errno.EPERM)
forbidden("a user name space", call("unshare", CLONE_NEWUSER), errno.EPERM)
forbidden("a network name space", call("unshare", CLONE_NEWNET), errno.EPERM)
forbidden("a mount", call("mount", b"none", b"/tmp", b"tmpfs", 0, None), errno.EPERM)
forbidden("the host name", call("sethostname", b"probe", 5), errno.EPERM)
forbidden("the clock", call("settimeofday", b"\0" * 16, None), errno.EPERM)
forbidden("a trace of a process", call("ptrace", 16, os.getppid(), None, None), errno.EPERM)
forbidden("a personality", call("personality", 0x0040000), errno.EPERM)
forbidden("real time", lambda: os.sched_setscheduler(0, SCHED_FIFO, os.sched_param(1)), errno.EPERM)
forbidden("another priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -5), errno.EPERM, errno.EACCES)
forbidden("root", lambda: os.setuid(0), errno.EPERM, errno.EINVAL)
forbidden("a restart of the machine", call("reboot", 0), errno.EPERM)

print(f"{tried} tried, {len(failed)} wrong")
for line in failed:
    print(line)
sys.exit(bool(failed))
