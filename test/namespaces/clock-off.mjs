/**
 * Loaded before a node (`node --import`), so that it reads a wall clock which is STARLING_CLOCK_OFF_MS off. Linux has
 * namespaces for the monotonic clock, and none for CLOCK_REALTIME, which Date reads.
 */
const offMs = Number(process.env.STARLING_CLOCK_OFF_MS ?? 0);
const trueNow = Date.now.bind(Date);

globalThis.Date = class extends Date {
  constructor(...parts) {
    if (parts.length === 0) super(trueNow() + offMs);
    else super(...parts);
  }

  static now() {
    return trueNow() + offMs;
  }
};
