// How a job is cut into batches: without gaps or overlaps, and back from an item to its batch.

import { describe, expect, it } from 'vitest'
import { type Cut, cutEvenly, cutGrowing } from '../../src/publish/batches.ts'

function expectWhole(cut: Cut) {
  expect(cut.start(0)).toBe(0)
  for (let batch = 0; batch < 3000; batch++) {
    expect(cut.start(batch + 1)).toBeGreaterThan(cut.start(batch))
    expect(cut.batchAt(cut.start(batch))).toBe(batch)
    expect(cut.batchAt(cut.start(batch + 1) - 1)).toBe(batch)
  }
}

describe('batches', () => {
  it('of one size follow one another without a gap', () => {
    expectWhole(cutEvenly(4000))
  })

  it('that grow follow one another without a gap', () => {
    expectWhole(cutGrowing({ first: 250, doublings: 4 }))
    expectWhole(cutGrowing({ first: 1, doublings: 0 }))
    expectWhole(cutGrowing({ first: 7, doublings: 11 }))
  })

  it('that grow double until they are full', () => {
    const cut = cutGrowing({ first: 250, doublings: 4 })
    const sizes = [0, 1, 2, 3, 4, 5, 6].map((batch) => cut.start(batch + 1) - cut.start(batch))
    expect(sizes).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000])
  })
})
