/** Lines that cannot be had: no GPIO, no tool, no right, no such line, or taken. The message is for people, with what to do. */
export class GpioError extends Error {
  override readonly name = 'GpioError';
  /**
   * absent: this machine has no such GPIO; denied: this user may not use it; tools: the programs are missing;
   * pins: these lines cannot be had here; busy: somebody else holds them; lost: they were ours, and are not any more.
   */
  readonly reason: 'absent' | 'denied' | 'tools' | 'pins' | 'busy' | 'lost';
  constructor(reason: GpioError['reason'], message: string) {
    super(message);
    this.reason = reason;
  }
}

/** A setting or a file of `hardware/` that does not say what it should. */
export class WiringError extends Error {
  override readonly name = 'WiringError';
}
