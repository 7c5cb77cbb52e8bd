import { describe, expect, it } from 'vitest';
import { absentOptionals, completeLock } from '../../../src/setup/complete-lock.mjs';

const lockWith = (optionalDependencies: Record<string, string>, more: Record<string, object> = {}) => ({
  packages: { '': {}, 'node_modules/tool': { version: '1.0.0', dev: true, optionalDependencies }, ...more } as Record<
    string,
    Record<string, unknown>
  >,
});

describe('completing a lock file', () => {
  it('adds the builds of other platforms, in order', () => {
    const lock = lockWith({ 'tool-linux-x64-musl': '1.0.0', 'tool-darwin-arm64': '1.0.0' });
    completeLock(lock);
    expect(Object.keys(lock.packages)).toEqual([
      '',
      'node_modules/tool',
      'node_modules/tool-darwin-arm64',
      'node_modules/tool-linux-x64-musl',
    ]);
    expect(lock.packages['node_modules/tool-linux-x64-musl']).toEqual({
      version: '1.0.0',
      cpu: ['x64'],
      dev: true,
      libc: ['musl'],
      optional: true,
      os: ['linux'],
    });
    expect(absentOptionals(lock)).toEqual([]);
  });

  it('finds what lies deeper or higher in the tree', () => {
    const nested = { 'node_modules/tool/node_modules/a': { version: '1.0.0' }, 'node_modules/b': { version: '1.0.0' } };
    expect(absentOptionals(lockWith({ a: '1.0.0', b: '1.0.0' }, nested))).toEqual([]);
  });

  it('does not guess', () => {
    expect(() => completeLock(lockWith({ something: '1.0.0' }))).toThrow(/tells no platform/);
    expect(() => completeLock(lockWith({ 'tool-linux-x64': '^1.0.0' }))).toThrow(/by hand/);
  });
});
