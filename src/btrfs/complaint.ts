// What btrfs complains about, told apart by the C library's words for an error number (LC_ALL=C),
// because its messages change between versions and may hold file names of the user's (L10).

const words = {
  ENOSPC: 'No space left on device',
  EDQUOT: 'Disk quota exceeded',
  EROFS: 'Read-only file system',
  ETXTBSY: 'Text file busy',
  EPERM: 'Operation not permitted',
  EACCES: 'Permission denied',
  ENOMEM: 'Cannot allocate memory',
  EAGAIN: 'Resource temporarily unavailable',
  EBUSY: 'Device or resource busy',
  EIO: 'Input/output error',
  ENAMETOOLONG: 'File name too long',
  EEXIST: 'File exists',
  ENOENT: 'No such file or directory',
  EXDEV: 'Invalid cross-device link',
  EPIPE: 'Broken pipe',
  EPROTO: 'Protocol error',
} as const

export type Errno = keyof typeof words

/** The error that btrfs gave up with: the last one that it names at the end of a line. */
export function errnoOf(stderr: string): Errno | undefined {
  for (const line of stderr.trimEnd().split('\n').reverse()) {
    for (const [errno, text] of Object.entries(words)) {
      if (line.endsWith(`: ${text}`)) return errno as Errno
    }
  }
  return undefined
}

/** `no space left on device`. */
export function errnoInWords(errno: Errno): string {
  const text = words[errno]
  return text.charAt(0).toLowerCase() + text.slice(1)
}
