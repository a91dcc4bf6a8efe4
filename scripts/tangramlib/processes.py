# SPDX-License-Identifier: MIT
"""
Processes and files that must not outlive the tool. Each child dies with us by PR_SET_PDEATHSIG; the folder of the
sockets and disk copies is removed by a guardian, a process of its own that waits for our end of a pipe to close. So
even SIGKILL leaves nothing.
"""

import ctypes
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)       # loaded before any fork


def die_with_parent(parent, how=signal.SIGKILL):
    _libc.prctl(PR_SET_PDEATHSIG, how)
    if os.getppid() != parent:                  # it died before the line above
        os._exit(1)


def spawn(command, output, fds=()):
    """Start a child in a session of its own (Ctrl-C is ours to handle), its output into a file. fds: that it gets from us."""
    parent = os.getpid()
    with open(output, "ab") as file:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True, pass_fds=fds,
                                preexec_fn=lambda: die_with_parent(parent))


def stop(processes, seconds=2.0):
    """End children: SIGTERM, and SIGKILL for those that do not heed it."""
    for process in processes:
        if process.poll() is None:
            process.terminate()
    deadline = time.monotonic() + seconds
    for process in processes:
        try:
            process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def fork_guardian(keep, work):
    """
    A process that outlives us, however we end, and holds no descriptors but those in keep: (its pid, our end of a pipe). When
    that end is closed it calls work(what was written to it) and ends.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(reading)
        return pid, writing
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        signal.setitimer(signal.ITIMER_REAL, 0)
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):                    # a pipe of the caller's must not stay open because of us
            os.dup2(null, fd)
        for fd in map(int, os.listdir("/proc/self/fd")):
            if fd > 2 and fd != reading and fd not in keep:
                try:
                    os.close(fd)
                except OSError:
                    pass                        # that of the listing
        os.chdir("/")
        said = b""
        while True:
            more = os.read(reading, 4096)
            if not more:
                break
            said += more
        work(said)
    finally:
        os._exit(0)


def _remove(folder):
    for _ in range(50):                         # a dying child may still be adding to it
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.05)


class PrivateFolder:
    """
    A temporary folder, removed at the latest when this process is gone. Its path is short: unix sockets lie in it.
    entry: a symbolic link to the folder, by which others find it; it goes with the folder. also: what else to remove then, a
    function of the folder's token.
    """

    def __init__(self, entry=None, also=lambda token: None):
        self.entry, self.also = entry, also
        base = tempfile.gettempdir()
        if len(base) > 40:
            base = "/tmp"
        self.token = secrets.token_hex(4)
        self.path = os.path.join(base, "tangram-%d-%s" % (os.getuid(), self.token))
        self._guardian, self._pipe = fork_guardian((), lambda _: self._remove_all())    # before there is anything to guard
        os.mkdir(self.path, 0o700)

    def publish(self):
        """Make the entry; False when another cluster that lives has it."""
        try:
            os.symlink(self.path, self.entry)
        except FileExistsError:
            if os.path.isdir(self.entry):
                return False
            os.unlink(self.entry)               # its cluster and guardian were both killed
            return self.publish()
        return True

    def _remove_all(self):
        try:
            if self.entry and os.readlink(self.entry) == self.path:
                os.unlink(self.entry)
                os.rmdir(os.path.dirname(self.entry))       # unless there are others
        except OSError:
            pass
        self.also(self.token)
        _remove(self.path)

    def remove(self):
        """Remove it now; children must have ended."""
        if self._pipe is None:
            return
        self._remove_all()
        os.close(self._pipe)
        self._pipe = None
        os.waitpid(self._guardian, 0)
