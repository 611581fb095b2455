// An HTTP proxy that stands before a real server and does what networks and servers do on bad
// days: cuts connections at every place, swallows requests, answers errors, loses answers.

import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

export type HttpFault =
  /** The connection is reset before anything of the request is read. */
  | { readonly kind: 'reset-before' }
  /** … after this many bytes of the request's body. The server behind hears nothing. */
  | { readonly kind: 'reset-in-request'; readonly afterBytes: number }
  /** The server behind did it all, and its answer is lost. */
  | { readonly kind: 'lose-answer' }
  /** The answer's head is right, and its body is cut after this many bytes. */
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** The answer's body loses its end, and its length says so: no one can tell from HTTP. */
  | { readonly kind: 'shorten'; readonly toBytes: number }
  /** Takes the whole request and never answers. */
  | { readonly kind: 'black-hole' }
  /** Takes nothing of the request's body either: the sender's buffers fill. */
  | { readonly kind: 'deaf' }
  /** Begins the answer's body and stands still. */
  | { readonly kind: 'stall'; readonly afterBytes: number }
  /** Answers itself. */
  | {
      readonly kind: 'answer'
      readonly status: number
      readonly body?: string
      readonly headers?: Readonly<Record<string, string>>
    }
  /** One bit of the answer's body is changed. */
  | { readonly kind: 'flip'; readonly byte: number }

export interface ProxiedRequest {
  /** 0, 1, 2 … */
  readonly index: number
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

export interface FaultProxy {
  readonly endpoint: string
  /** Every request so far. */
  readonly requests: readonly ProxiedRequest[]
  /** What to do with each request; nothing of it without a fault. */
  onRequest: (request: ProxiedRequest) => HttpFault | undefined
  stop(): Promise<void>
}

/** S3's way to say no: `code` in an <Error> document. */
export function s3Error(status: number, code: string, headers?: Record<string, string>): HttpFault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>as a test ordered</Message><RequestId>t</RequestId></Error>`
  return {
    kind: 'answer',
    status,
    body,
    headers: { 'content-type': 'application/xml', ...headers },
  }
}

/** `target`: `http://host:port`. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const sockets = new Set<Socket>()
  const requests: ProxiedRequest[] = []
  const server = createServer((incoming, outgoing) => {
    const { method = 'GET', url = '/', headers } = incoming
    const proxied = { index: requests.length, method, path: url, headers }
    requests.push(proxied)
    const fault = proxy.onRequest(proxied)
    serve({ target, incoming, outgoing, fault }).catch(() => outgoing.destroy())
  })
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    socket.on('error', () => {})
  })
  await new Promise<void>(done => server.listen(0, '127.0.0.1', done))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${address.port}`,
    requests,
    onRequest: () => undefined,
    stop: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise(done => server.close(done))
    },
  }
  return proxy
}

interface Exchange {
  readonly target: string
  readonly incoming: IncomingMessage
  readonly outgoing: ServerResponse
  readonly fault: HttpFault | undefined
}

async function serve(exchange: Exchange): Promise<void> {
  const { incoming, outgoing, fault } = exchange
  const { socket } = incoming
  if (fault?.kind === 'reset-before') socket.resetAndDestroy()
  else if (fault?.kind === 'deaf') incoming.pause()
  else if (fault?.kind === 'black-hole') await readSome(incoming, Number.POSITIVE_INFINITY)
  else if (fault?.kind === 'reset-in-request') {
    await readSome(incoming, fault.afterBytes)
    socket.resetAndDestroy()
  } else if (fault?.kind === 'answer') {
    await readSome(incoming, Number.POSITIVE_INFINITY)
    outgoing.writeHead(fault.status, { date: new Date().toUTCString(), ...fault.headers })
    outgoing.end(incoming.method === 'HEAD' ? undefined : fault.body)
  } else await forward(exchange)
}

async function readSome(incoming: IncomingMessage, bytes: number): Promise<void> {
  let seen = 0
  for await (const chunk of incoming) {
    seen += (chunk as Buffer).length
    if (seen >= bytes) return
  }
}

async function forward({ target, incoming, outgoing, fault }: Exchange): Promise<void> {
  const answer = await ask(target, incoming)
  const parts: Buffer[] = []
  for await (const chunk of answer) parts.push(chunk as Buffer)
  const body = Buffer.concat(parts)
  const { statusCode = 500, headers } = answer
  const { socket } = incoming
  if (fault?.kind === 'lose-answer') {
    socket.resetAndDestroy()
  } else if (fault?.kind === 'truncate' || fault?.kind === 'stall') {
    outgoing.writeHead(statusCode, headers)
    outgoing.write(body.subarray(0, fault.afterBytes), () => {
      if (fault.kind === 'truncate') socket.destroy()
    })
  } else if (fault?.kind === 'shorten') {
    outgoing.writeHead(statusCode, { ...headers, 'content-length': String(fault.toBytes) })
    outgoing.end(body.subarray(0, fault.toBytes))
  } else {
    if (fault?.kind === 'flip') flipBit(body, fault.byte)
    outgoing.writeHead(statusCode, headers)
    outgoing.end(body)
  }
}

function flipBit(body: Buffer, byte: number): void {
  if (body.length === 0) return
  const at = byte % body.length
  body[at] = (body[at] ?? 0) ^ 1
}

async function ask(target: string, incoming: IncomingMessage): Promise<IncomingMessage> {
  const { method, url, headers } = incoming
  return await new Promise((resolve, reject) => {
    // The Host header stays as it came: the signature covers it.
    const outgoing = request(`${target}${url}`, { method, headers, agent: false }, resolve)
    outgoing.on('error', reject)
    incoming.on('error', reject)
    incoming.pipe(outgoing)
  })
}
