// Which run of its seed a job is: the first run of a seed gets the same ids everywhere, later ones ids of their own.

import type { Catalog } from '../catalog/open.ts'
import { AppError } from '../errors.ts'
import type { FlowSource } from './flows.ts'

/** Two jobs that take a number at the same moment collide on the catalog's unique index; one of them tries again. */
const maxTries = 20

/** Gives the job the next number of its seed, once; answers with its seed and number. */
export async function numberRun(prisma: Catalog['prisma'], jobId: string): Promise<FlowSource> {
  for (let tries = 1; ; tries++) {
    const job = await prisma.publishJob.findUnique({
      where: { id: jobId },
      select: { seed: true, run: true },
    })
    if (job === null || job.seed === null) throw new AppError('INTERNAL', `Publish job ${jobId} has no seed.`)
    if (job.run !== null) return { seed: job.seed, run: job.run }
    const { _max } = await prisma.publishJob.aggregate({ where: { seed: job.seed }, _max: { run: true } })
    const run = (_max.run ?? -1) + 1
    try {
      await prisma.publishJob.updateMany({ where: { id: jobId, run: null }, data: { run } })
    } catch (error) {
      if (tries === maxTries) throw error
    }
  }
}
