// Sends random requests to a gateway that runs as a process of its own, and says what should not have come of them.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as sendHttp } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { SignJWT } from 'jose'
import { spawnGateway } from '../e2e/gateway.ts'
import { maxHeldMs, startWatcher } from '../e2e/watcher.ts'
import { createClient } from '../http/client.ts'
import { type FuzzRequest, requestsFor } from './requests.ts'

/** In the environment and in files; no answer and no line of the log may hold it. */
const secret = 'MARKER-51d07e'
/** In what the admin saved; a caller that may only look up, and one without a token, never see it. */
const foreign = 'FOREIGN-90b3aa'
const answerWithinMs = 60_000
const atOnce = 4
/** With so many it is clear that something is wrong, most often that the gateway is gone. */
const enoughFindings = 20
const progressMs = 3000
const tokens = {
  JWT_SECRET: 'of the fuzzed gateway, and of no other',
  JWT_ISSUER: 'fuzz',
  JWT_AUDIENCE: 'fuzz',
}

export interface FuzzOptions {
  /** Seconds after which no further request is sent. */
  seconds?: number
  /** How many requests are sent at most. */
  requests?: number
  seed: number
  /** Where a gateway has been started before; by default it makes its folder anew. */
  dataDir?: string
  onFinding?: (finding: string) => void
  onProgress?: (sent: number) => void
}

export interface FuzzReport {
  sent: number
  /** How many of each kind came to which end. */
  ends: Record<string, number>
  findings: string[]
}

export async function fuzz(options: FuzzOptions): Promise<FuzzReport> {
  const { seconds = Number.POSITIVE_INFINITY, requests = Number.POSITIVE_INFINITY, seed } = options
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'))
  const dataDir = options.dataDir ?? join(folder, 'data')
  const etlFolder = join(folder, 'etl')
  const secretFile = join(folder, 'secret.csv')
  await mkdir(etlFolder)
  await writeFile(secretFile, `a\n${secret}-file\n`)
  const gateway = await spawnGateway(dataDir, {
    ...tokens,
    AUTH: 'required',
    ATTACK_MARKER: `${secret}-environment`,
    ETL_SOURCES: etlFolder,
    LOG_LEVEL: 'info',
    WAREHOUSE_MEMORY_MB: '512',
    TRAIN_TIMEOUT_SECONDS: '2',
    TRAIN_MAX_MB: '50',
    LOOKUP_TIMEOUT_MS: '5000',
    ETL_TIMEOUT_MS: '1000',
    ETL_MEMORY_MB: '64',
  })
  await writeFile(join(dataDir, 'secret.csv'), `a\n${secret}-data\n`)
  const watcher = startWatcher({ url: gateway.url, pid: gateway.pid ?? 0 })
  const report: FuzzReport = { sent: 0, ends: {}, findings: [] }
  const progress = setInterval(() => options.onProgress?.(report.sent), progressMs)

  function note(finding: string) {
    report.findings.push(finding)
    options.onFinding?.(finding)
  }

  async function ask(request: FuzzRequest, number: number, authorization: Record<string, string>) {
    if (request.file !== null) await writeFile(join(etlFolder, request.file.name), request.file.source)
    const startedMs = performance.now()
    const answer = await send(gateway.url, request, authorization).catch((error: unknown) => String(error))
    const tookMs = Math.round(performance.now() - startedMs)
    report.sent++
    const { heldMs } = await watcher.take()
    const faults = [
      ...(typeof answer === 'string'
        ? [`got no answer in ${tookMs} ms: ${answer}`]
        : faultsOf(answer, request.caller)),
      ...(heldMs > maxHeldMs
        ? [`held the event loop up for ${Math.round(heldMs)} ms, or one beside it did`]
        : []),
    ]
    for (const fault of faults) {
      const sent = JSON.stringify(request).slice(0, 3000)
      note(`seed ${seed}, request ${number} (${request.kind}, by ${request.caller}) ${fault}\n  ${sent}`)
    }
    const end = typeof answer === 'string' ? 'no answer' : (codesOf(answer)[0] ?? answer.status)
    const key = `${request.kind} ${end}`
    report.ends[key] = (report.ends[key] ?? 0) + 1
  }

  function faultsOf(answer: Answer, caller: FuzzRequest['caller']): string[] {
    const { text, status } = answer
    const start = text.slice(0, 500)
    const isWithin = codesOf(answer).includes('INTERNAL') || status === 500
    return [
      ...(text.includes(secret) ? [`told a secret: ${start}`] : []),
      ...(caller !== 'admin' && text.includes(foreign) ? [`told what is not the caller's: ${start}`] : []),
      ...(text.includes(dataDir) ? [`told where the data is: ${start}`] : []),
      ...(isWithin ? [`failed within: ${start}`] : []),
      ...(/\bat \S+ \(?(file|node):|node_modules\//.test(text) ? [`told a stack: ${start}`] : []),
    ]
  }

  try {
    const headers = { admin: await bearer('admin'), realtime: await bearer('realtime'), nobody: {} }
    const admin = createClient(gateway.url, headers.admin)
    const all = requestsFor({ ...(await prepare(admin)), etlFolder, secretFile })
    const endsAt = performance.now() + seconds * 1000
    let number = 0
    const mayGoOn = () =>
      performance.now() < endsAt && number < requests && report.findings.length < enoughFindings
    for (let batch = 0; mayGoOn(); batch++) {
      const waiting = fc.sample(all, { seed: seed * 100_003 + batch, numRuns: 50 })
      const worker = async () => {
        for (let next = waiting.shift(); next !== undefined && mayGoOn(); next = waiting.shift())
          await ask(next, number++, headers[next.caller])
      }
      await Promise.all(Array.from({ length: atOnce }, worker))
    }
    const alive = await admin.graphql('{ __typename }').catch((error: unknown) => error)
    if (JSON.stringify(alive) !== '{"data":{"__typename":"Query"}}')
      note(`At the end the gateway answers ${String(alive)}`)
  } finally {
    clearInterval(progress)
    await watcher.stop()
    const code = await gateway.stop()
    if (code !== 0) note(`The gateway ended with ${code}`)
    await rm(folder, { recursive: true, force: true })
  }
  for (const line of gateway.output) {
    if (line.includes(secret)) note(`The log tells a secret: ${line.slice(0, 1000)}`)
    if (/"level":[56]0/.test(line)) note(`The log tells of an error: ${line.slice(0, 1500)}`)
  }
  return report
}

async function bearer(scope: string) {
  const token = await new SignJWT({ scope, sub: scope })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(tokens.JWT_ISSUER)
    .setAudience(tokens.JWT_AUDIENCE)
    .setExpirationTime('1d')
    .sign(new TextEncoder().encode(tokens.JWT_SECRET))
  return { authorization: `Bearer ${token}` }
}

/** A query that everyone may look up, whose text is the admin's, and a dataset of the admin's rows. */
async function prepare(admin: ReturnType<typeof createClient>) {
  const train = (sql: string, name: string, save: boolean) =>
    admin.data<{ queryTrain: { query: { id: string } | null; dataset: { id: string } } }>(
      'mutation ($sql: String!, $name: String!, $save: Boolean!) { queryTrain(query: $sql, queryName: $name, save: $save) { query { id } dataset { id } } }',
      { sql, name, save },
    )
  const saved = await train(`SELECT 'k' AS k, 1 AS n WHERE '${foreign}' <> ''`, 'fuzz', true)
  const rows = await train(`SELECT '${foreign}-row' AS a`, 'rows', false)
  await admin.data('mutation { publish(nFlows: 20, seed: 1) { id } }')
  return { queryId: saved.queryTrain.query?.id ?? '', datasetId: rows.queryTrain.dataset.id }
}

interface Answer {
  status: number
  text: string
}

function codesOf({ text }: Answer) {
  return [...text.matchAll(/"code":"([A-Z_]+)"/g)].map(([, code]) => code)
}

/** By hand: fetch would mend paths and refuse headers. */
function send(
  url: string,
  { method, path, headers, body }: FuzzRequest,
  authorization: Record<string, string>,
): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(answerWithinMs)
    const request = sendHttp(
      { hostname, port, method, path, headers: { ...headers, ...authorization }, signal },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
        )
        response.on('error', reject)
      },
    )
    request.on('error', reject)
    request.end(body ?? undefined)
  })
}
