// The progress of a job: its rate, and the stream's order, pace and end.

import { describe, expect, it } from 'vitest'
import { AppError } from '../../src/errors.ts'
import { createEvents } from '../../src/events.ts'
import { createRateMeter, followProgress, type PublishProgress } from '../../src/publish/progress.ts'
import { crowding } from '../crowding.ts'

function createJob() {
  const events = createEvents()
  const state: PublishProgress = {
    jobId: 'job_1',
    status: 'RUNNING',
    total: 1000,
    done: 0,
    flowsPerSecond: null,
    etaSeconds: null,
    waitingFor: null,
    error: null,
  }
  const closing = new AbortController()
  let reads = 0
  return {
    closing,
    reads: () => reads,
    step(changes: Partial<PublishProgress>) {
      Object.assign(state, changes)
      events.publish('publishJob', 'job_1', { jobId: 'job_1' })
    },
    follow: () =>
      followProgress({
        jobId: 'job_1',
        events,
        signal: closing.signal,
        read: async () => {
          reads++
          return { ...state }
        },
      })[Symbol.asyncIterator](),
  }
}

describe('the progress stream', () => {
  it('begins with where the job stands, for a late subscriber too', async () => {
    const job = createJob()
    job.step({ done: 400 })
    const stream = job.follow()
    expect((await stream.next()).value).toMatchObject({ done: 400, status: 'RUNNING' })
    await stream.return?.()
  })

  it('of an ended job is its end alone', async () => {
    const job = createJob()
    job.step({ done: 1000, status: 'SUCCEEDED' })
    const stream = job.follow()
    expect((await stream.next()).value).toMatchObject({ done: 1000, status: 'SUCCEEDED' })
    expect(await stream.next()).toMatchObject({ done: true })
  })

  it('beats at least four times a second while nothing changes', { retry: 3 }, async () => {
    const job = createJob()
    const stream = job.follow()
    await stream.next()
    const begin = performance.now()
    for (let beat = 0; beat < 8; beat++) await stream.next()
    expect(performance.now() - begin).toBeLessThan(2000 * crowding())
    await stream.return?.()
  })

  it('tells a step at once, then the end, then completes', async () => {
    const job = createJob()
    const stream = job.follow()
    await stream.next()
    const waiting = stream.next()
    job.step({ done: 10 })
    expect((await waiting).value).toMatchObject({ done: 10 })
    const end = stream.next()
    job.step({ done: 1000, status: 'SUCCEEDED' })
    expect((await end).value).toMatchObject({ done: 1000, status: 'SUCCEEDED' })
    expect(await stream.next()).toMatchObject({ done: true })
  })

  it('gives a client that takes events slowly the newest, not a queue of old ones', async () => {
    const job = createJob()
    const stream = job.follow()
    await stream.next()
    for (let done = 1; done <= 1000; done++) job.step({ done })
    const seen: unknown[] = [(await stream.next()).value]
    job.step({ done: 1000, status: 'SUCCEEDED' })
    for await (const progress of { [Symbol.asyncIterator]: () => stream }) seen.push(progress)
    expect(seen.length).toBeLessThan(4)
    expect(seen.at(-1)).toMatchObject({ status: 'SUCCEEDED' })
  })

  it('lets go at once of a client that leaves while it waits, and reads no more', async () => {
    const job = createJob()
    const stream = job.follow()
    await stream.next()
    const waiting = stream.next()
    await stream.return?.()
    expect(await waiting).toMatchObject({ done: true })
    const reads = job.reads()
    // As long as another stream takes for some beats.
    const other = createJob().follow()
    for (let beat = 0; beat < 4; beat++) await other.next()
    await other.return?.()
    expect(job.reads()).toBe(reads)
  })

  it('ends when publishing closes, though the job has not', async () => {
    const job = createJob()
    const stream = job.follow()
    await stream.next()
    const waiting = stream.next()
    job.closing.abort()
    expect(await waiting).toMatchObject({ done: true })
    expect(await job.follow().next()).toMatchObject({ done: true })
  })

  it('rejects with the failure of its reading', async () => {
    const stream = followProgress({
      jobId: 'job_1',
      events: createEvents(),
      signal: new AbortController().signal,
      read: () => Promise.reject(new AppError('NOT_FOUND', 'There is no job job_1.')),
    })[Symbol.asyncIterator]()
    await expect(stream.next()).rejects.toMatchObject({ code: 'NOT_FOUND' })
  })
})

describe('the rate', () => {
  it('is unknown until something is done, then says how fast and how long', () => {
    let nowMs = 0
    const meter = createRateMeter(200, () => nowMs)
    expect(meter.flowsPerSecond()).toBeNull()
    expect(meter.etaSeconds(1000)).toBeNull()
    nowMs = 1000
    meter.advance(600)
    expect(meter.flowsPerSecond()).toBe(400)
    expect(meter.etaSeconds(1000)).toBe(1)
  })

  it('is that of the last seconds, and sinks while nothing gets done', () => {
    let nowMs = 0
    const meter = createRateMeter(0, () => nowMs)
    for (let done = 0; done < 60; done++) {
      nowMs += 1000
      meter.advance(done < 30 ? done : 30 + (done - 30) * 100)
    }
    expect(meter.flowsPerSecond()).toBeCloseTo(100, -1)
    nowMs += 20_000
    expect(meter.flowsPerSecond()).toBeLessThan(30)
  })
})
