// Ids: readable, sorted by time, never twice.

import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createId, idPrefix, idPrefixes } from '../../src/catalog/ids.ts'

describe('an id', () => {
  it('tells what it names by its prefix', () => {
    for (const prefix of idPrefixes) {
      const id = createId(prefix)
      expect(id).toMatch(new RegExp(`^${prefix}_[0-9a-hjkmnp-tv-z]{24}$`))
      expect(idPrefix(id)).toBe(prefix)
    }
  })

  it('is none without a known prefix and something behind it', () => {
    for (const text of ['', 'qry', 'qry_', 'job', 'xyz_1', 'QRY_1', ' qry_1'])
      expect(idPrefix(text)).toBeNull()
  })

  it('sorts after one that was made a millisecond earlier', async () => {
    const ids: string[] = []
    for (let i = 0; i < 5; i++) {
      ids.push(createId('job'))
      await sleep(2)
    }
    expect([...ids].sort()).toEqual(ids)
  })

  it('is never made twice', () => {
    const ids = Array.from({ length: 20_000 }, () => createId('dst'))
    expect(new Set(ids).size).toBe(ids.length)
  })
})
