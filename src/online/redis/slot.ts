// The slot of a key in a Redis Cluster: CRC-16 (XMODEM) of the key, or of what its first braces hold, by 16384.

export const slotCount = 16_384
const table = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc << 1) ^ (crc & 0x8000 ? 0x1021 : 0)
  return crc
})

export function slotOf(key: string): number {
  const open = key.indexOf('{')
  const close = open < 0 ? -1 : key.indexOf('}', open + 1)
  return crcOf(close > open + 1 ? key.slice(open + 1, close) : key) % slotCount
}

function crcOf(text: string): number {
  let crc = 0
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code > 127) return crcOfBytes(Buffer.from(text))
    crc = next(crc, code)
  }
  return crc
}

function crcOfBytes(bytes: Buffer): number {
  let crc = 0
  for (const byte of bytes) crc = next(crc, byte)
  return crc
}

function next(crc: number, byte: number): number {
  return ((crc << 8) & 0xffff) ^ (table[(crc >> 8) ^ byte] ?? 0)
}
