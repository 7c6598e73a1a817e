// Who may use the gateway, as it was configured: callers' credentials, API keys, download links.

import type { Logger } from 'pino'
import type { Catalog } from '../catalog/open.ts'
import type { Config } from '../config/config.ts'
import { type Authentication, createAuthentication, noAuthentication } from './authentication.ts'
import { createDownloadLinks, type DownloadLinks } from './download-links.ts'
import { createJwtVerifier } from './jwt.ts'
import { createKeyDesk, type KeyDesk } from './key-desk.ts'
import { openKeyRing } from './key-ring.ts'

export interface Access {
  /** False where everyone may do everything. */
  isRequired: boolean
  authentication: Authentication
  keyDesk: KeyDesk
  /** Null where downloads need no link. */
  downloadLinks: DownloadLinks | null
  close(): Promise<void>
}

export async function openAccess(
  settings: Config['auth'],
  { catalog, log }: { catalog: Catalog; log: Logger },
): Promise<Access> {
  const { apiKeys, sharedSecrets, events, isShared } = catalog
  const keyDesk = createKeyDesk({ apiKeys, events })
  if (!settings.required) {
    const close = async () => {}
    return { isRequired: false, authentication: noAuthentication, keyDesk, downloadLinks: null, close }
  }
  const secret = await sharedSecrets.get('download links')
  const keyRing = await openKeyRing({ apiKeys, events, isShared, log })
  if (keyRing.size === 0 && settings.jwt === null) {
    log.warn(
      'Nobody can sign in yet: there is no API key. Make one with `npm run keys -- create --scope admin --name <whose>` (`node src/operations/keys.ts …` within the image)',
    )
  }
  return {
    isRequired: true,
    authentication: createAuthentication({
      keyRing,
      verifyJwt: settings.jwt && createJwtVerifier(settings.jwt, { log }),
    }),
    keyDesk,
    downloadLinks: createDownloadLinks({ secret, lifetimeSeconds: settings.downloadLinkSeconds }),
    close: () => keyRing.close(),
  }
}
