import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const CHOSEN = process.env.STARLING_CHROMIUM;
const PLACES = CHOSEN ? [CHOSEN] : ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** A Chromium that is installed on this machine, or the one in STARLING_CHROMIUM; null for none. */
export const CHROMIUM = PLACES.find((path) => existsSync(path)) ?? null;
export const NO_CHROMIUM = `no Chromium in ${PLACES.join(', ')}; on Debian: apt-get install chromium`;

/** For `launch`: the name leads to this machine, as another name on the household's network does. */
export const resolving = (name: string): string[] => [`--host-resolver-rules=MAP ${name} 127.0.0.1`];

export async function launch(words: readonly string[] = []): Promise<Browser> {
  if (CHROMIUM === null) throw new Error(NO_CHROMIUM);
  // As root Chromium has no sandbox; it only opens pages of the loopback here.
  const args = process.getuid?.() === 0 ? ['--no-sandbox'] : [];
  return chromium.launch({ executablePath: CHROMIUM, args: [...args, ...words] });
}

export const PHONE = { width: 390, height: 844 };
export const DESKTOP = { width: 1280, height: 900 };

export interface Opened {
  page: Page;
  /** Complaints of the page and of the browser about it, broken security policies among them. */
  complaints: string[];
}

/** @param before what the browser does before it opens the page, such as being paired */
export async function open(
  browser: Browser,
  url: string,
  options: BrowserContextOptions = {},
  before: (context: BrowserContext) => Promise<void> = async () => {},
): Promise<Opened> {
  const context = await browser.newContext({ viewport: PHONE, locale: 'en-GB', ...options });
  await before(context);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(url);
  return { page, complaints };
}

const axeSource = () => readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe-core finds against WCAG 2.2 AA and its own best practices, one line each. */
export async function accessibilityViolations(page: Page): Promise<string[]> {
  // Through the debugging protocol: the page's own policy lets no foreign script in.
  const session = await page.context().newCDPSession(page);
  await session.send('Runtime.evaluate', { expression: axeSource() });
  const { result, exceptionDetails } = await session.send('Runtime.evaluate', {
    expression: `axe.run(document, { resultTypes: ['violations'] }).then(({ violations, passes }) => JSON.stringify({
      passes: passes.length,
      violations: violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => id + ': ' + html + ' ' + failureSummary)),
    }))`,
    awaitPromise: true,
    returnByValue: true,
  });
  await session.detach();
  if (exceptionDetails !== undefined) throw new Error(`axe-core: ${exceptionDetails.text}`);
  const found = JSON.parse(String(result.value)) as { passes: number; violations: string[] };
  if (found.passes < 10) throw new Error(`axe-core looked at too little: ${found.passes} rules passed`);
  return found.violations;
}
