// One spelling for each place: escapes, dots, slashes and relative paths say in many ways what is one.

import { posix, relative, resolve, sep } from 'node:path'

const unreserved = /^[\w.~-]$/

/** Of a URL's path or query: a character that need not be escaped is not, and what is, is in capitals. */
export function plainEscapes(text: string): string {
  return text.replace(/%[\da-f]{2}/gi, (hex) => {
    const character = String.fromCharCode(Number.parseInt(hex.slice(1), 16))
    return unreserved.test(character) ? character : hex.toUpperCase()
  })
}

/** What a decoded path is written as: only what would be read otherwise is escaped. */
export function escapePath(path: string): string {
  return path.replaceAll('%', '%25').replaceAll('?', '%3F')
}

/** Beneath the folder that the gateway runs in by the way from there, so that another's folder may be elsewhere; else absolute. */
export function plainFolderPath(path: string): string {
  const absolute = resolve(path)
  const beneath = relative(process.cwd(), absolute)
  const isBeneath = beneath !== '' && beneath !== '..' && !beneath.startsWith(`..${sep}`)
  return isBeneath ? `./${beneath}` : absolute
}

/** Of a path on another machine, which has no folder that it is relative to here. */
export function plainRemotePath(path: string): string {
  const plain = posix.normalize(path)
  return plain.length > 1 && plain.endsWith('/') ? plain.slice(0, -1) : plain
}
