/** One class per cause; texts for people are made elsewhere. */

/** The 32-byte seed of the node's identity is not 32 bytes. */
export class IdentitySeedError extends Error {
  override name = 'IdentitySeedError';
  constructor(length: number) {
    super(`identity seed has ${length} bytes; it must have 32`);
  }
}

/** A station id that is not 64 hex digits. */
export class StationIdError extends Error {
  override name = 'StationIdError';
  constructor(value: string) {
    super(`station id ${JSON.stringify(value.slice(0, 80))} is not 64 lower-case hex digits`);
  }
}

/** The station key is neither null nor 32 bytes. */
export class StationKeyError extends Error {
  override name = 'StationKeyError';
  constructor(length: number) {
    super(`station key has ${length} bytes; it must have 32, or be null for an open station`);
  }
}

/** An address that cannot be listened on or dialled. */
export class AddressError extends Error {
  override name = 'AddressError';
  readonly value: string;
  constructor(kind: 'listen' | 'bootstrap', value: string, cause: unknown) {
    super(
      `${kind} address ${JSON.stringify(value)} is not usable: it must be a multiaddr such as ` +
        (kind === 'listen'
          ? '/ip4/0.0.0.0/tcp/4001'
          : '/ip4/192.168.1.5/tcp/4001/p2p/12D3Koo… or /dns4/radio.example/tcp/4001'),
      { cause },
    );
    this.value = value;
  }
}

/** None of the listen addresses could be opened: in use, or not an address of this machine. */
export class ListenError extends Error {
  override name = 'ListenError';
  constructor(addresses: readonly string[], cause: unknown) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`cannot listen on ${addresses.join(', ')}: ${reason}`, { cause });
  }
}

/** Called before start() or after stop(). */
export class NotRunningError extends Error {
  override name = 'NotRunningError';
  constructor() {
    super('the network is not running');
  }
}

/** The peer is not connected and cannot be reached, or it broke the stream off. */
export class PeerUnreachableError extends Error {
  override name = 'PeerUnreachableError';
  constructor(peer: string, cause: unknown) {
    super(`peer ${peer} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** The peer did not answer in time. */
export class RequestTimeoutError extends Error {
  override name = 'RequestTimeoutError';
  constructor(peer: string, timeoutMs: number) {
    super(`peer ${peer} did not answer within ${timeoutMs} ms`);
  }
}

/** The peer's answer is not what the protocol allows. */
export class BadAnswerError extends Error {
  override name = 'BadAnswerError';
  constructor(peer: string, cause: unknown) {
    super(`peer ${peer} answered nonsense: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

/** More calls at once than the bound allows. */
export class TooManyError extends Error {
  override name = 'TooManyError';
  constructor(what: string, bound: number) {
    super(`too many ${what} at once: at most ${bound}`);
  }
}

/** Text that is not a CID this network carries (CIDv1 or 0, sha2-256, raw or dag-cbor). */
export class BadCidError extends Error {
  override name = 'BadCidError';
  constructor(text: string) {
    super(`${JSON.stringify(text.slice(0, 100))} is not a CID of a raw or dag-cbor block with a sha2-256 hash`);
  }
}

/** No connected peer delivered the block. */
export class BlockUnavailableError extends Error {
  override name = 'BlockUnavailableError';
  constructor(cid: string, asked: number) {
    super(`no peer delivered block ${cid} (${asked} asked)`);
  }
}

/** The block is larger than its user allows. */
export class BlockTooLargeError extends Error {
  override name = 'BlockTooLargeError';
  constructor(cid: string, bytes: number, maxBytes: number) {
    super(`block ${cid} has ${bytes} bytes; at most ${maxBytes} are allowed`);
  }
}

/** A pin needs every block of the DAG here, and this one is not. */
export class PinIncompleteError extends Error {
  override name = 'PinIncompleteError';
  constructor(root: string, missing: string) {
    super(`cannot pin ${root}: block ${missing} is not in the store`);
  }
}
