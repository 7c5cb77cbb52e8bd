import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { type LengthPrefixedStream, lpStream } from '@libp2p/utils';

/** A stream of length-prefixed frames, none longer than `maxBytes`. */
export function frames(stream: Stream, maxBytes: number): LengthPrefixedStream<Stream> {
  return lpStream(stream, { maxDataLength: maxBytes, maxBufferSize: maxBytes + 16 });
}

/** The open connection to a peer, null when there is none. */
export function openConnection(libp2p: Libp2p, peer: string): Connection | null {
  for (const connection of libp2p.getConnections()) {
    if (connection.status === 'open' && connection.remotePeer.toString() === peer) return connection;
  }
  return null;
}

/** Closes a stream that has done its work; one that cannot be closed is broken off. Never throws. */
export async function closeQuietly(stream: Stream, timeoutMs: number): Promise<void> {
  try {
    await stream.close({ signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    abortQuietly(stream, error);
  }
}

/** Breaks a stream off. Never throws. */
export function abortQuietly(stream: Stream, cause: unknown): void {
  try {
    stream.abort(cause instanceof Error ? cause : new Error(String(cause)));
  } catch {
    // it is gone already
  }
}

/** Aborts with the signal or after `timeoutMs`, whichever is first. */
export function within(timeoutMs: number, signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}

/** Resolves after `ms`, at once when the signal aborts. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    if (signal?.aborted) done();
    else signal?.addEventListener('abort', done);
  });
}
