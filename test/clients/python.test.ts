// The Python client as it is installed, against the whole gateway: its own tests, run by pytest.

import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { delimiter, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { buildSchema, parse, validate } from 'graphql'
import { SignJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createDataFolder } from '../data-folder.ts'
import { startGateway } from '../e2e/gateway.ts'
import { prepareNotebookPython } from '../servers/python.ts'
import { isThorough } from '../thorough.ts'

const run = promisify(execFile)
const client = resolve('clients/python')
const etlFolder = join(client, 'tests/etl')
const tokens = {
  JWT_SECRET: 'of the gateway that Python tests ask',
  JWT_ISSUER: 'python',
  JWT_AUDIENCE: 'python',
}
const folder = await createDataFolder('python')
const installed = join(folder.path, 'installed')
let python: string
let gateway: Awaited<ReturnType<typeof startGateway>>

beforeAll(async () => {
  python = await prepareNotebookPython()
  await installPackages(installed, '--no-build-isolation', client)
  // It sends what its manifest holds and nothing else, and signs in wherever it asks.
  const manifest = join(folder.path, 'documents.json')
  await writeFile(manifest, await runPython(['-m', 'feature_gateway']))
  gateway = await startGateway(folder.path, {
    AUTH: 'required',
    ...tokens,
    ETL_SOURCES: etlFolder,
    TRUSTED_DOCUMENTS: 'only',
    TRUSTED_DOCUMENTS_FILE: manifest,
  })
}, 300_000)

afterAll(async () => {
  await gateway?.stop()
  await folder.remove()
})

test('it sends documents alone that the schema holds', async () => {
  const schema = buildSchema(await readFile('schema.graphql', 'utf8'))
  const documents = JSON.parse(await readFile(join(folder.path, 'documents.json'), 'utf8')) as object
  const faults = Object.values(documents).flatMap((text: string) =>
    validate(schema, parse(text)).map(({ message }) => `${message} in ${text}`),
  )
  expect(faults).toEqual([])
  expect(Object.keys(documents).length).toBeGreaterThan(15)
})

test.each(['check', 'format --check'])('ruff %s finds nothing', async (command) => {
  await runPython(['-m', 'ruff', ...command.split(' '), '--no-cache', client])
})

/** The pandas of the requirements, and where all is tried the version before. */
test.each(isThorough ? ['pandas>=3', 'pandas>=2.2,<3'] : ['pandas>=3'])(
  'its own tests pass with %s',
  async (pandas) => {
    const older = join(folder.path, 'older')
    const requirements = [pandas, 'pytz', 'tzdata']
    if (pandas !== 'pandas>=3') await installPackages(older, ...requirements)
    expect(await runTests([older])).toMatch(/^\d{2,} passed/m)
  },
  300_000,
)

/** Into a folder of its own. */
function installPackages(target: string, ...packages: string[]) {
  const options = ['--quiet', '--no-compile', '--no-deps', '--target', target]
  return run(python, ['-m', 'pip', 'install', ...options, ...packages])
}

async function runTests(before: readonly string[]): Promise<string> {
  return runPython(['-m', 'pytest', join(client, 'tests'), '--rootdir', client], {
    before,
    settings: {
      GATEWAY_URL: gateway.url,
      GATEWAY_TOKEN: await token(),
      ETL_FOLDER: etlFolder,
      THOROUGH: `${isThorough}`,
    },
  })
}

/** What it prints; a failure tells all of it. */
async function runPython(
  args: readonly string[],
  { before = [], settings = {} }: { before?: readonly string[]; settings?: Record<string, string> } = {},
): Promise<string> {
  const env = {
    PATH: process.env.PATH,
    HOME: folder.path,
    PYTHONPATH: [...before, installed].join(delimiter),
    // What one of them has compiled the next need not, nor the kernels of notebooks; nothing of it beside the sources.
    PYTHONPYCACHEPREFIX: join(folder.path, 'compiled'),
    ...settings,
  }
  try {
    return (await run(python, args, { env, cwd: client, maxBuffer: 1 << 26 })).stdout
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    throw new Error(`${stdout}\n${stderr}`, { cause: error })
  }
}

function token(): Promise<string> {
  return new SignJWT({ scope: 'admin', sub: 'python' })
    .setProtectedHeader({ alg: 'HS256' })
    .setIssuer(tokens.JWT_ISSUER)
    .setAudience(tokens.JWT_AUDIENCE)
    .setExpirationTime('1h')
    .sign(new TextEncoder().encode(tokens.JWT_SECRET))
}
