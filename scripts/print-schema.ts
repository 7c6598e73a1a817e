// `npm run schema`: writes schema.graphql from the code; `--check` only compares; `--against URL|FILE` tells what another schema changes for a client's copy.

import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { buildSchema, type GraphQLSchema, lexicographicSortSchema, printSchema } from 'graphql'
import { findChanges } from '../src/schema/changes.ts'
import { createSchema } from '../src/schema/index.ts'
import type { Services } from '../src/schema/services.ts'

const ownFile = new URL('../schema.graphql', import.meta.url)

async function main() {
  const { values } = parseArgs({
    options: {
      check: { type: 'boolean', default: false },
      against: { type: 'string' },
      schema: { type: 'string' },
    },
  })
  const { check, against, schema } = values
  if (against === undefined && schema !== undefined)
    throw new Error(
      '--schema is the copy to compare: say with what by --against, the URL of a gateway or a file',
    )
  if (against !== undefined) await compare(schema ?? ownFile, against)
  else await printOwn(check)
}

async function printOwn(checksOnly: boolean) {
  /** Printing resolves nothing, so no service is needed. */
  const noServices = {} as Services
  const text = `${printSchema(lexicographicSortSchema(createSchema(noServices)))}\n`
  if (!checksOnly) return writeFile(ownFile, text)
  const committed = await readFile(ownFile, 'utf8').catch(() => '')
  if (committed !== text)
    throw new Error(
      'schema.graphql is out of step with src/schema: run `npm run schema` and commit what it writes.',
    )
}

async function compare(copy: string | URL, against: string) {
  const before = parseSchema(await readFile(copy, 'utf8'), String(copy))
  const isUrl = /^https?:\/\//.test(against)
  const after = parseSchema(await (isUrl ? fetchSchema(against) : readFile(against, 'utf8')), against)
  const changes = await findChanges(before, after)
  for (const { criticality, path, message } of changes)
    console.log([criticality.padEnd(9), path, message].filter((part) => part !== null).join('  '))
  if (changes.some(({ criticality }) => criticality === 'BREAKING')) process.exitCode = 1
}

/** Of a gateway by its address, with its base path; what the address asks for, as `?tag=fraud`, stays. */
async function fetchSchema(gateway: string): Promise<string> {
  const url = new URL(gateway)
  if (!url.pathname.endsWith('/schema.graphql'))
    url.pathname = `${url.pathname.replace(/\/$/, '')}/schema.graphql`
  const token = process.env.GATEWAY_TOKEN
  const response = await fetch(url, { headers: token ? { authorization: `Bearer ${token}` } : {} })
  const text = await response.text()
  if (response.ok) return text
  const cure = response.status === 401 ? ' (GATEWAY_TOKEN is the token to send)' : ''
  throw new Error(`${url} answers ${response.status}${cure}: ${text.slice(0, 500)}`)
}

function parseSchema(text: string, origin: string): GraphQLSchema {
  try {
    return buildSchema(text)
  } catch (error) {
    throw new Error(`${origin} is no GraphQL schema: ${error instanceof Error ? error.message : error}`)
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  // Of --against 1 says that something breaks.
  process.exitCode = process.argv.includes('--against') ? 2 : 1
})
