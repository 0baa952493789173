/**
 * To be loaded before a program (`node --import`): its calendar is off by `CLOCK_SHIFT_MS`, as on a machine whose clock
 * is wrong. The monotonic clock and timers are as they are.
 */
const shiftMs = Number(process.env["CLOCK_SHIFT_MS"] ?? 0)
const RealDate = Date

class ShiftedDate extends RealDate {
  constructor(...parts: [] | [string | number | Date]) {
    if (parts.length === 0) super(ShiftedDate.now())
    else super(...parts)
  }

  static override now(): number {
    return RealDate.now() + shiftMs
  }
}

globalThis.Date = ShiftedDate as DateConstructor
