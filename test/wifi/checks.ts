import { deepEqual, equal, match, ok } from 'node:assert/strict';
import { HOTSPOT, PASSWORD, type World } from './world.ts';

const WRONG = 'wrong horse';

async function bootsIntoHotspot(world: World): Promise<void> {
  await world.home('nest');
  await world.home('meadow');
  await world.startBox();
  const view = await world.hotspot();
  deepEqual(view.networks.map(({ ssid }) => ssid).sort(), ['Meadow', 'Nest']);
  deepEqual([view.phase, view.hotspot.ssid, view.failure], ['hotspot', HOTSPOT, null]);
  deepEqual(view.networks.map(({ ssid, secured }) => [ssid, secured]).sort(), [
    ['Meadow', false],
    ['Nest', true],
  ]);
}

async function phoneFindsPage(world: World): Promise<void> {
  const lease = await world.do(`phone ${HOTSPOT}`, 300_000);
  const option = /opt114=([0-9a-f]+)/.exec(lease)?.[1] ?? '';
  equal(Buffer.from(option, 'hex').toString(), 'http://10.42.0.1/api/captive');
  match(lease, /router=10\.42\.0\.1/);
  match(lease, /dns=10\.42\.0\.1/);
  // Whatever name a phone asks for is the box, which leads it to the page.
  const names = await world.run('ip netns exec phone busybox nslookup connectivitycheck.example 10.42.0.1');
  match(names, /Address:\s+10\.42\.0\.1\s*$/m);
  const probe = await world.run('ip netns exec phone curl -sS -m 20 -D - -o /dev/null http://10.42.0.1/generate_204');
  match(probe, /302/);
  match(probe, /x-hotspot-client: true/i);
  const fromBox = await world.run('curl -sS -D - -o /dev/null http://127.0.0.1/api/wifi');
  match(fromBox, /x-hotspot-client: false/i);
  match(await world.ask('GET', '/api/wifi'), /"phase":"hotspot"/);
}

/** Fails the wrong way, comes back to the phone with the cause, and keeps nothing of it. */
async function wrongPassword(world: World): Promise<void> {
  match(await world.ask('POST', '/api/wifi/join', { ssid: 'Nest', password: WRONG, country: 'DE' }), /"ok":true/);
  const view = await world.until('outcome', ({ phase, hotspot }) => phase === 'failed' && hotspot.on);
  deepEqual(view.failure, { ssid: 'Nest', cause: 'wrong_password' });
  deepEqual(view.saved, []);
  match(await world.run('iw reg get'), /country DE/);
  await world.do(`phone ${HOTSPOT}`, 300_000);
  match(await world.ask('GET', '/api/wifi'), /wrong_password/);
}

async function rightPassword(world: World): Promise<void> {
  match(await world.ask('POST', '/api/wifi/join', { ssid: 'Nest', password: PASSWORD }), /"ok":true/);
  const view = await world.until('linked', ({ phase, ssid }) => phase === 'idle' && ssid === 'Nest');
  await world.do('phone-off');
  deepEqual(view.saved, ['Nest']);
  const [address] = view.addresses;
  match(await world.run(`ip netns exec homes curl -sS -m 20 http://${address}/api/wifi`), /"ssid":"Nest"/);
  const kept = await world.run('cat /etc/NetworkManager/system-connections/*');
  match(kept, /psk=correct horse/);
  ok(!kept.includes(WRONG), 'a password that failed was kept');
}

async function secretsStayIn(world: World): Promise<void> {
  const journal = await world.journal();
  for (const secret of [PASSWORD, WRONG]) ok(!journal.includes(secret), 'a password stands in the journal');
  const files = await world.run('stat -c %a /etc/NetworkManager/system-connections/*');
  deepEqual([...new Set(files.trim().split('\n'))], ['600']);
}

async function lostLink(world: World): Promise<void> {
  await world.away('nest');
  const view = await world.hotspot();
  deepEqual(view.saved, ['Nest']);
}

async function homeComesBack(world: World): Promise<void> {
  await world.home('nest');
  await world.until('linked', ({ phase, ssid }) => phase === 'idle' && ssid === 'Nest');
}

/** From one network to another that fails: back to the first, without a hotspot between. */
async function triesAnother(world: World): Promise<void> {
  await world.home('mixed');
  await world.wish('/api/wifi/scan', {});
  await world.wish('/api/wifi/join', { ssid: 'Mixed', password: WRONG });
  const back = await world.until('back', ({ ssid, failure }) => ssid === 'Nest' && failure !== null);
  deepEqual(back.failure, { ssid: 'Mixed', cause: 'wrong_password' });
  deepEqual(back.saved, ['Nest']);
}

async function mixedNetwork(world: World): Promise<void> {
  const view = await world.join({ ssid: 'Mixed', password: PASSWORD });
  deepEqual([view.ssid, view.failure, [...view.saved].sort()], ['Mixed', null, ['Mixed', 'Nest']]);
}

async function restartKeepsLink(world: World): Promise<void> {
  await world.stopBox();
  await world.startBox();
  await world.until('linked', ({ phase, ssid }) => phase === 'idle' && ssid === 'Mixed');
}

async function forgetAll(world: World): Promise<void> {
  await world.wish('/api/wifi/forget-all', {});
  const view = await world.hotspot();
  deepEqual([view.saved, view.ssid], [[], null]);
  equal((await world.run('ls /etc/NetworkManager/system-connections')).trim(), '');
}

async function restartKeepsHotspot(world: World): Promise<void> {
  const before = await world.run('nmcli -g uuid,name con show --active | grep hotspot');
  await world.stopBox();
  await world.startBox();
  await world.until('found', ({ hotspot }) => hotspot.on);
  equal(await world.run('nmcli -g uuid,name con show --active | grep hotspot'), before);
}

async function openNetwork(world: World): Promise<void> {
  const view = await world.join({ ssid: 'Meadow' });
  deepEqual([view.ssid, view.failure], ['Meadow', null]);
  await world.away('meadow');
}

async function hiddenNetwork(world: World): Promise<void> {
  await world.home('burrow');
  const view = await world.join({ ssid: 'Burrow', password: PASSWORD, hidden: true });
  deepEqual([view.ssid, view.failure], ['Burrow', null]);
  await world.away('burrow');
}

/** The hotspot first: nothing that is kept is in reach. */
async function notFound(world: World): Promise<void> {
  await world.wish('/api/wifi/forget-all', {});
  await world.hotspot();
  const view = await world.join({ ssid: 'Nowhere', password: PASSWORD });
  deepEqual(view.failure, { ssid: 'Nowhere', cause: 'not_found' });
}

async function noAddress(world: World): Promise<void> {
  await world.home('desert');
  const view = await world.join({ ssid: 'Desert', password: PASSWORD });
  deepEqual(view.failure, { ssid: 'Desert', cause: 'no_address' });
  await world.away('desert');
}

async function wpa3Network(world: World): Promise<void> {
  await world.away('mixed');
  await world.home('summit');
  const wrong = await world.join({ ssid: 'Summit', password: WRONG });
  equal(wrong.failure?.cause, 'wrong_password');
  const view = await world.join({ ssid: 'Summit', password: PASSWORD });
  deepEqual([view.ssid, view.failure], ['Summit', null]);
  await world.away('summit');
}

/** Bytes that are no text, a quote, a backslash: listed, and joined by what the list shows. */
async function oddName(world: World): Promise<void> {
  await world.home('odd');
  await world.wish('/api/wifi/forget-all', {});
  await world.hotspot('hotspot');
  // Closed by somebody else, it opens anew, after a scan.
  await world.run('nmcli connection down starling-hotspot');
  const name = 'O\\xf6\\xff\\x00"\\:';
  const view = await world.until('listed', ({ networks }) => networks.some(({ ssid }) => ssid === name));
  deepEqual(view.saved, []);
  await world.hotspot('reopened');
  const joined = await world.join({ ssid: name, password: PASSWORD });
  deepEqual([joined.ssid, joined.failure], [name, null]);
}

async function withoutNetworkManager(world: World): Promise<void> {
  await world.run('systemctl stop NetworkManager');
  await world.until('unavailable', ({ phase }) => phase === 'unavailable');
  const answer = (await world.wish('/api/wifi/join', { ssid: 'Nest', password: PASSWORD })) as { code?: string };
  equal(answer.code, 'unavailable');
  await world.run('systemctl start NetworkManager');
  await world.until('back', ({ phase }) => phase !== 'unavailable');
}

export const checks: { name: string; run(world: World): Promise<void> }[] = [
  { name: 'a boot without a link opens the hotspot, with the scan from before', run: bootsIntoHotspot },
  { name: 'a phone joins it, is told of the page by option 114, by names and by probes', run: phoneFindsPage },
  { name: 'a wrong password: back in the hotspot with the reason, the country set', run: wrongPassword },
  { name: 'the right password: linked, kept, found in the home', run: rightPassword },
  { name: 'the link is lost: hotspot', run: lostLink },
  { name: 'the home comes back while nobody is on the hotspot: linked again', run: homeComesBack },
  { name: 'another network that fails: back in the first', run: triesAnother },
  { name: 'a WPA2/WPA3 network', run: mixedNetwork },
  { name: 'a restart of the radio keeps the link', run: restartKeepsLink },
  { name: 'Wi-Fi reset: nothing kept, hotspot', run: forgetAll },
  { name: 'a restart of the radio keeps the hotspot', run: restartKeepsHotspot },
  { name: 'an open network', run: openNetwork },
  { name: 'a hidden network', run: hiddenNetwork },
  { name: 'a network that is not there', run: notFound },
  { name: 'a network that gives no address', run: noAddress },
  { name: 'a WPA3 network, with a wrong and the right password', run: wpa3Network },
  { name: 'a network with an odd name', run: oddName },
  { name: 'no NetworkManager: unavailable, and back with it', run: withoutNetworkManager },
  { name: 'no password in any log, and none in a file that others may read', run: secretsStayIn },
];
