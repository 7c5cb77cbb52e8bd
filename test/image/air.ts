/**
 * The air around an emulated box: simulated radios (mac80211_hwsim, of the card's own kernel), a home with an access point
 * and a phone, each in a network namespace of the box. What they need and the card has not comes on a stick from Debian.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { WifiView } from '../../src/system/wifi/view.ts';
import type { Box } from './box.ts';

const PROJECT = resolve(import.meta.dirname, '../..');
const CACHE = join(PROJECT, 'dist/air');
/** As the guest of test/wifi: the rules of homes and phone are the same, only the box is another. */
const WORLD = join(PROJECT, 'test/wifi/guest/world.sh');
/** DHCP client and name look-ups of the phone; the home's access point. */
const PACKAGES = ['busybox-static', 'hostapd'];
const PROGRAMS = ['usr/bin/busybox', 'usr/sbin/hostapd'];
export const STICK = 'air';
export const HOTSPOT_ADDRESS = '10.42.0.1';
export const HOME = { ssid: 'Nest', password: 'correct horse' };
/** Three radios: the box, the phone, the home. */
const RADIOS = 3;
const PLACE = '/var/lib/world';
/** In the emulator an association and a lease take up to half a minute. */
const PHONE_MS = 180_000;
const PHONE_TRIES = 3;
const REQUEST_S = 60;
/** One command in an emulator that shares its host with others. */
const COMMAND_MS = 180_000;

/** Why there can be no air here; null: there can. */
export function airMissing(): string | null {
  try {
    if (!existsSync(join(CACHE, 'done'))) fetchPrograms();
    return null;
  } catch (error) {
    return `the phone's programs cannot be had: ${(error as Error).message.split('\n')[0]}`;
  }
}

function fetchPrograms(): void {
  rmSync(CACHE, { recursive: true, force: true });
  const root = join(CACHE, 'root');
  mkdirSync(CACHE, { recursive: true });
  const words = ['--quiet', '--variant=extract', '--architectures=arm64', '--components=main'];
  const include = [`--include=${PACKAGES.join(',')}`, '--aptopt=APT::Install-Recommends "false"'];
  execFileSync('mmdebstrap', [...words, ...include, 'trixie', root], { stdio: ['ignore', 'ignore', 'inherit'] });
  mkdirSync(join(CACHE, 'bin'));
  for (const program of PROGRAMS) renameSync(join(root, program), join(CACHE, 'bin', program.split('/').at(-1)!));
  rmSync(root, { recursive: true });
  execFileSync('touch', [join(CACHE, 'done')]);
}

/** A stick without a file system: an archive from its first byte on. */
export function makeAirStick(image: string): void {
  cpSync(WORLD, join(CACHE, 'world.sh'));
  execFileSync('tar', ['-C', CACHE, '-cf', image, 'bin', 'world.sh']);
  // A disk has whole sectors.
  execFileSync('truncate', ['-s', '%1M', image]);
}

/** The box's radio is nobody's until the home is on the air, as a home is that was there before the box (tmpfiles.d(5)). */
const HELD = '/run/NetworkManager/conf.d/air.conf';
const HOLD = `f ${HELD} 0644 root root - [keyfile]\\nunmanaged-devices=interface-name:wlan0\\n\n`;
const NM = 'org.freedesktop.NetworkManager';
// It may not run yet, and finds the file gone.
const LET_GO = `rm ${HELD}; busctl call ${NM} /org/freedesktop/NetworkManager ${NM} Reload u 1 || true`;
const UNIT = `[Unit]
Description=Radios, home and phone of the image test
DefaultDependencies=no
Before=NetworkManager.service starling.service
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=PATH=${PLACE}/bin:/usr/sbin:/usr/bin:/sbin:/bin
ExecStart=/bin/bash -ec 'mkdir -p ${PLACE}; tar -x -C ${PLACE} -f /dev/sda; bash ${PLACE}/world.sh radios ${RADIOS}; bash ${PLACE}/world.sh home nest; ${LET_GO}'
`;
const RULE = 'ACTION=="add", SUBSYSTEM=="block", KERNEL=="sda", TAG+="systemd", ENV{SYSTEMD_WANTS}+="h.service"\n';

/** With these the radios appear when the stick does, before anybody asks for a network: as a board's own. */
export function airCredentials(): Record<string, string> {
  return { 'systemd.extra-unit.h.service': UNIT, 'tmpfiles.extra': HOLD, 'udev.rules.air': RULE };
}

export interface Page {
  status: number;
  headers: Record<string, string>;
  body: string;
}

export class Air {
  readonly #box: Box;
  constructor(box: Box) {
    this.#box = box;
  }

  /** Whether radios, home and phone are there. @throws when they are not */
  async isThere(withinMs: number): Promise<void> {
    await this.#box.agent.must(
      `for i in $(seq ${withinMs / 1_000}); do systemctl -q is-active h && exit; sleep 1; done; systemctl status h; exit 1`,
      withinMs,
    );
  }

  world(command: string, timeoutMs = PHONE_MS): Promise<string> {
    return this.#box.agent.must(`PATH=${PLACE}/bin:$PATH bash ${PLACE}/world.sh ${command} 2>&1`, timeoutMs);
  }

  /** Runs something on the phone, or in the home. */
  on(space: 'phone' | 'homes', command: string, timeoutMs = COMMAND_MS): Promise<string> {
    const quoted = command.replaceAll("'", "'\\''");
    return this.#box.agent.must(`PATH=${PLACE}/bin:$PATH ip netns exec ${space} bash -c '${quoted}'`, timeoutMs);
  }

  /** The phone joins an open network and asks for an address. @returns the lease, by field */
  async phoneJoins(ssid: string): Promise<Record<string, string>> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const text = await this.world(`phone '${ssid}'`);
        return Object.fromEntries([...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, key, value]) => [key!, value!]));
      } catch (error) {
        await this.phoneLeaves();
        if (attempt === PHONE_TRIES) throw error;
      }
    }
  }

  async phoneLeaves(): Promise<void> {
    await this.world('phone-off').catch(() => {});
  }

  /** A page, asked for by the phone, in the home, or in the box itself. `host`: the name that it is asked by. */
  async page(
    from: 'phone' | 'homes' | 'box',
    url: { address: string; path: string; host?: string },
    form: Record<string, string> | null = null,
  ): Promise<Page> {
    const { address, path, host = address } = url;
    const body = form === null ? '' : new URLSearchParams(form).toString();
    const fields = [`Host: ${host}`, 'Connection: close', 'Accept-Language: en'];
    if (form !== null) {
      const length = `Content-Length: ${Buffer.byteLength(body)}`;
      fields.push(`Origin: http://${host}`, 'Content-Type: application/x-www-form-urlencoded', length);
    }
    const request = `${form === null ? 'GET' : 'POST'} ${path} HTTP/1.1\r\n${fields.join('\r\n')}\r\n\r\n${body}`;
    const packed = Buffer.from(request).toString('base64');
    const talk = `exec 3<>/dev/tcp/${address}/80; base64 -d <<<${packed} >&3; timeout ${REQUEST_S} cat <&3`;
    const text = from === 'box' ? await this.#box.agent.must(talk, COMMAND_MS) : await this.on(from, talk, COMMAND_MS);
    return parsePage(text);
  }

  /** How the box sees its Wi-Fi; null while its page does not answer. */
  async view(): Promise<WifiView | null> {
    return await this.page('box', { address: '127.0.0.1', path: '/api/wifi' }).then(
      ({ status, body }) => (status === 200 ? (JSON.parse(body) as WifiView) : null),
      () => null,
    );
  }

  /** @throws with the last view when none holds in time */
  async until(complaint: string, withinMs: number, holds: (view: WifiView) => boolean): Promise<WifiView> {
    const deadline = performance.now() + withinMs;
    let last: WifiView | null = null;
    while (performance.now() < deadline) {
      last = (await this.view()) ?? last;
      if (last !== null && holds(last)) return last;
      // A box that is asked all the time has none to let pass.
      await sleep(500);
    }
    const { phase, ssid, hotspot, failure, addresses } = last ?? {};
    const seen = last === null ? 'no answer' : JSON.stringify({ phase, ssid, hotspot, failure, addresses });
    throw new Error(`${complaint} within ${withinMs / 1_000} s (${seen})`);
  }

  /** When the log of this boot first had such a line of this unit, in seconds since the kernel started; null: never. */
  async loggedAt(unit: string, words: string): Promise<number | null> {
    const text = await this.#box.agent.must(
      `journalctl -b -u ${unit} -o short-monotonic --no-pager | grep -m 1 -F '${words}' || true`,
      COMMAND_MS,
    );
    const seconds = /^\[ *([0-9.]+)\]/.exec(text)?.[1];
    return seconds === undefined ? null : Number(seconds);
  }
}

function parsePage(text: string): Page {
  const [head = '', ...rest] = text.replaceAll('\r\n', '\n').split('\n\n');
  const [first = '', ...fields] = head.split('\n');
  const headers = fields.map((field) => [field.split(':', 1)[0]!.toLowerCase(), field.replace(/^[^:]*: */, '')]);
  return {
    status: Number(first.split(' ')[1]),
    headers: Object.fromEntries(headers) as Record<string, string>,
    body: rest.join('\n\n'),
  };
}
