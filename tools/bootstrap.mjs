// Puts the pinned Bun and the locked packages in place, with nothing but Node and npm.
// Run by `npm start`, `npm test` and the launcher `./entrepot`; a second run is one hash and no process.
//
// Bun needs Bun to install it: the npm package `bun` is first put in a temporary folder by npm (without install
// scripts: newer npm versions block them), then that Bun installs everything in bun.lock, itself included, whose
// integrity bun.lock pins. Nothing is written outside this checkout but npm's and Bun's own caches.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** Another run installs for at most this long on a slow line; after it its lock is taken over. */
const LOCK_TTL_MS = 15 * 60_000;
const LOCK_POLL_MS = 200;
const OLDEST_NODE = 20;

/** What went wrong, why, and what to do about it. */
class SetupError extends Error {}

const say = (line) => process.stderr.write(`${line}\n`);

const bunVersion = (root) => {
  const version = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')).dependencies?.bun;
  if (!/^\d+\.\d+\.\d+$/.test(version ?? '')) throw new SetupError('package.json must pin one exact version of bun.');
  return version;
};

/** The launcher and the scripts start this one, so that no Node process stands between them and the program. */
const placeOf = (root) => {
  const folder = path.join(root, 'node_modules', '.entrepot');
  return { folder, bun: path.join(folder, 'bun'), stamp: path.join(folder, 'stamp') };
};

const wanted = (root) =>
  createHash('sha256')
    .update(readFileSync(path.join(root, 'bun.lock')))
    .update(bunVersion(root))
    .digest('hex');

/** True when what bun.lock asks for is in place. Touches the stamp, since the launcher only compares times. */
const isInstalled = (root) => {
  const { bun, stamp } = placeOf(root);
  if (!existsSync(bun) || !existsSync(stamp)) return false;
  if (readFileSync(stamp, 'utf8').trim() !== wanted(root)) return false;
  if (statSync(stamp).mtimeMs <= statSync(path.join(root, 'bun.lock')).mtimeMs) {
    const now = new Date();
    utimesSync(stamp, now, now);
  }
  return true;
};

/** Runs a program quietly; what it wrote is shown only when it fails. */
const run = (what, argv, options) => {
  const [program, ...args] = argv;
  const done = spawnSync(program, args, { ...options, stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 64 * 1024 * 1024 });
  if (done.status === 0) return done.stdout.toString().trim();
  const said = `${done.error?.message ?? ''}\n${done.stdout ?? ''}\n${done.stderr ?? ''}`.trim();
  const ended = done.signal ? `was ended by ${done.signal}` : `exited with ${done.status}`;
  throw new SetupError(`${what} did not work: \`${path.basename(program)}\` ${ended}.\n${said}`);
};

const npm = (root, args) => {
  // Under `npm start` this is the npm that the user started; else the one on the PATH.
  const own = process.env.npm_execpath ?? '';
  const argv = /npm-cli\.[cm]?js$/.test(own) && existsSync(own) ? [process.execPath, own] : ['npm'];
  return run('npm', [...argv, ...args], { cwd: root, shell: process.platform === 'win32' });
};

/** The native executables a folder of packages holds: the platform's own package, or what the install step moved. */
const nativeBuns = (modules) => {
  const scope = path.join(modules, '@oven');
  const platforms = existsSync(scope) ? readdirSync(scope).filter((name) => name.startsWith('bun-')) : [];
  const files = ['bun', 'bun.exe'].flatMap((name) => [
    path.join(modules, 'bun', 'bin', name),
    ...platforms.map((platform) => path.join(scope, platform, 'bin', name)),
  ]);
  // Without its install step `bun/bin/bun.exe` is a text of a few hundred bytes that explains itself.
  return files.filter((file) => existsSync(file) && statSync(file).size > 1024 * 1024);
};

/** The first executable that runs here and is the pinned version: glibc, musl and older CPUs have one each. */
const workingBun = (modules, version) =>
  nativeBuns(modules).find((file) => {
    const said = spawnSync(file, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return said.status === 0 && said.stdout.trim() === version;
  });

const fetchBun = (root, folder, version) => {
  const quiet = ['--no-save', '--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  npm(root, ['install', ...quiet, '--prefix', folder, `bun@${version}`]);
  const bun = workingBun(path.join(folder, 'node_modules'), version);
  if (bun) return bun;
  throw new SetupError(
    `npm installed bun ${version}, but none of its executables runs on ${process.platform} ${process.arch}.\n` +
      'Optional packages must be allowed (`npm config get omit` should not say optional), and the machine must be one that Bun supports.',
  );
};

/** Where npm reads packages from is where Bun must read them from; only npm knows all of its config files. */
const bunSettings = (root) => {
  const config = JSON.parse(npm(root, ['config', 'list', '--json', '--loglevel=error']));
  const env = { ...process.env };
  if (config.registry) env.npm_config_registry = config.registry;
  if (config['https-proxy'] && !env.HTTPS_PROXY && !env.https_proxy) env.HTTPS_PROXY = config['https-proxy'];
  if (config.proxy && !env.HTTP_PROXY && !env.http_proxy) env.HTTP_PROXY = config.proxy;
  return { env, args: config.cafile ? ['--cafile', config.cafile] : [] };
};

const link = (root, bun) => {
  const place = placeOf(root);
  mkdirSync(place.folder, { recursive: true });
  const fresh = path.join(place.folder, `bun.${process.pid}`);
  rmSync(fresh, { force: true });
  symlinkSync(path.relative(place.folder, bun), fresh);
  renameSync(fresh, place.bun);
};

const writeWhole = (file, text) => {
  const fresh = `${file}.${process.pid}`;
  const handle = openSync(fresh, 'w');
  writeSync(handle, text);
  closeSync(handle);
  renameSync(fresh, file);
};

const install = (root) => {
  const version = bunVersion(root);
  const modules = path.join(root, 'node_modules');
  const scratch = mkdtempSync(path.join(tmpdir(), 'entrepot-setup-'));
  try {
    say(`Setting up: Bun ${version} and the packages of bun.lock (once, from npm).`);
    const first = workingBun(modules, version) ?? fetchBun(root, scratch, version);
    const { env, args } = bunSettings(root);
    // Frozen: the lock file is read and never rewritten, whatever a user's own settings say.
    run('bun install', [first, 'install', '--frozen-lockfile', '--no-progress', '--no-summary', ...args], {
      cwd: root,
      env,
    });
    const bun = workingBun(modules, version);
    if (!bun) throw new SetupError(`bun.lock was installed, but node_modules holds no working Bun ${version}.`);
    link(root, bun);
    writeWhole(placeOf(root).stamp, `${wanted(root)}\n`);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
};

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
};

/** Whoever holds the lock says who it is, so that a run that was killed does not stop the next one. */
const isStale = (lock) => {
  const [pid, host] = readFileSync(lock, 'utf8').split(' ');
  const tooOld = Date.now() - lstatSync(lock).mtimeMs > LOCK_TTL_MS;
  // Empty: its owner is between creating it and writing to it.
  return tooOld || (host === hostname() && !isAlive(Number(pid)));
};

const tryLock = (lock) => {
  try {
    const handle = openSync(lock, 'wx');
    writeSync(handle, `${process.pid} ${hostname()}`);
    closeSync(handle);
    return true;
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  try {
    // Moved aside rather than removed: of two that see it stale, one rename wins.
    if (isStale(lock)) {
      const aside = `${lock}.${process.pid}`;
      renameSync(lock, aside);
      rmSync(aside, { force: true });
    }
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  return false;
};

const withLock = async (root, work) => {
  const lock = path.join(root, '.setup.lock');
  let told = false;
  while (!tryLock(lock)) {
    if (!told) say('Waiting for another setup of this checkout to end.');
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  const unlock = () => rmSync(lock, { force: true });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      unlock();
      process.exit(130);
    });
  }
  try {
    return work();
  } finally {
    unlock();
  }
};

/** Installs what is missing. Answers whether anything had to be done. */
export const ensureInstalled = async (root) => {
  if (isInstalled(root)) return false;
  if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
    throw new SetupError(
      `Node ${process.versions.node} is too old: install Node ${OLDEST_NODE} or newer, then try again.`,
    );
  }
  return withLock(root, () => {
    if (isInstalled(root)) return false;
    install(root);
    return true;
  });
};

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
  try {
    await ensureInstalled(root);
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    say(`error: the setup of this checkout stopped.\n${error.message}`);
    say('Check that the npm registry can be reached (`npm ping`), then run the same command again.');
    process.exitCode = 1;
  }
}
