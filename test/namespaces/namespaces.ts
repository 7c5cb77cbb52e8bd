/** Network namespaces on one switch: made by a process for itself, and gone with it, however it ends. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';

/**
 * As soon as its standard input closes: ends every process in the namespaces of one prefix, takes the namespaces away,
 * and then a directory. A session of its own, so that Ctrl-C does not reach it.
 */
const GUARD = `
trap '' INT TERM HUP
cat > /dev/null
for ns in $(ip netns list | awk -v p="$1-" 'index($1, p) == 1 { print $1 }'); do
  for pid in $(ip netns pids "$ns"); do kill -KILL "$pid"; done
  ip netns del "$ns"
done
if [ -n "$2" ]; then rm -rf "$2"; fi
`;

/** The machine does not allow what the lab is made of. */
export class NamespacesError extends Error {
  constructor(cause: string) {
    super(`no network namespaces here (needs root, iproute2, nftables and util-linux): ${cause}`);
    this.name = 'NamespacesError';
  }
}

/** Bridge ports that hear nothing of each other. */
export type Sides = readonly [readonly string[], readonly string[]];

let made = 0;

/**
 * A bridge in a namespace of its own, and namespaces with a cable to it. Nothing is added to the machine's own network.
 * Names carry the process id, so that two runs never meet.
 */
export class Namespaces {
  readonly #prefix = `starling-${process.pid}-${++made}`;
  readonly #scratch: string | null;
  #guard: ChildProcess | null = null;
  #lossPercent = 0;
  #cut: Sides | null = null;

  /** @param scratch - a directory that goes with the namespaces */
  constructor(scratch: string | null) {
    this.#scratch = scratch;
  }

  /** @throws NamespacesError */
  start(): void {
    const guard = spawn('sh', ['-c', GUARD, 'guard', this.#prefix, this.#scratch ?? ''], {
      detached: true,
      stdio: ['pipe', 'ignore', 'inherit'],
    });
    guard.unref();
    this.#guard = guard;
    orRefused(() => {
      this.#make('switch');
      this.#ip('switch', 'link', 'add', 'bridge', 'type', 'bridge');
      this.#ip('switch', 'addr', 'add', '10.77.0.254/24', 'dev', 'bridge');
      this.#ip('switch', 'link', 'set', 'bridge', 'up');
    });
  }

  /** Idempotent. Ends what still runs in the namespaces. */
  async stop(): Promise<void> {
    const guard = this.#guard;
    this.#guard = null;
    if (guard === null) return;
    guard.ref();
    const ended = once(guard, 'exit');
    guard.stdin?.end();
    await ended;
  }

  /** A namespace with one cable to the switch. It has no route but its link's, and none without an address. */
  add(name: string, address?: string): void {
    this.#make(name);
    this.#cable(name, 'eth0', 'switch', name);
    this.#ip('switch', 'link', 'set', 'dev', name, 'master', 'bridge');
    if (address !== undefined) this.address(name, address);
  }

  /** Gives the cable's end in a namespace an address. */
  address(name: string, address: string): void {
    this.#ip(name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
  }

  /** A namespace whose only cable leads to another one, which passes no packets on. */
  addBehind(name: string, address: string, router: string, routerAddress: string): void {
    this.#make(name);
    this.#cable(name, 'eth0', router, 'behind');
    this.#ip(name, 'addr', 'add', `${address}/24`, 'dev', 'eth0');
    this.#ip(router, 'addr', 'add', `${routerAddress}/24`, 'dev', 'behind');
  }

  /** Words before a command that is to run in a namespace. */
  inside(name: string): string[] {
    return ['ip', 'netns', 'exec', `${this.#prefix}-${name}`];
  }

  /** So many of a hundred frames between the cables of the switch are lost, each way. @throws NamespacesError */
  lose(percent: number): void {
    this.#lossPercent = percent;
    orRefused(() => this.#filter());
  }

  /** Frames between these two groups of namespaces are dropped; null: no longer. */
  cut(sides: Sides | null): void {
    this.#cut = sides;
    this.#filter();
  }

  /** Frames between cables since loss was last set: lost, and passed. */
  frames(): { lost: number; passed: number } {
    const [command = '', ...words] = [...this.inside('switch'), 'nft', 'list', 'table', 'bridge', 'lab'];
    const listed = execFileSync(command, words).toString();
    const [lost = 0, passed = 0] = [...listed.matchAll(/counter packets (\d+)/g)].map((match) => Number(match[1]));
    return { lost, passed };
  }

  #make(name: string): void {
    execFileSync('ip', ['netns', 'add', `${this.#prefix}-${name}`], { stdio: 'pipe' });
    this.#ip(name, 'link', 'set', 'lo', 'up');
  }

  #cable(name: string, device: string, other: string, otherDevice: string): void {
    const [one, two] = [`${this.#prefix}-${name}`, `${this.#prefix}-${other}`];
    const ends = ['link', 'add', device, 'netns', one, 'type', 'veth', 'peer', 'name', otherDevice, 'netns', two];
    execFileSync('ip', ends, { stdio: 'pipe' });
    this.#ip(name, 'link', 'set', 'dev', device, 'up');
    this.#ip(other, 'link', 'set', 'dev', otherDevice, 'up');
  }

  #ip(name: string, ...words: string[]): void {
    execFileSync('ip', ['-n', `${this.#prefix}-${name}`, ...words], { stdio: 'pipe' });
  }

  /** One transaction: there is no moment without rules. Frames to and from the bridge itself (the observer's) pass. */
  #filter(): void {
    const [command = '', ...words] = [...this.inside('switch'), 'nft', '-f', '-'];
    const set = (names: readonly string[]) => `{ ${names.map((name) => `"${name}"`).join(', ')} }`;
    const cut = (from: readonly string[], to: readonly string[]) => `iifname ${set(from)} oifname ${set(to)} drop`;
    const rules = [
      ...(this.#cut === null ? [] : [cut(this.#cut[0], this.#cut[1]), cut(this.#cut[1], this.#cut[0])]),
      ...(this.#lossPercent === 0 ? [] : [`numgen random mod 100 < ${this.#lossPercent} counter drop`, 'counter']),
    ];
    const head = 'type filter hook forward priority 0; policy accept;';
    const table = ['table bridge lab {', 'chain forward {', head, ...rules, '}', '}'];
    const input = ['table bridge lab', 'delete table bridge lab', ...table, ''].join('\n');
    execFileSync(command, words, { input, stdio: 'pipe' });
  }
}

/** @throws NamespacesError where the machine does not allow it */
function orRefused(make: () => void): void {
  try {
    make();
  } catch (error) {
    if (isRefusal(error)) throw new NamespacesError(causeOf(error));
    throw error;
  }
}

/** The machine lacks a right or a part; anything else is a fault of ours and no reason to skip. */
function isRefusal(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' || /not permitted|denied|not supported|no such|unknown device type/i.test(causeOf(error));
}

function causeOf(error: unknown): string {
  const said = (error as { stderr?: Buffer }).stderr?.toString().trim();
  return said === undefined || said === '' ? String(error) : said;
}

/** Whether a process may be given a monotonic clock of its own: recent Linux enters a new time namespace at exec. */
export function hasTimeNamespaces(): boolean {
  try {
    const shifted = execFileSync('unshare', ['--time', '--boottime', '100000000', 'cat', '/proc/uptime'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return Number(shifted.toString().split(' ')[0]) > 100_000_000;
  } catch {
    return false;
  }
}
