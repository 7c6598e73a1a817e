// Which adapters are tested: those whose servers this machine has, and those that REQUIRE_ADAPTERS names whether it has them or not.

import { describe, test } from 'vitest'
import { debianPackage, locateProgram, type Program } from './servers/programs.ts'

const postgres = ['initdb', 'postgres', 'psql'] as const
const redis = ['redis-server', 'redis-cli'] as const

/** The programs that each adapter's server is started with. Trino's is none of them: test/trino/setup.ts sees to it. */
const serverPrograms = {
  duckdb: [],
  postgres,
  trino: [],
  lmdb: [],
  redis,
  'redis-cluster': redis,
} satisfies Record<string, readonly Program[]>

export type Adapter = keyof typeof serverPrograms

export const adapters = Object.keys(serverPrograms) as Adapter[]

/** `REQUIRE_ADAPTERS=postgres,redis`: a server of these that is missing is a failure. */
export function requiredAdapters(setting = process.env.REQUIRE_ADAPTERS ?? ''): Adapter[] {
  const names = setting
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  return names.map((name) => {
    const known = adapters.find((adapter) => adapter === name)
    if (known !== undefined) return known
    throw new Error(`REQUIRE_ADAPTERS names "${name}", which is no adapter; there are ${adapters.join(', ')}`)
  })
}

/** The programs that an adapter's server lacks here. */
export function missingPrograms(adapter: Adapter): Program[] {
  return serverPrograms[adapter].filter((program) => locateProgram(program) === null)
}

export function isServerProgram(program: Program): boolean {
  return Object.values<readonly Program[]>(serverPrograms).some((programs) => programs.includes(program))
}

/** An adapter's suite; where its server is missing and not required, one skipped test that says so. */
export function onAdapter(adapter: Adapter, suite: () => void): void {
  const missing = missingPrograms(adapter)
  if (missing.length === 0 || requiredAdapters().includes(adapter)) {
    suite()
    return
  }
  const packages = [...new Set(missing.map(debianPackage))].join(' ')
  describe(`${adapter} is NOT TESTED here`, () => {
    test.skip(
      `install ${packages} to have it tested, and set REQUIRE_ADAPTERS=${adapter} to be sure that it is`,
    )
  })
}
