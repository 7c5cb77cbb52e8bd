/** How the running system was started, from the kernel's command line. Pure. */
import { isSlot, type Slot } from './boot-state.ts';

export interface Started {
  slot: Slot;
  /** Once only: without a confirmation the next start takes the other slot again. */
  onTrial: boolean;
}

/** @returns null for a machine that was not started from a slot */
export function parseKernelLine(text: string): Started | null {
  const words = text.trim().split(/\s+/);
  const argument = (name: string) =>
    words
      .filter((word) => word.startsWith(`${name}=`))
      .at(-1)
      ?.slice(name.length + 1);
  const slot = argument('starling.slot');
  return isSlot(slot) ? { slot, onTrial: argument('starling.trial') === '1' } : null;
}
