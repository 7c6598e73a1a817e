// A client's connection: its requests are cut out of what it sends; lookups are answered past Node's HTTP server, which gets all others.

import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { TextCache } from '../../concurrency/text-cache.ts'
import { freeBuffer } from '../../spent-buffer.ts'
import type { HeldBytes } from '../guards/held-bytes.ts'
import type { HotPathAnswer, HotPathRoute, HotPathRouter } from '../hot-path/router.ts'
import { writeAnswer } from './answer-text.ts'
import { attachNode, type NodeSide } from './node-side.ts'
import { mayBecomeHead, type RequestHead, readHead } from './request-head.ts'
import { createWindow, smallAnswer } from './window.ts'

/** What a client sends ahead of its answers is kept up to here; then it is read no further. */
const maxAheadBytes = 64 * 1024

/** A head in more pieces is Node's: each is looked at anew here. */
const maxHeadPieces = 32

/** An idle connection stays for so much longer than its client was told, lest its next request be on the way. */
const idleBufferMs = 1_000

const endOfHead = Buffer.from('\r\n\r\n')

export interface KnownHead {
  head: RequestHead
  route: HotPathRoute | undefined
}

interface PendingLookup {
  route: HotPathRoute
  answer: HotPathAnswer | null
  /** Its client wants no other after it. */
  isLast: boolean
}

/** What all connections have in common. */
export interface WireContext {
  router: HotPathRouter
  held: Pick<HeldBytes, 'keep' | 'isFull' | 'refusal'>
  heads: TextCache<KnownHead>
  /** Node's own listener to a server's connections. */
  nodesListener: (socket: Socket) => void
  isStopping(): boolean
  keepAliveMs: number
  headersMs: number
  requestMs: number
  /** Longer heads Node refuses. */
  maxHeadBytes: number
  /** How long a socket may be silent before the server is told; 0 for any time. */
  silenceMs: number
  silent(socket: Socket): void
  /** The server's answer to a request that does not come to its end. */
  timeOut(socket: Socket): void
  log: Logger
}

/**
 * READING: requests are cut out of what comes, lookups answered. HOLDING: the next is for Node, once the lookups before
 * it are answered. PASSED: Node has a request; what comes after waits. LEFT: all is Node's. ENDED: nothing more is read.
 */
type State = 'READING' | 'HOLDING' | 'PASSED' | 'LEFT' | 'ENDED'

export class Connection {
  readonly #socket: Socket
  readonly #context: WireContext
  #state: State = 'READING'
  #pieces: Buffer[] = []
  #length = 0
  /** Fewer bytes than this make nothing complete. */
  #wanted = 1
  /** Lookups under way, in the order of their requests. */
  #lookups: PendingLookup[] = []
  readonly #window = createWindow()
  #node: NodeSide | null = null
  /** What Node still has to get of its request's body. */
  #bodyLeft = 0
  #responseClosed = false
  #clientEnded = false
  /** When the request that has come in part began, or the connection; null while none has. */
  #begunAtMs: number | null = performance.now()
  #headPieces = 0
  /** The head of that request is there. */
  #inBody = false
  /** Its bytes are counted among those that all connections hold. */
  #isKept = false
  #idleSinceMs = 0

  constructor(socket: Socket, context: WireContext) {
    this.#socket = socket
    this.#context = context
    if (context.silenceMs > 0) socket.setTimeout(context.silenceMs)
    socket.on('data', this.#onData)
    socket.on('end', this.#onEnd)
    socket.on('error', this.#onError)
    socket.on('drain', this.#onDrain)
    socket.on('timeout', this.#onTimeout)
  }

  /** Nothing is under way on it, neither here nor at Node. */
  get isIdle(): boolean {
    return this.#state === 'READING' && this.#length === 0 && this.#lookups.length === 0
  }

  /** Node takes it for idle, which it is not. */
  get isBusyBehindNode(): boolean {
    return this.#node !== null && this.#state !== 'PASSED' && this.#state !== 'LEFT' && !this.isIdle
  }

  destroy() {
    this.#socket.destroy()
  }

  /** To be called now and then: ends what has taken too long. */
  look(nowMs: number) {
    if (this.#state !== 'READING' || this.#lookups.length > 0) return
    const { headersMs, requestMs, keepAliveMs, timeOut } = this.#context
    if (this.#begunAtMs !== null) {
      const withinMs = this.#inBody ? requestMs : headersMs
      if (withinMs > 0 && nowMs - this.#begunAtMs > withinMs) timeOut(this.#socket)
    } else if (this.isIdle && keepAliveMs > 0 && nowMs - this.#idleSinceMs > keepAliveMs + idleBufferMs) {
      this.#socket.destroy()
    }
  }

  /** Node has begun to answer the request that it was passed. */
  onResponse(response: ServerResponse) {
    if (this.#state !== 'PASSED') return
    response.once('close', () => {
      this.#responseClosed = true
      this.#takeBack()
    })
  }

  readonly #onData = (piece: Buffer) => {
    let rest = piece
    if (this.#state === 'PASSED' && this.#bodyLeft > 0) {
      rest = this.#feed(piece)
      // Node's parser has made copies of what is of the body.
      if (rest.length === 0) freeBuffer(piece)
      this.#takeBack()
    }
    if (rest.length === 0) return
    this.#pieces.push(rest)
    this.#length += rest.length
    if (this.#state === 'READING') this.#read()
    if (this.#length > maxAheadBytes && this.#mayNotRead()) this.#socket.pause()
  }

  readonly #onEnd = () => {
    this.#clientEnded = true
    if (this.#state === 'PASSED') this.#node?.onEnd()
    else if (this.#state === 'READING') this.#read()
  }

  readonly #onError = () => this.#socket.destroy()

  readonly #onTimeout = () => this.#context.silent(this.#socket)

  readonly #onDrain = () => {
    if (this.#state === 'READING') this.#read()
  }

  #mayNotRead(): boolean {
    return (
      this.#state !== 'READING' ||
      this.#lookups.length >= this.#window.most() ||
      this.#socket.writableNeedDrain
    )
  }

  /** Takes up whole requests for as long as there are any. */
  #read() {
    while (this.#state === 'READING' && this.#length >= this.#wanted && this.#length > 0) {
      if (this.#mayNotRead()) return
      const bytes = this.#joined()
      const known = this.#headOf(bytes)
      if (known === 'PART') break
      if (known === 'ODD') {
        this.#inBody = false
        this.#hold(() => this.#leave())
        break
      }
      const { head, route, headBytes } = known
      const end = headBytes + head.bodyBytes
      if (route === undefined) {
        this.#hold(() => this.#pass(end))
        break
      }
      if (bytes.length < end) {
        // Of whoever is not known nothing is kept: Node's side answers by the head alone. So it does where there is no room.
        if (!this.#mayKeep(head, end)) {
          this.#hold(() => this.#pass(end))
          break
        }
        this.#inBody = true
        this.#wanted = end
        break
      }
      this.#lookUp(route, head, bytes.subarray(headBytes, end), end)
    }
    if (this.#length === 0) this.#begunAtMs = null
    else if (this.#state === 'READING') this.#begunAtMs ??= performance.now()
    if (this.#socket.isPaused() && !this.#mayNotRead()) this.#socket.resume()
    if (this.#clientEnded && this.#state === 'READING' && this.#lookups.length === 0) {
      // A request that will never be whole Node has its word for.
      if (this.#length > 0) this.#leave()
      else this.#end()
    }
  }

  #mayKeep({ headers }: RequestHead, bytes: number): boolean {
    const { router, held } = this.#context
    if (!router.isKnown({ headers, socket: this.#socket })) return false
    if (bytes <= maxAheadBytes) return true
    this.#isKept = held.keep(this.#socket, bytes)
    return this.#isKept
  }

  #joined(): Buffer {
    if (this.#pieces.length > 1) this.#pieces = [Buffer.concat(this.#pieces, this.#length)]
    return this.#pieces[0] ?? Buffer.alloc(0)
  }

  #headOf(bytes: Buffer): (KnownHead & { headBytes: number }) | 'PART' | 'ODD' {
    const { heads, router, maxHeadBytes } = this.#context
    const at = bytes.indexOf(endOfHead)
    if (at > maxHeadBytes || (at < 0 && bytes.length > maxHeadBytes)) return 'ODD'
    if (at < 0) {
      if (++this.#headPieces > maxHeadPieces || !mayBecomeHead(bytes.toString('latin1'))) return 'ODD'
      // It can end with the next byte.
      this.#wanted = bytes.length + 1
      return 'PART'
    }
    const headBytes = at + endOfHead.length
    const text = bytes.toString('latin1', 0, headBytes)
    let known = heads.get(text)
    if (known === undefined) {
      const head = readHead(text)
      if (head === null) return 'ODD'
      known = { head, route: router.routeOf(head) }
      if (known.route !== undefined) heads.set(text, known)
    }
    return { head: known.head, route: known.route, headBytes }
  }

  #drop(end: number) {
    const bytes = this.#joined()
    this.#length -= end
    this.#pieces = this.#length === 0 ? [] : [bytes.subarray(end)]
    this.#wanted = 1
    this.#begunAtMs = null
    this.#inBody = false
    this.#headPieces = 0
    if (this.#isKept) this.#context.held.keep(this.#socket, 0)
    this.#isKept = false
  }

  #lookUp(route: HotPathRoute, head: RequestHead, body: Buffer, end: number) {
    const { router, log } = this.#context
    const requester = { headers: head.headers, socket: this.#socket }
    const answer = router.answer(route, { requester, body, path: head.target })
    if (answer === null) return this.#hold(() => this.#pass(end))
    this.#drop(end)
    const lookup: PendingLookup = { route, answer: null, isLast: head.isLast }
    this.#lookups.push(lookup)
    if (head.isLast) this.#state = 'ENDED'
    answer
      .then((given) => {
        lookup.answer = given
        this.#window.answered(given.text.length)
        this.#write()
      })
      .catch((error: unknown) => {
        log.error({ err: error }, 'A request failed unexpectedly')
        this.#socket.destroy()
      })
  }

  /** Writes what is ready, in order. */
  #write() {
    const { router, held, isStopping, keepAliveMs } = this.#context
    const socket = this.#socket
    for (let [first] = this.#lookups; first !== undefined && first.answer !== null; [first] = this.#lookups) {
      this.#lookups.shift()
      if (socket.destroyed) return
      const isLast = first.isLast || (this.#lookups.length === 0 && isStopping())
      const keepAliveSeconds = isLast ? null : Math.floor(keepAliveMs / 1000)
      const hasRoom = first.answer.text.length <= smallAnswer || !held.isFull()
      const answer = hasRoom ? first.answer : router.refuse(first.route, first.answer, held.refusal())
      socket.write(writeAnswer(answer, { keepAliveSeconds }), 'latin1')
      if (isLast) return this.#end()
    }
    if (this.#lookups.length > 0) return
    this.#idleSinceMs = performance.now()
    if (this.#state === 'HOLDING') this.#release()
    else this.#read()
  }

  #end() {
    this.#state = 'ENDED'
    this.#lookups = []
    this.#held = null
    this.#socket.destroySoon()
  }

  /** What is to be done once the lookups under way are answered. */
  #held: (() => void) | null = null

  #hold(act: () => void) {
    this.#state = 'HOLDING'
    this.#held = act
    if (this.#lookups.length === 0) this.#release()
  }

  #release() {
    const act = this.#held
    this.#held = null
    act?.()
  }

  /** Node gets the request that ends at `end`, as much of it as is there; the rest as it comes. */
  #pass(end: number) {
    const node = this.#attached()
    this.#state = 'PASSED'
    this.#responseClosed = false
    this.#bodyLeft = end
    const bytes = this.#joined()
    this.#drop(Math.min(end, bytes.length))
    this.#feed(bytes)
    if (this.#bodyLeft > 0 && this.#socket.isPaused()) this.#socket.resume()
    if (this.#clientEnded) node.onEnd()
    this.#takeBack()
  }

  #attached(): NodeSide {
    if (this.#node !== null) return this.#node
    this.#socket.off('timeout', this.#onTimeout)
    this.#node = attachNode(this.#socket, this.#context.nodesListener, this.#onData, this.#onEnd)
    return this.#node
  }

  /** Returns what is not of Node's request any more. */
  #feed(bytes: Buffer): Buffer {
    const own = bytes.length > this.#bodyLeft ? bytes.subarray(0, this.#bodyLeft) : bytes
    this.#bodyLeft -= own.length
    this.#node?.onData(own)
    return bytes.subarray(own.length)
  }

  /** Once Node has all of its request and has answered it, what follows is read here again. */
  #takeBack() {
    if (this.#state !== 'PASSED' || this.#bodyLeft > 0 || !this.#responseClosed) return
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) {
      this.#state = 'ENDED'
      return
    }
    this.#state = 'READING'
    this.#idleSinceMs = performance.now()
    // Node has set the time that an idle connection may stay.
    socket.setTimeout(this.#context.silenceMs)
    if (socket.isPaused()) socket.resume()
    this.#read()
  }

  /** Node gets all that is there and all that will come. */
  #leave() {
    const socket = this.#socket
    const node = this.#attached()
    this.#state = 'LEFT'
    const bytes = this.#joined()
    this.#pieces = []
    socket.off('data', this.#onData).off('end', this.#onEnd).off('drain', this.#onDrain)
    node.takeOver()
    socket.off('error', this.#onError)
    if (socket.isPaused()) socket.resume()
    node.onData(bytes)
    if (this.#clientEnded) node.onEnd()
  }
}
