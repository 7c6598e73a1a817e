// Events between the gateways on one catalog, by PostgreSQL's LISTEN and NOTIFY on a connection of their own.

import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { Logger } from 'pino'
import { callAgain, doubling } from '../../concurrency/retry.ts'
import { within } from '../../concurrency/within.ts'
import { createEvents, type Events, type Topics } from '../../events.ts'
import { createOutbox, decodeMessage, encodeMessage, type Message } from './event-messages.ts'

const channel = 'feature_gateway_events'
const firstPauseMs = 100
const longestPauseMs = 5000
/** A server that answers nothing for so long is taken for lost. */
const answerWithinMs = 10_000
const heartbeatMs = 5000
const closeWithinMs = 1000

export interface SharedEvents extends Events {
  close(): Promise<void>
}

/**
 * Publishing never waits and never fails: what cannot be sent now is kept, gathered, until the server is back. After an
 * interruption every listener of this process is told that anything may have changed.
 */
export async function openSharedEvents({
  connection,
  log,
}: {
  connection: pg.ClientConfig
  log: Logger
}): Promise<SharedEvents> {
  const local = createEvents()
  const outbox = createOutbox()
  const origin = randomBytes(9).toString('base64url')
  const closing = new AbortController()
  let sending: Promise<void> | null = null
  let client: pg.Client | null = await connect()
  const heartbeat = setInterval(() => void client?.query('SELECT 1').catch(lose), heartbeatMs)
  heartbeat.unref()

  async function connect(): Promise<pg.Client> {
    const connected = new pg.Client({
      ...connection,
      keepAlive: true,
      connectionTimeoutMillis: answerWithinMs,
      query_timeout: answerWithinMs,
      application_name: 'feature-gateway-events',
    })
    connected.on('error', (error) => {
      if (!closing.signal.aborted)
        log.warn({ err: error }, 'The connection that carries events between gateways was lost')
    })
    connected.on('notification', ({ payload = '' }) => receive(payload))
    try {
      await connected.connect()
      // An event is worth no wait for the disk.
      await connected.query(`SET synchronous_commit = off; LISTEN ${channel}`)
    } catch (error) {
      await connected.end().catch(() => undefined)
      throw error
    }
    connected.once('end', () => void reconnect())
    return connected
  }

  async function reconnect(): Promise<void> {
    client = null
    const { signal } = closing
    await sleep(firstPauseMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return
    const pauseMs = doubling(firstPauseMs, longestPauseMs)
    const connected = await callAgain(
      connect,
      (failures, error) => {
        log.debug({ err: error }, 'The connection that carries events between gateways is not back yet')
        return pauseMs(failures)
      },
      signal,
    ).catch(() => null)
    if (connected === null) return
    if (closing.signal.aborted) return void (await connected.end())
    client = connected
    log.info('Events between gateways flow again')
    local.publishAll()
    send()
  }

  /** Its end brings the next. */
  function lose() {
    client?.end().catch(() => undefined)
  }

  function receive(payload: string) {
    const message = decodeMessage(payload)
    if (message === null || message.origin === origin || !local.isHeard(message.topic, message.id)) return
    const { topic, id } = message
    switch (topic) {
      case 'online':
        return local.publish(topic, id, { values: message.values() })
      case 'publishJob':
        return local.publish(topic, id, { jobId: id })
      case 'dataset':
      case 'datasetCancel':
        return local.publish(topic, id, { datasetId: id })
      case 'views':
      case 'apiKeys':
      case 'watermarks':
      case 'deletedDatasets':
        return local.publish(topic, id, { changed: true })
    }
  }

  function send() {
    sending ??= sendAll().finally(() => {
      sending = null
    })
  }

  async function sendAll() {
    // What is published in this turn goes together.
    await new Promise(setImmediate)
    while (client !== null && !outbox.isEmpty()) {
      const messages = outbox.take()
      try {
        const payloads = messages.flatMap((message) => encodeMessage(origin, message))
        await client.query('SELECT pg_notify($1, payload) FROM unnest($2::text[]) payload', [
          channel,
          payloads,
        ])
      } catch (error) {
        if (!closing.signal.aborted) log.warn({ err: error }, 'Events could not be sent to other gateways')
        keep(messages)
        lose()
        return
      }
    }
  }

  /** Over an outage the values would only cost memory. */
  function keep(messages: readonly Message[]) {
    for (const { topic, id } of messages) outbox.add(topic, id, null)
  }

  return {
    listen: local.listen,
    publish(topic, id, change) {
      local.publish(topic, id, change)
      outbox.add(topic, id, client === null ? null : valuesOf(topic, change))
      send()
    },
    async close() {
      closing.abort()
      clearInterval(heartbeat)
      if (sending !== null) await within(closeWithinMs, sending, () => undefined)
      await client?.end()
    },
  }
}

function valuesOf<T extends keyof Topics>(topic: T, change: Topics[T]): readonly string[] | null {
  return topic === 'online' && 'values' in change ? change.values : null
}
