import { randomBytes } from 'node:crypto';
import { networkInterfaces } from 'node:os';
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr';
import multicastDns from 'multicast-dns';
import type { Counters } from './counters.ts';
import { peerOf } from './dialler.ts';
import {
  MAX_ADDRESSES_PER_PEER,
  MDNS_ANNOUNCE_INTERVAL_MS,
  MDNS_ANSWER_INTERVAL_MS,
  MDNS_MAX_LINKS,
  MDNS_QUERY_DELAYS_MS,
  MDNS_RESCAN_MS,
} from './limits.ts';
import { LocalName, type NamePacket } from './local-name.ts';
import type { Logger } from './types.ts';

/** DNS-SD name (RFC 6763) under which boxes of every station answer; records have the form of libp2p's mDNS. */
export const SERVICE_NAME = '_starling._udp.local';
const ADDRESS_KEY = 'dnsaddr=';
const STATION_KEY = 'station=';
/** RFC 6763, section 6.1. */
const MAX_TXT_BYTES = 255;
const RECORD_TTL_S = 120;
const MDNS_PORT = 5353;
const LOOPBACK = '127.0.0.1';
/** What one gives oneself where nobody gives addresses (RFC 3927). */
const LINK_LOCAL = /^169\.254\./;

/** One IPv4 address of an interface that can multicast. */
export interface Link {
  name: string;
  address: string;
  netmask: string;
}

type Socket = ReturnType<typeof multicastDns>;

interface Answer {
  name: string;
  type: string;
  data?: unknown;
}
interface Packet extends NamePacket {
  answers?: Answer[];
  additionals?: Answer[];
}
interface Remote {
  address: string;
  port: number;
}

export interface MdnsComponents {
  nodeId: string;
  /** Own multiaddrs, with the peer id. */
  addresses(): Multiaddr[];
  onFound(peer: string, addresses: Multiaddr[]): void;
  monoNowMs(): number;
  log: Logger;
  counters: Counters;
  /** Links of this machine; the machine's own without it. */
  links?(): Link[];
}

/** The links a box can be heard on: IPv4, up, not loopback; loopback itself when there is nothing else. */
export function machineLinks(): Link[] {
  const links: Link[] = [];
  for (const [name, addresses] of Object.entries(networkInterfaces())) {
    const own = addresses?.find((address) => address.family === 'IPv4' && !address.internal);
    if (own !== undefined) links.push({ name, address: own.address, netmask: own.netmask });
  }
  if (links.length === 0) links.push({ name: 'lo', address: LOOPBACK, netmask: '255.0.0.0' });
  return links.slice(0, MDNS_MAX_LINKS);
}

/** A name of one label that this box answers to beside all others, "starling" for "starling.local". */
export interface LocalNameInit {
  name: string;
  /** Tell IPv6 addresses as well: what the name is for listens on them. */
  ipv6: boolean;
}

/** Addresses of this machine that can be reached on a link without naming its interface. */
function addressesOn(link: Link, ipv6: boolean): string[] {
  const all = ipv6 ? (networkInterfaces()[link.name] ?? []) : [];
  const wide = all.filter((each) => each.family === 'IPv6' && !each.internal && !/^fe[89ab]/i.test(each.address));
  return [link.address, ...wide.slice(0, MAX_ADDRESSES_PER_PEER - 1).map(({ address }) => address)];
}

/** Whether two IPv4 addresses share a network. */
export function sameNetwork(a: string, b: string, netmask: string): boolean {
  const mask = ipv4Number(netmask);
  return (ipv4Number(a) & mask) === (ipv4Number(b) & mask);
}

function ipv4Number(text: string): number {
  return text.split('.').reduce((number, part) => ((number << 8) | (Number(part) & 255)) >>> 0, 0);
}

/**
 * Finds the boxes of our station on every link of this machine. One socket a link: a single socket sends where the
 * routing table points, and on a switch with no router that is nowhere.
 */
export class LinkDiscovery {
  readonly #components: MdnsComponents;
  readonly #stationId: string;
  readonly #localName: LocalNameInit | null;
  readonly #listensOnAll: boolean;
  readonly #instance = randomBytes(16).toString('hex');
  readonly #sockets = new Map<string, LinkSocket>();
  #timer: NodeJS.Timeout | null = null;

  /** @param init.listensOnAll - whether the box can be reached on every IPv4 address of the machine */
  constructor(
    components: MdnsComponents,
    init: { stationId: string; listensOnAll: boolean; localName?: LocalNameInit | null },
  ) {
    this.#components = components;
    this.#stationId = init.stationId;
    this.#localName = init.localName ?? null;
    this.#listensOnAll = init.listensOnAll;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#rescan(), MDNS_RESCAN_MS);
    this.#rescan();
  }

  async stop(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
    const closing = [...this.#sockets.values()].map((socket) => socket.close());
    this.#sockets.clear();
    await Promise.all(closing);
  }

  #rescan(): void {
    const links = (this.#components.links ?? machineLinks)();
    const wanted = new Map(links.map((link) => [`${link.name} ${link.address}`, link]));
    for (const [key, socket] of this.#sockets) {
      if (wanted.has(key) && !socket.failed) continue;
      this.#sockets.delete(key);
      void socket.close();
    }
    for (const [key, link] of wanted) {
      if (!this.#sockets.has(key)) this.#sockets.set(key, this.#open(link));
    }
  }

  #open(link: Link): LinkSocket {
    const { log, monoNowMs } = this.#components;
    log.debug('listening for boxes on a link', { link: link.name, address: link.address });
    return new LinkSocket(
      { monoNowMs, log, records: () => this.#records(link), onResponse: (packet, from) => this.#read(packet, from) },
      { link, localName: this.#localName },
    );
  }

  /** What we say of ourselves on a link: what can be reached from there, or, for boxes of one machine, loopback. */
  #records(link: Link): Answer[] {
    const own = this.#components.addresses();
    const onLink = own.filter((address) => hostOf(address) === link.address);
    // libp2p does not name addresses of this kind among its own; on a cable without a router there are no others.
    if (onLink.length === 0 && this.#listensOnAll && LINK_LOCAL.test(link.address)) {
      const local = own.filter((address) => hostOf(address) === LOOPBACK);
      onLink.push(...local.map((address) => multiaddr(address.toString().replace(LOOPBACK, link.address))));
    }
    const texts = (onLink.length > 0 ? onLink : own.filter((address) => hostOf(address) === LOOPBACK))
      .map((address) => `${ADDRESS_KEY}${address.toString()}`)
      .filter((text) => text.length <= MAX_TXT_BYTES)
      .slice(0, MAX_ADDRESSES_PER_PEER);
    if (texts.length === 0) return [];
    const name = `${this.#instance}.${SERVICE_NAME}`;
    const data = [`${STATION_KEY}${this.#stationId}`, ...texts];
    return [
      { name: SERVICE_NAME, type: 'PTR', data: name },
      ...data.map((text) => ({ name, type: 'TXT', data: text })),
    ];
  }

  #read(packet: Packet, from: string): void {
    const found = readAnswers([...(packet.answers ?? []), ...(packet.additionals ?? [])]);
    if (found === null) return;
    if (found.station !== this.#stationId || found.peer === this.#components.nodeId) return;
    const sameMachine = from === LOOPBACK || [...this.#sockets.values()].some((socket) => socket.link.address === from);
    // a box speaks for its own address alone: nobody can send us dialling elsewhere
    const addresses = found.addresses.filter((address) => {
      const host = hostOf(address);
      return host === from || (sameMachine && host === LOOPBACK);
    });
    if (addresses.length === 0) {
      this.#components.counters.add('refusedMdns');
      return;
    }
    this.#components.counters.add('mdnsFound');
    this.#components.onFound(found.peer, addresses);
  }
}

function hostOf(address: Multiaddr): string | null {
  return address.getComponents()[0]?.value ?? null;
}

/** What a response says of a box, null when it is none of ours or nonsense. */
export function readAnswers(answers: Answer[]): { station: string; peer: string; addresses: Multiaddr[] } | null {
  if (!answers.some((answer) => answer.type === 'PTR' && answer.name === SERVICE_NAME)) return null;
  const texts = answers.filter((answer) => answer.type === 'TXT').flatMap((answer) => textsOf(answer.data));
  const station = texts.find((text) => text.startsWith(STATION_KEY))?.slice(STATION_KEY.length);
  if (station === undefined) return null;
  const addresses: Multiaddr[] = [];
  let peer: string | null = null;
  for (const text of texts.filter((each) => each.startsWith(ADDRESS_KEY)).slice(0, MAX_ADDRESSES_PER_PEER)) {
    try {
      const address = multiaddr(text.slice(ADDRESS_KEY.length));
      const named = peerOf(address);
      if (named === null || (peer !== null && named !== peer)) return null;
      peer = named;
      addresses.push(address);
    } catch {
      return null;
    }
  }
  return peer === null ? null : { station, peer, addresses };
}

function textsOf(data: unknown): string[] {
  const parts = Array.isArray(data) ? data : [data];
  return parts.map((part) =>
    typeof part === 'string' ? part : part instanceof Uint8Array ? Buffer.from(part).toString() : '',
  );
}

interface LinkSocketComponents {
  monoNowMs(): number;
  log: Logger;
  /** Our records for this link; empty: nothing to say. */
  records(): Answer[];
  onResponse(packet: Packet, from: string): void;
}

/** mDNS on one link: asks when it is new, answers, and says that we are here from time to time. */
class LinkSocket {
  readonly link: Link;
  failed = false;
  readonly #components: LinkSocketComponents;
  readonly #socket: Socket;
  readonly #localName: LocalName | null;
  #timer: NodeJS.Timeout | null = null;
  #turns = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;

  constructor(components: LinkSocketComponents, init: { link: Link; localName: LocalNameInit | null }) {
    this.#components = components;
    this.link = init.link;
    this.#localName = this.#createLocalName(init.localName);
    // bound to every address: a socket bound to the interface's own one hears no multicast
    this.#socket = multicastDns({ interface: init.link.address, bind: '0.0.0.0', port: MDNS_PORT });
    this.#socket.on('query', (packet, remote) => this.#onQuery(packet, remote));
    this.#socket.on('response', (packet, remote) => this.#onResponse(packet, remote));
    this.#socket.on('error', (error) => this.#fail(error));
    this.#socket.on('warning', (error) =>
      this.#components.log.debug('mDNS', { link: this.link.name, cause: String(error) }),
    );
    this.#socket.once('ready', () => this.#turn());
  }

  close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.failed = true;
    this.#localName?.stop();
    return new Promise((resolve) => this.#socket.destroy(resolve));
  }

  #createLocalName(init: LocalNameInit | null): LocalName | null {
    if (init === null) return null;
    const respond = (packet: object, to: Remote | null) => {
      // One asker that cannot be reached says nothing of the link.
      if (!this.failed) this.#socket.respond(packet as never, to as never, (error) => to ?? this.#sent(error));
    };
    const { monoNowMs } = this.#components;
    return new LocalName({ addresses: () => addressesOn(this.link, init.ipv6), respond, monoNowMs }, init);
  }

  /** The first turns ask; all of them say who we are, so that those who hear it need not ask. */
  #turn(): void {
    if (this.failed) return;
    if (this.#turns < MDNS_QUERY_DELAYS_MS.length) {
      this.#socket.query({ questions: [{ name: SERVICE_NAME, type: 'PTR' }] }, (error) => this.#sent(error));
    }
    this.#announce();
    this.#turns += 1;
    const steadyMs = MDNS_ANNOUNCE_INTERVAL_MS * (0.75 + Math.random() / 2);
    this.#timer = setTimeout(() => this.#turn(), MDNS_QUERY_DELAYS_MS[this.#turns] ?? steadyMs);
  }

  #onQuery(packet: Packet, remote: Remote): void {
    if (!this.#isOurs(remote)) return;
    this.#localName?.onQuery(packet, remote);
    if (!packet.questions?.some((question) => question.name.toLowerCase() === SERVICE_NAME)) return;
    if (this.#components.monoNowMs() - this.#answeredMs >= MDNS_ANSWER_INTERVAL_MS) this.#announce();
  }

  #announce(): void {
    const records = this.#components.records();
    if (records.length === 0) return;
    this.#answeredMs = this.#components.monoNowMs();
    const answers = records.map((record) => ({ ...record, class: 'IN', ttl: RECORD_TTL_S }));
    this.#socket.respond(answers as never, (error) => this.#sent(error));
  }

  #onResponse(packet: object, remote: Remote): void {
    if (!this.#isOurs(remote)) return;
    this.#localName?.onResponse(packet);
    this.#components.onResponse(packet, remote.address);
  }

  /** Every socket hears the multicast of all links: the one of the sender's network deals with it. */
  #isOurs(remote: Remote): boolean {
    return remote.address === LOOPBACK || sameNetwork(remote.address, this.link.address, this.link.netmask);
  }

  #sent(error: Error | null | undefined): void {
    if (error !== null && error !== undefined) this.#fail(error);
  }

  /** The next look at the links opens it again, if the link is still there. */
  #fail(error: Error): void {
    if (this.failed) return;
    this.failed = true;
    this.#components.log.debug('a link cannot be served', { link: this.link.name, cause: String(error) });
  }
}
