// The one table of options. From it come the descriptions in the JSON Schema, the words "write …
// instead" of every problem, and docs/configuration.md. test/config holds it against the schema.

export interface OptionDoc {
  /** What kind of value, for the reference. */
  readonly type: string
  /** As written; `required` when it must be given; absent when nothing is a meaning of its own. */
  readonly default?: string
  /** Completes "write …" in a problem. */
  readonly write: string
  /** The same for one entry of a list. */
  readonly each?: string
  /** Sentences for the reference and for editors. */
  readonly doc: string
}

/** `*` stands for a name that the user chose. */
export const optionDocs = {
  timezone: {
    type: 'time zone',
    default: '`UTC`',
    write: 'an IANA name, such as Europe/Paris or UTC',
    doc: 'The zone in which days, weeks and months begin, for keep rules and for the times that are shown. It is fixed here, and not taken from the machine, so that moving the machine does not move its backups.',
  },
  state: {
    type: 'absolute path',
    default: '`/var/lib/btrvault`',
    write: 'an absolute path, such as /var/lib/btrvault',
    doc: 'Folder for the cache, the journal of interrupted runs and what was found out about each remote. It may be deleted at any time, and no backup is lost by it: an interrupted upload then starts again, `btrvault init` should be run again for each remote, and where a remote has `access: write-only` the next backup is a full one in a new series.',
  },
  keys: {
    type: 'section',
    write: 'a section with recipients:, such as keys: { recipients: [age1…] }',
    doc: 'Who can read backups, and who signs them.',
  },
  'keys.recipients': {
    type: 'list of public keys',
    default: 'required, unless every remote has `encrypt: none`',
    write: 'a list of public keys, such as [age1…]; `btrvault keygen` makes one',
    each: 'a public key, such as age1… or ssh-ed25519 …; `btrvault keygen` makes one',
    doc: 'Everyone who can decrypt: age recipients (`age1pq1…`, `age1…`), SSH public keys (`ssh-ed25519 …`, `ssh-rsa …`) or RSA public keys in PEM form. Post-quantum (`age1pq1…`) and classical recipients cannot be mixed, because the weaker one would undo what the stronger one promises. Only public keys stand here: the identity that decrypts belongs on another machine.',
  },
  'keys.signing_key': {
    type: 'absolute path',
    default: '`/etc/btrvault/signing_key`',
    write: 'the absolute path of a file, such as /etc/btrvault/signing_key',
    doc: 'File with the Ed25519 key (OpenSSH format, no passphrase) that signs manifests and tombstones. `btrvault init` makes it.',
  },
  'keys.allowed_signers': {
    type: 'absolute path',
    default: '`allowed_signers` in the folder of the signing key',
    write: 'the absolute path of a file, such as /etc/btrvault/allowed_signers',
    doc: "File with the public keys whose signatures are believed, in the format of OpenSSH's `allowed_signers`. It is never taken from a remote. `btrvault init` makes it.",
  },
  sources: {
    type: 'section',
    write: 'one entry a subvolume, such as sources: { home: { path: /home, … } }',
    doc: 'The subvolumes to back up, each under a name of your choice. A machine that only restores needs none.',
  },
  'sources.*': {
    type: 'section',
    write: 'a section with path:, snapshots: and remotes:',
    doc: 'A subvolume to back up. The name (letters, digits, `_`, `-`, `.`) stands for it on the command line and never leaves the machine unencrypted.',
  },
  'sources.*.path': {
    type: 'absolute path',
    default: 'required',
    write: 'the absolute path of a subvolume, such as /home',
    doc: 'Where the subvolume is mounted or lies.',
  },
  'sources.*.snapshots': {
    type: 'absolute path, or section',
    default: 'required',
    write:
      'the absolute path of a folder on the same btrfs, such as /.snapshots/home, or { existing: snapper }',
    doc: 'The read-only snapshots that backups are made from. A path is the folder, on the same filesystem, in which this program makes them; it means the same as `{ path: … }`. Only snapshots made by this program are ever deleted from it, and those that a later backup needs stay. With `existing`, snapshots that something else made are sent, and none is ever made, renamed or deleted.',
  },
  'sources.*.snapshots.path': {
    type: 'absolute path',
    default: 'required, unless `existing` says where they are',
    write: 'the absolute path of a folder on the same btrfs, such as /.snapshots/home',
    doc: 'The folder. With `existing: btrbk` that of `snapshot_dir`; with `existing: snapper` it need not be given unless it is another than `.snapshots` in the source.',
  },
  'sources.*.snapshots.keep': {
    type: 'keep rule',
    default: 'only what later backups need',
    write: 'spans from long to short, such as 7d 24h, and last 10 at the end, or *',
    doc: 'Which snapshots to keep on this machine, to go back to without a remote. The rule reads as that of `sources.*.remotes.*.keep`. It only ever keeps more: what a later backup will be a difference from, what a remote still lacks, and the newest stay in any case. It does not decide when a snapshot is made: that follows from the rules of the remotes. It has no meaning with `existing`.',
  },
  'sources.*.snapshots.existing': {
    type: '`snapper`, `btrbk`, or a pattern of paths',
    default: 'none: this program makes its own',
    write: 'snapper, btrbk, or an absolute path with * in it, such as /.snapshots/home.*',
    doc: 'Send the snapshots that something else makes, oldest first: all that the rules of a remote keep. In a pattern `*` stands for any characters of a name and `?` for one. Only read-only snapshots of the source are sent; `btrvault plan` tells which are left out, and why. See [existing-snapshots.md](existing-snapshots.md).',
  },
  'sources.*.nested': {
    type: '`refuse`, `ignore`, or a list of paths',
    default: '`refuse`',
    write: 'refuse, ignore, or a list of paths inside the source, such as [var/lib/docker]',
    each: 'a path inside the source, such as var/lib/docker',
    doc: 'Subvolumes inside the source are in no backup of it: to btrfs they are empty folders there. `refuse` stops a backup when there are any; a list names those that may be missing and refuses all others; `ignore` accepts whatever turns up. Back up a nested subvolume by making it a source of its own.',
  },
  'sources.*.remotes': {
    type: 'section',
    default: 'required',
    write: 'the remotes to back up to, such as remotes: { aws: {} }',
    doc: 'Where this source goes: names from `remotes`, each with its own rules (or `{}`).',
  },
  'sources.*.remotes.*': {
    type: 'section, or list of sections',
    write: '{} or rules, such as { keep: 1y 3m 30d 24h }',
    each: 'rules, such as { epoch: daily, keep: 30d }',
    doc: 'Rules for this source on this remote. A list has a set of rules for each of several epochs, such as monthly ones in an archive and daily ones beside them: see [epochs](epochs.md).',
  },
  'sources.*.remotes.*.epoch': {
    type: 'name',
    default: 'none',
    write: 'a name, such as monthly, in quotes where it is a number',
    doc: 'The epoch that backups by these rules belong to. Another name begins a new chain: in full, or from `branch_from`. In a list each set of rules has an epoch of its own; one of them may do without a name. The name is not told to the remote.',
  },
  'sources.*.remotes.*.branch_from': {
    type: 'name of an epoch',
    default: 'none: the epoch begins in full',
    write: 'the name of another epoch, such as monthly',
    doc: 'The epoch from whose newest backup this one begins: its first backup is a difference from that, and again whenever that epoch has a newer one. A backup of that epoch counts for this one too, so that nothing is sent twice. It may be one of the list, or a former one.',
  },
  'sources.*.remotes.*.keep': {
    type: 'keep rule',
    default: '`*`: everything',
    write: 'spans from long to short, such as 1y 3m 30d 24h, and last 10 at the end, or *',
    doc: 'Which backups to keep. `30d` keeps the first backup of each of the last 30 days, today among them; units are `y` years, `q` quarters, `m` months, `w` ISO weeks, `d` days, `h` hours, `M` minutes and `s` seconds, from long to short, and `*m` means every month without a limit. `last 10` keeps the newest 10, `*` keeps everything. The newest backup and whatever a kept backup needs are always kept. With spans, a run makes a backup only when a span lacks its own. What the rule does not keep, `btrvault backup` forgets at its end: it is hidden, and deleted after `grace`; `btrvault plan` shows it before.',
  },
  'sources.*.remotes.*.min_age': {
    type: 'duration',
    default: 'none',
    write: 'a duration with its unit, such as 36h, 14d or 4w',
    doc: 'No backup that is younger is forgotten, whatever `keep` says.',
  },
  'sources.*.remotes.*.shape': {
    type: '`tree` or `chain`',
    default: '`tree` when `keep` has spans, else `chain`',
    write: 'tree or chain',
    doc: 'What a new backup is a difference from. `tree`: the first of the longest span is full, that of each shorter span is a difference from the one of the next longer span, so that chains are as long as `keep` has units. `chain`: each is a difference from the one before; give `full_every` or `max_chain`, as nothing of a chain can be forgotten before a new one begins.',
  },
  'sources.*.remotes.*.full_every': {
    type: 'number and unit',
    write: 'a number and a unit, such as 1m, 13w or 1y',
    doc: 'A new full backup when so many of the units have begun since the last one. With `shape: tree` the first backup of the longest span is then a difference too until this is due.',
  },
  'sources.*.remotes.*.max_chain': {
    type: 'number from 1 to 10000',
    write: 'a whole number from 1 to 10000',
    doc: 'A new full backup when the chain would have more backups than this. It has no effect with `shape: tree`, whose chains are never longer than `keep` has units.',
  },
  'sources.*.remotes.*.allow_full': {
    type: 'size, `true` or `false`',
    default: '`true`',
    write: 'true, false, or a size such as 500GiB',
    doc: 'Whether a full backup may be made that no rule asks for, because every snapshot that a difference could be built on is lost; with a size, up to about so much file data. The first backup, and fulls by rule, are made in any case.',
  },
  'sources.*.remotes.*.storage_class': {
    type: 'text',
    default: '`storage_class.segments` of the remote',
    write: 'a storage class in capitals, such as STANDARD or DEEP_ARCHIVE',
    doc: 'S3 storage class of the segments of these backups. What is stored already stays where it is.',
  },
  remotes: {
    type: 'section',
    default: 'required',
    write:
      'at least one remote, such as remotes: { nas: { directory: { path: /mnt/nas/backups } } }',
    doc: 'The places that keep backups, each under a name of your choice.',
  },
  'remotes.*': {
    type: 'section',
    write: 'a section with s3: or directory:',
    doc: 'A place that keeps backups: exactly one of `s3` and `directory`, and how backups are written to it.',
  },
  'remotes.*.s3': {
    type: 'section',
    write: 'a section with bucket:, such as s3: { bucket: my-backups, region: eu-west-3 }',
    doc: 'A bucket of Amazon S3 or of a server that speaks its protocol. Credentials do not stand in this file: they come from `access_key_file`, from `profile`, from the environment (`AWS_ACCESS_KEY_ID`, …) or from the machine (instance, container or web identity), in this order.',
  },
  'remotes.*.s3.bucket': {
    type: 'text',
    default: 'required',
    write: 'the name of a bucket, such as my-backups',
    doc: 'The bucket. It must exist already.',
  },
  'remotes.*.s3.prefix': {
    type: 'text',
    default: 'none: the top of the bucket',
    write: 'a prefix without a slash at either end, such as host-01',
    doc: 'What every key begins with, so that several machines can share a bucket.',
  },
  'remotes.*.s3.region': {
    type: 'text',
    default: 'from profile or environment',
    write: 'a region, such as eu-west-3',
    doc: 'Region of the bucket.',
  },
  'remotes.*.s3.endpoint': {
    type: 'URL',
    default: "Amazon's, by region",
    write: 'a URL without credentials, such as https://s3.example.org',
    doc: 'The server, when it is not Amazon.',
  },
  'remotes.*.s3.profile': {
    type: 'text',
    write: 'the name of a profile in ~/.aws/config, such as backup',
    doc: 'Profile of the AWS configuration and credentials files.',
  },
  'remotes.*.s3.access_key_file': {
    type: 'absolute path',
    write: 'the absolute path of a file, such as /etc/btrvault/aws.credentials',
    doc: 'File in the format of `~/.aws/credentials` that holds the access key; with `profile`, that section of it, else `default`. Readable by root only.',
  },
  'remotes.*.s3.path_style': {
    type: '`true` or `false`',
    default: '`false`; `true` when `endpoint` is given',
    write: 'true or false',
    doc: 'Whether the bucket is part of the path (`https://server/bucket/key`) instead of the host name.',
  },
  'remotes.*.s3.ca_file': {
    type: 'absolute path',
    write: 'the absolute path of a PEM file, such as /etc/ssl/certs/nas.pem',
    doc: 'Certificates to trust besides the built-in ones, for a server with a certificate of its own.',
  },
  'remotes.*.s3.sse': {
    type: '`AES256` or `aws:kms`',
    default: 'what the bucket does by itself',
    write: 'AES256 or aws:kms',
    doc: 'Server-side encryption to ask for, on top of our own.',
  },
  'remotes.*.s3.kms_key': {
    type: 'text',
    write: 'the id, alias or ARN of a KMS key, together with sse: aws:kms',
    doc: 'KMS key for `sse: aws:kms`.',
  },
  'remotes.*.s3.checksums': {
    type: '`crc32` or `none`',
    default: '`crc32`; `none` when `endpoint` is given',
    write: 'crc32 or none',
    doc: 'Checksum header that the server is asked to check on arrival. Several servers other than Amazon refuse it.',
  },
  'remotes.*.s3.payload': {
    type: '`sha256` or `unsigned`',
    default: '`sha256`',
    write: 'sha256 or unsigned',
    doc: "Whether each request's signature covers the object's bytes.",
  },
  'remotes.*.s3.connections': {
    type: 'number from 1 to 64',
    default: '`8`',
    write: 'a whole number from 1 to 64',
    doc: 'Connections at most. Fewer are used by themselves when the server says that it is busy.',
  },
  'remotes.*.directory': {
    type: 'section',
    write: 'a section with path:, such as directory: { path: /mnt/nas/backups }',
    doc: 'A directory: another disk, or a mounted network share.',
  },
  'remotes.*.directory.path': {
    type: 'absolute path',
    default: 'required',
    write: 'an absolute path, such as /mnt/nas/backups',
    doc: 'The directory. `btrvault init` leaves a target file (`.btrvault-target`) in it, and later runs refuse a directory without that file: it is what tells a disk that is not mounted from an empty one.',
  },
  'remotes.*.access': {
    type: '`full`, `no-delete` or `write-only`',
    default: '`full`',
    write: 'full, no-delete or write-only',
    doc: 'What this machine may do there. With `no-delete` it never forgets or prunes anything, not even by a keep rule: another machine does, with other credentials. With `write-only` its credentials need only put objects: a ledger under `state` says what the remote has, and reading is done elsewhere too. Only with `s3`, and without `lock`. See [write-only.md](write-only.md).',
  },
  'remotes.*.grace': {
    type: 'duration',
    default: '`7d`',
    write: 'a duration with its unit, such as 12h, 7d or 4w',
    doc: 'How long a forgotten backup is only hidden, and can be brought back, before its objects are deleted.',
  },
  'remotes.*.max_delete': {
    type: 'percentage or number',
    default: '`20%`',
    write: 'a percentage such as 20%, or a number of backups',
    doc: 'How many backups of one source a run may forget at most. The rest waits for the next run.',
  },
  'remotes.*.lock': {
    type: 'section',
    write: 'a section with mode: and until:, such as { mode: governance, until: 90d }',
    doc: 'Object lock: until a time nobody can delete or overwrite a backup, neither with a stolen credential nor with this program. Only with `s3`, in a bucket that was made with object lock; `btrvault init` tries whether it holds. Not with `access: write-only`. Each new backup is locked, and everything that it is built on is locked as long. Backups from before are locked when something new is built on them.',
  },
  'remotes.*.lock.mode': {
    type: '`governance` or `compliance`',
    default: 'required',
    write: 'governance or compliance',
    doc: '`governance`: whoever has the right to lift locks (`s3:BypassGovernanceRetention`) can. `compliance`: **nobody can, not even the owner of the account**, and what is locked is paid for until its time is over. Begin with `governance`.',
  },
  'remotes.*.lock.until': {
    type: '`expiry` or duration',
    default: 'required',
    write: 'expiry, or a duration with its unit, such as 30d or 90d',
    doc: 'How long a new backup is locked. A duration counts from its upload, and up to a tenth is added, so that chains are not locked anew each time. `expiry`: until its `keep` rule may let it go at the earliest, so that no lock keeps what the rule does not; every source on the remote then needs a `keep` with spans, none of them `*`, and not over ten years.',
  },
  'remotes.*.storage_class': {
    type: 'section',
    write:
      'a section with segments: and metadata:, such as { segments: DEEP_ARCHIVE, metadata: STANDARD }',
    doc: 'S3 storage classes by kind of object. Only with `s3`.',
  },
  'remotes.*.storage_class.segments': {
    type: 'text',
    default: "the bucket's own",
    write: 'a storage class in capitals, such as STANDARD_IA, GLACIER_IR or DEEP_ARCHIVE',
    doc: 'Class of segments, which are nearly all of the bytes and are read only to restore.',
  },
  'remotes.*.storage_class.metadata': {
    type: 'text',
    default: "the bucket's own",
    write: 'a storage class that can be read at once, such as STANDARD or GLACIER_IR',
    doc: 'Class of manifests and indexes, which must be readable at once: no class that must be thawed first.',
  },
  'remotes.*.encrypt': {
    type: '`age` or `none`',
    default: '`age`',
    write: 'age, or none to store plaintext',
    doc: 'Whether segments and indexes are encrypted. `none` means that whoever reads the place reads your files; it is marked wherever the remote is shown.',
  },
  'remotes.*.compress': {
    type: '`zstd` or `none`',
    default: '`zstd`',
    write: 'zstd or none',
    doc: 'Compression of frames.',
  },
  'remotes.*.level': {
    type: 'number from 1 to 19',
    default: '`1`',
    write: 'a whole number from 1 to 19',
    doc: 'zstd level: higher is smaller and slower.',
  },
  'remotes.*.segment_size': {
    type: 'size from 16MiB to 4GiB',
    default: '`64MiB`',
    write: 'a size from 16MiB to 4GiB, such as 64MiB',
    doc: 'Raw bytes of the send stream in one object. Larger means fewer requests and more memory: several segments are held at a time.',
  },
  'remotes.*.limit': {
    type: 'rate, or section',
    default: 'none',
    write: 'a rate with its unit, such as 10MiB/s, or { up: 10MiB/s, down: 50MiB/s }',
    doc: 'Bytes a second on the wire: one rate for both directions, or `up` and `down`.',
  },
  'remotes.*.limit.up': {
    type: 'rate',
    default: 'none',
    write: 'a rate with its unit, such as 10MiB/s',
    doc: 'Bytes a second to the remote.',
  },
  'remotes.*.limit.down': {
    type: 'rate',
    default: 'none',
    write: 'a rate with its unit, such as 50MiB/s',
    doc: 'Bytes a second from the remote.',
  },
  'remotes.*.retry': {
    type: 'section',
    write: 'a section with deadline:, such as { deadline: 15min }',
    doc: 'Patience with a remote that is busy or away.',
  },
  'remotes.*.retry.deadline': {
    type: 'duration',
    default: '`15min`',
    write: 'a duration with its unit, such as 90s, 15min or 2h',
    doc: 'How long one call is tried again before the run gives up. What is stored by then is kept, and the next run goes on from there.',
  },
} as const satisfies Record<string, OptionDoc>

export type OptionPath = keyof typeof optionDocs
