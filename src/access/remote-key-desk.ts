// The key desk of the gateway that has the embedded catalog open, for `npm run keys`: what is asked of it, and how.

import { z } from 'zod'
import { type Answers, askGateway } from '../processes/command-socket.ts'
import type { KeyDesk } from './key-desk.ts'

const date = z.coerce.date()
const created = z.object({ name: z.string(), scopes: z.array(z.string()), expiresAt: date.nullable() })
const entry = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  createdAt: date,
  expiresAt: date.nullable(),
  revokedAt: date.nullable(),
  lastUsedAt: date.nullable(),
})

export function answerForKeys(keyDesk: KeyDesk): Answers {
  return {
    createKey: (question) => keyDesk.create(created.parse(question)),
    revokeKey: ({ id }) => keyDesk.revoke(String(id)),
    listKeys: keyDesk.list,
  }
}

export function remoteKeyDesk(socket: string): KeyDesk {
  return {
    create: async (request) =>
      z
        .object({ key: entry, token: z.string() })
        .parse(await askGateway(socket, { ask: 'createKey', ...request })),
    revoke: async (id) => entry.parse(await askGateway(socket, { ask: 'revokeKey', id })),
    list: async () => z.array(entry).parse(await askGateway(socket, { ask: 'listKeys' })),
  }
}
