// Entries as the online port's contract writes them, and how it looks at what is stored.

import type { OnlineStore, WriteEntry } from '../../src/online/port.ts'

export type GetStore = () => OnlineStore
export type NewView = () => string

export function entry(value: string, version: number, more: Partial<WriteEntry> = {}): WriteEntry {
  const rows = Buffer.from(JSON.stringify([{ value, version }]))
  return { value, version, computedAtMs: 1_700_000_000_000 + version, rows, expiresInMs: null, ...more }
}

export async function readOne(store: OnlineStore, view: string, value: string) {
  const [answer] = await store.read([{ view, values: [value] }])
  return answer?.entries[0] ?? null
}

export async function versionsOf(store: OnlineStore, view: string, values: readonly string[]) {
  const [answer] = await store.read([{ view, values }])
  return answer?.entries.map((found) => found?.version ?? null)
}

export async function watermarkOf(store: OnlineStore, view: string) {
  const [answer] = await store.read([{ view, values: [] }])
  return answer?.watermark
}
