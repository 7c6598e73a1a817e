// What a script has said over a whole file, in the rows' order, however its batches ran.

import { limits } from './isolate/limits.ts'
import type { Said } from './isolate/said.ts'

export interface ScriptLog {
  /** `Said` as JSON. */
  add(said: string): void
  lines(): readonly string[]
}

export function createScriptLog(): ScriptLog {
  const lines: string[] = []
  let room: number = limits.saidCharacters
  let left = 0
  return {
    add(text) {
      const said: Said = JSON.parse(text)
      for (const line of said.lines) {
        if (left > 0 || lines.length >= limits.saidLines || room <= 0) {
          left++
          continue
        }
        room -= line.length
        lines.push(line)
      }
      left += said.left
    },
    lines: () => (left === 0 ? lines : [...lines, `… and ${left} more`]),
  }
}
