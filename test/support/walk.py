#!/usr/bin/python3
"""Prints everything that a backup must keep of a tree, one canonical line a path, sorted.

    walk.py [--skip-nested] [--no-mtime-of-root] [--no-content] ROOT

Two trees are equal when the two texts are. Shares no code with the program that it judges.
Not looked at, because a restore can't set them: inode numbers, ctime, otime, atime; and of
directories size and link count, which btrfs derives. Nested subvolumes, and the stand-ins that
snapshots have for them, are one line of type `nested` and are not entered.
"""

import argparse
import hashlib
import os
import stat
import sys

ROOT_INODE = 256
STAND_IN_INODE = 2

TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
    stat.S_IFCHR: "char",
    stat.S_IFBLK: "block",
}


def escape(raw):
    """Printable ASCII without blank, backslash and equals sign; all else as \\xNN."""
    plain = lambda byte: 0x21 <= byte <= 0x7E and byte not in b"\\="
    return "".join(chr(b) if plain(b) else "\\x%02x" % b for b in raw)


def content_hash(path):
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        while block := os.read(descriptor, 1 << 20):
            digest.update(block)
    finally:
        os.close(descriptor)
    return digest.hexdigest()


def xattrs(path):
    names = sorted(os.listxattr(path, follow_symlinks=False), key=os.fsencode)
    read = lambda name: os.getxattr(path, name, follow_symlinks=False)
    return ["xattr:%s=%s" % (escape(os.fsencode(n)), read(n).hex()) for n in names]


def is_nested(facts):
    return stat.S_ISDIR(facts.st_mode) and facts.st_ino in (ROOT_INODE, STAND_IN_INODE)


def collect(root):
    """Relative path -> lstat, of everything below the root and of the root itself (b'')."""
    found = {b"": os.lstat(root)}
    open_directories = [b""]
    while open_directories:
        directory = open_directories.pop()
        for name in os.listdir(os.path.join(root, directory)):
            path = os.path.join(directory, name)
            facts = os.lstat(os.path.join(root, path))
            found[path] = facts
            if stat.S_ISDIR(facts.st_mode) and not is_nested(facts):
                open_directories.append(path)
    return found


def describe(root, path, facts, options):
    full = os.path.join(root, path) if path else root
    kind = TYPES[stat.S_IFMT(facts.st_mode)]
    fields = [
        kind,
        "mode=%04o" % stat.S_IMODE(facts.st_mode),
        "uid=%d" % facts.st_uid,
        "gid=%d" % facts.st_gid,
    ]
    if path or not options.no_mtime_of_root:
        fields.append("mtime=%d" % facts.st_mtime_ns)
    if kind != "dir":
        fields.append("size=%d" % facts.st_size)
        fields.append("nlink=%d" % facts.st_nlink)
    if kind in ("char", "block"):
        fields.append("rdev=%d:%d" % (os.major(facts.st_rdev), os.minor(facts.st_rdev)))
    if kind == "symlink":
        fields.append("target=%s" % escape(os.readlink(full)))
    if kind == "file" and not options.no_content:
        fields.append("sha256=%s" % content_hash(full))
    return fields + xattrs(full)


def walk(root, options):
    found = collect(root)
    first_link = {}
    for path in sorted(found):
        facts = found[path]
        if path and is_nested(facts):
            if not options.skip_nested:
                yield path, ["nested"]
            continue
        fields = describe(root, path, facts, options)
        if facts.st_nlink > 1 and not stat.S_ISDIR(facts.st_mode):
            same = first_link.setdefault(facts.st_ino, path)
            fields.append("linked=%s" % escape(same))
        yield path, fields


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("root", type=os.fsencode)
    parser.add_argument("--skip-nested", action="store_true")
    parser.add_argument("--no-mtime-of-root", action="store_true")
    parser.add_argument("--no-content", action="store_true")
    options = parser.parse_args()
    out = sys.stdout
    for path, fields in walk(options.root, options):
        out.write("/%s %s\n" % (escape(path), " ".join(fields)))


if __name__ == "__main__":
    main()
