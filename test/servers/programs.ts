// The programs that the tests start: where they are found, and the Debian package that brings each.

import { accessSync, constants, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const debianPackages = {
  'redis-server': 'redis-server',
  'redis-cli': 'redis-tools',
  openssl: 'openssl',
  git: 'git',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  sshd: 'openssh-server',
  initdb: 'postgresql',
  postgres: 'postgresql',
  psql: 'postgresql-client',
  chromium: 'chromium',
} as const

export type Program = keyof typeof debianPackages

export const programs = Object.keys(debianPackages) as Program[]

export function debianPackage(program: Program): string {
  return debianPackages[program]
}

/** Other names that a program goes by. */
const otherNames: Partial<Record<Program, readonly string[]>> = {
  chromium: ['chromium-browser', 'google-chrome', 'google-chrome-stable'],
}

/** The program's path, from PATH or the folders where Debian keeps it; null when it is not there. */
export function locateProgram(program: Program): string | null {
  const names = [program, ...(otherNames[program] ?? [])]
  for (const folder of [...(process.env.PATH ?? '').split(delimiter), ...usualFolders()]) {
    for (const name of names) {
      const path = join(folder, name)
      if (isExecutable(path)) return path
    }
  }
  return null
}

/** Like `locateProgram`, for a program that test/setup.ts has made sure of. */
export function programPath(program: Program): string {
  const path = locateProgram(program)
  if (path === null) throw new Error(`${program} is not on this machine: install ${debianPackage(program)}`)
  return path
}

function usualFolders(): string[] {
  return ['/usr/bin', '/usr/sbin', '/usr/local/bin', '/usr/local/sbin', ...postgresFolders()]
}

/** Debian keeps PostgreSQL's programs by major version; the newest first. */
function postgresFolders(): string[] {
  const root = '/usr/lib/postgresql'
  try {
    const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a))
    return versions.map((version) => join(root, version, 'bin'))
  } catch {
    return []
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
