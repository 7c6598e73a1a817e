// Flows: emulated users' journeys as rows of four tables. The same seed gives the same rows, whenever they are made.

import type { Row } from '../values/columns.ts'
import type { TableRows } from '../warehouse/port.ts'
import { drawAddress, drawName } from './people.ts'
import {
  createDeck,
  createGenerator,
  drawFrom,
  drawIndex,
  drawUuid,
  type RandomGenerator,
} from './randomness.ts'
import { type DemoTable, demoTables } from './tables.ts'

/** One stream of randomness for each use, so that none shifts another. Ids take a stream of their own for each run. */
const streams = { facts: 1, binding: 2, payment: 3, success: 4, debit: 5, firstRun: 1000 } as const

/** Journeys begin within these two years. They are fixed: dates that followed the clock would not be reproducible. */
const calendar = { fromSeconds: Date.UTC(2024, 0) / 1000, lengthSeconds: 2 * 365 * 86_400 } as const

export interface FlowSource {
  seed: number
  /** How many jobs of this seed came before. It decides the ids alone: the first run of a seed has the same ids everywhere. */
  run: number
}

/** Seconds after `from`: at least one, at most `most`, to the millisecond, so that a decimal text is exact. */
function later(generator: RandomGenerator, from: number, most: number): number {
  return Math.round((from + 1 + drawIndex(generator, (most - 1) * 1000) / 1000) * 1000) / 1000
}

/** The first instant of a month, one to five years after `from`. */
function drawExpiration(generator: RandomGenerator, from: number): number {
  const month = new Date(from * 1000)
  return Date.UTC(month.getUTCFullYear(), month.getUTCMonth() + 12 + drawIndex(generator, 48)) / 1000
}

const issuers = ['4539', '4716', '4929', '5105', '5200', '5424', '2720', '3782'] as const

function drawCardNumber(generator: RandomGenerator): string {
  return `${drawFrom(generator, issuers)}********${String(drawIndex(generator, 10_000)).padStart(4, '0')}`
}

/**
 * A function from a range of flow numbers to their rows. Every flow is a quote. The shares are dealt, not drawn by chance:
 * of every ten quotes 8 bind, of every ten bound ones 8 are paid for, of every two payments one succeeds, of every ten
 * payments 2 are by debit card; where in the ten they fall is random.
 */
export function createFlowGenerator({ seed, run }: FlowSource) {
  const dealBinding = createDeck({ seed, stream: streams.binding, size: 10, hits: 8 })
  const dealPayment = createDeck({ seed, stream: streams.payment, size: 10, hits: 8 })
  const dealSuccess = createDeck({ seed, stream: streams.success, size: 2, hits: 1 })
  const dealDebit = createDeck({ seed, stream: streams.debit, size: 10, hits: 2 })

  function addFlow(index: number, tables: FlowTables) {
    const facts = createGenerator(seed, streams.facts, index)
    const ids = createGenerator(seed, streams.firstRun + run, index)
    const quoteId = drawUuid(ids)
    const created = later(facts, calendar.fromSeconds, calendar.lengthSeconds)
    const type = drawFrom(facts, ['rent', 'owner'])
    const device = drawFrom(facts, ['web', 'mobile'])

    const binding = dealBinding(index)
    if (!binding.hit) {
      tables.quotes.push([quoteId, null, created, null, type, device, false, false])
      return
    }
    const userId = drawUuid(ids)
    const joined = later(facts, created, 1800)
    const bound = later(facts, joined, 1800)
    tables.users.push([userId, drawName(facts), drawAddress(facts), joined])

    const payment = dealPayment(binding.hitsBefore)
    const paid = payment.hit && dealSuccess(payment.hitsBefore).hit
    tables.quotes.push([quoteId, userId, created, bound, type, device, true, paid])
    if (!payment.hit) return

    const paidAt = later(facts, bound, 3600)
    const card = drawCardNumber(facts)
    const expires = drawExpiration(facts, paidAt)
    const cardType = dealDebit(payment.hitsBefore).hit ? 'debit' : 'credit'
    const transactionId = drawUuid(ids)
    tables.transactions.push([transactionId, userId, quoteId, 'quote', paidAt, paid, card, expires, cardType])
    if (!paid) return
    tables.policies.push([drawUuid(ids), userId, quoteId, later(facts, paidAt, 10), type, device])
  }

  /** The rows of flows `from` up to, not including, `to`; a table without any is left out. */
  return function generateFlows(from: number, to: number): readonly TableRows[] {
    const tables: FlowTables = { users: [], quotes: [], transactions: [], policies: [] }
    for (let index = from; index < to; index++) addFlow(index, tables)
    const written: readonly TableRows[] = demoTables.map(({ name, columns }) => ({
      table: name,
      columns: columns.map((column) => column.name),
      rows: tables[name],
    }))
    return written.filter(({ rows }) => rows.length > 0)
  }
}

type FlowTables = Record<DemoTable, Row[]>
