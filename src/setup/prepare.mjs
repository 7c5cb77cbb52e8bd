/**
 * Prepares a fresh checkout for `npm start` and `npm test`: Debian packages, the npm tree with its own Node 24, the bundle.
 *
 *     node src/setup/prepare.mjs start|test|image-test|tools      (tools: the npm tree alone, for what runs no music)
 *
 * Runs on the machine's own Node (20 or newer) before anything is installed, so it uses nothing but Node. It is quick and
 * silent when nothing is missing, may be stopped and repeated at any point, and two at once wait for each other.
 */
import { spawn } from 'node:child_process';
import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleIsReady, makeBundle } from './bundle.mjs';
import { installTree, provideNode, treeIsReady } from './npm-tree.mjs';
import { installPackages, missingPackages } from './programs.mjs';
import { Refusal } from './refusal.mjs';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
/** flock's exit code when somebody else holds the lock; any that a preparation does not use itself. */
const LOCK_IS_TAKEN = 75;
/** A first preparation on a slow card and line takes its time; after this something is stuck. */
const LOCK_WAIT_S = 3600;

/** Progress goes to stderr: stdout belongs to the command that follows. */
function say(line) {
  process.stderr.write(`${line}\n`);
}

const PURPOSES = ['start', 'test', 'image-test', 'tools'];
/** Those that run the radio here. */
const WITH_BUNDLE = ['start', 'test'];

/** @param {string} purpose */
function isReady(purpose) {
  return (
    missingPackages(purpose).length === 0 &&
    treeIsReady(ROOT) &&
    (!WITH_BUNDLE.includes(purpose) || bundleIsReady(ROOT))
  );
}

/** Each step looks again whether it is needed: another preparation may have done it meanwhile. */
async function prepare(purpose) {
  await installPackages(missingPackages(purpose), say);
  if (!treeIsReady(ROOT)) await installTree(ROOT, say);
  provideNode(ROOT);
  if (WITH_BUNDLE.includes(purpose) && !bundleIsReady(ROOT)) {
    const { bytes } = await makeBundle(ROOT);
    say(`Made dist/starling.mjs (${(bytes / 1e6).toFixed(1)} MB)`);
  }
}

/**
 * Makes the folder of the lock and the bundle, or says who may: a preparation by root leaves what a user may not change.
 * @throws {Refusal}
 */
function checkRights() {
  try {
    mkdirSync(join(ROOT, 'dist'), { recursive: true });
    for (const dir of ['.', 'dist', 'node_modules']) {
      if (existsSync(join(ROOT, dir))) accessSync(join(ROOT, dir), constants.W_OK | constants.X_OK);
    }
    closeSync(openSync(join(ROOT, 'dist', '.prepare-lock'), 'a'));
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(error.code)) throw error;
    const commands = error.code === 'EROFS' ? [] : [`sudo chown -R ${process.getuid()} '${ROOT}'`];
    throw new Refusal(`This user may not write ${error.path}, where something has to be prepared.`, commands);
  }
}

/** Runs this file again under flock(1), which lets go of the lock however the holder ends. */
function underLock(purpose, wait) {
  const lock = join(ROOT, 'dist', '.prepare-lock');
  const how = wait ? ['--wait', String(LOCK_WAIT_S)] : ['--nonblock'];
  const again = [process.execPath, fileURLToPath(import.meta.url), purpose, '--locked'];
  return new Promise((settle) => {
    const child = spawn('flock', [...how, '--conflict-exit-code', String(LOCK_IS_TAKEN), lock, ...again], {
      stdio: 'inherit',
    });
    child.on('error', () => settle(null));
    child.on('close', (code) => settle(code ?? 1));
  });
}

async function main() {
  const [purpose, locked] = process.argv.slice(2);
  if (!PURPOSES.includes(purpose)) {
    say(`prepare.mjs ${purpose ?? ''}: unknown purpose. Allowed: ${PURPOSES.join(', ')}`);
    return 2;
  }
  if (locked === '--locked') {
    await prepare(purpose);
    return 0;
  }
  if (isReady(purpose)) {
    provideNode(ROOT);
    return 0;
  }
  checkRights();
  let code = await underLock(purpose, false);
  if (code === LOCK_IS_TAKEN) {
    say('Another start is preparing this checkout; waiting for it');
    code = await underLock(purpose, true);
    if (code === LOCK_IS_TAKEN) throw new Refusal('The other preparation has not ended within an hour.', []);
  }
  // A system without flock(1) prepares without the lock.
  if (code === null) await prepare(purpose);
  return code ?? 0;
}

main().then(
  (code) => {
    process.exitCode = code;
  },
  (error) => {
    say(error instanceof Refusal ? error.text() : String(error.stack ?? error));
    process.exitCode = 1;
  },
);
