// Files that a child process has open only because its parent had: LMDB, for one, does not close its own in a child.

import { closeSync, readdirSync, readlinkSync } from 'node:fs'

/** Closes them; to be called before the process opens any of its own. Where there is no /proc, it does nothing. */
export function closeInheritedFiles(): void {
  for (const fd of openDescriptors()) {
    try {
      if (/^\/(?!dev\/|proc\/)/.test(readlinkSync(`/proc/self/fd/${fd}`))) closeSync(fd)
    } catch {
      // It was that of the listing itself.
    }
  }
}

/** Beyond the standard three. */
function openDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd > 2)
  } catch {
    return []
  }
}
