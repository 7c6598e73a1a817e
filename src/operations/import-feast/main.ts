// `npm run import-feast -- registry.json`: makes of a Feast registry's views and services those of a gateway.

import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { messageOf } from '../../errors.ts'
import { endOnClosedPipe } from '../closed-pipe.ts'
import { createGateway, NoAnswer } from './gateway.ts'
import { importRegistry } from './import.ts'
import { parseRegistry, UsageError } from './registry.ts'

const usage = `Makes of a Feast registry's feature views and feature services those of a running gateway.

  feast registry-dump > registry.json
  npm run import-feast -- registry.json [--url http://127.0.0.1:4000] [--token <key>]

The key has the scopes catalog:write and train; GATEWAY_URL and GATEWAY_TOKEN stand for the two options.
What is there already stays as it is. Ends with 1 where anything was left out.`

function readCommandLine() {
  try {
    return parseArgs({
      options: { url: { type: 'string' }, token: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
      allowPositionals: true,
    })
  } catch (error) {
    throw new UsageError(messageOf(error))
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${path} cannot be read: ${messageOf(error)}`)
  }
}

async function main() {
  const { values, positionals } = readCommandLine()
  if (values.help) return console.log(usage)
  const [path, ...more] = positionals
  if (path === undefined || more.length > 0)
    throw new UsageError(`One file is imported; got ${positionals.length}\n\n${usage}`)
  const url = values.url ?? process.env.GATEWAY_URL ?? 'http://127.0.0.1:4000'
  const gateway = createGateway(url, values.token ?? process.env.GATEWAY_TOKEN)
  const counts = { taken: 0, inPart: 0, leftOut: 0 }
  for await (const { what, reasons, isTaken } of importRegistry(
    parseRegistry(await readText(path), path),
    gateway,
  )) {
    counts[!isTaken ? 'leftOut' : reasons.length > 0 ? 'inPart' : 'taken']++
    console.log(`${isTaken ? (reasons.length > 0 ? '!' : '✓') : '✗'} ${what}`)
    for (const reason of reasons) console.log(`    ${reason}`)
  }
  console.log(`\n${counts.taken} taken, ${counts.inPart} in part, ${counts.leftOut} left out`)
  if (counts.inPart + counts.leftOut > 0) process.exitCode = 1
}

endOnClosedPipe()
main().catch((error: unknown) => {
  const isKnown = error instanceof UsageError || error instanceof NoAnswer
  console.error(isKnown ? error.message : `The import has ended: ${messageOf(error)}`)
  process.exitCode = 1
})
