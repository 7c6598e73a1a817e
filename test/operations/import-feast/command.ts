// The command, run on a dump, and what it says of each thing in it.

import { execFile } from 'node:child_process'

interface Ended {
  code: number
  out: string
  err: string
}

export function run(...args: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, ['src/operations/import-feast/main.ts', ...args], (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

/** What is said of each thing. */
export function told(out: string): Record<string, string> {
  const parts = out.trim().split(/\n(?=[✓!✗] |\n)/)
  return Object.fromEntries(
    parts.slice(0, -1).map((part) =>
      part
        .split(/\n {4}(.*)/s)
        .concat('')
        .slice(0, 2),
    ),
  )
}
