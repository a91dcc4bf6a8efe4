# SPDX-License-Identifier: MIT
"""
Disk images, made and changed without root: ext4 by mke2fs from a folder, files in and out by debugfs. Everything in an
image belongs to root, whoever made it.
"""

import os
import shutil
import stat
import subprocess
import tempfile

from .host import ROOT, TangramError, find_program

MIN_SIZE = 32 << 20

ETC = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "group": "root:x:0:\nnogroup:x:65534:\n",
    "hostname": "tangram\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}

# What a dynamic program of Debian needs at the least: (path, where Debian keeps it).
LIBRARIES = (
    ("/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"),
    ("/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libc.so.6"),
    ("/lib/x86_64-linux-gnu/libm.so.6", "/lib/x86_64-linux-gnu/libm.so.6"),
)


def default_tree(folder, programs, text):
    """Fill an empty folder with the default image's files. programs: a folder of executables; text: a file."""
    for name in ("bin", "data", "dev", "etc", "lib/x86_64-linux-gnu", "lib64", "mnt", "proc", "root", "run", "sys",
                 "tmp", "var/tmp"):
        os.makedirs(os.path.join(folder, name))
    for name in ("tmp", "var/tmp"):
        os.chmod(os.path.join(folder, name), 0o1777)
    for name, content in ETC.items():
        with open(os.path.join(folder, "etc", name), "w") as file:
            file.write(content)
    for name in sorted(os.listdir(programs)):
        source = os.path.join(programs, name)
        if os.path.isfile(source) and os.access(source, os.X_OK):
            shutil.copyfile(source, os.path.join(folder, "bin", name))
            os.chmod(os.path.join(folder, "bin", name), 0o755)
    for path, source in LIBRARIES:
        shutil.copyfile(source, folder + path)
        os.chmod(folder + path, 0o755)
    os.symlink("../lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", os.path.join(folder, "lib64/ld-linux-x86-64.so.2"))
    shutil.copyfile(text, os.path.join(folder, "data/text"))


def _tree_size(folder):
    size = files = 0
    for path, names, others in os.walk(folder):
        for name in names + others:
            st = os.lstat(os.path.join(path, name))
            files += 1
            if stat.S_ISREG(st.st_mode):
                size += (st.st_size + 4095) // 4096 * 4096
    return size + files * 1024, files


def make_image(folder, image, block_size=4096, size=None, options=(), free=16 << 20):
    """Build an ext4 image of the files in a folder; size None: a fifth more than they need, and free bytes."""
    content, files = _tree_size(folder)
    if size is None:
        size = max(MIN_SIZE, content * 5 // 4 + free)
    temporary = image + ".new"
    with open(temporary, "wb") as file:
        file.truncate(size)
    try:
        _checked([find_program("mke2fs"), "-q", "-F", "-t", "ext4", "-b", str(block_size), "-m", "0",
                  "-N", str(files * 2 + 1024 + (free - (16 << 20)) // 4096), "-E", "root_owner=0:0", *options, "-d", folder, temporary],
                 "cannot make an image of %s" % folder)
        _debugfs(temporary, _ownership(folder, "/"))
        os.replace(temporary, image)
    except BaseException:
        os.unlink(temporary)
        raise


def _checked(command, what):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0:
        text = done.stdout.decode(errors="replace").strip().splitlines()
        raise TangramError("%s: %s" % (what, text[-1] if text else "%s failed" % command[0]))


def _quoted(path):
    if '"' in path or "\n" in path:
        raise TangramError("debugfs cannot name this path: %r" % path)
    return '"%s"' % path


def _debugfs(image, commands, write=True, may_fail=()):
    """Run debugfs commands. It reports errors in its output only, so anything said there beyond the banner is one."""
    if not commands:
        return ""
    with tempfile.NamedTemporaryFile("w", prefix="tangram-debugfs-") as script:
        script.write("\n".join(commands) + "\n")
        script.flush()
        done = subprocess.run([find_program("debugfs"), *(["-w"] if write else []), "-f", script.name, image],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    errors = [line for line in done.stderr.decode(errors="replace").splitlines()
              if line.strip() and not line.startswith("debugfs ") and not any(text in line for text in may_fail)]
    if done.returncode != 0 or errors:
        raise TangramError("%s: %s" % (image, errors[0] if errors else "debugfs failed"))
    return done.stdout.decode(errors="replace")


def _own(path, mode=None):
    fields = ["uid 0", "gid 0"] + (["mode 0%o" % mode] if mode is not None else [])
    return ["sif %s %s" % (_quoted(path), field) for field in fields]


def _ownership(folder, inside):
    """The commands that give all files of a folder, copied to `inside`, to root."""
    commands = []
    for path, names, others in os.walk(folder):
        relative = os.path.relpath(path, folder)
        for name in names + others:
            commands += _own(os.path.normpath(os.path.join(inside, relative, name)))
    return commands


def _mode(path):
    """The mode a file gets in the image: the caller's umask must not decide whether root may run a program."""
    mode = os.lstat(path).st_mode
    return stat.S_IFMT(mode) | (0o755 if stat.S_ISDIR(mode) or mode & 0o100 else 0o644)


def _free_bytes(image):
    text = subprocess.run([find_program("dumpe2fs"), "-h", image], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.decode(errors="replace")
    values = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    try:
        return int(values["Free blocks"]) * int(values["Block size"])
    except (KeyError, ValueError):
        raise TangramError("%s is not an ext4 image" % image) from None


def _exists(image, path):
    done = subprocess.run([find_program("debugfs"), "-R", "stat " + _quoted(path), image], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return b"Inode:" in done.stdout


def add_files(image, pairs):
    """Copy host files and folders into an image: [(host path, guest path)]. The image grows when they do not fit."""
    need = 0
    for host, guest in pairs:
        if not os.path.lexists(host):
            raise TangramError("--add: %s does not exist" % host)
        if not guest.startswith("/") or os.path.normpath(guest) == "/":
            raise TangramError("--add: '%s' is not the absolute path of a file" % guest)
        need += _tree_size(host)[0] if os.path.isdir(host) else os.path.getsize(host)
    need = need * 5 // 4 + (4 << 20)
    free = _free_bytes(image)
    if free < need:
        with open(image, "r+b") as file:
            file.truncate(os.path.getsize(image) + (need - free + (1 << 20) - 1 >> 20 << 20))
        _checked([find_program("resize2fs"), "-f", image], "cannot make %s larger" % image)
    for host, guest in pairs:
        _debugfs(image, _add_commands(image, host, os.path.normpath(guest)))
        if not _exists(image, guest):
            raise TangramError("--add: %s did not get into the image" % guest)


def _walk(host, guest):
    """(host path, guest path, is a folder) of all there is under a host path, folders before what is in them."""
    folder = os.path.isdir(host) and not os.path.islink(host)
    yield host, guest, folder
    for name in sorted(os.listdir(host)) if folder else ():
        yield from _walk(os.path.join(host, name), os.path.join(guest, name))


def _add_commands(image, host, guest):
    commands, folders, parent = [], [], ""
    for part in os.path.dirname(guest).strip("/").split("/"):
        if part:
            parent += "/" + part
            folders.append(parent)
    for host_path, guest_path, is_folder in _walk(host, guest):
        if is_folder:
            folders.append(guest_path)
        while folders:
            folder = folders.pop(0)
            if not _exists(image, folder):
                commands += ["mkdir " + _quoted(folder)] + _own(folder, stat.S_IFDIR | 0o755)
        if not is_folder:
            commands += _write_commands(image, host_path, guest_path)
    return commands


def _write_commands(image, host, guest):
    commands = ["rm " + _quoted(guest)] if _exists(image, guest) else []
    folder, name = os.path.split(guest)
    commands.append("cd " + _quoted(folder))           # debugfs takes the last name as it is: no slash in it
    if os.path.islink(host):
        commands.append("symlink %s %s" % (_quoted(name), _quoted(os.readlink(host))))
        return commands + _own(guest)
    commands.append("write %s %s" % (_quoted(os.path.abspath(host)), _quoted(name)))
    return commands + _own(guest, _mode(host))


def get_file(image, guest, host):
    """Copy a file or folder out of an image."""
    if not _exists(image, guest):
        raise TangramError("--get: %s does not exist in the image" % guest)
    listing = _debugfs(image, ["stat " + _quoted(guest)], write=False)
    if "Type: directory" in listing:
        os.makedirs(host, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=host) as folder:
            _debugfs(image, ["rdump %s %s" % (_quoted(guest), _quoted(folder))], write=False,
                     may_fail=("while changing ownership",))
            top = os.path.join(folder, os.path.basename(os.path.normpath(guest)))
            for name in os.listdir(top):
                os.replace(os.path.join(top, name), os.path.join(host, name))
        return
    if os.path.isdir(host):
        host = os.path.join(host, os.path.basename(guest))
    temporary = host + ".tangram-get"
    _debugfs(image, ["dump %s %s" % (_quoted(guest), _quoted(temporary))], write=False)
    os.replace(temporary, host)


def check_image(image):
    """What e2fsck says about an image: (clean, text). Nothing is changed."""
    done = subprocess.run([find_program("e2fsck"), "-f", "-n", image], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode == 0, done.stdout.decode(errors="replace")


def copy_sparse(source, target):
    """A private copy that takes no time where the file system can share blocks, and no space for holes elsewhere."""
    _checked(["/bin/cp", "--reflink=auto", "--sparse=always", "--no-preserve=mode", source, target],
             "cannot copy %s" % source)


def find_image(name):
    """The file for --image NAME|FILE."""
    from .host import BUILD
    if "/" in name or os.path.exists(name):
        path = name
    else:
        path = os.path.join(BUILD, "images", name + ".img")
    if not os.path.isfile(path):
        raise TangramError("no image '%s' (%s does not exist; `make images` builds the default one)"
                           % (name, os.path.relpath(path) if path.startswith(ROOT) else path))
    return path
