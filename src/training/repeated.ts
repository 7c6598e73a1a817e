// Requests that a client may repeat under a key: the dataset of the first answers all of them.

import type { DatasetRecord, Datasets } from '../catalog/datasets.ts'
import { checkKey, hashRequest, type Idempotency } from '../catalog/idempotency-keys.ts'
import { AppError, type ErrorCode } from '../errors.ts'
import type { Events } from '../events.ts'
import { watchDataset } from './progress.ts'

export interface RepeatKey {
  key: string
  /** What else the client asked for, as it was given. */
  asked: unknown
  rows?: unknown
}

/** Throws BAD_USER_INPUT for what is no key. */
export async function idempotencyOf(
  operation: 'queryTrain' | 'createTrainingSet',
  { key, asked, rows }: RepeatKey,
): Promise<Idempotency> {
  return { key: checkKey(key), requestSha256: await hashRequest([operation, asked], rows ?? null) }
}

/** The dataset once it has ended, or as it stands after `waitMs`; throws what it failed with. */
export async function whenMade(
  parts: { datasets: Datasets; events: Events; signal: AbortSignal },
  { id }: DatasetRecord,
  waitMs: number,
): Promise<DatasetRecord> {
  const signal = AbortSignal.any([parts.signal, AbortSignal.timeout(waitMs)])
  for await (const _ of watchDataset({ ...parts, signal }, id));
  const dataset = await parts.datasets.byId(id)
  if (dataset.status !== 'FAILED') return dataset
  throw new AppError(
    (dataset.errorCode ?? 'INTERNAL') as ErrorCode,
    dataset.error ?? `The dataset ${id} failed.`,
  )
}
