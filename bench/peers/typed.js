// What the peers know of typed lookups: types, resolvers, and the bare handler's answer, which picks the fields out of the parsed rows.

/** A field's name, and the column that it is in a row. */
const columns = {
  userId: 'user_id',
  quotes: 'quotes',
  failedPayments: 'failed_payments',
  amount: 'amount',
  isPaid: 'is_paid',
  cardType: 'card_type',
  lastSeen: 'last_seen',
  risk: 'risk',
  device: 'device',
  score: 'score',
}

export const typeDefs = /* GraphQL */ `
  scalar BigInt
  scalar Decimal
  type Users {
    userId: String
    quotes: BigInt
    failedPayments: BigInt
    amount: Decimal
    isPaid: Boolean
    cardType: String
    lastSeen: Float
    risk: Decimal
    device: String
    score: BigInt
  }
  input UsersKey { userId: String! }
  type UsersAnswer { status: String! rows: [Users!]! }
  type Features {
    users(userId: String!): [Users!]!
    usersMany(keys: [UsersKey!]!): [UsersAnswer!]!
  }
  extend type Query { features: Features! }
`

export const resolvers = {
  Query: { features: () => ({}) },
  Features: {
    users: async (_features, { userId }, { loader }) => (await loader.load(userId)).rows,
    usersMany: (_features, { keys }, { loader }) => loader.loadMany(keys.map(({ userId }) => userId)),
  },
  Users: Object.fromEntries(Object.entries(columns).map(([field, column]) => [field, (row) => row[column]])),
}

export function isTyped({ userId, keys }) {
  return userId !== undefined || keys !== undefined
}

/** `texts` are of the rows of each user, by `read`. */
export async function answerTyped({ userId, keys }, read) {
  if (keys === undefined) {
    const [text] = await read([userId])
    return JSON.stringify({ data: { features: { users: pick(text) } } })
  }
  const texts = await read(keys.map((key) => key.userId))
  const usersMany = texts.map((text) => ({ status: 'FRESH', rows: pick(text) }))
  return JSON.stringify({ data: { features: { usersMany } } })
}

function pick(text) {
  return JSON.parse(text).map((row) => ({
    userId: row.user_id,
    quotes: row.quotes,
    failedPayments: row.failed_payments,
    amount: row.amount,
    isPaid: row.is_paid,
    cardType: row.card_type,
    lastSeen: row.last_seen,
    risk: row.risk,
    device: row.device,
    score: row.score,
  }))
}
