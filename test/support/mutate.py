#!/usr/bin/python3
"""Changes a directory tree at random, the same way for the same seed and tree.

    mutate.py [--known-losses avoid|allow|force] [--max-path BYTES] ROOT SEED COUNT

Does COUNT operations and prints one JSON object: how often each was done and refused.
`--known-losses` is about what `btrfs receive` itself loses (chown and chmod back to the same
set-uid mode; the mtime of the root; security.* names that are a prefix of security.capability):
`avoid` (default) leaves these out, `allow` lets them happen, `force` makes all three happen from the
second run on (the mtime only when nothing else of the run touched the root: COUNT 0 makes sure).
"""

import argparse
import errno
import json
import os
import random
import shutil
import stat
import struct
import sys

sys.dont_write_bytecode = True
import mutate_tree
from mutate_tree import BELOW, BLOCK, COLLAPSE, KEEP_SIZE, PUNCH_HOLE, VICTIM, ZERO_RANGE
from mutate_tree import Refused, Tree, fallocate

SPECIAL_BITS = 0o6000


class Mutator:
    def __init__(self, root, seed, losses, max_path):
        self.rng = random.Random(seed)
        self.losses = losses
        self.tree = Tree(root, max_path)
        self.counter = 0
        self.seed = seed

    def pick(self, paths):
        if not paths:
            raise Refused
        return self.rng.choice(paths)

    def any_path(self, root_too=False):
        dirs = self.tree.dirs if root_too else self.tree.dirs[1:]
        return self.pick(self.tree.files * 2 + dirs + self.tree.others)

    def new_name(self):
        rng = self.rng
        self.counter += 1
        unique = b"%d-%d" % (self.seed % 100000, self.counter)
        shape = rng.randrange(12)
        if shape == 0:
            return b"o%d-%d-%d" % (rng.randint(256, 400), rng.randint(5, 30), rng.randrange(3))
        if shape == 1:
            return unique + bytes(rng.choice([0xFF, 0xFE, 0x80, 0xC3, 0xE9]) for _ in range(5))
        if shape == 2:
            return unique + b"line\nfeed\ttab \x01\x7f"
        if shape == 3:
            return (unique + b"-" + bytes(rng.choice(b"abcXYZ") for _ in range(255)))[:255]
        if shape == 4:
            return unique + rng.choice([b" -rf *", b"'\"$(id)`", b"\\x41", b"...", b"~", b"\xc3\xa9\xf0\x9f\x92\xbe"])
        return rng.choice([b"f", b"doc", b"IMG_", b"."]) + unique + rng.choice([b"", b".txt", b".c", b".jpg"])

    def new_path(self, folder=None):
        folder = folder or self.pick(self.tree.dirs)
        path = os.path.join(folder, self.new_name())
        if not self.tree.fits(path) or os.path.lexists(path):
            raise Refused
        return path

    def some_bytes(self, limit=200_000):
        rng = self.rng
        size = rng.choice([0, 1, 17, 708, 2048, BLOCK - 1, BLOCK, BLOCK + 1, rng.randrange(limit)])
        if rng.random() < 0.4:
            return (rng.randbytes(37) * (size // 37 + 1))[:size]
        return rng.randbytes(size)

    def aligned(self, size):
        first = self.rng.randrange(size // BLOCK + 1) * BLOCK
        return first, self.rng.randint(1, 16) * BLOCK

    def create(self):
        path = self.new_path()
        with open(path, "xb") as file:
            file.write(self.some_bytes())
        if self.rng.random() < 0.15:
            os.chmod(path, self.rng.choice([0o4755, 0o2755, 0o6711]))
        self.tree.files.append(path)

    def create_sparse(self):
        path = self.new_path()
        with open(path, "xb") as file:
            for _ in range(self.rng.randint(1, 4)):
                file.seek(self.rng.randrange(4_000_000))
                file.write(self.some_bytes(20_000))
            file.truncate(self.rng.randrange(8_000_000))
        self.tree.files.append(path)

    def create_large(self):
        path = self.new_path()
        with open(path, "xb") as file:
            for _ in range(self.rng.randint(2, 6)):
                file.write(self.rng.randbytes(300_000))
        self.tree.files.append(path)

    def overwrite(self):
        path = self.pick(self.tree.files)
        with open(path, "r+b") as file:
            for _ in range(self.rng.randint(1, 5)):
                file.seek(self.rng.randrange(os.fstat(file.fileno()).st_size + 1))
                file.write(self.some_bytes(30_000))

    def append(self):
        with open(self.pick(self.tree.files), "ab") as file:
            file.write(self.some_bytes(50_000))

    def truncate(self):
        path = self.pick(self.tree.files)
        size = os.lstat(path).st_size
        grown = size + self.rng.randrange(1, 500_000)
        os.truncate(path, self.rng.choice([0, self.rng.randrange(size + 1), min(size, 195), grown]))

    def punch_hole(self):
        self.allocate(PUNCH_HOLE | KEEP_SIZE)

    def zero_range(self):
        self.allocate(ZERO_RANGE | self.rng.choice([0, KEEP_SIZE]))

    def preallocate(self):
        self.allocate(self.rng.choice([0, KEEP_SIZE]))

    def collapse_range(self):
        self.allocate(COLLAPSE)

    def allocate(self, mode):
        path = self.pick(self.tree.files)
        size = os.lstat(path).st_size
        if size == 0:
            raise Refused
        offset, length = self.aligned(size)
        if mode != COLLAPSE and self.rng.random() < 0.5:
            offset, length = self.rng.randrange(size), self.rng.randint(1, 60_000)
        with open(path, "r+b") as file:
            fallocate(file.fileno(), mode, offset, length)

    def clone_file(self):
        source = self.pick(self.tree.files)
        path = self.new_path()
        with open(source, "rb") as old, open(path, "xb") as new:
            self.tree.files.append(path)
            mutate_tree.clone(old, new)

    def clone_range(self):
        self.clone_between(self.pick(self.tree.files), self.pick(self.tree.files))

    def clone_within(self):
        path = self.pick(self.tree.files)
        self.clone_between(path, path)

    def clone_between(self, source, target):
        size = os.lstat(source).st_size
        if size < 2 * BLOCK:
            raise Refused
        start = self.rng.randrange(size // BLOCK) * BLOCK
        length = min(self.rng.randint(1, 32) * BLOCK, size // BLOCK * BLOCK - start)
        at = self.rng.randrange(64) * BLOCK
        if length <= 0 or (source == target and abs(at - start) < length):
            raise Refused
        with open(source, "rb") as old, open(target, "r+b") as new:
            mutate_tree.clone_range(old, new, start, length, at)

    def make_directory(self):
        path = self.new_path()
        os.mkdir(path, self.rng.choice([0o755, 0o700, 0o1777, 0o2775]))
        self.tree.dirs.append(path)

    def make_deep(self):
        leaf = self.new_name()[:40]
        path = self.pick(self.tree.dirs)
        if not self.tree.fits(os.path.join(path, leaf)):
            raise Refused
        for _ in range(self.rng.randint(3, 14)):
            below = os.path.join(path, self.rng.choice([b"deep", b"d" * 200, b"\xe9" * 250]))
            if not self.tree.fits(os.path.join(below, leaf)):
                break
            # A symbolic link of that name, moved here before, would lead out of the tree.
            if not os.path.lexists(below):
                os.mkdir(below)
            elif os.path.islink(below) or not os.path.isdir(below):
                break
            path = below
        leaf_path = os.path.join(path, leaf)
        if not os.path.lexists(leaf_path):
            with open(leaf_path, "xb") as file:
                file.write(self.some_bytes(5000))
        self.tree.scan()

    def make_crowd(self):
        folder = self.new_path()
        if not self.tree.fits(folder + b"/entry-000"):
            raise Refused
        os.mkdir(folder)
        for number in range(self.rng.randint(100, 250)):
            with open(os.path.join(folder, b"entry-%03d" % number), "xb") as file:
                file.write(b"%d" % number)
        self.tree.scan()

    def hard_link(self):
        source = self.pick(self.tree.files + self.tree.others)
        path = self.new_path()
        os.link(source, path, follow_symlinks=False)
        (self.tree.files if source in self.tree.files else self.tree.others).append(path)

    def symbolic_link(self):
        path = self.new_path()
        targets = [b"/etc/passwd", b"../..", b"nowhere", b"x" * 3000, b"\xff\n", self.any_path()]
        os.symlink(self.pick(targets), path)
        self.tree.others.append(path)

    def make_node(self):
        rng = self.rng
        path = self.new_path()
        kind = rng.choice([stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK])
        number = rng.choice([(0, 0), (1, 3), (4095, 1048575), (259, 70_000), (255, 256)])
        is_device = kind in (stat.S_IFCHR, stat.S_IFBLK)
        os.mknod(path, kind | 0o640, os.makedev(*number) if is_device else 0)
        self.tree.others.append(path)

    def unlink(self):
        path = self.pick(self.tree.files + self.tree.others)
        os.unlink(path)
        (self.tree.files if path in self.tree.files else self.tree.others).remove(path)

    def remove_tree(self):
        path = self.pick(self.tree.dirs[1:])
        if len([p for p in self.tree.files if p.startswith(path + b"/")]) > len(self.tree.files) / 2:
            raise Refused
        shutil.rmtree(path)
        self.tree.scan()

    def rename(self):
        self.move(self.any_path(), self.new_path())

    def rename_directory(self):
        self.move(self.pick(self.tree.dirs[1:]), self.new_path())

    def rename_over(self):
        old = self.pick(self.tree.files + self.tree.others)
        self.move(old, self.pick(self.tree.files + self.tree.others))

    def move(self, old, new):
        if new.startswith(old + b"/") or not self.tree.fits(new + b"x" * self.tree.longest_below(old)):
            raise Refused
        os.rename(old, new)
        self.tree.scan()

    def exchange(self):
        one, other = self.any_path(), self.any_path()
        if (one + b"/").startswith(other + b"/") or (other + b"/").startswith(one + b"/"):
            raise Refused
        for here, there in ((one, other), (other, one)):
            if not self.tree.fits(there + b"x" * self.tree.longest_below(here)):
                raise Refused
        mutate_tree.exchange(one, other)
        self.tree.scan()

    def change_mode(self):
        path = self.pick(self.tree.files + self.tree.dirs)
        modes = [0o644, 0o600, 0o755, 0o000, 0o1777, 0o777]
        if self.losses != "avoid":
            modes += [0o4755, 0o2755, 0o6755]
        os.chmod(path, self.rng.choice(modes))

    def change_owner(self):
        path = self.any_path()
        facts = os.lstat(path)
        regular = stat.S_ISREG(facts.st_mode)
        # Send then writes a chown and no chmod, and receive's chown clears the bits.
        if self.losses == "avoid" and regular and facts.st_mode & SPECIAL_BITS:
            raise Refused
        ids = [0, 1, 1000, 65534, 70_000, 2**31, 2**32 - 2]
        os.chown(path, self.rng.choice(ids), self.rng.choice(ids), follow_symlinks=False)
        if self.losses != "avoid" and regular:
            os.chmod(path, stat.S_IMODE(facts.st_mode))

    def change_times(self):
        path = self.any_path()
        choices = [0, 1, -1, -(10**18) + 7, 10**18 + 123_456_789, 2**33 * 10**9, -(2**33) * 10**9 + 1]
        times = (self.rng.choice(choices), self.rng.choice(choices))
        os.utime(path, ns=times, follow_symlinks=False)

    def set_xattr(self):
        path = self.any_path()
        plain = path not in self.tree.others
        names = [b"trusted.t", b"trusted.\xff\xe9", b"security.own", b"trusted." + b"n" * 200]
        names += [b"user.u", b"user.empty", b"user.\xc3\xa9"] if plain else []
        if self.losses != "avoid":
            names.append(b"security.cap")
        value = self.rng.choice([b"", b"x", b"\x00\xff\n", self.rng.randbytes(2000)])
        os.setxattr(path, self.pick(names), value, follow_symlinks=False)

    def remove_xattr(self):
        path = self.any_path()
        # Send leaves security.cap out but tells of its removal, which makes receive fail.
        names = os.listxattr(path, follow_symlinks=False)
        names = [n for n in names if "posix_acl" not in n and n != "security.cap"]
        os.removexattr(path, self.pick(sorted(names)), follow_symlinks=False)

    def set_capability(self):
        path = self.pick(self.tree.files)
        bits = self.rng.randrange(1 << 20)
        os.setxattr(path, b"security.capability", struct.pack("<IIIII", 0x02000001, bits, 0, 0, 0))

    def set_acl(self):
        path = self.pick(self.tree.files + self.tree.dirs[1:])
        os.setxattr(path, b"system.posix_acl_access", self.acl())

    def set_default_acl(self):
        os.setxattr(self.pick(self.tree.dirs[1:]), b"system.posix_acl_default", self.acl())

    def acl(self):
        none = 0xFFFFFFFF
        user, group = self.rng.randrange(1, 70_000), self.rng.randrange(1, 70_000)
        perm = lambda: self.rng.randrange(8)
        entries = [(1, perm(), none), (2, perm(), user), (4, perm(), none)]
        entries += [(8, perm(), group), (0x10, perm(), none), (0x20, perm(), none)]
        return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)

    def finish(self):
        root = self.tree.root
        if self.losses == "force":
            self.force_losses()
        elif self.losses == "avoid":
            # Send tells the root's mtime only if the root itself was changed.
            number = 0
            while os.path.lexists(path := os.path.join(root, b"last-%d" % number)):
                number += 1
            os.mkdir(path)

    def force_losses(self):
        """Lost only from the second snapshot on, for the first must hold the file before it."""
        root = self.tree.root
        victim = os.path.join(root, VICTIM)
        if not os.path.lexists(victim):
            open(victim, "xb").close()
            os.chmod(victim, 0o4755)
            os.mkdir(os.path.join(root, BELOW))
            # Else listing the root would set its atime later, and send tells all its times then.
            mtime = os.lstat(root).st_mtime_ns
            os.utime(root, ns=(mtime + 10**9, mtime))
            return
        os.chown(victim, os.lstat(victim).st_uid + 1, 0)
        os.chmod(victim, 0o4755)
        os.setxattr(victim, b"security.cap", b"lost")
        open(os.path.join(root, BELOW, b"new-%d" % self.seed), "ab").close()


WEIGHTS = {
    "create": 10, "create_sparse": 3, "create_large": 1, "overwrite": 8, "append": 4,
    "truncate": 5, "punch_hole": 4, "zero_range": 3, "preallocate": 3, "collapse_range": 1,
    "clone_file": 4, "clone_range": 5, "clone_within": 3, "make_directory": 6, "make_deep": 1,
    "make_crowd": 0.3, "hard_link": 4, "symbolic_link": 3, "make_node": 3, "unlink": 5,
    "remove_tree": 0.7, "rename": 6, "rename_directory": 4, "rename_over": 2, "exchange": 3,
    "change_mode": 3, "change_owner": 3, "change_times": 4, "set_xattr": 6, "remove_xattr": 2,
    "set_capability": 2, "set_acl": 2, "set_default_acl": 2,
}

# What the kernel may say no to, by chance; anything else is a mistake in this program.
EXPECTED = {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSPC, errno.EMLINK, errno.EPERM, errno.ENODATA}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=os.fsencode)
    parser.add_argument("seed", type=int)
    parser.add_argument("count", type=int)
    parser.add_argument("--known-losses", choices=["avoid", "allow", "force"], default="avoid")
    parser.add_argument("--max-path", type=int, default=3400)
    options = parser.parse_args()
    mutator = Mutator(options.root, options.seed, options.known_losses, options.max_path)
    done = {name: 0 for name in WEIGHTS}
    refused = {}
    for name in mutator.rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=options.count):
        try:
            getattr(mutator, name)()
            done[name] += 1
        except Refused:
            refused[name] = refused.get(name, 0) + 1
        except OSError as error:
            if error.errno not in EXPECTED:
                raise
            reason = "%s %s" % (name, errno.errorcode[error.errno])
            refused[reason] = refused.get(reason, 0) + 1
    mutator.finish()
    print(json.dumps({"done": done, "refused": refused}))


if __name__ == "__main__":
    main()
