// ETLs from the web: every redirect and every resolved address is checked before a connection is made.

import { type IncomingMessage, request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { isIP } from 'node:net'
import { type Host, loadFailed, type Unavailable, type WebAddress } from './address.ts'
import type { AllowList } from './allow-list.ts'
import { maxEtlBytes, tooLong } from './file.ts'
import { isPrivateAddress, lookupPublic, PrivateAddressError, refusePrivate } from './private-address.ts'

const maxRedirects = 5
const timeLimitMs = 20_000

function hostOf(url: URL): Host {
  return { name: url.hostname, port: url.port === '' ? null : url.port }
}

export async function readWebFile(
  { url, publicPath }: WebAddress,
  allowList: AllowList,
): Promise<Uint8Array> {
  const signal = AbortSignal.timeout(timeLimitMs)
  let current = url
  for (let hop = 0; hop <= maxRedirects; hop++) {
    const answer = await get(current, { publicPath, allowList, signal })
    const status = answer.statusCode ?? 0
    const location = answer.headers.location
    if (status >= 300 && status < 400 && location !== undefined) {
      answer.destroy()
      current = follow(current, location, publicPath)
      continue
    }
    if (status !== 200) {
      answer.destroy()
      const { hint, why } = meanings[status] ?? unreadable
      throw loadFailed(publicPath, `${current.host} answered with status ${status}${hint}`, { why })
    }
    if (/^text\/html\b/i.test(answer.headers['content-type'] ?? '')) {
      answer.destroy()
      throw loadFailed(publicPath, `${current.host} answered with a web page; give the URL of the raw file`)
    }
    return readBody(answer, publicPath)
  }
  throw loadFailed(publicPath, `it was redirected more than ${maxRedirects} times`)
}

const missing = { hint: ': there is no such file', why: 'MISSING' } as const
const forbidden = { hint: ': it wants to know who asks', why: 'FORBIDDEN' } as const
const unreadable = { hint: '', why: 'UNREADABLE' } as const
const meanings: Record<number, { hint: string; why: Unavailable }> = {
  401: forbidden,
  403: forbidden,
  404: missing,
  410: missing,
}

/** Credentials go to their own origin only. */
function follow(from: URL, location: string, publicPath: string): URL {
  let next: URL
  try {
    next = new URL(location, from)
    decodeURIComponent(next.username + next.password)
  } catch {
    throw loadFailed(publicPath, `${from.host} redirected it to what is no URL`)
  }
  if (next.protocol !== 'https:' && next.protocol !== from.protocol) {
    throw loadFailed(publicPath, `${from.host} redirected it from https to ${next.protocol.slice(0, -1)}`)
  }
  if (next.origin === from.origin && next.username === '') {
    next.username = from.username
    next.password = from.password
  }
  return next
}

interface GetOptions {
  publicPath: string
  allowList: AllowList
  signal: AbortSignal
}

function get(url: URL, { publicPath, allowList, signal }: GetOptions): Promise<IncomingMessage> {
  const { named } = allowList.checkHost(hostOf(url), publicPath)
  const literal = url.hostname.replace(/^\[|\]$/g, '')
  if (!named && isIP(literal) !== 0 && isPrivateAddress(literal)) refusePrivate(url.hostname, publicPath)
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  const auth =
    url.username === ''
      ? {}
      : { auth: `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}` }
  const headers = {
    accept: 'text/plain, */*;q=0.5',
    'accept-encoding': 'identity',
    'user-agent': 'feature-gateway',
  }
  return new Promise((resolve, reject) => {
    const request = send(
      {
        host: literal,
        port: url.port,
        path: url.pathname + url.search,
        method: 'GET',
        agent: false,
        headers,
        signal,
        ...auth,
        ...(named ? {} : { lookup: lookupPublic }),
      },
      resolve,
    )
    request.on('error', (error) => reject(connectionError(url, error, { publicPath, signal })))
    request.end()
  })
}

function connectionError(
  url: URL,
  error: Error,
  { publicPath, signal }: Pick<GetOptions, 'publicPath' | 'signal'>,
): unknown {
  if (signal.aborted)
    return loadFailed(publicPath, `${url.host} took longer than ${timeLimitMs / 1000} seconds`, {
      why: 'UNREADABLE',
    })
  if (!(error instanceof PrivateAddressError)) {
    const code = (error as NodeJS.ErrnoException).code ?? 'no connection'
    return loadFailed(publicPath, `${url.host} cannot be reached (${code})`, { why: 'UNREADABLE' })
  }
  try {
    return refusePrivate(url.hostname, publicPath)
  } catch (refusal) {
    return refusal
  }
}

async function readBody(answer: IncomingMessage, publicPath: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let length = 0
  try {
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxEtlBytes) throw loadFailed(publicPath, tooLong)
      chunks.push(chunk)
    }
  } catch (error) {
    if (length > maxEtlBytes) throw error
    throw loadFailed(
      publicPath,
      'the connection broke off, or took too long, before the whole file was there',
    )
  }
  return Buffer.concat(chunks)
}
