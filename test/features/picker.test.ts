// Features picked out of rows' JSON text are what parsing the rows would give.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createPicker } from '../../src/realtime/vectors/picker.ts'
import { toByteText, toText } from '../../src/values/byte-text.ts'
import { tries } from '../thorough.ts'

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'a"b', '\\', ',', '":', '{', 'ü', '__proto__', ''),
  fc.string({ unit: 'binary', maxLength: 5 }),
)
const scalar = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.constantFrom('x\\"y', 'a,b}', '{}', '"', 1e300, -1.5, null, true, false),
)
/** Mostly such that rows are alike. */
const value = fc.oneof(
  { weight: 5, arbitrary: scalar },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 3, noUnicodeString: false }) },
)
const columns = fc.uniqueArray(name, { minLength: 1, maxLength: 6 })
const asked = columns.chain((names) =>
  fc.record({
    rows: fc.array(fc.tuple(...names.map(() => value)), { maxLength: 3 }),
    names: fc.constant(names),
    chosen: fc.oneof(
      fc.shuffledSubarray(['missing', ...names], { minLength: 1 }),
      fc.subarray(names, { minLength: 1 }),
    ),
    prefix: fc.constantFrom('', 'p_'),
  }),
)

test('of any names and values, in any order, under any names', async () => {
  fc.assert(
    fc.property(asked, fc.array(asked, { maxLength: 2 }), ({ chosen, prefix, ...first }, others) => {
      const nameOf = (column: string, i: number) => `${i % 3 === 2 ? 'other_' : prefix}${column}`
      const picker = createPicker(chosen.map((column, i) => ({ column, name: nameOf(column, i) })))
      // Rows of other columns in between: what was learned of the ones before does not hold for them.
      for (const { names, rows } of [first, ...others, first]) {
        for (const row of rows) {
          const text = `{${names.map((each, i) => `${JSON.stringify(each)}:${JSON.stringify(row[i])}`).join()}}`
          const members = chosen.map((column, i) => {
            const at = names.indexOf(column)
            return `${JSON.stringify(nameOf(column, i))}:${at < 0 ? 'null' : JSON.stringify(row[at])}`
          })
          const picked = picker.pick(toByteText(`[${text}]`))
          expect(picked === null ? null : toText(picked)).toBe(members.join())
          expect(picker.pick(toByteText(`[${text},${text}]`))).toBeNull()
        }
      }
      const nothing = chosen.map((column, i) => `${JSON.stringify(nameOf(column, i))}:null`).join()
      expect(picker.pick(toByteText('[]'))).toBe(picker.nothing)
      expect(toText(picker.nothing)).toBe(nothing)
    }),
    { numRuns: tries({ all: 3_000, part: 500 }) },
  )
})
