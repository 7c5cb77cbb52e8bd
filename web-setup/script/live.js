// The box's status, kept fresh: the event stream where it flows, asking again where it does not.

const RETRY_MS = 3000;
/** The time of the station alone is told every two seconds: a stream that is silent for this long is a dead one. */
const QUIET_MS = 8000;

/**
 * Calls back with the whole status and the names of the fields that changed (null for all of them), and with whether
 * the box can be reached.
 * @param {{ onStatus(status: object, changed: Set<string> | null): void, onContact(there: boolean): void }} handlers
 */
export function follow({ onStatus, onContact }) {
  let status = null;
  let source = null;
  let retry = 0;
  let quiet = 0;

  const heard = () => {
    clearTimeout(quiet);
    quiet = setTimeout(reconnect, QUIET_MS);
    onContact(true);
  };

  function connect() {
    source?.close();
    source = new EventSource('/api/events');
    source.addEventListener('status', (event) => {
      status = JSON.parse(event.data);
      heard();
      onStatus(status, null);
    });
    source.addEventListener('change', (event) => {
      if (status === null) return;
      const change = JSON.parse(event.data);
      status = { ...status, ...change };
      heard();
      onStatus(status, new Set(Object.keys(change)));
    });
    source.addEventListener('error', () => {
      onContact(false);
      if (source.readyState === EventSource.CLOSED) again();
    });
  }

  function again() {
    clearTimeout(retry);
    retry = setTimeout(reconnect, RETRY_MS);
  }

  /** The stream may be refused (too many pages are open) while the status still answers. */
  async function reconnect() {
    try {
      const response = await fetch('/api/status', { signal: AbortSignal.timeout(RETRY_MS) });
      if (!response.ok) throw new Error(String(response.status));
      status = await response.json();
      onContact(true);
      onStatus(status, null);
    } catch {
      onContact(false);
    }
    connect();
  }

  // The device itself may know sooner than any stream.
  addEventListener('offline', () => onContact(false));
  addEventListener('online', reconnect);
  // A phone that wakes up shows the present at once, not after the next retry.
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible' && source?.readyState !== EventSource.OPEN) reconnect();
  });
  connect();
}
