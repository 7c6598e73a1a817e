// A process to be killed: opens the gateway's parts on a folder, goes on with its publish jobs, and says where they stand.

import { pino } from 'pino'
import { openGateway } from './gateway.ts'

interface Orders {
  folder: string
  jobs: readonly { nFlows: number; seed: number }[]
}

const orders = JSON.parse(process.argv[2] ?? '') as Orders
const gateway = await openGateway({
  folder: orders.folder,
  log: pino({ level: 'warn' }, pino.destination(2)),
})
const { catalog, publishing } = gateway
await gateway.serveSample()

const seeds = (await catalog.prisma.publishJob.findMany({ select: { seed: true } })).map(({ seed }) => seed)
await publishing.start()
for (const job of orders.jobs) if (!seeds.includes(job.seed)) await publishing.publish(job)

const jobs = await catalog.prisma.publishJob.findMany({ select: { id: true } })
async function tell(jobId: string) {
  for await (const { status, done } of publishing.progress(jobId)) {
    process.stdout.write(`${JSON.stringify({ jobId, status, done })}\n`)
  }
}
await Promise.all(jobs.map(({ id }) => tell(id)))
await gateway.close()
process.stdout.write('{"closed":true}\n')
