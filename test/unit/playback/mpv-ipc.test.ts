import { duplexPair } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { PlayerProtocolError } from '../../../src/playback/errors.ts';
import { MpvIpc } from '../../../src/playback/mpv-ipc.ts';

function connect() {
  const [near, far] = duplexPair();
  const events: string[] = [];
  const ipc = new MpvIpc(near, (event) => events.push(event.event));
  const requests: { command: unknown[]; request_id: number }[] = [];
  far.on('data', (chunk: Buffer) => {
    for (const line of chunk.toString().split('\n')) if (line !== '') requests.push(JSON.parse(line));
  });
  return { ipc, far, events, requests };
}

describe('MpvIpc', () => {
  it('matches answers by number, in any order and in any pieces', async () => {
    const { ipc, far, requests } = connect();
    const first = ipc.request('get_property', 'a');
    const second = ipc.request('get_property', 'b');
    await vi.waitFor(() => expect(requests).toHaveLength(2));
    const [one, two] = requests.map((r) => r.request_id);
    const text = `{"data":2,"error":"success","request_id":${two}}\n{"data":1,"error":"success","request_id":${one}}\n`;
    far.write(text.slice(0, 20));
    far.write(text.slice(20));
    expect(await Promise.all([first, second])).toEqual([1, 2]);
  });

  it('passes refusals on as errors', async () => {
    const { ipc, far, requests } = connect();
    const answer = ipc.request('get_property', 'nothing');
    await vi.waitFor(() => expect(requests).toHaveLength(1));
    far.write(`{"error":"property not found","request_id":${requests[0]!.request_id}}\n`);
    await expect(answer).rejects.toThrow(PlayerProtocolError);
  });

  it('tells events apart and ignores what is no JSON', async () => {
    const { far, events } = connect();
    far.write('nonsense\n{"event":"end-file"}\n{"request_id":77,"error":"success"}\n');
    await vi.waitFor(() => expect(events).toEqual(['end-file']));
  });

  it('fails what is open when the player goes, and everything after', async () => {
    const { ipc, far } = connect();
    const answer = ipc.request('get_property', 'a');
    far.end();
    await expect(answer).rejects.toThrow('mpv is gone');
    await expect(ipc.request('get_property', 'a')).rejects.toThrow('mpv is gone');
  });

  it('does not hoard: an endless line and too many questions end it', async () => {
    const { ipc, far } = connect();
    const answer = ipc.request('get_property', 'a');
    far.write('x'.repeat(70_000));
    await expect(answer).rejects.toThrow('mpv is gone');
    const other = connect();
    const all = Array.from({ length: 33 }, () => other.ipc.request('get_property', 'a'));
    await expect(all[32]).rejects.toThrow('does not keep up');
    for (const open of all) open.catch(() => {});
    other.ipc.close();
  });
});
