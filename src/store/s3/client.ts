// The only file that knows the AWS SDK. It is loaded on first use: importing it costs a tenth of a
// second, which a run without S3 need not pay.

import { readFile } from 'node:fs/promises'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Readable } from 'node:stream'
import { getCACertificates } from 'node:tls'
import type {
  DeleteObjectCommandInput,
  GetObjectCommandInput,
  GetObjectCommandOutput,
  GetObjectLockConfigurationCommandInput,
  GetObjectLockConfigurationCommandOutput,
  GetObjectRetentionCommandInput,
  GetObjectRetentionCommandOutput,
  HeadObjectCommandInput,
  HeadObjectCommandOutput,
  ListObjectsV2CommandInput,
  ListObjectsV2CommandOutput,
  ListObjectVersionsCommandInput,
  ListObjectVersionsCommandOutput,
  PutObjectCommandInput,
  PutObjectCommandOutput,
  PutObjectRetentionCommandInput,
  S3Client,
  S3ClientConfig,
} from '@aws-sdk/client-s3'
import { Failure, messageOf } from '../../base/failure.ts'
import type { S3Address } from '../../model/remote.ts'

export interface S3Put extends PutObjectCommandInput {
  readonly Body: Buffer | Readable
  /** What the signature says of the body: 64 hexadecimal digits, or `UNSIGNED-PAYLOAD`. */
  readonly payloadHash: string
}

/** The requests that we make. Errors are the SDK's own; failures.ts reads them. */
export interface S3Connection {
  put(input: S3Put, signal: AbortSignal): Promise<PutObjectCommandOutput>
  get(input: GetObjectCommandInput, signal: AbortSignal): Promise<GetObjectCommandOutput>
  head(input: HeadObjectCommandInput, signal: AbortSignal): Promise<HeadObjectCommandOutput>
  listPage(
    input: ListObjectsV2CommandInput,
    signal: AbortSignal,
  ): Promise<ListObjectsV2CommandOutput>
  delete(input: DeleteObjectCommandInput, signal: AbortSignal): Promise<void>
  versionsPage(
    input: ListObjectVersionsCommandInput,
    signal: AbortSignal,
  ): Promise<ListObjectVersionsCommandOutput>
  lockConfiguration(
    input: GetObjectLockConfigurationCommandInput,
    signal: AbortSignal,
  ): Promise<GetObjectLockConfigurationCommandOutput>
  retention(
    input: GetObjectRetentionCommandInput,
    signal: AbortSignal,
  ): Promise<GetObjectRetentionCommandOutput>
  retain(input: PutObjectRetentionCommandInput, signal: AbortSignal): Promise<void>
  /** How many answers came so far, errors too, and the Date header of the last. */
  answers(): { readonly count: number; readonly date: string | undefined }
  close(): void
}

const defaultConnections = 8
const defaultConnectTimeoutMs = 10_000
const defaultIdleTimeoutMs = 60_000

/** Makes no request yet. */
export async function connectS3(address: S3Address): Promise<S3Connection> {
  const sdk = await import('@aws-sdk/client-s3')
  const agents = await makeAgents(address)
  const client = new sdk.S3Client(clientConfig(address, agents))
  let answers: ReturnType<S3Connection['answers']> = { count: 0, date: undefined }
  watchAnswers(client, date => {
    answers = { count: answers.count + 1, date }
  })
  return {
    put: async ({ payloadHash, ...input }, signal) => {
      const command = new sdk.PutObjectCommand(input)
      command.middlewareStack.add(signWith(payloadHash), { step: 'build', name: 'payloadHash' })
      return await client.send(command, { abortSignal: signal })
    },
    get: (input, signal) => client.send(new sdk.GetObjectCommand(input), { abortSignal: signal }),
    head: (input, signal) => client.send(new sdk.HeadObjectCommand(input), { abortSignal: signal }),
    listPage: (input, signal) =>
      client.send(new sdk.ListObjectsV2Command(input), { abortSignal: signal }),
    delete: async (input, signal) => {
      await client.send(new sdk.DeleteObjectCommand(input), { abortSignal: signal })
    },
    versionsPage: (input, signal) =>
      client.send(new sdk.ListObjectVersionsCommand(input), { abortSignal: signal }),
    lockConfiguration: (input, signal) =>
      client.send(new sdk.GetObjectLockConfigurationCommand(input), { abortSignal: signal }),
    retention: (input, signal) =>
      client.send(new sdk.GetObjectRetentionCommand(input), { abortSignal: signal }),
    retain: async (input, signal) => {
      await client.send(new sdk.PutObjectRetentionCommand(input), { abortSignal: signal })
    },
    answers: () => answers,
    close: () => {
      client.destroy()
      agents.httpAgent.destroy()
      agents.httpsAgent.destroy()
    },
  }
}

interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

async function makeAgents(address: S3Address): Promise<Agents> {
  const options = { keepAlive: true, maxSockets: address.connections ?? defaultConnections }
  const ca = address.caFile === undefined ? undefined : await readCertificates(address.caFile)
  return {
    httpAgent: new HttpAgent(options),
    httpsAgent: new HttpsAgent({ ...options, ...(ca && { ca }) }),
  }
}

async function readCertificates(path: string): Promise<string[]> {
  try {
    return [...getCACertificates('default'), await readFile(path, 'utf8')]
  } catch (error) {
    throw new Failure(
      'config-invalid',
      `cannot read the certificates ${path}: ${messageOf(error)}`,
      {
        cause: error,
      },
    )
  }
}

function clientConfig(address: S3Address, agents: Agents): S3ClientConfig {
  const { endpoint, region, profile, credentials } = address
  return {
    ...(endpoint !== undefined && { endpoint }),
    // Servers of one's own mostly ignore the region, but the SDK wants one for the signature.
    ...(endpoint !== undefined && !hasDefaultRegion() && { region: 'us-east-1' }),
    ...(region !== undefined && { region }),
    ...(profile !== undefined && { profile }),
    ...(credentials && { credentials: ownCredentials(credentials) }),
    forcePathStyle: address.pathStyle ?? endpoint !== undefined,
    // We bring our own checksums; the SDK's own would hash on the main thread, and their trailers
    // and response checks break several providers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    expectContinueHeader: false,
    maxAttempts: 1,
    requestHandler: {
      ...agents,
      connectionTimeout: address.connectTimeoutMs ?? defaultConnectTimeoutMs,
      socketTimeout: address.idleTimeoutMs ?? defaultIdleTimeoutMs,
      logger: silent,
    },
    logger: silent,
  }
}

function ownCredentials(credentials: NonNullable<S3Address['credentials']>) {
  const { accessKeyId, secretAccessKey, sessionToken } = credentials
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) }
}

function hasDefaultRegion(): boolean {
  return process.env['AWS_REGION'] !== undefined || process.env['AWS_DEFAULT_REGION'] !== undefined
}

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} }

// The SDK keeps a hash that is there already and signs it, so the body is not hashed again.
function signWith(payloadHash: string) {
  return <Arguments extends { request: unknown }, Result>(
    next: (args: Arguments) => Promise<Result>,
  ) =>
    async (args: Arguments): Promise<Result> => {
      headersOf(args.request)['x-amz-content-sha256'] = payloadHash
      return await next(args)
    }
}

function watchAnswers(client: S3Client, onAnswer: (date: string | undefined) => void): void {
  client.middlewareStack.add(
    (next, context) => async args => {
      const result = await next(args)
      const date = headersOf(result.response)['date']
      onAnswer(typeof date === 'string' ? date : undefined)
      if (context['commandName'] === 'PutObjectCommand') await refuseErrorIn(result.response)
      return result
    },
    // Low: between the SDK's parser and the network, where an answer is still as it came.
    { step: 'deserialize', priority: 'low', name: 'watchAnswers' },
  )
}

/**
 * S3 may begin a 200 before it knows that it failed, and put the error in the body. For a put the
 * SDK does not look there.
 */
async function refuseErrorIn(response: unknown): Promise<void> {
  if (!isAnswer(response) || response.statusCode !== 200) return
  const text = await readText(response.body)
  response.body = Readable.from([])
  if (!text.includes('<Error')) return
  const name = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(text)?.[1] ?? 'InternalError'
  throw Object.assign(new Error('an error in the body of a 200'), {
    name,
    $metadata: { httpStatusCode: 200 },
  })
}

interface Answer {
  statusCode: number
  body: Readable
}

function isAnswer(response: unknown): response is Answer {
  return (
    typeof response === 'object' &&
    response !== null &&
    'statusCode' in response &&
    'body' in response &&
    response.body instanceof Readable
  )
}

async function readText(body: Readable): Promise<string> {
  let text = ''
  for await (const chunk of body) {
    if (text.length < 65_536) text += String(chunk)
  }
  return text
}

function headersOf(message: unknown): Record<string, unknown> {
  if (typeof message !== 'object' || message === null || !('headers' in message)) return {}
  const { headers } = message
  return typeof headers === 'object' && headers !== null ? (headers as Record<string, unknown>) : {}
}
