// A process to be killed: uploads a file under one idempotency key, as a client's retry does, and follows the job to its end.

import { createReadStream } from 'node:fs'
import { pino } from 'pino'
import { openGateway } from './gateway.ts'

const { folder, file, contentType } = JSON.parse(process.argv[2] ?? '') as Record<string, string>
const gateway = await openGateway({
  folder: folder ?? '',
  log: pino({ level: 'warn' }, pino.destination(2)),
})
const { publishing } = gateway
await gateway.serveSample()
await publishing.start()
process.stdout.write('ready\n')
const { id } = await publishing.upload({
  table: 'quotes',
  body: createReadStream(file ?? ''),
  contentType,
  idempotencyKey: 'the file',
  signal: new AbortController().signal,
})
process.stdout.write('accepted\n')
const { status } = await publishing.wait(id)
await gateway.close()
process.stdout.write(`${status}\n`)
