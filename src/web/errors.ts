/** Somebody else listens on the port that was asked for. */
export class PortInUseError extends Error {
  override readonly name = 'PortInUseError';
  readonly port: number;
  constructor(port: number, host: string) {
    super(
      `Port ${port} on ${host} is already in use, perhaps by another Starling node. ` +
        `Stop that program, or choose another port with --http PORT (0 takes any free one).`,
    );
    this.port = port;
  }
}

/** This user may not listen on the port, as with ports below 1024. */
export class PortForbiddenError extends Error {
  override readonly name = 'PortForbiddenError';
  readonly port: number;
  constructor(port: number, host: string) {
    super(
      `This user may not listen on port ${port} of ${host}. Choose a port from 1024 on with --http PORT, ` +
        `or allow it with CAP_NET_BIND_SERVICE.`,
    );
    this.port = port;
  }
}

/** The bind address is none of this machine's. */
export class BindAddressError extends Error {
  override readonly name = 'BindAddressError';
  constructor(host: string) {
    super(
      `Cannot listen on "${host}": it is no address of this machine. ` +
        `Allowed: an address of one of its interfaces, 0.0.0.0 or :: for all, 127.0.0.1 for this machine alone.`,
    );
  }
}

/** The folder with the page is missing, too large or has no index.html. */
export class WebRootError extends Error {
  override readonly name = 'WebRootError';
  constructor(webRoot: string, cause: string) {
    super(`The page cannot be served from "${webRoot}": ${cause}.`);
  }
}

/** What exactly was wrong with a request: which field, and what it may be. */
export interface RequestFault {
  field?: string;
  /** In words. */
  allowed?: string;
  /** Milliseconds after which it is worth trying again. */
  retryAfterMs?: number;
}

/** A request that is answered with an error: status, a short code for programs and a text for people. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly status: number;
  readonly code: string;
  readonly fault: RequestFault;
  constructor(status: number, code: string, text: string, fault: RequestFault = {}) {
    super(text);
    this.status = status;
    this.code = code;
    this.fault = fault;
  }
}
