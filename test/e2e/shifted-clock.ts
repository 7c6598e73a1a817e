// Loaded before a gateway (node --import): its clock goes CLOCK_SHIFT_MS ahead of the machine's, or behind it.

const shiftMs = Number(process.env.CLOCK_SHIFT_MS)
const Real = Date

class Shifted extends Real {
  constructor(...args: unknown[]) {
    super(...((args.length === 0 ? [Shifted.now()] : args) as [number]))
  }

  static override now() {
    return Real.now() + shiftMs
  }
}

globalThis.Date = Shifted as DateConstructor
