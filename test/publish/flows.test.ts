// The flows that publishing emulates: their shares, their links to one another, and that a seed makes them reproducible.

import { describe, expect, it } from 'vitest'
import { createFlowGenerator } from '../../src/demo/flows.ts'
import type { Value } from '../../src/values/columns.ts'
import type { TableRows } from '../../src/warehouse/port.ts'

type Cells = Record<string, Value>

function objectsOf(tables: readonly TableRows[], table: string): Cells[] {
  const found = tables.find((rows) => rows.table === table)
  return (found?.rows ?? []).map((row) =>
    Object.fromEntries((found?.columns ?? []).map((name, i) => [name, row[i] ?? null])),
  )
}

function generate({ seed = 7, run = 0, from = 0, to = 1000 }) {
  const tables = createFlowGenerator({ seed, run })(from, to)
  return {
    users: objectsOf(tables, 'users'),
    quotes: objectsOf(tables, 'quotes'),
    transactions: objectsOf(tables, 'transactions'),
    policies: objectsOf(tables, 'policies'),
  }
}

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

describe('flows', () => {
  it('keep to their shares exactly: 8 of 10 quotes bind, 8 of 10 bound ones are paid for, half the payments succeed', () => {
    const { users, quotes, transactions, policies } = generate({ to: 10_000 })
    expect(quotes).toHaveLength(10_000)
    expect(users).toHaveLength(8000)
    expect(quotes.filter((quote) => quote.is_binded === true)).toHaveLength(8000)
    expect(transactions).toHaveLength(6400)
    expect(transactions.filter((payment) => payment.successful === true)).toHaveLength(3200)
    expect(transactions.filter((payment) => payment.card_type === 'debit')).toHaveLength(1280)
    expect(policies).toHaveLength(3200)
  })

  it('keep 8 bound quotes in every ten, at places that differ from ten to ten', () => {
    const { quotes } = generate({ to: 1000 })
    const patterns = new Set<string>()
    for (let i = 0; i < quotes.length; i += 10) {
      const ten = quotes.slice(i, i + 10).map((quote) => (quote.is_binded ? '1' : '0'))
      expect(ten.filter((bound) => bound === '1')).toHaveLength(8)
      patterns.add(ten.join(''))
    }
    expect(patterns.size).toBeGreaterThan(25)
  })

  it('draw type and device evenly and apart from one another', () => {
    const { quotes } = generate({ to: 20_000 })
    for (const type of ['rent', 'owner']) {
      for (const device of ['web', 'mobile']) {
        const share = quotes.filter(
          (quote) => quote.quote_type === type && quote.quote_device === device,
        ).length
        expect(share / quotes.length).toBeCloseTo(0.25, 1)
      }
    }
  })

  it('bind each quote to a new user of its own, and leave user and binding date null on the others', () => {
    const { users, quotes } = generate({})
    const userIds = new Set(users.map((user) => user.user_id))
    expect(userIds.size).toBe(800)
    const bound = quotes.filter((quote) => quote.is_binded === true)
    expect(new Set(bound.map((quote) => quote.user_id))).toEqual(userIds)
    for (const quote of quotes.filter((each) => each.is_binded === false)) {
      expect(quote).toMatchObject({ user_id: null, binding_date: null, is_paid: false })
    }
  })

  it('write a policy exactly when the payment succeeded, and is_paid says so', () => {
    const { quotes, transactions, policies } = generate({})
    const quoteById = new Map(quotes.map((quote) => [quote.quote_id, quote]))
    const policyByQuote = new Map(policies.map((policy) => [policy.quote_id, policy]))
    expect(policyByQuote.size).toBe(policies.length)
    for (const payment of transactions) {
      const quote = quoteById.get(payment.ref_id ?? null)
      const policy = policyByQuote.get(payment.ref_id ?? null)
      expect(quote).toMatchObject({ user_id: payment.user_id, is_paid: payment.successful })
      expect(policy !== undefined).toBe(payment.successful)
      if (policy === undefined) continue
      expect(policy).toMatchObject({
        user_id: payment.user_id,
        policy_type: quote?.quote_type,
        policy_device: quote?.quote_device,
      })
    }
    const paid = quotes.filter((quote) => quote.is_paid === true)
    expect(paid.map((quote) => quote.quote_id).sort()).toEqual([...policyByQuote.keys()].sort())
  })

  it('put every date after the one it follows from, in seconds', () => {
    const { users, quotes, transactions, policies } = generate({})
    const userById = new Map(users.map((user) => [user.user_id, user]))
    const quoteById = new Map(quotes.map((quote) => [quote.quote_id, quote]))
    const paymentByQuote = new Map(transactions.map((payment) => [payment.ref_id, payment]))
    for (const quote of quotes) {
      expect(quote.creation_date).toBeGreaterThan(Date.UTC(2024, 0) / 1000)
      expect(quote.creation_date).toBeLessThan(Date.UTC(2026, 0) / 1000)
      if (quote.is_binded !== true) continue
      const joined = userById.get(quote.user_id ?? null)?.creation_date
      expect(joined).toBeGreaterThan(Number(quote.creation_date))
      expect(quote.binding_date).toBeGreaterThan(Number(joined))
    }
    for (const payment of transactions) {
      expect(payment.transaction_time).toBeGreaterThan(
        Number(quoteById.get(payment.ref_id ?? null)?.binding_date),
      )
      expect(payment.card_expiration_date).toBeGreaterThan(Number(payment.transaction_time))
      expect(new Date(Number(payment.card_expiration_date) * 1000).toISOString()).toMatch(
        /-01T00:00:00\.000Z$/,
      )
    }
    for (const policy of policies) {
      const payment = paymentByQuote.get(policy.quote_id ?? null)
      expect(policy.purchase_time).toBeGreaterThan(Number(payment?.transaction_time))
    }
  })

  it('show of a card number its first and last four digits only', () => {
    for (const payment of generate({}).transactions) expect(payment.card_number).toMatch(/^\d{4}\*{8}\d{4}$/)
  })

  it('have names and addresses that read like some', () => {
    const { users } = generate({})
    for (const user of users) {
      expect(user.name).toMatch(/^\p{Lu}[\p{L}]+ \p{Lu}[\p{L}']+$/u)
      expect(user.address).toMatch(/^\d{1,3} [A-Z][A-Za-z ]+, \d{5} [A-Z][A-Za-z ]+$/)
    }
    expect(new Set(users.map((user) => user.name)).size).toBeGreaterThan(300)
  })

  it('are the same rows for the same seed, in whatever pieces they are made', () => {
    const whole = generate({ seed: 42, to: 1000 })
    const generator = createFlowGenerator({ seed: 42, run: 0 })
    const later = generator(333, 1000)
    const earlier = generator(0, 333)
    for (const table of ['users', 'quotes', 'transactions', 'policies'] as const) {
      expect([...objectsOf(earlier, table), ...objectsOf(later, table)]).toEqual(whole[table])
    }
    expect(generate({ seed: 43 }).users).not.toEqual(whole.users)
  })

  it('stay what they are from one version of the gateway to the next', () => {
    expect(generate({ seed: 42, to: 1 })).toMatchInlineSnapshot(`
      {
        "policies": [
          {
            "policy_device": "web",
            "policy_id": "f8774ad3-38c6-4be9-9b73-c2d0d914b4d4",
            "policy_type": "rent",
            "purchase_time": 1755217374.765,
            "quote_id": "700fb3e7-acdf-4c62-bad3-7ce0a99a57b6",
            "user_id": "8ec99a8e-d06a-4fbe-b750-92c57d83481a",
          },
        ],
        "quotes": [
          {
            "binding_date": 1755216078.876,
            "creation_date": 1755214896.038,
            "is_binded": true,
            "is_paid": true,
            "quote_device": "web",
            "quote_id": "700fb3e7-acdf-4c62-bad3-7ce0a99a57b6",
            "quote_type": "rent",
            "user_id": "8ec99a8e-d06a-4fbe-b750-92c57d83481a",
          },
        ],
        "transactions": [
          {
            "card_expiration_date": 1880236800,
            "card_number": "4716********7545",
            "card_type": "credit",
            "ref_id": "700fb3e7-acdf-4c62-bad3-7ce0a99a57b6",
            "ref_type": "quote",
            "successful": true,
            "transaction_id": "ede0e17a-5c36-4d6d-93f1-54263e14050c",
            "transaction_time": 1755217364.79,
            "user_id": "8ec99a8e-d06a-4fbe-b750-92c57d83481a",
          },
        ],
        "users": [
          {
            "address": "26 Maple Street, 68959 Oakridge",
            "creation_date": 1755215463.953,
            "name": "Yara Castillo",
            "user_id": "8ec99a8e-d06a-4fbe-b750-92c57d83481a",
          },
        ],
      }
    `)
  })

  it('differ between two runs of a seed in their ids and in nothing else', () => {
    const first = generate({ seed: 42, run: 0 })
    const second = generate({ seed: 42, run: 1 })
    const ids = ['user_id', 'quote_id', 'transaction_id', 'policy_id', 'ref_id']
    const withoutIds = (rows: Cells[]) =>
      rows.map((row) => Object.fromEntries(Object.entries(row).filter(([name]) => !ids.includes(name))))
    for (const table of ['users', 'quotes', 'transactions', 'policies'] as const) {
      expect(withoutIds(second[table])).toEqual(withoutIds(first[table]))
    }
    const firstIds = new Set(first.quotes.map((quote) => quote.quote_id))
    expect(second.quotes.some((quote) => firstIds.has(quote.quote_id ?? null))).toBe(false)
  })

  it('never share an id, in one seed or between seeds that lie side by side', () => {
    const ids = new Set<Value>()
    let count = 0
    for (const seed of [-1, 0, 1, 2, 2 ** 31 - 1, -(2 ** 31)]) {
      for (const run of [0, 1]) {
        const { users, quotes, transactions, policies } = generate({ seed, run, to: 3000 })
        const all = [
          ...users.map((user) => user.user_id),
          ...quotes.map((quote) => quote.quote_id),
          ...transactions.map((payment) => payment.transaction_id),
          ...policies.map((policy) => policy.policy_id),
        ]
        count += all.length
        for (const id of all) ids.add(id ?? null)
      }
    }
    expect(ids.size).toBe(count)
    expect([...ids].filter((id) => !uuid.test(String(id)))).toEqual([])
  })
})
