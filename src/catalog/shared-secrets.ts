// Secrets that all gateways on this catalog share: made by whichever needs one first, and kept.

import { randomBytes } from 'node:crypto'
import type { PrismaClient } from './generated/client.ts'

const secretBytes = 32

export interface SharedSecrets {
  /** 32 random bytes, for every gateway the same. */
  get(name: string): Promise<Uint8Array>
}

export function createSharedSecrets(prisma: PrismaClient): SharedSecrets {
  return {
    async get(name) {
      await prisma.sharedSecret.createMany({
        data: [{ name, value: randomBytes(secretBytes) }],
        skipDuplicates: true,
      })
      const { value } = await prisma.sharedSecret.findUniqueOrThrow({ where: { name } })
      return value
    },
  }
}
