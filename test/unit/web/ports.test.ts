/** The fakes stand for the real parts as long as both pass the same suites. */
import {
  FakeBox,
  FakeListen,
  FakeMusic,
  FakePresence,
  FakeUpdate,
  FakeWifi,
  ON_STICK,
  PLAYING,
  STATION_KEY,
} from '../../web/fakes.ts';
import {
  boxContract,
  listenContract,
  musicContract,
  presenceContract,
  updateContract,
  wifiContract,
} from '../../web/ports-contract.ts';

musicContract('the fake', () => ({ part: new FakeMusic(), slot: PLAYING.slot }));
boxContract('the fake', () => ({ part: new FakeBox(), key: STATION_KEY }));
wifiContract('the fake', () => {
  const part = new FakeWifi();
  part.guests.add('10.42.0.17');
  return { part, guest: '10.42.0.17' };
});
presenceContract('the fake', () => {
  const part = new FakePresence();
  return { part, hold: () => part.hold() };
});
listenContract('the fake', () => ({ part: new FakeListen(2), places: 2 }));
updateContract('the fake', () => ({ part: new FakeUpdate(), file: ON_STICK.file, wrong: Buffer.alloc(5_000) }));
