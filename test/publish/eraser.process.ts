// A process to be killed: opens the gateway's parts on a folder, begins an erasure or goes on with one, and says where it stands.

import { pino } from 'pino'
import { openGateway } from './gateway.ts'

const { folder, user } = JSON.parse(process.argv[2] ?? '') as { folder: string; user: string }
const log = pino({ level: 'warn' }, pino.destination(2))
const gateway = await openGateway({ folder, log })
const { catalog, publishing } = gateway
const begun = await catalog.prisma.publishJob.findFirst({
  where: { kind: 'ERASURE' },
  orderBy: { createdAt: 'desc' },
})
await publishing.start()
const jobId = (begun ?? (await publishing.eraseEntity({ indexKey: 'user_id', indexValue: user }))).id
for await (const { status, done } of publishing.progress(jobId))
  process.stdout.write(`${JSON.stringify({ status, done })}\n`)
await gateway.realtime.idle()
await gateway.close()
