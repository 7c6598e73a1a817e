// What a process, and those that it has started, hold in memory.

import { readdir, readFile, writeFile } from 'node:fs/promises'

/** From here on the peaks of the process and of those that it has started are counted anew. */
export async function watchMemory(pid: number | undefined) {
  const before = new Map<string, number>()
  for (const one of await withDescendants(`${pid}`)) {
    await writeFile(`/proc/${one}/clear_refs`, '5')
    before.set(one, await residentMb(one, 'VmRSS'))
  }
  return {
    /** The sum of the processes' own peaks, which need not have been at one time. */
    async risenMb() {
      let risen = 0
      for (const one of await withDescendants(`${pid}`)) {
        risen += (await residentMb(one, 'VmHWM')) - (before.get(one) ?? 0)
      }
      return risen
    },
  }
}

export async function withDescendants(pid: string): Promise<string[]> {
  const lists = await Promise.all(
    (await readdir(`/proc/${pid}/task`)).map((thread) =>
      readFile(`/proc/${pid}/task/${thread}/children`, 'utf8').catch(() => ''),
    ),
  )
  const children = lists.join(' ').split(' ').filter(Boolean)
  return [pid, ...(await Promise.all(children.map(withDescendants))).flat()]
}

export async function residentMb(pid: string, field: 'VmRSS' | 'VmHWM' | 'RssAnon'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024
}
