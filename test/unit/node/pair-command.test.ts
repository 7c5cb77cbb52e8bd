import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { confirmAtTheMachine, PAIR_SIGNAL, RUN_FILE } from '../../../src/node/pair-command.ts';

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), 'starling-pair-'));
});
afterEach(() => rmSync(data, { recursive: true, force: true }));

const fails = (code: string) => () => {
  throw Object.assign(new Error(code), { code });
};

describe('npm start -- pair', () => {
  it('sends the word to the radio of this data directory', () => {
    writeFileSync(join(data, RUN_FILE), '{"pid": 4711}');
    const sent: unknown[] = [];
    expect(confirmAtTheMachine(data, (...word) => sent.push(word)).ok).toBe(true);
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
    const answer = confirmAtTheMachine(data, kill);
    expect(answer.ok).toBe(false);
    expect(answer.text).toMatch(text);
  });
});
