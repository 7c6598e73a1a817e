// Files that a child process has open only because its parent had: LMDB, for one, does not close its own in a child.

import { closeSync, openSync, readdirSync, readlinkSync } from 'node:fs'
import { devNull } from 'node:os'

/** Closes them; to be called before the process opens any of its own. Where there is no /proc, it does nothing. */
export function closeInheritedFiles(): void {
  for (const fd of openFiles()) closeSync(fd)
}

type Standard = 'ignore' | 'pipe'

/**
 * For a child that is no program of the gateway's own, and so closes nothing: `start` is given its `stdio`, in which
 * the null device stands for every file that it would have open.
 */
export function withoutFiles<Child>(
  standard: readonly [Standard, Standard, Standard],
  start: (stdio: (Standard | number)[]) => Child,
): Child {
  const nothing = openSync(devNull, 'r')
  const stdio: (Standard | number)[] = [...standard]
  for (const fd of openFiles()) {
    while (stdio.length < fd) stdio.push('ignore')
    stdio[fd] = nothing
  }
  try {
    return start(stdio)
  } finally {
    closeSync(nothing)
  }
}

/** In ascending order; none that is a device. */
function openFiles(): number[] {
  return openDescriptors().filter((fd) => {
    try {
      return /^\/(?!dev\/|proc\/)/.test(readlinkSync(`/proc/self/fd/${fd}`))
    } catch {
      // It was that of the listing itself.
      return false
    }
  })
}

/** Beyond the standard three. */
function openDescriptors(): number[] {
  try {
    return readdirSync('/proc/self/fd')
      .map(Number)
      .filter((fd) => fd > 2)
      .toSorted((a, b) => a - b)
  } catch {
    return []
  }
}
