// Sends random requests to a gateway that runs as a process of its own, and says what should not have come of them.

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request as sendHttp } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { spawnGateway } from '../e2e/gateway.ts'
import { type FuzzRequest, requestsFor } from './requests.ts'

/** In the environment and in files; no answer and no line of the log may hold it. */
const marker = 'MARKER-51d07e'
const answerWithinMs = 60_000
const atOnce = 4

export interface FuzzOptions {
  /** Seconds after which no further request is sent. */
  seconds: number
  seed: number
  onFinding?: (finding: string) => void
}

export interface FuzzReport {
  sent: number
  /** How many of each kind came to which end. */
  ends: Record<string, number>
  findings: string[]
}

export async function fuzz({ seconds, seed, onFinding }: FuzzOptions): Promise<FuzzReport> {
  const folder = await mkdtemp(join(tmpdir(), 'fuzz-'))
  const etlFolder = join(folder, 'etl')
  const secretFile = join(folder, 'secret.csv')
  await mkdir(etlFolder)
  await writeFile(secretFile, `a\n${marker}-file\n`)
  const gateway = await spawnGateway(join(folder, 'data'), {
    ATTACK_MARKER: `${marker}-environment`,
    ETL_SOURCES: etlFolder,
    LOG_LEVEL: 'info',
    WAREHOUSE_MEMORY_MB: '256',
    TRAIN_TIMEOUT_SECONDS: '5',
    TRAIN_MAX_MB: '50',
    LOOKUP_TIMEOUT_MS: '5000',
    ETL_TIMEOUT_MS: '1000',
    ETL_MEMORY_MB: '64',
  })
  await writeFile(join(folder, 'data', 'secret.csv'), `a\n${marker}-data\n`)
  const report: FuzzReport = { sent: 0, ends: {}, findings: [] }

  function note(finding: string) {
    report.findings.push(finding)
    onFinding?.(finding)
  }

  async function ask(request: FuzzRequest, number: number) {
    const name = `seed ${seed}, request ${number} (${request.kind}): ${JSON.stringify(request).slice(0, 3000)}`
    if (request.file !== null) await writeFile(join(etlFolder, request.file.name), request.file.source)
    const answer = await send(gateway.url, request).catch((error: unknown) => {
      note(`${name}\n  got no answer: ${String(error)}`)
      return null
    })
    report.sent++
    if (answer === null) return
    const codes = [...answer.text.matchAll(/"code":"([A-Z_]+)"/g)].map(([, code]) => code)
    const end = `${request.kind} ${codes[0] ?? answer.status}`
    report.ends[end] = (report.ends[end] ?? 0) + 1
    if (answer.text.includes(marker)) note(`${name}\n  told the marker: ${answer.text.slice(0, 500)}`)
    if (answer.text.includes(join(folder, 'data')))
      note(`${name}\n  told where the data is: ${answer.text.slice(0, 500)}`)
    if (codes.includes('INTERNAL') || answer.status === 500)
      note(`${name}\n  failed within: ${answer.text.slice(0, 500)}`)
    if (/\bat \S+ \(?(file|node):|node_modules\//.test(answer.text))
      note(`${name}\n  told a stack: ${answer.text.slice(0, 500)}`)
  }

  try {
    const known = await prepare(gateway, etlFolder, secretFile)
    const requests = requestsFor(known)
    const endsAt = performance.now() + seconds * 1000
    for (let batch = 0; performance.now() < endsAt; batch++) {
      const some = fc.sample(requests, { seed: seed + batch, numRuns: 50 })
      const waiting = some.map((request, i) => ({ request, number: batch * 50 + i }))
      const worker = async () => {
        for (
          let next = waiting.shift();
          next !== undefined && performance.now() < endsAt;
          next = waiting.shift()
        )
          await ask(next.request, next.number)
      }
      await Promise.all(Array.from({ length: atOnce }, worker))
    }
    const alive = await gateway.graphql('{ __typename }').catch((error: unknown) => error)
    if (JSON.stringify(alive) !== '{"data":{"__typename":"Query"}}')
      note(`At the end the gateway answers ${String(alive)}`)
  } finally {
    const code = await gateway.stop()
    if (code !== 0) note(`The gateway ended with ${code}`)
    await rm(folder, { recursive: true, force: true })
  }
  for (const line of gateway.output) {
    if (line.includes(marker)) note(`The log tells the marker: ${line.slice(0, 1000)}`)
    if (/"level":[56]0/.test(line)) note(`The log tells of an error: ${line.slice(0, 1500)}`)
  }
  return report
}

type Gateway = Awaited<ReturnType<typeof spawnGateway>>

async function prepare(gateway: Gateway, etlFolder: string, secretFile: string) {
  const { queryTrain } = await gateway.data<{
    queryTrain: { query: { id: string }; dataset: { id: string } }
  }>(
    `mutation { queryTrain(query: "SELECT 'k' AS k, 1 AS n", queryName: "fuzz") { query { id } dataset { id } } }`,
  )
  await gateway.data('mutation { publish(nFlows: 20, seed: 1) { id } }')
  return { queryId: queryTrain.query.id, datasetId: queryTrain.dataset.id, etlFolder, secretFile }
}

/** By hand: fetch would mend paths and refuse headers. */
function send(
  url: string,
  { method, path, headers, body }: FuzzRequest,
): Promise<{ status: number; text: string }> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(answerWithinMs)
    const request = sendHttp({ hostname, port, method, path, headers, signal }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
      )
      response.on('error', reject)
    })
    request.on('error', reject)
    request.end(body ?? undefined)
  })
}
