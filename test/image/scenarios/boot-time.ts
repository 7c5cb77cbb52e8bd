import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { BOOT_MS, Box } from '../box.ts';
import type { Lab } from './scenario.ts';

/** Asked from inside, by the box's own clock. */
const PAGE_ANSWERS = `
ask() { exec 3<>/dev/tcp/127.0.0.1/80 && printf 'GET /api/status HTTP/1.0\\r\\nHost: 127.0.0.1\\r\\n\\r\\n' >&3 && head -n 1 <&3 | grep -q ' 200 '; }
until (ask) 2>/dev/null; do sleep 0.2; done
cut -d" " -f1 /proc/uptime`;
const PLAIN = join(import.meta.dirname, '../plain.sh');
/** The first start makes the box's own files; the one that people wait for every day is the second. */
const STARTS = 2;

/** How long until the page answers, beside the same Debian's own start; both from the kernel's first moment. */
export async function bootTime({ report, box: make, work }: Lab): Promise<void> {
  let plainS = Number.NaN;
  await report.check('a plain Debian of the same packages starts', async () => {
    execFileSync('bash', [PLAIN, join(work, 'plain')], { stdio: ['ignore', 'ignore', 'inherit'] });
    plainS = await plainStart(work);
    return { detail: `multi-user after ${plainS.toFixed(1)} s`, figures: { plain_multi_user_s: plainS } };
  });
  const box = await make('box');
  for (let start = 1; start <= STARTS; start += 1) {
    await report.check(`start ${start} of the card: the page answers`, async () => {
      await box.start();
      const pageS = await pageAnswers(box);
      await box.settled();
      const ratio = pageS / plainS;
      if (start === STARTS) await box.agent.must('sync');
      await box.kill();
      return {
        detail: `after ${pageS.toFixed(1)} s, ${ratio.toFixed(2)} times the plain start`,
        figures: { page_s: pageS, page_to_plain_ratio: ratio },
      };
    });
  }
}

async function pageAnswers(box: Box): Promise<number> {
  await box.agent.up(1, BOOT_MS);
  const uptimeS = Number(await box.agent.must(PAGE_ANSWERS, BOOT_MS));
  await box.page();
  return uptimeS;
}

async function plainStart(work: string): Promise<number> {
  const plain = new Box({
    hostTime: true,
    disk: join(work, 'plain.img'),
    directory: join(work, 'plain'),
    httpPort: null,
    direct: {
      kernel: join(work, 'plain.vmlinuz'),
      initrd: join(work, 'plain.initrd'),
      append: 'console=ttyAMA0 root=LABEL=PLAIN rw quiet audit=0 net.ifnames=0',
    },
  });
  await plain.start();
  try {
    await plain.agent.up(1, BOOT_MS);
    await plain.settled();
    const reached = await plain.agent.must('systemctl show -p ActiveEnterTimestampMonotonic --value multi-user.target');
    return Number(reached) / 1e6;
  } finally {
    await plain.kill();
  }
}
