/** What playback needs of whatever makes the frames sound; one contract suite runs on every kind. */
import type { SoundObservation } from '../clock/steering.ts';

export interface Player {
  /** Opens it; frames may be written then. @throws PlayerMissingError, PlayerProtocolError, OutputUnavailableError */
  start(): Promise<void>;
  /** Queues interleaved stereo frames, 16 bit little-endian, 48,000 Hz. The caller keeps the pace and may reuse `bytes`. */
  write(bytes: Uint8Array): void;
  /**
   * Lets what is written sound; some frames must have been written before.
   * @returns the monotonic instant (performance.now) at which frame 0 is heard, as far as known
   * @throws OutputUnavailableError
   */
  begin(): Promise<number>;
  /** Which frame is heard now; null while the player cannot tell. */
  observe(): Promise<SoundObservation | null>;
  /** Percent, 0 to 100. */
  setVolume(percent: number): void;
  stop(): Promise<void>;
  /** Called once if the player ends by itself, with the reason in words. */
  onEnded(handler: (reason: string) => void): void;
  onUnderrun(handler: () => void): void;
}
