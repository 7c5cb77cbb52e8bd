/** The npm packages: is what the lock file says what lies in node_modules, and if not, `npm ci`. */
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { delimiter, join, sep } from 'node:path';
import { Refusal } from './refusal.mjs';

/** Node of one's own must be at least this where npm has none to bring along: types are stripped from this one on. */
const LEAST_NODE = [22, 18];
/** npm's last lines that a failure shows. */
const SHOWN_LINES = 15;

/** @param {string} path */
function readOrNull(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Whether a package of the lock file belongs on this machine. */
function belongsHere(entry) {
  const allows = (list, value) => {
    const all = list === undefined ? [] : [list].flat();
    if (all.includes(`!${value}`)) return false;
    return all.length === 0 || all.includes(value) || all.every((one) => one.startsWith('!'));
  };
  return allows(entry.os, process.platform) && allows(entry.cpu, process.arch);
}

/**
 * Whether node_modules holds exactly what the lock file lists, by npm's own record of what it installed, which it writes
 * last. Optional packages may be absent (npm leaves out what does not fit the machine), but Node itself may not where
 * it is offered.
 * @param {string} root
 */
export function treeIsReady(root) {
  const record = readOrNull(join(root, 'node_modules', '.package-lock.json'));
  if (record === null) return false;
  const wanted = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const there = JSON.parse(record).packages;
  const same = Object.entries(wanted).every(([path, entry]) => {
    if (path === '') return true;
    const found = there[path];
    if (found === undefined)
      return entry.optional === true && !(path.startsWith('node_modules/node-') && belongsHere(entry));
    return found.version === entry.version && found.integrity === entry.integrity;
  });
  return same && Object.keys(there).every((path) => wanted[path] !== undefined);
}

/**
 * The command that runs npm with the machine's own Node: the Node in node_modules is deleted while npm works.
 * @param {string} root
 * @param {Record<string, string | undefined>} env
 */
function npmCommand(root, env) {
  const own = join(root, 'node_modules') + sep;
  const path = (env.PATH ?? '').split(delimiter).filter((dir) => dir !== '' && !`${dir}${sep}`.startsWith(own));
  const host =
    env.npm_node_execpath !== undefined && !env.npm_node_execpath.startsWith(own) ? env.npm_node_execpath : null;
  const script = env.npm_execpath?.endsWith('.js') === true && existsSync(env.npm_execpath) ? env.npm_execpath : null;
  const command = host !== null && script !== null ? [host, script] : ['npm'];
  return { command, path: path.join(delimiter) };
}

/** @param {string} output */
function npmFailure(output) {
  const tail = output.trim().split('\n').slice(-SHOWN_LINES).join('\n');
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT|network/i.test(output))
    return new Refusal('The npm registry cannot be reached: this machine seems to have no network.', [], tail);
  if (/EUSAGE/.test(output))
    return new Refusal(
      'package.json and package-lock.json do not fit together.',
      ['npm install --ignore-scripts', 'node src/setup/complete-lock.mjs'],
      output
        .trim()
        .split('\n')
        .filter((line) => /Missing|Invalid|sync/.test(line))
        .slice(0, SHOWN_LINES)
        .join('\n'),
    );
  if (/ENOSPC/.test(output)) return new Refusal('There is no space left on the disk for the npm packages.', [], tail);
  if (/EACCES|EPERM|EROFS/.test(output))
    return new Refusal("This user may not write in the project's folder.", [], tail);
  return new Refusal('npm could not install the packages of package-lock.json.', [], tail);
}

/**
 * Installs the npm tree exactly as locked. Without install scripts: no package here needs one, and none shall run.
 * @param {string} root
 * @param {(line: string) => void} say
 * @throws {Refusal}
 */
export async function installTree(root, say) {
  say('Installing the npm packages (once, about 500 MB with Node 24)');
  const { command, path } = npmCommand(root, process.env);
  const args = [...command.slice(1), 'ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  const { code, output } = await new Promise((resolve) => {
    const child = spawn(command[0], args, {
      cwd: root,
      env: { ...process.env, PATH: path },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let text = '';
    const take = (chunk) => {
      text = (text + chunk).slice(-20_000);
    };
    child.stdout.setEncoding('utf8').on('data', take);
    child.stderr.setEncoding('utf8').on('data', take);
    child.on('error', (error) => resolve({ code: 127, output: String(error) }));
    child.on('close', (exit) => resolve({ code: exit ?? 1, output: text }));
  });
  if (code !== 0) throw npmFailure(output);
}

/**
 * Makes sure that there is a Node that can run this: the one that npm brought, or the machine's own.
 *
 * npm 9 takes `.bin/node` away again when it drops the package of the other platform, which has a program of the same
 * name: so the link is made here where it is missing.
 * @param {string} root
 * @throws {Refusal} when there is none.
 */
export function provideNode(root) {
  const link = join(root, 'node_modules', '.bin', 'node');
  const brought = join('..', `node-${process.platform}-${process.arch}`, 'bin', 'node');
  if (existsSync(link)) return;
  if (existsSync(join(root, 'node_modules', '.bin', brought))) {
    rmSync(link, { force: true });
    symlinkSync(brought, link);
    return;
  }
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > LEAST_NODE[0] || (major === LEAST_NODE[0] && minor >= LEAST_NODE[1])) return;
  throw new Refusal(
    `npm has no Node 24 for ${process.platform} on ${process.arch}, and this machine's own is ${process.versions.node}. ` +
      `Please install Node ${LEAST_NODE.join('.')} or newer.`,
    [],
  );
}
