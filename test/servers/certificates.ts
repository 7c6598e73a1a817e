// Certificates for a server on this machine, made by openssl: an authority, what it has signed, and one that has signed nothing.

import { join } from 'node:path'
import { createFolder, runProgram } from './child.ts'
import { programPath } from './programs.ts'

export type Certificates = Awaited<ReturnType<typeof createCertificates>>

export async function createCertificates() {
  const folder = await createFolder('certificates')
  const path = (name: string) => join(folder.path, name)
  const openssl = (...args: string[]) => runProgram(programPath('openssl'), args)
  const authority = (name: string) =>
    openssl(
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', `/CN=${name}`],
      ...['-keyout', path(`${name}.key`), '-out', path(`${name}.pem`)],
    )
  await authority('authority')
  await authority('stranger')
  await openssl(
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=redis'],
    ...['-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost', '-addext', 'basicConstraints=CA:FALSE'],
    ...['-CA', path('authority.pem'), '-CAkey', path('authority.key')],
    ...['-keyout', path('server.key'), '-out', path('server.pem')],
  )
  return {
    authority: path('authority.pem'),
    stranger: path('stranger.pem'),
    certificate: path('server.pem'),
    key: path('server.key'),
    remove: folder.remove,
  }
}
