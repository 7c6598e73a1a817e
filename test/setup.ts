// Runs once before all tests: makes sure of the servers that they start, installing what is missing where it may, and
// gives them a folder for what they make once and share.

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { debianPackage, locateProgram, programs } from './servers/programs.ts'

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
  // In watch mode what was made may be made of other code by now.
  project.onTestsRerun(async () => {
    for (const name of await readdir(runFolder)) await rm(join(runFolder, name), { recursive: true })
  })
  return () => rm(runFolder, { recursive: true, force: true })
}

function ensurePrograms() {
  const missing = missingPackages()
  if (missing.length === 0) return
  if (mayInstall()) install(missing)
  const still = missingPackages()
  if (still.length === 0) return
  const names = still.join(' ')
  // Not thrown: the sentence would drown in the runner's stack trace and its "no test files found".
  process.stderr.write(
    `\nThe tests need programs that this machine lacks: install ${names} (on Debian, as root: apt-get install -y ${names}).\n`,
  )
  process.exit(1)
}

function missingPackages(): string[] {
  return [...new Set(programs.filter((program) => locateProgram(program) === null).map(debianPackage))]
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
