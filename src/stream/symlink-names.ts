// The names under which a stream has made symlinks. `symlink ln -> /etc` followed by `mkfile ln/x`
// makes `btrfs receive` write to /etc/x, so no later path may lead through such a name (and no
// command that follows symlinks may end at one).
//
// Exact for what one stream (or, kept from stream to stream, one whole chain) made. Symlinks that
// the parent already had are unknown unless its names are handed on; receiving with -C, which
// confines every path to the target's filesystem, is the fence behind this one.

type Folder = Map<string, Entry>
/** A folder that has symlinks somewhere below, or a symlink by its number. */
type Entry = Folder | number

export class SymlinkNames {
  readonly #root: Folder = new Map()
  readonly #limit: number
  #count = 0
  #made = 0
  #untracked = 0

  /** About 100 bytes a name are held; further names than `limit` are counted, not held. */
  constructor({ limit = 1_000_000 }: { readonly limit?: number } = {}) {
    this.#limit = limit
  }

  /** The same names, for one of several streams that are built on the same parent. */
  clone(): SymlinkNames {
    const copy = new SymlinkNames({ limit: this.#limit })
    for (const [name, entry] of this.#root) copy.#root.set(name, cloneEntry(entry))
    copy.#count = this.#count
    copy.#made = this.#made
    copy.#untracked = this.#untracked
    return copy
  }

  get count(): number {
    return this.#count
  }

  /** Names beyond the limit. Unless it is 0, a path may lead through one of them unseen. */
  get untrackedCount(): number {
    return this.#untracked
  }

  /** Whether a folder on the way to `path` is one of the symlinks. */
  leadsThrough(path: string): boolean {
    if (this.#count === 0) return false
    let folder = this.#root
    let start = 0
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', start)) {
      const entry = folder.get(path.slice(start, slash))
      if (entry === undefined) return false
      if (typeof entry === 'number') return true
      folder = entry
      start = slash + 1
    }
    return false
  }

  has(path: string): boolean {
    return this.#count > 0 && typeof this.#get(path) === 'number'
  }

  /** A new symlink at `path`. */
  add(path: string): void {
    this.#made += 1
    this.#put(path, this.#made)
  }

  /** A hard link: another name for what `existing` is. */
  link(existing: string, name: string): void {
    const entry = this.#count > 0 ? this.#get(existing) : undefined
    if (typeof entry === 'number') this.#put(name, entry)
  }

  remove(path: string): void {
    if (this.has(path)) this.#take(path)
  }

  rename(from: string, to: string): void {
    if (this.#count === 0) return
    const moved = this.#get(from)
    const replaced = this.#get(to)
    // rename(2) between two names of one file leaves both: forgetting `from` would open a hole.
    if (typeof moved === 'number' && moved === replaced) return
    if (typeof replaced === 'number') this.#take(to)
    if (moved === undefined) return
    this.#take(from)
    this.#put(to, moved)
  }

  #get(path: string): Entry | undefined {
    let folder = this.#root
    let start = 0
    for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', start)) {
      const entry = folder.get(path.slice(start, slash))
      if (entry === undefined || typeof entry === 'number') return undefined
      folder = entry
      start = slash + 1
    }
    return folder.get(path.slice(start))
  }

  #put(path: string, entry: Entry): void {
    if (this.#count >= this.#limit) {
      this.#untracked += namesIn(entry)
      return
    }
    const names = path.split('/')
    const last = names.pop() as string
    let folder = this.#root
    for (const name of names) {
      let next = folder.get(name)
      if (next === undefined || typeof next === 'number') {
        next = new Map()
        folder.set(name, next)
      }
      folder = next
    }
    folder.set(last, entry)
    this.#count += namesIn(entry)
  }

  /** Removes an entry that is there, and every folder that held nothing else. */
  #take(path: string): void {
    const names = path.split('/')
    const folders: Folder[] = [this.#root]
    for (const name of names.slice(0, -1)) {
      folders.push((folders.at(-1) as Folder).get(name) as Folder)
    }
    this.#count -= namesIn((folders.at(-1) as Folder).get(names.at(-1) as string) as Entry)
    for (let depth = names.length - 1; depth >= 0; depth -= 1) {
      const folder = folders[depth] as Folder
      folder.delete(names[depth] as string)
      if (folder.size > 0) return
    }
  }
}

function cloneEntry(entry: Entry): Entry {
  if (typeof entry === 'number') return entry
  return new Map(Array.from(entry, ([name, below]) => [name, cloneEntry(below)]))
}

function namesIn(entry: Entry): number {
  if (typeof entry === 'number') return 1
  let count = 0
  for (const below of entry.values()) count += namesIn(below)
  return count
}
