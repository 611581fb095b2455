// A configuration to start from: printed by `btrvault config example` and shown in the reference.

export const exampleConfig = `# btrvault configuration. Every option: docs/configuration.md
# Check it with: btrvault config check

timezone: Europe/Paris
state: /var/lib/btrvault

keys:
  # Who can decrypt. Make one with: btrvault keygen --out identity.txt
  # and keep identity.txt on another machine and on paper, never on this one.
  recipients:
    - age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p
  # Made by: btrvault init
  signing_key: /etc/btrvault/signing_key
  allowed_signers: /etc/btrvault/allowed_signers

sources:
  home:
    path: /home
    snapshots: /.snapshots/home
    nested: refuse
    remotes:
      aws: { keep: 1y 3m 30d 24h }
      nas: { keep: last 10 }

remotes:
  aws:
    s3: { bucket: my-backups, prefix: host-01, region: eu-west-3 }
    storage_class: { segments: STANDARD_IA, metadata: STANDARD }
    limit: { up: 10MiB/s }
  nas:
    directory: { path: /mnt/nas/backups }
`
