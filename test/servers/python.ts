// A Python with what a test requires of PyPI, made once under node_modules.

import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { acquireLock, FolderInUse } from '../../src/catalog/database/lock.ts'
import { callAgain } from '../../src/concurrency/retry.ts'

const run = promisify(execFile)

/** Answers the interpreter. It is there whole or not at all; of those who ask for the same at once, one makes it. */
export async function preparePython(requirements: readonly string[]): Promise<string> {
  const name = createHash('sha256').update(requirements.join('\n')).digest('hex').slice(0, 16)
  const environment = resolve('node_modules/.cache/python', name)
  const python = join(environment, 'bin', 'python')
  if (existsSync(python)) return python
  await mkdir(dirname(environment), { recursive: true })
  const lock = await callAgain(
    () => acquireLock(`${environment}.lock`),
    (_, error) => (error instanceof FolderInUse ? askAgainMs : null),
  )
  try {
    if (!existsSync(python)) await make(environment, requirements)
  } finally {
    await lock.release()
  }
  return python
}

/** Nothing tells of a lock that is released by another process. */
const askAgainMs = 200

async function make(environment: string, requirements: readonly string[]) {
  const building = await mkdtemp(`${environment}-`)
  try {
    await run('python3', ['-m', 'venv', building])
    // Of the many modules a script loads few: those are compiled when it does.
    const install = ['-m', 'pip', 'install', '--quiet', '--no-compile', ...requirements]
    await run(join(building, 'bin', 'python'), install)
    await rename(building, environment)
  } catch (error) {
    await rm(building, { recursive: true, force: true })
    throw error
  }
}

/** Feast's SDK and its server. */
export const prepareFeastPython = () => preparePython(['feast[redis]==0.67.0'])

/** With pandas, Polars, Arrow and what else a data scientist has: one for all tests that take its like. */
export async function prepareNotebookPython(): Promise<string> {
  const requirements = await readFile('clients/python/tests/requirements.txt', 'utf8')
  return preparePython(requirements.trim().split('\n'))
}
