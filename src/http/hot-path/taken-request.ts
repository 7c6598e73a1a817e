// A request whose body can be taken as it comes from the parser, past Node's streams, which cost a third of a small POST.

import { IncomingMessage } from 'node:http'

/** The server makes every request one of these; it is a plain IncomingMessage unless it is taken. */
export class TakenRequest extends IncomingMessage {
  private onBody: ((body: Buffer) => void) | null = null
  private chunks: Buffer[] = []
  /** Node's own mark of a body that somebody reads; else it would drain it. */
  declare _consuming: boolean

  /** To be called as soon as the request is there. A request that breaks off calls nothing. */
  takeBody(onBody: (body: Buffer) => void) {
    this.onBody = onBody
    this._consuming = true
  }

  /** Whoever handles the request from now on reads its body as if nobody had. */
  giveBodyBack() {
    this.onBody = null
    this._consuming = false
    for (const chunk of this.chunks) super.push(chunk)
    super.push(null)
  }

  /** The parser calls it with each piece of the body, and with null at its end. */
  override push(chunk: Buffer | null): boolean {
    if (this.onBody === null) return super.push(chunk)
    if (chunk !== null) this.chunks.push(chunk)
    else this.onBody(this.chunks.length === 1 && this.chunks[0] ? this.chunks[0] : Buffer.concat(this.chunks))
    return true
  }
}
