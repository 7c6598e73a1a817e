// Runs once before all tests: makes sure of the servers that they start, installing what is missing where it may, and
// gives them a folder for what they make once and share.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { adapters, isServerProgram, missingPrograms, requiredAdapters } from './adapters.ts'
import { debianPackage, locateProgram, type Program, programs } from './servers/programs.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** A folder that is gone after the run. */
    runFolder: string
  }
}

export async function setup(project: TestProject) {
  ensurePrograms()
  const runFolder = await mkdtemp(join(tmpdir(), 'gateway-tests-'))
  project.provide('runFolder', runFolder)
  // The workers take it from here: what one has loaded, the next need not compile.
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache')
  // In watch mode what was made may be made of other code by now.
  project.onTestsRerun(async () => {
    for (const name of await readdir(runFolder)) await rm(join(runFolder, name), { recursive: true })
  })
  return () => rm(runFolder, { recursive: true, force: true })
}

function ensurePrograms() {
  const required = failingWith(requiredAdapters)
  if (missingPackages(programs).length > 0 && mayInstall()) install(missingPackages(programs))
  const needed = missingPackages([
    ...programs.filter((program) => !isServerProgram(program)),
    ...required.flatMap(missingPrograms),
  ])
  if (needed.length > 0) {
    const names = needed.join(' ')
    fail(
      `The tests need programs that this machine lacks: install ${names} (on Debian, as root: apt-get install -y ${names}).`,
    )
  }
  for (const adapter of adapters) {
    const missing = missingPackages(missingPrograms(adapter))
    if (missing.length === 0) continue
    process.stderr.write(
      `\n!!! ${adapter} is NOT TESTED here, and whatever else needs its server fails: install ${missing.join(' ')}\n`,
    )
  }
}

/** Not thrown: the sentence would drown in the runner's stack trace and its "no test files found". */
function fail(sentence: string): never {
  process.stderr.write(`\n${sentence}\n`)
  process.exit(1)
}

function failingWith<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    return fail(String(error))
  }
}

function missingPackages(wanted: readonly Program[]): string[] {
  return [...new Set(wanted.filter((program) => locateProgram(program) === null).map(debianPackage))]
}

function mayInstall(): boolean {
  return process.getuid?.() === 0 && existsSync('/usr/bin/apt-get') && existsSync('/etc/debian_version')
}

function install(packages: readonly string[]) {
  console.log(`The tests need ${packages.join(', ')}, which this machine lacks: installing with apt-get …`)
  aptGet('update')
  aptGet('install', '-y', '--no-install-recommends', ...packages)
}

/** Another run of the tests may be installing too: its lock is waited for. A failure shows in what is still missing. */
function aptGet(...args: readonly string[]) {
  const lock = ['-o', 'DPkg::Lock::Timeout=300']
  // RUNLEVEL=1 keeps the packages from starting their services.
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  spawnSync('/usr/bin/apt-get', [...lock, '-q', ...args], { stdio: 'inherit', env })
}
