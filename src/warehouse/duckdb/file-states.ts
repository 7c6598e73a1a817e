// How files and folders stand, and whether they still stand so.

import { stat } from 'node:fs/promises'

/** What tells one state of a file or folder from another; null where there is none. */
export interface FileState {
  isFolder: boolean
  ino: bigint
  /** A file that is gone leaves its number to the next one. */
  birthtimeNs: bigint
  size: bigint
  /** A folder's is that of the last file that came, went or was given another name. */
  mtimeNs: bigint
  /** Who copies a file may give it the other's time of change, but not this one. */
  ctimeNs: bigint
}

/** Paths with how each stood before it was read. */
export interface Looked {
  paths: readonly string[]
  states: readonly (FileState | null)[]
}

/** What a file keeps as long as it is the same one, and what it keeps as long as nothing is written to it. */
const identity = ['isFolder', 'ino', 'birthtimeNs'] as const
const state = [...identity, 'size', 'mtimeNs', 'ctimeNs'] as const

export function lookAt(paths: readonly string[]): Promise<(FileState | null)[]> {
  return Promise.all(
    paths.map(async (path) => {
      const found = await stat(path, { bigint: true }).catch(() => null)
      if (found === null) return null
      const { ino, birthtimeNs, size, mtimeNs, ctimeNs } = found
      return { isFolder: found.isDirectory(), ino, birthtimeNs, size, mtimeNs, ctimeNs }
    }),
  )
}

export function isUnchanged(before: FileState | null | undefined, now: FileState | null): boolean {
  return state.every((name) => before?.[name] === now?.[name])
}

/** Whether the file of before is still there, and what it held at its place. What comes to a folder changes none of its files. */
export function hasOnlyGrown(before: FileState | null | undefined, now: FileState | null): boolean {
  if (isUnchanged(before, now)) return true
  if (before == null || now === null) return false
  return identity.every((name) => before[name] === now[name]) && (now.isFolder || now.size > before.size)
}
