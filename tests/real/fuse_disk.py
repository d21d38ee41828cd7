"""A disk that does as it is told: a FUSE file system that shows a folder, and hangs, fails or is slow.

As a program (`fuse_disk.py FOLDER MOUNT FAULT [RECORD]`) it is the file system, and writes down what changes it. `Disk` starts it as a process of its own, so that one that hangs
is one that is stopped: requests to it then wait in the kernel, as those to a file server that is gone, and who waits can be killed.
"""

import errno
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path


# Where the kernel says how many wait for each file system.
CONNECTIONS = Path("/sys/fs/fuse/connections")


class Unavailable(Exception):
    """FUSE does not run on this machine."""


def needed(base):
    """Ends the program with 75 (EX_TEMPFAIL), which is neither passed nor failed, and with the reason, where FUSE does not run."""
    try:
        with Disk(base, "probe") as probe:
            (probe.path / "file").write_text("works")
    except Unavailable as reason:
        print(reason)
        sys.exit(75)


class Disk:
    """A mounted disk; `folder` is what it shows, `path` where. `with` takes it away."""

    def __init__(self, base, name, record=None):
        self.folder, self.path = Path(base, f"{name}-behind"), Path(base, name)
        self._fault, self._record = Path(base, f"{name}-fault"), record
        self.folder.mkdir()
        self.path.mkdir()

    def __enter__(self):
        command = [sys.executable, __file__, self.folder, self.path, self._fault, *filter(None, [self._record])]
        with open(f"{self._fault}.log", "wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10
        while not os.path.ismount(self.path):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self._process.kill()
                lines = Path(f"{self._fault}.log").read_text().strip().splitlines()
                raise Unavailable(f"FUSE does not run here: {lines[-1] if lines else 'no mount'}")
            time.sleep(0.05)
        if not os.path.ismount(CONNECTIONS):
            subprocess.run(["mount", "-t", "fusectl", "fusectl", CONNECTIONS], check=False, stderr=subprocess.DEVNULL)
        self._waiting = CONNECTIONS / str(os.minor(os.stat(self.path).st_dev)) / "waiting"
        return self

    def __exit__(self, *_):
        # Requests that still wait end with the process that would have answered them.
        self._process.kill()
        self._process.wait()
        subprocess.run(["fusermount3", "-u", "-z", self.path], check=False)

    def hang(self):
        """Answers nothing any more. It hangs between two requests: who waits for one that it has taken already can't even be killed."""
        deadline = time.monotonic() + 10
        while True:
            self._process.send_signal(signal.SIGSTOP)
            while not self._stands_still():
                time.sleep(0.001)
            if not self._is_asked() or time.monotonic() > deadline:
                return
            self._process.send_signal(signal.SIGCONT)
            time.sleep(0.01)

    def _stands_still(self):
        """Whether each of its threads is stopped."""
        states = (stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{self._process.pid}/task").glob("*/stat"))
        return all(state == "T" for state in states)

    def _is_asked(self):
        """Whether somebody waits for an answer, as far as the system says."""
        try:
            return self._waiting.read_text().strip() != "0"
        except FileNotFoundError:
            return False

    def fail(self, error):
        """Answers what changes or writes something with this error (`EIO`), or all that is asked with `all EIO`."""
        self._tell(error)

    def be_slow(self, seconds):
        """Takes so long for each answer."""
        self._tell(f"slow {seconds}")

    def answer(self):
        """Nothing is wrong any more."""
        self._tell("")
        self._process.send_signal(signal.SIGCONT)

    def _tell(self, fault):
        new = Path(f"{self._fault}.new")
        new.write_text(fault)
        new.replace(self._fault)


def serve(folder, mount, fault, record=None):
    """The file system."""
    import mfusepy

    journal, one_at_a_time = record and open(record, "ab", buffering=0), threading.Lock()

    def note(*change):
        """Writes down what has been done, before who asked for it hears that it was."""
        if journal:
            with one_at_a_time:
                journal.write(pickle.dumps(change))

    def obey(writes):
        try:
            words = Path(fault).read_text().split()
        except FileNotFoundError:
            return
        if words[:1] == ["slow"]:
            time.sleep(float(words[1]))
        elif words and (writes or words[0] == "all"):
            raise OSError(getattr(errno, words[-1]), "as told")

    def asks(method):
        def obeying(self, path, *rest):
            obey(writes=False)
            return method(self, folder + path, *rest)

        return obeying

    def writes(method):
        def obeying(self, path, *rest):
            obey(writes=True)
            return method(self, folder + path, *rest)

        return obeying

    class Mirror(mfusepy.Operations):
        use_ns = True

        @asks
        def getattr(self, path, _handle=None):
            found = os.lstat(path)
            names = ("st_mode", "st_ino", "st_nlink", "st_uid", "st_gid", "st_size", "st_blocks")
            times = {f"st_{which}": getattr(found, f"st_{which}_ns") for which in ("atime", "mtime", "ctime")}
            return {name: getattr(found, name) for name in names} | times

        @asks
        def readdir(self, path, _handle):
            return [".", "..", *os.listdir(path)]

        @asks
        def readlink(self, path):
            return os.readlink(path)

        @asks
        def open(self, path, flags):
            return os.open(path, flags & ~os.O_NOFOLLOW)

        @asks
        def read(self, _path, size, offset, handle):
            return os.pread(handle, size, offset)

        @writes
        def create(self, path, mode, _flags=None):
            handle = os.open(path, os.O_RDWR | os.O_CREAT, mode)
            note("create", path[len(folder):])
            return handle

        @writes
        def write(self, path, data, offset, handle):
            written = os.pwrite(handle, data, offset)
            note("write", path[len(folder):], offset, bytes(data))
            return written

        @writes
        def truncate(self, path, length, _handle=None):
            os.truncate(path, length)
            note("truncate", path[len(folder):], length)

        @writes
        def fsync(self, path, _datasync, handle):
            os.fsync(handle)
            note("fsync", path[len(folder):])

        @writes
        def fsyncdir(self, path, _datasync, _handle):
            note("fsync", path[len(folder):])

        def release(self, _path, handle):
            os.close(handle)

        @writes
        def rename(self, old, new):
            os.rename(old, folder + new)
            note("rename", old[len(folder):], new)

        @writes
        def unlink(self, path):
            os.unlink(path)
            note("unlink", path[len(folder):])

        @writes
        def mkdir(self, path, mode):
            os.mkdir(path, mode)
            note("mkdir", path[len(folder):])

        @writes
        def chmod(self, path, mode):
            os.chmod(path, mode)

        @writes
        def utimens(self, path, times=None):
            os.utime(path, ns=times)

        @asks
        def statfs(self, path):
            found = os.statvfs(path)
            return {name: getattr(found, name) for name in ("f_bsize", "f_frsize", "f_blocks", "f_bfree", "f_bavail", "f_files", "f_ffree", "f_namemax")}

    # What is asked again is asked of this process again: a kernel that remembers would hide what is wrong.
    uncached = {"attr_timeout": 0, "entry_timeout": 0, "negative_timeout": 0}
    mfusepy.FUSE(Mirror(), mount, foreground=True, direct_io=True, **uncached)


if __name__ == "__main__":
    serve(*sys.argv[1:])
