// What the gateway and an ETL's child process say to each other.

import type { Failure } from './isolate/harness.ts'
import type { ScriptSource } from './script.ts'

/** Works on the script loaded under `key`; `missing` comes back when this child has not (or no longer) loaded it. */
export type Work =
  | { op: 'rows'; spec: string; text: string }
  | { op: 'groups'; form: 'transform' | 'extract'; spec: string; text: string }
  | { op: 'frameAdd'; spec: string; text: string }
  | { op: 'frameRun'; timeoutMs: number }
  | { op: 'frameTake'; limit: number }
  | { op: 'frameDrop' }

export type Request = { id: number; key: string } & ({ op: 'load'; script: ScriptSource } | Work)

/** `alive` comes between, whenever one group has used up its time and the next begins. */
export type Reply =
  | { id: number; text: string }
  | { id: number; failure: Failure }
  | { id: number; missing: true }
  | { id: number; alive: true }
