// MGET, its reply read where it lies in what the socket brought: ioredis's decoder makes an object of each value, which costs more than the rest of a lookup.

import { Command, type Redis } from 'ioredis'
import { type ByteText, byteTextOf } from '../../values/byte-text.ts'
import { unpackWithin } from '../packed.ts'
import { endOfReply, frame, lineAt } from './frames.ts'
import type { KeyGroup, Stored } from './store.ts'

/** A value for each key, in order. */
export async function readValues(redis: Redis, groups: readonly KeyGroup[]): Promise<(Stored | null)[]> {
  const command = new ReadCommand(groups)
  const reply = await redis.sendCommand(command)
  const values = command.release()
  if (values !== null) return values
  // Without `withSplitReplies`, ioredis has decoded it.
  return (reply as (Buffer | null)[]).map((value) => (value === null ? null : readStored(value)))
}

export function readStored(value: Buffer): Stored {
  return storedWithin(value, byteTextOf(value), 0, value.length)
}

/** An entry, or the text of what is none. */
function storedWithin(bytes: Buffer, text: ByteText, start: number, end: number): Stored {
  return unpackWithin(bytes, text, start, end) ?? text.slice(start, end)
}

/** It writes itself down, with far fewer pieces of text than ioredis makes of as many keys. */
class ReadCommand extends Command {
  /** The reply, where it was read here. */
  found: Values | null = null
  private groups: readonly KeyGroup[]

  constructor(groups: readonly KeyGroup[]) {
    super('mget', [], { replyEncoding: null })
    this.groups = groups
  }

  /** Dead commands hang together until a full collection, and would keep all that they hold. */
  release() {
    const values = this.found?.values ?? null
    this.found = null
    this.groups = []
    return values
  }

  override toWritable(): Buffer {
    const text = writeCommand(this.groups, (key) => key.length)
    // As many bytes as units: all is ASCII, and the lengths are right.
    if (Buffer.byteLength(text) === text.length) return Buffer.from(text, 'latin1')
    return Buffer.from(writeCommand(this.groups, (key) => Buffer.byteLength(key)))
  }
}

function writeCommand(groups: readonly KeyGroup[], lengthOf: (text: string) => number): string {
  let count = 1
  let text = '\r\n$4\r\nmget'
  for (const { prefix, rests } of groups) {
    const prefixLength = lengthOf(prefix)
    count += rests.length
    let length = -1
    let before = ''
    for (const rest of rests) {
      const own = lengthOf(rest)
      // Keys of one length, one after the other, share what comes before them.
      if (own !== length) {
        length = own
        before = `\r\n$${prefixLength + own}\r\n${prefix}`
      }
      text += before + rest
    }
  }
  return `*${count}${text}\r\n`
}

/** A reply to a ReadCommand, as far as it is read. */
class Values {
  readonly values: (Stored | null)[] = []
  readonly count: number

  constructor(count: number) {
    this.count = count
  }
}

/** Reads the replies to `readValues` on every connection that `redis` makes; ioredis reads all others. */
export function withSplitReplies(redis: Redis): Redis {
  redis.on('connect', () => {
    const { stream } = redis
    // ioredis has put its decoder before all other listeners.
    const [decode] = stream.listeners('data') as ((bytes: Buffer) => void)[]
    if (decode === undefined) return
    // First too: ioredis's watch over silent sockets has to find the command answered.
    stream.prependListener('data', createSplitter(redis, decode))
    stream.off('data', decode)
  })
  return redis
}

/** Replies come in the order of the commands; one that is not whole yet is kept until more has come. */
function createSplitter(redis: Redis, decode: (bytes: Buffer) => void): (chunk: Buffer) => void {
  let kept: Buffer[] = []
  let keptBytes = 0
  /** Reading on is of no use before so many bytes are there. */
  let neededBytes = 0
  let reading: Values | null = null

  function answer(found: Values) {
    reading = null
    const command = redis.commandQueue.shift()?.command
    if (command instanceof ReadCommand) command.found = found
    command?.resolve(null)
  }

  /** Takes the values that are there whole, and gives where they end. */
  function readOn({ values, count }: Values, bytes: Buffer, text: ByteText, from: number): number {
    let at = from
    while (values.length < count) {
      const line = lineAt(bytes, at + 1)
      if (line === null) return at
      const end = line.next + line.number
      if (bytes[at] !== frame.blob || line.number < 0) {
        values.push(null)
        at = line.next
      } else if (end + 2 > bytes.length) {
        neededBytes = end + 2 - at
        return at
      } else {
        values.push(storedWithin(bytes, text, line.next, end))
        at = end + 2
      }
    }
    return at
  }

  /** Where the first reply that is not whole begins, or goes on. */
  function readAll(bytes: Buffer): number {
    let text: ByteText | undefined
    let at = 0
    while (at < bytes.length) {
      const isRead = redis.commandQueue.peekFront()?.command instanceof ReadCommand
      if (reading === null && isRead && bytes[at] === frame.array) {
        const line = lineAt(bytes, at + 1)
        if (line === null) return at
        reading = new Values(line.number)
        at = line.next
      }
      if (reading !== null) {
        text ??= byteTextOf(bytes)
        at = readOn(reading, bytes, text, at)
        if (reading.values.length < reading.count) return at
        answer(reading)
      } else {
        const end = endOfReply(bytes, at)
        if (end === null) return at
        decode(bytes.subarray(at, end))
        at = end
      }
    }
    return at
  }

  return (chunk) => {
    kept.push(chunk)
    keptBytes += chunk.length
    if (keptBytes < neededBytes) return
    const bytes = kept.length === 1 ? chunk : Buffer.concat(kept)
    neededBytes = 0
    const at = readAll(bytes)
    kept = at === bytes.length ? [] : [bytes.subarray(at)]
    keptBytes = bytes.length - at
  }
}
