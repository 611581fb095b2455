// What may know what. docs/architecture.md explains it; test/architecture.test.ts holds it.

/** Which folders of src a folder may import, besides itself. */
export const allowedImports: Readonly<Record<string, readonly string[]>> = {
  base: [],
  model: ['base'],
  format: ['base', 'model'],
  config: ['base', 'model'],
  plan: ['base', 'model'],
  stream: ['base', 'model'],
  btrfs: ['base', 'model'],
  store: ['base', 'model'],
  pack: ['base', 'model', 'format', 'stream'],
  catalog: ['base', 'model', 'format', 'store'],
  restore: ['base', 'model', 'format', 'stream', 'btrfs', 'pack', 'store', 'catalog'],
  commands: [
    'base',
    'model',
    'format',
    'config',
    'plan',
    'stream',
    'btrfs',
    'store',
    'pack',
    'catalog',
    'restore',
  ],
  web: ['base', 'model', 'commands'],
  cli: ['base', 'model', 'config', 'commands', 'web'],
}

/** Only decide: no files, processes, network, threads, clock or randomness. */
export const pureFolders: readonly string[] = ['plan', 'model', 'format', 'stream']

/** The only folders that may start threads. */
export const threadFolders: readonly string[] = ['pack']

/** Which files (a folder where it ends with a slash) may import a library; no other library is in use. */
export const libraries: Readonly<Record<string, readonly string[]>> = {
  '@aws-sdk': ['store/s3/'],
  'age-encryption': ['pack/'],
  commander: ['cli/'],
  yaml: ['config/yaml-source.ts'],
  zod: ['config/', 'format/', 'catalog/'],
}

/** Node's modules that reach out of the program; the pure folders do without them. */
export const impureModules: readonly string[] = [
  'child_process',
  'cluster',
  'dgram',
  'dns',
  'fs',
  'http',
  'http2',
  'https',
  'inspector',
  'net',
  'os',
  'perf_hooks',
  'process',
  'readline',
  'repl',
  'sqlite',
  'test',
  'timers',
  'tls',
  'tty',
  'vm',
  'worker_threads',
]

/** Names that say nothing, so something better is asked for. */
export const bannedWords: readonly string[] = [
  'handle',
  'handler',
  'handles',
  'manage',
  'manager',
  'data',
  'info',
  'util',
  'utils',
  'helper',
  'helpers',
  'common',
  'misc',
  'service',
]
