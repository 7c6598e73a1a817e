// What COPY … TO STDOUT sends, as a stream: the server wraps each row in a message, and of a few million rows the
// unwrapping is what counts. Rows are moved together within the piece that the socket gave; none is a buffer of its own.

import { Readable } from 'node:stream'
import type { Connection, Submittable } from 'pg'

const headerBytes = 5
const codeOf = (letter: string) => letter.charCodeAt(0)
const [copyData, copyDone] = [codeOf('d'), codeOf('c')]
/** May come among the data: the reply that begins it, settings, notices and notifications. */
const skipped = new Set(['H', 'S', 'N', 'A'].map(codeOf))

/** As much waits for its reader, so that the two need not take turns with every piece. */
const keptBytes = 1024 * 1024

type Socket = Readable & { listeners(event: 'data'): ((piece: Buffer) => void)[] }

/** Ends once the server has said how many rows it sent. */
export class CopyOut extends Readable implements Submittable {
  rowCount = 0
  /** So far, as the server wrote it. */
  longestRowBytes = 0
  readonly #sql: string
  #socket: Socket | null = null
  /** The driver's own reader, which waits meanwhile. */
  #driver: ((piece: Buffer) => void) | null = null
  #isData = false
  /** Of the message at hand. */
  #bytesLeft = 0
  /** A header that came in two pieces. */
  #header = Buffer.alloc(0)

  constructor(sql: string) {
    super({ highWaterMark: keptBytes })
    this.#sql = sql
  }

  submit(connection: Connection): void {
    const { stream } = connection as unknown as { stream: Socket }
    const [driver] = stream.listeners('data')
    if (driver === undefined) throw new Error('Nobody reads the connection')
    this.#socket = stream
    this.#driver = driver
    stream.removeListener('data', driver)
    stream.on('data', this.#receive)
    ;(connection as unknown as { query(sql: string): void }).query(this.#sql)
  }

  readonly #receive = (piece: Buffer): void => {
    const whole = this.#header.length === 0 ? piece : Buffer.concat([this.#header, piece])
    this.#header = Buffer.alloc(0)
    let [from, to] = [0, 0]
    while (from < whole.length) {
      if (this.#bytesLeft > 0) {
        const end = Math.min(from + this.#bytesLeft, whole.length)
        if (this.#isData) {
          whole.copyWithin(to, from, end)
          to += end - from
        }
        this.#bytesLeft -= end - from
        from = end
        continue
      }
      if (whole.length - from < headerBytes) {
        this.#header = Buffer.from(whole.subarray(from))
        break
      }
      const code = whole[from] ?? 0
      this.#isData = code === copyData
      if (!this.#isData && !skipped.has(code)) {
        // The end, or an error: the driver knows what to make of it.
        this.#give(whole.subarray(0, to))
        this.#handOver(Buffer.from(whole.subarray(code === copyDone ? from + headerBytes : from)))
        return
      }
      this.#bytesLeft = whole.readInt32BE(from + 1) + 1 - headerBytes
      if (this.#bytesLeft > this.longestRowBytes) this.longestRowBytes = this.#bytesLeft
      from += headerBytes
    }
    this.#give(whole.subarray(0, to))
  }

  #give(rows: Buffer): void {
    if (rows.length > 0 && !this.push(rows)) this.#socket?.pause()
  }

  #handOver(rest: Buffer): void {
    const [socket, driver] = [this.#socket, this.#driver]
    if (socket === null || driver === null) return
    this.#socket = null
    socket.removeListener('data', this.#receive)
    socket.on('data', driver)
    socket.resume()
    if (rest.length > 0) driver(rest)
  }

  override _read(): void {
    this.#socket?.resume()
  }

  handleCommandComplete({ text }: { text: string }): void {
    this.rowCount = Number(/^COPY (\d+)$/.exec(text)?.[1] ?? 0)
    this.push(null)
  }

  handleError(error: Error): void {
    this.destroy(error)
  }

  handleReadyForQuery(): void {}
}
