import type { LibraryFigures, Logger } from './ports.ts';

const LOOK_EVERY_MS = 500;
const LINE_EVERY_MS = 10_000;
const BAR_WIDTH = 30;

interface Terminal {
  isTTY?: boolean;
  write(text: string): unknown;
}

/**
 * Shows how far the library is: a bar on a terminal, a line every ten seconds in a log. Ends by itself with the scan,
 * and begins anew with the next one.
 *
 * @returns the way to stop it
 */
export function showProgress(figures: () => LibraryFigures, terminal: Terminal, log: Logger): () => void {
  let shown = false;
  let lastLineAt = 0;
  const look = () => {
    const now = figures();
    if (!now.scanning) {
      if (shown) clear();
      shown = false;
      return;
    }
    shown = true;
    if (terminal.isTTY === true) terminal.write(`\r${progressBar(now)}`);
    else if (performance.now() - lastLineAt >= LINE_EVERY_MS) {
      lastLineAt = performance.now();
      log.info('reading music', { done: now.doneFiles, of: now.totalFiles, ready: now.ready });
    }
  };
  const clear = () => {
    if (terminal.isTTY === true) terminal.write(`\r${' '.repeat(BAR_WIDTH + 60)}\r`);
  };
  const timer = setInterval(look, LOOK_EVERY_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** `[#####-----]  12/40 files, 9 tracks ready, 310x real time` */
export function progressBar(now: Pick<LibraryFigures, 'doneFiles' | 'totalFiles' | 'ready' | 'realtimeX'>): string {
  const share = now.totalFiles === 0 ? 0 : now.doneFiles / now.totalFiles;
  const full = Math.round(share * BAR_WIDTH);
  const bar = `${'#'.repeat(full)}${'-'.repeat(BAR_WIDTH - full)}`;
  return `[${bar}]  ${now.doneFiles}/${now.totalFiles} files, ${now.ready} tracks ready, ${Math.round(now.realtimeX)}x real time`;
}
