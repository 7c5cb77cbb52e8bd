/** A box in a process of its own: prints a JSON line at each change of its peers; ends with its standard input. */
import { makeBox } from './boxes.ts';

const [number = '1', station, listen = '/ip4/0.0.0.0/tcp/0'] = process.argv.slice(2);
const box = makeBox(Number(number), { listen: [listen], mdns: true, ...(station ? { stationId: station } : {}) });
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);

process.on('unhandledRejection', (error) => print({ unhandled: String(error) }));
box.network.onPeers((peers) => print({ peers: peers.filter((peer) => peer.sync).map((peer) => peer.nodeId) }));
await box.network.start();
print({ nodeId: box.nodeId, addresses: box.network.addresses() });
process.stdin.on('end', () => void box.network.stop().then(() => process.exit(0)));
process.stdin.resume();
