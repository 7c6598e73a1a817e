// Downloads' links: who has one may download, until it expires. Signed, so that nobody makes one up or alters it.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'
import { AppError } from '../errors.ts'

export interface DownloadLinks {
  /** The path with what shows that it may be read: `/datasets/dst_1.parquet?expires=…&signature=…`. */
  sign(path: string): string
  /** Throws FORBIDDEN unless the path was signed so and is still good. */
  check(path: string, query: LinkQuery): void
}

export interface LinkQuery {
  expires?: unknown
  signature?: unknown
}

export function createDownloadLinks(options: {
  /** Gateways with the same secret take each other's links. */
  secret: Uint8Array
  lifetimeSeconds: number
}): DownloadLinks {
  const { secret, lifetimeSeconds } = options
  const key = Buffer.from(hkdfSync('sha256', secret, '', 'feature-gateway download links 1', 32))
  const signatureOf = (path: string, expires: string) =>
    createHmac('sha256', key).update(`${path}\n${expires}`).digest()

  return {
    sign(path) {
      const expires = String(Math.ceil(Date.now() / 1000) + lifetimeSeconds)
      return `${path}?expires=${expires}&signature=${signatureOf(path, expires).toString('base64url')}`
    },
    check(path, { expires, signature }) {
      if (typeof expires !== 'string' || typeof signature !== 'string') throw altered()
      const given = Buffer.from(signature, 'base64url')
      const right = signatureOf(path, expires)
      if (given.length !== right.length || !timingSafeEqual(given, right)) throw altered()
      // Text that decodes to the same bytes is not what was signed.
      if (given.toString('base64url') !== signature) throw altered()
      if (Date.now() >= Number(expires) * 1000) {
        const at = new Date(Number(expires) * 1000).toISOString()
        throw new AppError(
          'FORBIDDEN',
          `This download link expired at ${at}: ask for the dataset's downloads again`,
        )
      }
    },
  }
}

function altered(): AppError {
  return new AppError(
    'FORBIDDEN',
    'This download link was not made by this gateway, or was altered: its signature does not fit. Take it whole, as it was given',
  )
}
