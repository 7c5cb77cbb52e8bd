import {
  LOCAL_NAME_ENOUGH,
  LOCAL_NAME_TTL_S,
  LOCAL_NAME_WAIT_MS,
  MDNS_ANSWER_INTERVAL_MS,
  UNICAST_ANSWER_INTERVAL_MS,
} from './limits.ts';

interface Question {
  name: string;
  type?: string;
}
interface Answer {
  name: string;
  type: string;
  data?: unknown;
  ttl?: number;
}
export interface NamePacket {
  id?: number;
  questions?: Question[];
  answers?: Answer[];
}
export interface Asker {
  address: string;
  port: number;
}

export interface LocalNameComponents {
  /** Own addresses that this link reaches, IPv4 and, where the page is served over it, IPv6. */
  addresses(): string[];
  /** To everybody on the link, or to one asker alone. */
  respond(packet: object, to: Asker | null): void;
  monoNowMs(): number;
  /** 0 to 1; Math.random but for tests. */
  random?(): number;
}

const MDNS_PORT = 5353;
/** RFC 6762, section 6.7: what is answered to one that knows no mDNS is not kept for long. */
const LEGACY_TTL_S = 10;
/** Type and class of the question that is sent back, and no name of more than a label. */
const MAX_QUESTIONS = 4;

/**
 * One name for every box of a link: "starling.local" leads to some box, whichever. So the record is a shared one (RFC
 * 6762, section 2): nobody claims it, nobody probes for it, its answers do not flush each other. Each box waits a moment by
 * chance and is silent when enough others have answered.
 */
export class LocalName {
  readonly #components: LocalNameComponents;
  readonly #name: string;
  #timer: NodeJS.Timeout | null = null;
  #others = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #toldAloneMs = Number.NEGATIVE_INFINITY;

  /** @param init `name`: one label, "starling" for "starling.local" */
  constructor(components: LocalNameComponents, init: { name: string }) {
    this.#components = components;
    this.#name = `${init.name}.local`.toLowerCase();
  }

  onQuery(packet: NamePacket, asker: Asker): void {
    const questions = (packet.questions ?? []).filter((question) => this.#isMine(question.name));
    const records = this.#records().filter(({ type }) => questions.some((asked) => asks(asked, type)));
    if (records.length === 0) return;
    if (asker.port !== MDNS_PORT) this.#tellAlone(packet, questions, records, asker);
    else if (!records.every((record) => isKnown(record, packet.answers ?? []))) this.#tellAllSoon();
  }

  onResponse(packet: NamePacket): void {
    if (this.#timer === null) return;
    const own = new Set(this.#components.addresses());
    const isOther = ({ name, type, data }: Answer) => this.#isMine(name) && type === 'A' && !own.has(String(data));
    if ((packet.answers ?? []).some(isOther)) this.#others += 1;
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #isMine(name: string): boolean {
    return name.toLowerCase() === this.#name;
  }

  #records(): { name: string; type: 'A' | 'AAAA'; data: string }[] {
    const name = this.#name;
    return this.#components.addresses().map((data) => ({ name, type: data.includes(':') ? 'AAAA' : 'A', data }));
  }

  #tellAllSoon(): void {
    const { monoNowMs, random } = this.#components;
    if (this.#timer !== null || monoNowMs() - this.#answeredMs < MDNS_ANSWER_INTERVAL_MS) return;
    const [leastMs, mostMs] = LOCAL_NAME_WAIT_MS;
    const waitMs = leastMs + (random ?? Math.random)() * (mostMs - leastMs);
    this.#others = 0;
    this.#timer = setTimeout(() => this.#tellAll(), waitMs);
  }

  #tellAll(): void {
    this.#timer = null;
    if (this.#others >= LOCAL_NAME_ENOUGH) return;
    this.#answeredMs = this.#components.monoNowMs();
    // Both kinds of address: whoever asks for one asks for the other next.
    const answers = this.#records().map((record) => ({ ...record, class: 'IN', ttl: LOCAL_NAME_TTL_S }));
    this.#components.respond({ answers }, null);
  }

  /** A plain resolver, which listens for an answer of its own: with its number, its question, at its port. */
  #tellAlone(packet: NamePacket, asked: Question[], records: Omit<Answer, 'ttl'>[], asker: Asker): void {
    const nowMs = this.#components.monoNowMs();
    if (nowMs - this.#toldAloneMs < UNICAST_ANSWER_INTERVAL_MS) return;
    this.#toldAloneMs = nowMs;
    const questions = asked.slice(0, MAX_QUESTIONS);
    const answers = records.map((record) => ({ ...record, class: 'IN', ttl: LEGACY_TTL_S }));
    this.#components.respond({ id: packet.id ?? 0, questions, answers }, asker);
  }
}

function asks({ type }: Question, recordType: string): boolean {
  return type === recordType || type === 'ANY';
}

/** RFC 6762, section 7.1: who asks says what it knows already, and for how long still. */
function isKnown(record: { type: string; data: string }, known: Answer[]): boolean {
  return known.some(
    ({ type, data, ttl }) => type === record.type && data === record.data && (ttl ?? 0) >= LOCAL_NAME_TTL_S / 2,
  );
}
