import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { confirmAtTheMachine, PAIR_SIGNAL, processes, RUN_FILE } from '../../../src/node/pair-command.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'starling-pair-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const fails = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

const RADIO = ['/opt/node_modules/.bin/node', '--max-old-space-size=96', '/opt/dist/starling.mjs', '--data', '/d', ''];
const machine = (commandLine: string[] | null, kill: (pid: number, signal: string) => void = () => {}) => ({
  own: 17,
  commandLine: () => commandLine,
  kill,
});

describe('npm start -- pair', () => {
  it.each([
    ['the bundle', RADIO],
    ['the source', ['node', 'src/main.ts', '']],
    ['what cannot be told', null],
  ])('sends the word to the radio of this data directory: %s', (_what, words) => {
    writeFileSync(join(data, RUN_FILE), '{"pid": 4711}');
    const sent: unknown[] = [];
    expect(
      confirmAtTheMachine(
        data,
        machine(words, (...word) => sent.push(word)),
      ).ok,
    ).toBe(true);
    expect(sent).toEqual([[4711, PAIR_SIGNAL]]);
  });

  it.each([
    ['no radio runs', null, fails('ESRCH'), /No radio runs/],
    ['the file is damaged', '{', fails('ESRCH'), /No radio runs/],
    ['the file names everybody', '{"pid": -1}', fails('ESRCH'), /names no process/],
    ['the radio is gone', '{"pid": 4711}', fails('ESRCH'), /does not run any more/],
    ['it is another user’s', '{"pid": 4711}', fails('EPERM'), /another user/],
  ])('says so when %s', (_what, content, kill, text) => {
    if (content !== null) writeFileSync(join(data, RUN_FILE), content);
    const answer = confirmAtTheMachine(data, machine(RADIO, kill));
    expect(answer.ok).toBe(false);
    expect(answer.text).toMatch(text);
  });

  it.each([
    ['another program', 4711, ['sleep', '30', '']],
    ['another program of Node', 4711, ['node', 'dist/other.mjs', '']],
    ['an editor with the source open', 4711, ['vim', 'src/main.ts', '']],
    ['a process without a command line', 4711, ['']],
    ['whoever asks', 17, RADIO],
  ])('sends nothing to %s that has the pid now', (_what, pid, words) => {
    writeFileSync(join(data, RUN_FILE), JSON.stringify({ pid }));
    const sent: unknown[] = [];
    const answer = confirmAtTheMachine(
      data,
      machine(words, (...word) => sent.push(word)),
    );
    expect(answer).toMatchObject({ ok: false, text: expect.stringMatching(/does not run any more/) });
    expect(sent).toEqual([]);
  });

  it('ends no process of this machine', async () => {
    const child = spawn('sleep', ['30']);
    try {
      await once(child, 'spawn');
      writeFileSync(join(data, RUN_FILE), JSON.stringify({ pid: child.pid }));
      if (processes.commandLine(process.pid) !== null) expect(confirmAtTheMachine(data).ok).toBe(false);
      await new Promise((resolve) => setTimeout(resolve, 50));
      expect(child.signalCode).toBeNull();
    } finally {
      child.kill();
    }
  });
});
