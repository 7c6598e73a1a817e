// Addresses and intervals made at random: their canonical texts beside what a PostgreSQL server makes of them.

import { afterAll, beforeAll, expect, test } from 'vitest'
import { canonicalInterval } from '../../src/values/interval.ts'
import { canonicalCidr, canonicalInet } from '../../src/values/network-address.ts'
import { onAdapter } from '../adapters.ts'
import { type PostgresServer, startPostgres } from '../servers/postgres.ts'
import { createRandom } from '../warehouse/generated-statements.ts'
import { execute } from '../warehouse/open-postgres.ts'

const count = 5000
const random = createRandom(64)

function createAddress(): string {
  const word = () => ([0, 0, 0, 0, 1, 0xffff, random(0x10000)][random(7)] ?? 0).toString(16)
  const length = (most: number) => (random(3) === 0 ? `/${random(most + 1)}` : '')
  if (random(4) === 0) return `${[10, random(256), random(2) * 255, random(256)].join('.')}${length(32)}`
  const words = Array.from({ length: 8 }, word).join(':')
  return `${random(2) === 0 ? words.toUpperCase() : words}${length(128)}`
}

function createInterval(): string {
  const signed = (below: number) => random(2 * below) - below
  const two = () => String(random(60)).padStart(2, '0')
  const fraction = random(2) === 0 ? '' : `.${random(1_000_000)}`
  return `${signed(30)} months ${signed(90)} days ${random(2) === 0 ? '-' : ''}${random(2000)}:${two()}:${two()}${fraction}`
}

onAdapter('postgres', () => {
  let server: PostgresServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.stop())

  const array = (texts: readonly (string | undefined)[]) =>
    `ARRAY[${texts.map((text) => `'${text}'`).join(',')}]`

  test('an inet’s canonical text is what the server writes, a cidr’s too, and only of a network', async () => {
    const texts = Array.from({ length: count }, createAddress)
    const rows = await execute(
      server.url,
      `SELECT to_json(t::inet) AS shown, t::inet = network(t::inet) AS is_network, network(t::inet)::text AS network
       FROM unnest(${array(texts)}) WITH ORDINALITY u(t, place) ORDER BY place`,
    )
    expect(rows).toHaveLength(count)
    for (const [i, { shown, is_network, network }] of rows.entries()) {
      const text = texts[i] ?? ''
      expect(canonicalInet(text), text).toBe(shown)
      expect(canonicalCidr(String(network))).toBe(network)
      expect(canonicalCidr(text) !== undefined, text).toBe(is_network)
    }
  })

  test('an interval’s canonical text is equal to it, and the same for those that are equal', async () => {
    const texts = Array.from({ length: count }, createInterval)
    const canonical = texts.map(canonicalInterval)
    const rows = await execute(
      server.url,
      `SELECT t::interval = c::interval AS same FROM unnest(${array(texts)}, ${array(canonical)}) u(t, c)`,
    )
    expect(rows.filter(({ same }) => same === true)).toHaveLength(count)
    expect(canonical.map((text) => canonicalInterval(text ?? ''))).toEqual(canonical)
  })
})
