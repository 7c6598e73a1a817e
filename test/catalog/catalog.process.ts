// A process to be killed: opens a catalog and, as it is told, saves queries or works its queue, saying each step on a line.

import { pino } from 'pino'
import { openCatalog } from '../../src/catalog/open.ts'

export interface Orders {
  url: string
  folder: string
  task: 'save' | 'hold' | 'work' | 'prepare' | 'train'
}

function say(what: string) {
  process.stdout.write(`${what}\n`)
}

const { url, folder, task } = JSON.parse(process.argv[2] ?? '') as Orders
const log = pino({ level: 'warn' }, pino.destination(2))
say('begun')
const catalog = await openCatalog({ url, folder, log })
say('open')

if (task === 'save') {
  for (let i = 0; ; i++) {
    const { id } = await catalog.savedQueries.save({ name: 'kept', sql: `SELECT ${i}`, columns: [] })
    say(id)
  }
}

if (task === 'train') {
  const { id } = await catalog.datasets.create({ queryId: null, etlId: null, sql: 'SELECT 1' })
  await catalog.datasets.update(id, { status: 'RUNNING' })
  say(id)
}

if (task === 'hold' || task === 'work') {
  await catalog.queue.work('errands', { concurrency: 2 }, async (id) => {
    say(id)
    if (task === 'hold') await new Promise(() => setInterval(() => {}, 1000))
  })
}
