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
  const failure = failureOf(dataset)
  if (failure !== null) throw failure
  return dataset
}

/** What it failed with, wherever that was; null where it has not. */
export function failureOf({ id, status, error, errorCode }: DatasetRecord): AppError | null {
  if (status !== 'FAILED') return null
  return new AppError((errorCode ?? 'INTERNAL') as ErrorCode, error ?? `The dataset ${id} failed.`)
}
