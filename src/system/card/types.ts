/** One line of starling.txt. */
export type CardLine = { number: number; text: string } & (
  | { kind: 'empty' }
  /** `inner`: what stands behind the sign. */
  | { kind: 'comment'; inner: string }
  /** `head`: everything up to and with the sign between key and value. */
  | { kind: 'setting'; key: string; value: string; quoted: boolean; head: string }
  | { kind: 'broken' }
);

/** A value as it was understood, or why it was not. */
export type Checked<T> = { ok: true; value: T } | { ok: false; cause: string };

/** A setting of the radio that starling.txt may hold; the front door takes it from the radio's own table. */
export interface CardSetting {
  key: string;
  secret: boolean;
  /** What it may be, in words. */
  allowed: string;
  /** @returns the value as the settings file keeps it */
  check(text: string): Checked<unknown>;
}

/** What the checker asks of others. */
export interface CardKnowledge {
  settings: readonly CardSetting[];
  /** The known word that was probably meant, or null. */
  didYouMean(word: string, known: readonly string[]): string | null;
  /** Whether the box has this network, by the bytes of its name. */
  isKept(ssidHex: string): boolean;
  /** Whether the radio's settings file has this key. */
  hasSetting(key: string): boolean;
  /** The file as it came with the card: its examples are no mistakes. */
  template: string;
}

/** Something to tell about a line. A problem left the line out; a note did not. */
export interface Finding {
  /** 0: of the whole file. */
  line: number;
  level: 'problem' | 'note';
  /** The line's key as it is known; null where it is none. */
  key: string | null;
  /** Never of a secret, nor of a line that could hold one. */
  value: string | null;
  text: string;
  allowed: string | null;
  guess: string | null;
}

/** A network to keep. `password` null: an open one. */
export interface CardWifi {
  ssid: string;
  ssidHex: string;
  password: string | null;
  hidden: boolean;
}

/** Whether a network that the box has tells its name, where that is all that the file says of it. */
export interface CardVisibility {
  ssidHex: string;
  hidden: boolean;
}

/** The steps that are carried out one by one; each may fail without the others. */
export type Step = 'wifi' | 'country' | 'settings' | 'ssh' | 'let_in';

/** A good line. */
export interface GoodLine {
  line: number;
  step: Step;
  key: string;
  /** Null: secret. */
  value: string | null;
}

/** A line whose value is to be taken out of the file once its step is done. */
export interface SecretLine {
  line: number;
  step: Step;
}

export interface CardPlan {
  wifi: CardWifi | null;
  visibility: CardVisibility | null;
  country: string | null;
  /** As the settings file keeps them; null removes one. */
  settings: Record<string, unknown>;
  /** Lines for authorized_keys; empty: SSH goes off; null: as it is. */
  ssh: readonly string[] | null;
  /** The next phone that asks is let in, without a hand at the box. */
  letIn: boolean;
  good: readonly GoodLine[];
  secrets: readonly SecretLine[];
  findings: readonly Finding[];
}
