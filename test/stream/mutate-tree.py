"""Changes a tree at random, the same way for the same seed: python3 mutate-tree.py FOLDER SEED STEPS.

Everything that a send stream can express is among the steps. Names are bytes, many of them odd.
"""
import ctypes, fcntl, os, random, stat, sys

root, seed, steps = sys.argv[1].encode(), int(sys.argv[2]), int(sys.argv[3])
rnd = random.Random(seed)
os.chdir(root)
libc = ctypes.CDLL(None, use_errno=True)
FICLONE, FICLONERANGE = 0x40049409, 0x4020940D


def name():
    kind = rnd.randrange(12)
    n = rnd.randrange(10**6)
    if kind == 0:
        return b"o%d-%d-0" % (257 + rnd.randrange(80), 5 + rnd.randrange(6))
    if kind == 1:
        return b"new\nline %d" % n
    if kind == 2:
        return b"\xff\xfe%d" % n
    if kind == 3:
        return b"long" * 60 + b"%d" % n
    return b"f%d" % n


def everything():
    files, folders, others = [], [b"."], []
    for base, names, leaves in os.walk(b"."):
        folders += [os.path.join(base, n) for n in names if not os.path.islink(os.path.join(base, n))]
        leaves += [n for n in names if os.path.islink(os.path.join(base, n))]
        for leaf in leaves:
            path = os.path.join(base, leaf)
            (files if stat.S_ISREG(os.lstat(path).st_mode) else others).append(path)
    return sorted(files), sorted(folders), sorted(others)


def spot(folders):
    return os.path.join(rnd.choice(folders), name())


def with_file(path, action):
    descriptor = os.open(path, os.O_RDWR)
    try:
        action(descriptor)
    finally:
        os.close(descriptor)


def allocate(mode):
    return lambda d: libc.fallocate(
        d, mode, ctypes.c_long(4096 * rnd.randrange(40)), ctypes.c_long(4096 * (1 + rnd.randrange(20)))
    )


def step():
    files, folders, others = everything()
    leaves = files + others
    kind = rnd.randrange(26)
    if kind < 4 or len(leaves) < 12:
        path = spot(folders)
        with open(path, "wb") as out:
            out.write(rnd.randbytes(rnd.choice([0, 5, 700, 5000, 70000, 200000])))
        os.chmod(path, rnd.choice([0o644, 0o600, 0o4755, 0o2711, 0o1777]))
    elif kind == 4:
        os.mkdir(spot(folders))
    elif kind == 5:
        os.symlink(rnd.choice([b"target", b"/etc/passwd", b"../../x", b"a\xffb", b"l" * 3000]), spot(folders))
    elif kind == 6:
        os.mkfifo(spot(folders))
    elif kind == 7:
        mode = rnd.choice([stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK]) | 0o640
        os.mknod(spot(folders), mode, os.makedev(rnd.choice([0, 7, 300, 4000]), rnd.choice([0, 3, 255, 70000])))
    elif kind == 8:
        os.link(rnd.choice(leaves), spot(folders), follow_symlinks=False)
    elif kind in (9, 10):
        os.unlink(rnd.choice(leaves))
    elif kind == 11:
        os.rename(rnd.choice(leaves), spot(folders))
    elif kind == 12:
        os.rename(rnd.choice(leaves), rnd.choice(leaves))
    elif kind == 13 and len(folders) > 1:
        os.rename(rnd.choice(folders[1:]), spot(folders))
    elif kind == 14:
        pool = leaves + folders[1:]
        libc.renameat2(-100, rnd.choice(pool), -100, rnd.choice(pool), 2)
    elif kind == 15:
        with_file(rnd.choice(files), lambda d: os.pwrite(d, rnd.randbytes(6000), rnd.randrange(300000)))
    elif kind == 16:
        os.truncate(rnd.choice(files), rnd.choice([0, 1, 195, 4096, 100000, 2**33]))
    elif kind == 17:
        with_file(rnd.choice(files), allocate(rnd.choice([0, 1, 3, 3, 0x10])))
    elif kind == 18:
        source = os.open(rnd.choice(files), os.O_RDONLY)
        with_file(rnd.choice(files), lambda d: fcntl.ioctl(d, FICLONE, source))
        os.close(source)
    elif kind == 19:
        os.setxattr(
            rnd.choice(leaves), rnd.choice([b"trusted.a", b"trusted.b"]), rnd.randbytes(rnd.choice([0, 9, 2000])),
            follow_symlinks=False,
        )
    elif kind == 20:
        path = rnd.choice(leaves)
        os.removexattr(path, rnd.choice(os.listxattr(path, follow_symlinks=False)), follow_symlinks=False)
    elif kind == 21:
        os.chown(rnd.choice(leaves + folders), rnd.randrange(2**32 - 1), rnd.randrange(5), follow_symlinks=False)
    elif kind == 22:
        os.chmod(rnd.choice(files + folders), rnd.randrange(0o10000))
    elif kind == 23:
        times = (rnd.randrange(-10**18, 2 * 10**18), rnd.randrange(-10**18, 2 * 10**18))
        os.utime(rnd.choice(leaves + folders), ns=times, follow_symlinks=False)
    elif kind == 24 and len(folders) > 3:
        os.rmdir(rnd.choice(folders[1:]))
    elif kind == 25:
        path = rnd.choice(folders)
        inside = spot([path])
        os.mkdir(inside)
        for n in range(3):
            with open(os.path.join(inside, b"in%d" % n), "wb") as out:
                out.write(b"x" * n)


for _ in range(steps):
    try:
        step()
    except (OSError, IndexError):
        pass
