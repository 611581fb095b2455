"""For mutate.py: what the tree holds now, and the system calls that Python has no name for."""

import ctypes
import fcntl
import os
import stat
import struct

FICLONE = 0x40049409
FICLONERANGE = 0x4020940D
KEEP_SIZE, PUNCH_HOLE, COLLAPSE, ZERO_RANGE = 0x01, 0x02, 0x08, 0x10
RENAME_EXCHANGE = 2
AT_FDCWD = -100
BLOCK = 4096
# In the root, for `--known-losses force`; nothing else touches them.
VICTIM, BELOW = b"set-uid", b"below"
RESERVED = (VICTIM, BELOW)

libc = ctypes.CDLL(None, use_errno=True)


def check(result):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def fallocate(descriptor, mode, offset, length):
    check(libc.fallocate(descriptor, mode, ctypes.c_long(offset), ctypes.c_long(length)))


class Refused(Exception):
    """The tree has nothing that the operation could be done to."""


class Tree:
    """What is there now: full paths as bytes, in the order of their bytes after each scan."""

    def __init__(self, root, max_path):
        self.root = root
        self.max_path = max_path
        self.scan()

    def scan(self):
        self.dirs, self.files, self.others = [self.root], [], []
        pending = [self.root]
        while pending:
            folder = pending.pop()
            for name in sorted(os.listdir(folder)):
                path = os.path.join(folder, name)
                if folder == self.root and name in RESERVED:
                    continue
                facts = os.lstat(path)
                if stat.S_ISDIR(facts.st_mode):
                    if facts.st_ino in (2, 256):
                        continue
                    self.dirs.append(path)
                    pending.append(path)
                elif stat.S_ISREG(facts.st_mode):
                    self.files.append(path)
                else:
                    self.others.append(path)

    def fits(self, path):
        return len(path) - len(self.root) <= self.max_path

    def longest_below(self, path):
        start = path + b"/"
        paths = self.dirs + self.files + self.others
        return max((len(p) - len(path) for p in paths if p.startswith(start)), default=0)


def exchange(one, other):
    check(libc.renameat2(AT_FDCWD, one, AT_FDCWD, other, RENAME_EXCHANGE))


def clone(source, target):
    """The whole of one open file, into another that is empty."""
    fcntl.ioctl(target.fileno(), FICLONE, source.fileno())


def clone_range(source, target, start, length, at):
    order = struct.pack("<qQQQ", source.fileno(), start, length, at)
    fcntl.ioctl(target.fileno(), FICLONERANGE, order)
