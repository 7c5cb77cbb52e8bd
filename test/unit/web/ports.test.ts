/** The fakes stand for the real parts as long as both pass the same suites. */
import { FakeBox, FakeListen, FakeMusic, FakePresence, FakeWifi, PLAYING, STATION_KEY } from '../../web/fakes.ts';
import {
  boxContract,
  listenContract,
  musicContract,
  presenceContract,
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
