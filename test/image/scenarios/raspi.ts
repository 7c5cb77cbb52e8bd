import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { COUNTED_TIME, QEMU } from '../machine.ts';
import type { Lab } from './scenario.ts';

/** QEMU takes SD cards of a power of two. */
const CARD_BYTES = '4G';
const BOOT_PARTITION_OFFSET = 8_192 * 512;
const WITHIN_MS = 900_000;
/** The board has no port for an agent: what systemd and the radio say on the console, its last named one, is all there is to see. */
// And QEMU's board resets at once when its watchdog is started.
const APPEND =
  'console=ttyS1,115200 systemd.watchdog_sec=0 systemd.show_status=1 systemd.journald.forward_to_console=1 systemd.journald.max_level_console=info';
const READY = /Started starling\.service|starling\.service - Starling.*\n.*is tuned to|is tuned to "/;

/** The card in the emulated Raspberry Pi 3B, from U-Boot to the running radio. Its firmware, network and sound are not there. */
export async function raspi({ report, image, work }: Lab): Promise<void> {
  const card = join(work, 'card.img');
  const fromCard = (name: string) => {
    execFileSync('mcopy', ['-n', '-i', `${card}@@${BOOT_PARTITION_OFFSET}`, `::/${name}`, join(work, name)]);
    return join(work, name);
  };
  execFileSync('cp', ['--sparse=always', image, card]);
  execFileSync('truncate', ['-s', CARD_BYTES, card]);
  const serial = join(work, 'serial.log');
  const args = [
    ...['-M', 'raspi3b', '-display', 'none', '-nodefaults', '-no-reboot', ...COUNTED_TIME],
    ...['-kernel', fromCard('u-boot.bin'), '-dtb', fromCard('bcm2837-rpi-3-b.dtb'), '-append', APPEND],
    ...['-drive', `file=${card},if=sd,format=raw`, '-serial', 'null', '-serial', `file:${serial}`],
  ];
  let board: ChildProcess | null = null;
  try {
    await report.check('raspi3b: from U-Boot to the running radio', async () => {
      const startMs = performance.now();
      board = spawn(QEMU, args, { stdio: ['ignore', 'ignore', 'inherit'] });
      const said = () => (existsSync(serial) ? readFileSync(serial, 'utf8') : '');
      while (!READY.test(said())) {
        const bad = /Kernel panic[^\n]*|no slot of this card[^\n]*/.exec(said())?.[0];
        if (bad !== undefined) throw new Error(bad);
        if (board.exitCode !== null) throw new Error('the board stopped');
        if (performance.now() - startMs > WITHIN_MS) throw new Error(`not ready; last: ${said().slice(-300)}`);
        await sleep(1_000);
      }
      const seconds = Math.round((performance.now() - startMs) / 1_000);
      return { detail: 'the radio says that it is ready', figures: { ready_s: seconds } };
    });
    await report.check('raspi3b: no unit failed', async () => {
      const bad = readFileSync(serial, 'utf8')
        .split('\n')
        .filter((line) => /FAILED|ordering cycle|Failed to start/.test(line));
      if (bad.length > 0) throw new Error(bad.slice(0, 3).join(' | '));
      return 'by its serial console';
    });
  } finally {
    const running = board as ChildProcess | null;
    if (running !== null && running.exitCode === null) {
      running.kill('SIGKILL');
      await once(running, 'exit');
    }
  }
}
