/** Memory and processor time of a process and its children, from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Memory {
  /** Resident set: shared pages counted in full. */
  rssMb: number;
  /** Proportional set: shared pages divided among those who share them, so that sums are true. */
  pssMb: number;
}

const KB_PER_MB = 1000;

function field(text: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0);
}

/** Zero for a process that has ended meanwhile. */
export function memoryOf(pid: number): Memory {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return { rssMb: (field(text, 'Rss') * 1.024) / KB_PER_MB, pssMb: (field(text, 'Pss') * 1.024) / KB_PER_MB };
  } catch {
    return { rssMb: 0, pssMb: 0 };
  }
}

/** Fields of /proc/PID/stat behind the command's name, which may hold anything. */
function statFields(pid: number): string[] {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ');
  } catch {
    return [];
  }
}

/** All processes below one, children's children too. */
export function descendantsOf(pid: number): number[] {
  const parents = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: Number(statFields(Number(name))[1]) }));
  const found: number[] = [];
  for (let generation = [pid]; generation.length > 0; ) {
    generation = parents.filter(({ parent }) => generation.includes(parent)).map((child) => child.pid);
    found.push(...generation);
  }
  return found;
}

/** Clock ticks a second that /proc counts in: fixed for user space on Linux. */
const TICKS_PER_SECOND = 100;

/** Processor time of one process so far, in seconds. */
export function cpuSecondsOf(pid: number): number {
  const fields = statFields(pid);
  return (Number(fields[11] ?? 0) + Number(fields[12] ?? 0)) / TICKS_PER_SECOND;
}
