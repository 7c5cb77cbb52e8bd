import type { StatusSnapshot } from '../../../src/web/snapshot.ts';
import { BOOT_MS, type Box, MUSIC_MS } from '../box.ts';
import { spoilData, writeCardFile } from '../card-file.ts';
import { Phone } from '../phone.ts';
import type { Lab } from './scenario.ts';

const NETWORK = 'A house (2.4 GHz)';
const CARD_TEXT = `wifi = ${NETWORK}\nwifi_password = open sesame 42\ncountry = GB\n`;

/** A card whose data partition goes bad, a little and altogether; and a first start with no network at all. */
export async function damage(lab: Lab): Promise<void> {
  const box = await lab.box('box');
  writeCardFile(box.init.disk, 'starling.txt', CARD_TEXT);
  const started = await lab.report.check('a box that plays', async () => {
    await box.start();
    await box.agent.up(1, BOOT_MS);
    await box.until('nothing plays', BOOT_MS + MUSIC_MS, (status) => status.now?.track != null);
    return await box.well();
  });
  if (started) await damaged(lab, box);
  await box.quit();
  await withoutNetwork(lab);
}

async function damaged({ report }: Lab, box: Box): Promise<void> {
  await report.check('a damaged superblock is mended: nothing is lost', async () => {
    const before = await box.page();
    await box.quit();
    spoilData(box.init.disk, 'the superblock');
    await box.start();
    await box.agent.up(1, BOOT_MS);
    const { node } = await box.page();
    const start = await box.agent.must('cat /run/starling-boot');
    if (node.id !== before.node.id) throw new Error(`${start}: it is another node`);
    return `${start}; ${await box.well()}`;
  });
  await report.check('a data partition that cannot be mounted: it runs from memory, and says so', async () => {
    await box.quit();
    spoilData(box.init.disk, 'all copies');
    await box.start();
    await box.agent.up(1, BOOT_MS);
    const { notices, now } = await box.until(
      'nothing plays',
      BOOT_MS + MUSIC_MS,
      (status) => status.now?.track != null,
    );
    const start = await box.agent.must('cat /run/starling-boot');
    const notice = notices.find(({ code }) => code === 'storageMissing');
    if (notice === undefined) throw new Error(`${start}, notices ${JSON.stringify(notices)}`);
    return `${start}; ${now?.track?.name}; ${await box.well()}`;
  });
  await report.check('and a reset makes that partition anew', async () => {
    const { name } = (await box.page()).node;
    const boots = box.agent.boots;
    const phone = await Phone.pair(box);
    const { status, json } = await phone.post('/api/reset', { what: 'all', confirm: name });
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(json)}`);
    await box.agent.up(boots + 1, 2 * BOOT_MS);
    await box.until('nothing plays', BOOT_MS + MUSIC_MS, ({ now }) => now?.track != null);
    const start = await box.agent.must('cat /run/starling-boot');
    if (!start.startsWith('data=kept')) throw new Error(start);
    const networks = await box.agent.must('nmcli -t -g NAME connection show');
    if (networks.includes(NETWORK)) throw new Error(`NetworkManager still knows ${networks}`);
    return `${start}, ${await box.agent.must("df --output=avail -BM /data | tail -n 1 | tr -d ' '")}; ${await box.well()}`;
  });
}

async function withoutNetwork(lab: Lab): Promise<void> {
  await lab.report.check('a first start with no network at all: it plays, and nothing failed', async () => {
    const box = await lab.box('alone', { httpPort: null });
    await box.start();
    await box.agent.up(1, BOOT_MS);
    const { now, node } = await box.until(
      'nothing plays',
      BOOT_MS + MUSIC_MS,
      (status) => status.now?.track != null,
      () => statusFromInside(box),
    );
    return `${node.name}: ${now?.track?.name}; ${await box.well()}`;
  });
}

async function statusFromInside(box: Box): Promise<StatusSnapshot | null> {
  const script = "fetch('http://127.0.0.1/api/status').then((r) => r.text()).then((t) => console.log(t))";
  const { code, output } = await box.agent.run(`/opt/starling/node_modules/.bin/node -e "${script}"`, 120_000);
  return code === 0 ? (JSON.parse(output) as StatusSnapshot) : null;
}
